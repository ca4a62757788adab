"""Lowerings of operations that make tensors, where the program says how large: a size that is computed may be any."""

import numpy as np

from kewcore.runtime.lowering.graph import Lowering, NoLoweringError, element_type
from kewcore.runtime.lowering.registry import lowers
from kewcore.runtime.program import TENSOR_LIMIT_BYTES, DataType, TensorType, element_count
from kewcore.runtime.registry import Array
from kewcore.runtime.shapes import axis_in

_INT32, _INT64 = 6, 7


def _result_dtype(lowering: Lowering) -> DataType:
    type_ = lowering.operation.outputs[0].type
    if not isinstance(type_, TensorType):
        raise NoLoweringError(f"the result is a {type_}")
    return type_.dtype


def _element(lowering: Lowering, parameter: str, default: float) -> str:
    """Returns a scalar constant of the result's type."""
    dtype = _result_dtype(lowering)
    element_type(dtype)  # refuses types without a counterpart
    held = np.dtype(np.float32) if dtype is DataType.FLOAT16 else dtype.numpy
    value: Array = np.asarray(lowering.constant(parameter, default)).astype(held)
    return lowering.graph.initializer(value, parameter)


@lowers("shape")
def _shape(lowering: Lowering) -> None:
    static = lowering.type("x").static_shape
    if static is not None:
        lowering.finish(lowering.graph.initializer(np.array(static, np.int32), "shape"))
    else:
        lowering.finish(lowering.node("Cast", lowering.node("Shape", lowering.value("x")), to=_INT32))


@lowers("fill")
def _fill(lowering: Lowering) -> None:
    sizes = [int(size) for size in np.atleast_1d(lowering.constant("shape"))]
    lowering.finish(lowering.node("Expand", _element(lowering, "value", 0), lowering.integers(sizes)))


@lowers("fill_like")
def _fill_like(lowering: Lowering) -> None:
    sizes = lowering.static_shape("ref_tensor")
    lowering.finish(lowering.node("Expand", _element(lowering, "value", 0), lowering.integers(sizes)))


@lowers("one_hot")
def _one_hot(lowering: Lowering) -> None:
    size, rank = int(lowering.constant("one_hot_vector_size")), len(lowering.shape("indices"))
    axis = axis_in(lowering.constant("axis", -1), rank + 1)
    if _result_dtype(lowering) not in {DataType.FLOAT16, DataType.FLOAT32, DataType.INT32, DataType.BOOL}:
        raise NoLoweringError(f"the result is {_result_dtype(lowering).value}")
    wide = lowering.node("Cast", lowering.value("indices"), to=_INT64)
    places = np.arange(size).reshape(-1, *(1 for _ in range(rank - axis)))
    expanded = lowering.node("Unsqueeze", wide, lowering.integers([axis]))
    # ONNX's OneHot counts negative indices from the end; here they lie outside.
    hot = lowering.node("Equal", expanded, lowering.graph.initializer(places, "places"))
    on, off = (lowering.constant(name, default) for name, default in (("on_value", 1), ("off_value", 0)))
    if _result_dtype(lowering) is DataType.BOOL:
        lowering.finish(_of_truths(lowering, hot, bool(on), bool(off)))
        return
    lowering.finish(lowering.node("Where", hot, _element(lowering, "on_value", 1), _element(lowering, "off_value", 0)))


def _of_truths(lowering: Lowering, hot: str, on: bool, off: bool) -> str:
    if on == off:
        fixed = lowering.graph.initializer(np.array(on), "value")
        return lowering.node("Expand", fixed, lowering.node("Shape", hot))
    return hot if on else lowering.node("Not", hot)


@lowers("non_zero")
def _non_zero(lowering: Lowering) -> None:
    shape, dtype = lowering.static_shape("x"), lowering.type("x").dtype
    if dtype not in {DataType.FLOAT16, DataType.FLOAT32, DataType.INT32, DataType.BOOL, DataType.UINT8}:
        raise NoLoweringError(f"'x' is {dtype.value}")
    if not shape or element_count(shape) * len(shape) * 8 > TENSOR_LIMIT_BYTES:
        raise NoLoweringError("x is a number, or so large that its indices must be counted before memory is taken")
    columns = lowering.node("NonZero", lowering.value("x"))
    lowering.finish(lowering.node("Cast", lowering.node("Transpose", columns, perm=[1, 0]), to=_INT32))
