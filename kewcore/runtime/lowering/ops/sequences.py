"""Lowerings of running sums, bands, reversal up to a length, and windows."""

import numpy as np

from kewcore.runtime.lowering.graph import Lowering, NoLoweringError
from kewcore.runtime.lowering.registry import lowers
from kewcore.runtime.ops.sequences import band_mask, window_starts
from kewcore.runtime.program import DataType
from kewcore.runtime.shapes import axis_in

_INT64 = 7
_LARGEST_CONSTANT_ELEMENTS = 1 << 20
"""Larger masks and tables of indices are left to the reference executor, which makes them when they are needed."""


def _require_small(elements: int, what: str) -> None:
    if elements > _LARGEST_CONSTANT_ELEMENTS:
        raise NoLoweringError(f"{what} would have {elements} elements")


@lowers("cumsum")
def _cumsum(lowering: Lowering) -> None:
    if lowering.type("x").dtype not in {DataType.FLOAT16, DataType.FLOAT32, DataType.INT32}:
        raise NoLoweringError(f"'x' is {lowering.type('x').dtype.value}")
    axis = axis_in(lowering.constant("axis", 0), len(lowering.shape("x")))
    flags = {name: int(bool(lowering.constant(name, False))) for name in ("exclusive", "reverse")}
    position = lowering.graph.initializer(np.array(axis, np.int64), "axis")
    lowering.finish(lowering.node("CumSum", lowering.value("x"), position, **flags))


@lowers("band_part")
def _band_part(lowering: Lowering) -> None:
    rows, columns = lowering.spatial_sizes("x", len(lowering.shape("x")) - 2)
    _require_small(rows * columns, "the band's mask")
    band = band_mask(rows, columns, int(lowering.constant("lower", -1)), int(lowering.constant("upper", -1)))
    mask, dtype = lowering.graph.initializer(band, "band"), lowering.type("x").dtype
    if dtype is DataType.BOOL:
        lowering.finish(lowering.node("And", lowering.value("x"), mask))
    elif dtype in {DataType.FLOAT16, DataType.FLOAT32, DataType.INT32}:
        zero = lowering.graph.initializer(np.array(0, np.int32 if dtype is DataType.INT32 else np.float32), "zero")
        lowering.finish(lowering.node("Where", mask, lowering.value("x"), zero))
    else:
        raise NoLoweringError(f"'x' is {dtype.value}")


@lowers("reverse_sequence")
def _reverse_sequence(lowering: Lowering) -> None:
    rank = len(lowering.shape("x"))
    sequence = axis_in(lowering.constant("seq_axis", 0), rank)
    batch = axis_in(lowering.constant("batch_axis", 0), rank)
    if {sequence, batch} != {0, 1}:
        raise NoLoweringError(f"ONNX reverses along axes 0 and 1 only, not {sequence} and {batch}")
    lengths = lowering.node("Cast", lowering.value("lengths"), to=_INT64)
    lowering.finish(
        lowering.node("ReverseSequence", lowering.value("x"), lengths, time_axis=sequence, batch_axis=batch)
    )


@lowers("sliding_windows")
def _sliding_windows(lowering: Lowering) -> None:
    shape = lowering.shape("x")
    axis = axis_in(lowering.constant("axis"), len(shape))
    size = shape[axis]
    if size is None:
        raise NoLoweringError("the size of the axis is known at run time only")
    window, stride = int(lowering.constant("size")), int(lowering.constant("stride", 1))
    count = window_starts(size, window, stride)
    _require_small(count * window, "the windows' table of indices")
    places = np.arange(count)[:, None] * stride + np.arange(window)[None, :]
    rows = lowering.graph.initializer(places.astype(np.int64), "windows")
    lowering.finish(lowering.node("Gather", lowering.value("x"), rows, axis=axis))
