"""Lowerings of operations that move elements without changing them."""

import numpy as np

from kewcore.runtime.lowering.graph import Lowering, NoLoweringError
from kewcore.runtime.lowering.registry import lowers
from kewcore.runtime.ops.transformation import index_slices, size_slices
from kewcore.runtime.opset import Opset
from kewcore.runtime.shapes import axes_in, axis_in, resolve_reshape, split_sizes, zeros_from_right

_INT64 = 7

_OPEN_END, _OPEN_START = np.iinfo(np.int64).max, np.iinfo(np.int64).min + 1
"""ONNX's Slice clamps bounds, so these are open ends for steps up and down."""


@lowers("reshape")
def _reshape(lowering: Lowering) -> None:
    shape = lowering.type("x").shape
    if not lowering.is_constant("shape"):
        _reshape_at_run_time(lowering)
        return
    target = [int(size) for size in lowering.constant("shape")]
    if lowering.spec.since >= Opset.IOS17 and 0 in target and (shape is None or len(shape) != len(target)):
        if lowering.type("x").static_shape is None:
            raise NoLoweringError("zeros count from the right, in a shape that is known at run time only")
        target = zeros_from_right(shape or (), target)
    resolved = resolve_reshape(shape, target)
    sizes = [given if size is None else size for size, given in zip(resolved, target, strict=True)]
    lowering.finish(lowering.node("Reshape", lowering.value("x"), lowering.integers(sizes)))


def _reshape_at_run_time(lowering: Lowering) -> None:
    """ONNX reads 0 and -1 as iOS 15 does, where the rank stays; where it changes, 0 would mean something else."""
    (count,) = lowering.static_shape("shape")
    if count != len(lowering.shape("x")):
        raise NoLoweringError("the shape is computed at run time, and zeros in it would count from the right")
    target = lowering.node("Cast", lowering.value("shape"), to=_INT64)
    lowering.finish(lowering.node("Reshape", lowering.value("x"), target))


@lowers("transpose")
def _transpose(lowering: Lowering) -> None:
    perm = axes_in(lowering.constant("perm"), len(lowering.shape("x")), "perm")
    lowering.finish(lowering.node("Transpose", lowering.value("x"), perm=list(perm)))


@lowers("expand_dims")
def _expand_dims(lowering: Lowering) -> None:
    lowering.finish(lowering.node("Unsqueeze", lowering.value("x"), lowering.integers(lowering.constant("axes"))))


@lowers("squeeze")
def _squeeze(lowering: Lowering) -> None:
    shape = lowering.static_shape("x") if not lowering.has("axes") else lowering.shape("x")
    axes = axes_in(lowering.constant("axes"), len(shape))
    if any(shape[axis] is None for axis in axes):
        raise NoLoweringError("whether the axis has one element is known at run time only")
    ones = [axis for axis in axes if shape[axis] == 1]
    x = lowering.value("x")
    lowering.finish(lowering.node("Squeeze", x, lowering.integers(ones)) if ones else lowering.node("Identity", x))


@lowers("flatten2d")
def _flatten2d(lowering: Lowering) -> None:
    lowering.finish(lowering.node("Flatten", lowering.value("x"), axis=int(lowering.constant("axis", 1))))


@lowers("concat")
def _concat(lowering: Lowering) -> None:
    if bool(lowering.constant("interleave", False)):
        raise NoLoweringError("interleave")
    values = lowering.values("values")
    if lowering.shape("values") == ():
        values = [lowering.node("Reshape", value, lowering.integers([1])) for value in values]
    lowering.finish(lowering.node("Concat", *values, axis=int(lowering.constant("axis"))))


@lowers("stack")
def _stack(lowering: Lowering) -> None:
    axis = int(lowering.constant("axis"))
    rows = [lowering.node("Unsqueeze", value, lowering.integers([axis])) for value in lowering.values("values")]
    lowering.finish(lowering.node("Concat", *rows, axis=axis))


@lowers("split")
def _split(lowering: Lowering) -> None:
    shape = lowering.shape("x")
    axis = axis_in(lowering.constant("axis"), len(shape))
    size = shape[axis]
    if size is None:
        raise NoLoweringError("the size that is split is known at run time only")
    parts = split_sizes(size, lowering.constant("num_splits"), lowering.constant("split_sizes"))
    inputs = [lowering.value("x"), lowering.integers(parts)]
    lowering.finish(*lowering.emit("Split", inputs, len(parts), axis=axis))


@lowers("tile")
def _tile(lowering: Lowering) -> None:
    lowering.finish(lowering.node("Tile", lowering.value("x"), lowering.integers(lowering.constant("reps"))))


@lowers("pad")
def _pad(lowering: Lowering) -> None:
    lowering.require_floats("x")
    pairs = np.asarray(lowering.constant("pad")).reshape(-1, 2)
    untouched = [0] * (len(lowering.shape("x")) - len(pairs))
    pads = lowering.integers([*untouched, *pairs[:, 0], *untouched, *pairs[:, 1]])
    mode = str(lowering.constant("mode", "constant"))
    modes = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}
    if mode not in modes:
        raise NoLoweringError(f"mode '{mode}' is not known")
    filler = [lowering.floats(float(lowering.constant("constant_val", 0)))] if mode == "constant" else []
    lowering.finish(lowering.node("Pad", lowering.value("x"), pads, *filler, mode=modes[mode]))


@lowers("reverse")
def _reverse(lowering: Lowering) -> None:
    axes = axes_in(lowering.constant("axes"), len(lowering.shape("x")))
    bounds = [[-1] * len(axes), [_OPEN_START] * len(axes), list(axes), [-1] * len(axes)]
    lowering.finish(lowering.node("Slice", lowering.value("x"), *(lowering.integers(row) for row in bounds)))


@lowers("slice_by_index")
def _slice_by_index(lowering: Lowering) -> None:
    names = ("begin", "end", "stride", "begin_mask", "end_mask", "squeeze_mask")
    index = index_slices(len(lowering.shape("x")), *(lowering.constant(name) for name in names))
    starts, ends, steps, squeezed = [], [], [], []
    for axis, part in enumerate(index):
        if isinstance(part, slice):
            step = 1 if part.step is None else part.step
            open_start = _OPEN_END if step < 0 else 0
            starts.append(open_start if part.start is None else part.start)
            ends.append((_OPEN_START if step < 0 else _OPEN_END) if part.stop is None else part.stop)
            steps.append(step)
        else:
            starts.append(part)
            ends.append(_OPEN_END if part == -1 else part + 1)
            steps.append(1)
            squeezed.append(axis)
    rows = (starts, ends, list(range(len(index))), steps)
    result = lowering.node("Slice", lowering.value("x"), *(lowering.integers(row) for row in rows))
    lowering.finish(lowering.node("Squeeze", result, lowering.integers(squeezed)) if squeezed else result)


@lowers("slice_by_size")
def _slice_by_size(lowering: Lowering) -> None:
    slices = size_slices(lowering.shape("x"), lowering.constant("begin"), lowering.constant("size"))
    if any(first < 0 for first, _ in slices):
        raise NoLoweringError("begin counts from the end of an axis whose size is known at run time only")
    ends = [_OPEN_END if count is None else first + count for first, count in slices]
    rows = ([first for first, _ in slices], ends, list(range(len(slices))))
    lowering.finish(lowering.node("Slice", lowering.value("x"), *(lowering.integers(row) for row in rows)))
