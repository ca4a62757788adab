"""Lowerings of matrix products, normalisations, reductions and quantisation."""

import numpy as np

from kewcore.runtime.lowering.graph import Lowering, NoLoweringError
from kewcore.runtime.lowering.integer_products import integer_product
from kewcore.runtime.lowering.registry import lowers
from kewcore.runtime.program import DataType
from kewcore.runtime.shapes import axes_in

_REDUCTIONS = {
    "reduce_l1_norm": "ReduceL1",
    "reduce_l2_norm": "ReduceL2",
    "reduce_log_sum": "ReduceLogSum",
    "reduce_log_sum_exp": "ReduceLogSumExp",
    "reduce_max": "ReduceMax",
    "reduce_mean": "ReduceMean",
    "reduce_min": "ReduceMin",
    "reduce_prod": "ReduceProd",
    "reduce_sum": "ReduceSum",
    "reduce_sum_square": "ReduceSumSquare",
}


@lowers("linear")
def _linear(lowering: Lowering) -> None:
    lowering.require_floats("x", "weight")
    if integer_product(lowering, "weight", 0):
        return
    inputs = [lowering.value("x"), lowering.value("weight")]
    if len(lowering.shape("x")) == 2:
        bias = [lowering.value("bias")] if lowering.has("bias") else []
        lowering.finish(lowering.node("Gemm", *inputs, *bias, transB=1))
        return
    product = lowering.node("MatMul", inputs[0], lowering.node("Transpose", inputs[1], perm=[1, 0]))
    lowering.finish(lowering.node("Add", product, lowering.value("bias")) if lowering.has("bias") else product)


@lowers("matmul")
def _matmul(lowering: Lowering) -> None:
    lowering.require_floats("x", "y")
    turned = [bool(lowering.constant(f"transpose_{parameter}", False)) for parameter in ("x", "y")]
    if not turned[0] and integer_product(lowering, "y", 0 if turned[1] else 1):
        return
    operands = []
    for parameter, turn in zip(("x", "y"), turned, strict=True):
        value, rank = lowering.value(parameter), len(lowering.shape(parameter))
        if turn and rank > 1:
            value = lowering.node("Transpose", value, perm=[*range(rank - 2), rank - 1, rank - 2])
        operands.append(value)
    lowering.finish(lowering.node("MatMul", *operands))


def _vector_or(lowering: Lowering, parameter: str, size: int | None, default: float) -> str:
    if lowering.has(parameter):
        return lowering.value(parameter)
    if size is None:
        raise NoLoweringError("the number of channels is known at run time only")
    return lowering.graph.initializer(np.full(size, default, np.float32), parameter)


@lowers("batch_norm")
def _batch_norm(lowering: Lowering) -> None:
    channels = lowering.shape("x")[1]
    gamma, beta = _vector_or(lowering, "gamma", channels, 1), _vector_or(lowering, "beta", channels, 0)
    inputs = [lowering.value("x"), gamma, beta, lowering.value("mean"), lowering.value("variance")]
    epsilon = float(lowering.constant("epsilon", 1e-5))
    lowering.finish(lowering.node("BatchNormalization", *inputs, epsilon=epsilon))


@lowers("instance_norm")
def _instance_norm(lowering: Lowering) -> None:
    channels = lowering.shape("x")[1]
    inputs = [_vector_or(lowering, "gamma", channels, 1), _vector_or(lowering, "beta", channels, 0)]
    epsilon = float(lowering.constant("epsilon", 1e-5))
    lowering.finish(lowering.node("InstanceNormalization", lowering.value("x"), *inputs, epsilon=epsilon))


