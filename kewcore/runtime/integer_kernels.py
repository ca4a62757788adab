"""What ONNX Runtime's kernels for products of bytes do on this processor."""

from functools import cache

import numpy as np

from kewcore.runtime.lowering.graph import IR_VERSION, ONNX_OPSET, IntegerProducts

_TERMS = 64


@cache
def integer_products() -> IntegerProducts:
    """Returns the fastest way to multiply bytes that is exact here.

    x86 processors without VNNI add two products of an unsigned and a signed byte in 16 bits and cut the sum off there:
    255·127 + 255·127 becomes 32,767. Whether this one does is tried, for one row and for several, which have kernels of
    their own. Source: `vpmaddubsw` in Intel's manual; the choice of kernels in `mlas/lib/platform.cpp` of ONNX Runtime.
    """
    import onnxruntime
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "y"], ["z"])],
        "products_of_bytes",
        [
            helper.make_tensor_value_info("x", TensorProto.UINT8, ["rows", _TERMS]),
            helper.make_tensor_value_info("y", TensorProto.INT8, [_TERMS, "columns"]),
        ],
        [helper.make_tensor_value_info("z", TensorProto.INT32, ["rows", "columns"])],
    )
    opset = helper.make_opsetid("", ONNX_OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    for rows in (1, 16):
        x, y = np.full((rows, _TERMS), 255, np.uint8), np.full((_TERMS, 32), 127, np.int8)
        y[:, 1::2] = -128
        (sums,) = session.run(None, {"x": x, "y": y})
        if not np.array_equal(sums, x.astype(np.int32) @ y.astype(np.int32)):
            return "portable"
    return "mixed"
