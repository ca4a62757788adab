"""Lowerings of `argsort` and `topk`: ONNX's TopK takes the first of equals first in both directions, as we do."""

from kewcore.runtime.lowering.graph import Lowering, NoLoweringError, element_type
from kewcore.runtime.lowering.registry import lowers
from kewcore.runtime.ops.sorting import top_count
from kewcore.runtime.program import DataType
from kewcore.runtime.shapes import axis_in

_INT32 = 6
_SORTED_AS_THEY_ARE = {DataType.FLOAT16, DataType.FLOAT32, DataType.INT32}
_SORTED_AS_INT32 = {DataType.INT8, DataType.UINT8, DataType.INT16, DataType.UINT16}


def _top(lowering: Lowering, k: int) -> tuple[str, str]:
    """Returns the elements and their indices; ONNX Runtime sorts no small integers, so these are widened."""
    shape, dtype = lowering.shape("x"), lowering.type("x").dtype
    axis = axis_in(lowering.constant("axis", -1), len(shape))
    size = shape[axis]
    if size is None:
        raise NoLoweringError("the size of the sorted axis is known at run time only")
    if dtype not in _SORTED_AS_THEY_ARE | _SORTED_AS_INT32:
        raise NoLoweringError(f"'x' is {dtype.value}")
    count = lowering.integers([top_count(k, size)])
    x, largest = lowering.value("x"), int(not bool(lowering.constant("ascending", False)))
    if dtype in _SORTED_AS_THEY_ARE:
        values, indices = lowering.emit("TopK", [x, count], 2, axis=axis, largest=largest)
        return values, indices
    values, indices = lowering.emit("TopK", [lowering.node("Cast", x, to=_INT32), count], 2, axis=axis, largest=largest)
    return lowering.node("Cast", values, to=element_type(dtype)), indices


@lowers("argsort")
def _argsort(lowering: Lowering) -> None:
    _, indices = _top(lowering, -1)
    lowering.finish(lowering.node("Cast", indices, to=_INT32))


@lowers("topk")
def _topk(lowering: Lowering) -> None:
    values, indices = _top(lowering, int(lowering.constant("k", 1)))
    if not bool(lowering.constant("return_indices", True)):
        lowering.finish(values)
        return
    target = DataType(str(lowering.constant("output_indices_dtype", "int32")))
    lowering.finish(values, lowering.node("Cast", indices, to=element_type(target)))