@lowers("layer_norm")
def _layer_norm(lowering: Lowering) -> None:
    shape = lowering.shape("x")
    axes = axes_in(lowering.constant("axes"), len(shape))
    if sorted(axes) != list(range(min(axes), len(shape))):
        raise NoLoweringError("axes are not the last ones")
    sizes = [size for size in shape[min(axes) :] if size is not None]
    if len(sizes) != len(axes):
        raise NoLoweringError("normalised sizes are known at run time only")
    inputs = [
        lowering.value(name)
        if lowering.has(name)
        else lowering.graph.initializer(np.full(sizes, default, np.float32), name)
        for name, default in (("gamma", 1), ("beta", 0))
    ]
    epsilon = float(lowering.constant("epsilon", 1e-5))
    lowering.finish(lowering.node("LayerNormalization", lowering.value("x"), *inputs, axis=min(axes), epsilon=epsilon))


@lowers("l2_norm")
def _l2_norm(lowering: Lowering) -> None:
    x = lowering.value("x")
    total = lowering.node("ReduceSumSquare", x, lowering.integers([-3, -2, -1]), keepdims=1)
    shifted = lowering.node("Add", total, lowering.floats(float(lowering.constant("epsilon", 1e-6))))
    lowering.finish(lowering.node("Div", x, lowering.node("Sqrt", shifted)))


@lowers("local_response_norm")
def _local_response_norm(lowering: Lowering) -> None:
    size = int(lowering.constant("size"))
    channels = lowering.shape("x")[1]
    if size % 2 == 0 or channels is None or size > 2 * channels:  # Memory would grow with a size of any length.
        raise NoLoweringError("ONNX Runtime takes odd sizes, up to twice the channels")
    x, flat = lowering.value("x"), len(lowering.shape("x")) != 4
    # ONNX Runtime takes rank 4 only; the sizes behind the channels make no difference.
    result = lowering.node(
        "LRN",
        lowering.node("Reshape", x, lowering.integers([0, 0, -1, 1])) if flat else x,
        size=size,
        alpha=float(lowering.constant("alpha", 1e-4)),
        beta=float(lowering.constant("beta", 0.75)),
        bias=float(lowering.constant("k", 1.0)),
    )
    lowering.finish(lowering.node("Reshape", result, lowering.node("Shape", x)) if flat else result)


@lowers(*_REDUCTIONS)
def _reduction(lowering: Lowering) -> None:
    lowering.require_floats("x")
    axes = lowering.integers(axes_in(lowering.constant("axes"), len(lowering.shape("x"))))
    keep = int(bool(lowering.constant("keep_dims", False)))
    lowering.finish(lowering.node(_REDUCTIONS[lowering.operation.type], lowering.value("x"), axes, keepdims=keep))


@lowers("reduce_argmax", "reduce_argmin")
def _argument(lowering: Lowering) -> None:
    kind = "ArgMax" if lowering.operation.type == "reduce_argmax" else "ArgMin"
    if str(lowering.constant("output_dtype", "int32")) != "int32":
        raise NoLoweringError("indices of another type than int32")
    axis, keep = int(lowering.constant("axis", -1)), int(bool(lowering.constant("keep_dims", False)))
    index = lowering.node(kind, lowering.value("x"), axis=axis, keepdims=keep)
    lowering.finish(lowering.node("Cast", index, to=6))


@lowers("quantize")
def _quantize(lowering: Lowering) -> None:
    target = DataType(str(lowering.constant("output_dtype")))
    axis = int(lowering.constant("axis", 0))
    zero = _zero_point(lowering, target)
    lowering.finish(lowering.node("QuantizeLinear", lowering.value("input"), lowering.value("scale"), zero, axis=axis))


@lowers("dequantize")
def _dequantize(lowering: Lowering) -> None:
    axis = int(lowering.constant("axis", 0))
    zero = _zero_point(lowering, lowering.type("input").dtype)
    lowering.finish(
        lowering.node("DequantizeLinear", lowering.value("input"), lowering.value("scale"), zero, axis=axis)
    )


def _zero_point(lowering: Lowering, dtype: DataType) -> str:
    if lowering.has("zero_point"):
        return lowering.value("zero_point")
    return lowering.graph.initializer(np.zeros(lowering.static_shape("scale"), dtype.numpy), "zero_point")
