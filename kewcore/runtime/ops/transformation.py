"""Operations that move elements without changing them: reshaping, transposing, joining, cutting, padding."""

from typing import Any

import numpy as np

from kewcore.runtime import shapes
from kewcore.runtime.indices import bounded
from kewcore.runtime.opset import Opset
from kewcore.runtime.registry import Array, Shape, StaticArguments, op

_TRANSFORMATION = "iOS15/tensor_transformation.py"
_OPERATION = "iOS15/tensor_operation.py"


@op("reshape", source=_TRANSFORMATION, shape=shapes.reshaped, exact=True)
def reshape(*, x: Array, shape: Array) -> Array:
    """The same elements in another shape; 0 takes the size of `x`, one -1 what is left."""
    target = shapes.resolve_reshape(np.shape(x), [int(size) for size in shape])
    return np.reshape(x, [-1 if size is None else size for size in target])


@op("reshape", since=Opset.IOS17, source="iOS17/tensor_transformation.py", shape=shapes.reshaped_from_right, exact=True)
def reshape_17(*, x: Array, shape: Array) -> Array:
    """As before iOS 17, where zeros count from the right: one without a counterpart in `x` stands for 1."""
    target = shapes.zeros_from_right(np.shape(x), [int(size) for size in shape])
    return reshape(x=x, shape=np.array(target, np.int64))


@op("transpose", source=_TRANSFORMATION, shape=shapes.transposed, exact=True)
def transpose(*, x: Array, perm: Array) -> Array:
    """Axes in the order of `perm`."""
    return np.transpose(x, [int(axis) for axis in np.atleast_1d(perm)])


@op("expand_dims", source=_TRANSFORMATION, shape=shapes.expanded, exact=True)
def expand_dims(*, x: Array, axes: Array) -> Array:
    """New axes of size 1, counted in the result."""
    return np.expand_dims(x, tuple(int(axis) for axis in np.atleast_1d(axes)))


@op("squeeze", source=_TRANSFORMATION, shape=shapes.squeezed, exact=True)
def squeeze(*, x: Array, axes: Array | None = None) -> Array:
    """Without those of `axes`, or of all axes, that have size 1; others stay."""
    chosen = shapes.axes_in(axes, np.ndim(x))
    return np.squeeze(x, tuple(axis for axis in chosen if np.shape(x)[axis] == 1))


def _flattened(arguments: StaticArguments) -> shapes.Shapes:
    x = arguments.shape("x")
    if x is None or None in x:
        return None
    sizes = [size for size in x if size is not None]
    axis = int(arguments.constant("axis", 1))
    axis = axis if axis >= 0 else axis + len(sizes)
    return ((int(np.prod(sizes[:axis])), int(np.prod(sizes[axis:]))),)


@op("flatten2d", source=_TRANSFORMATION, shape=_flattened, exact=True)
def flatten2d(*, x: Array, axis: int = 1) -> Array:
    """A matrix: axes before `axis` make its rows, the others its columns."""
    split = int(axis) if axis >= 0 else int(axis) + x.ndim
    return x.reshape(int(np.prod(x.shape[:split])), -1)


@op("reverse", source=_TRANSFORMATION, shape=shapes.same_as("x"), exact=True)
def reverse(*, x: Array, axes: Array | None = None) -> Array:
    """Elements in reverse order along `axes`, or along all."""
    return np.flip(x, shapes.axes_in(axes, x.ndim))


@op("concat", source=_OPERATION, shape=shapes.concatenated, variadic=("values",), result_like="values", exact=True)
def concat(*, values: tuple[Array, ...], axis: int, interleave: bool = False) -> Array:
    """Values one behind the other along `axis`, or element by element in turn; numbers join into a vector."""
    values = tuple(np.atleast_1d(value) for value in values)
    if not interleave:
        return np.concatenate(values, int(axis))
    position = int(axis) % values[0].ndim
    stacked = np.stack(values, position + 1)
    shape = list(values[0].shape)
    shape[position] *= len(values)
    return stacked.reshape(shape)


@op("stack", source=_OPERATION, shape=shapes.stacked, variadic=("values",), result_like="values", exact=True)
def stack(*, values: tuple[Array, ...], axis: int) -> Array:
    """Values one behind the other along a new axis."""
    return np.stack(values, int(axis))


@op("split", source=_OPERATION, shape=shapes.split_up, variadic_results=True, exact=True)
def split(*, x: Array, axis: int, num_splits: int | None = None, split_sizes: Array | None = None) -> tuple[Array, ...]:
    """Parts of `x` along `axis`."""
    position = int(axis)
    parts = shapes.split_sizes(x.shape[position], num_splits, split_sizes)
    return tuple(np.split(x, np.cumsum(parts)[:-1], position))


@op("tile", source=_OPERATION, shape=shapes.tiled, exact=True)
def tile(*, x: Array, reps: Array) -> Array:
    """Copies of `x` side by side.

    Raises:
        ValueError: There are more or fewer counts than axes, or they would take too much memory.
    """
    counts = [int(count) for count in np.atleast_1d(reps)]
    bounded([size * count for size, count in zip(np.shape(x), counts, strict=True)], np.asarray(x).dtype)
    return np.tile(x, counts)


@op("pad", source=_OPERATION, shape=shapes.padded, exact=True)
def pad(*, x: Array, pad: Array, mode: str = "constant", constant_val: float = 0.0) -> Array:
    """The last axes padded with a constant, by reflection, or with the edge.

    Raises:
        ValueError: `mode` is none of `constant`, `reflect` and `replicate`, or it would take too much memory.
    """
    pairs = np.asarray(pad).reshape(-1, 2)
    widths = [(0, 0)] * (x.ndim - len(pairs)) + [(int(before), int(behind)) for before, behind in pairs]
    bounded([size + before + behind for size, (before, behind) in zip(x.shape, widths, strict=True)], x.dtype)
    if mode == "constant":
        return np.pad(x, widths, constant_values=constant_val)
    if mode in {"reflect", "replicate"}:
        return np.pad(x, widths, mode="reflect" if mode == "reflect" else "edge")
    raise ValueError(f"mode must be constant, reflect or replicate, got '{mode}'")


def index_slices(
    rank: int, begin: Any, end: Any, stride: Any, begin_mask: Any, end_mask: Any, squeeze_mask: Any
) -> tuple[slice | int, ...]:
    """Returns the NumPy index that `slice_by_index` stands for.

    Raises:
        ValueError: A vector has another length than `rank`, or a stride is 0.
    """
    columns = {"begin": begin, "end": end, "stride": stride, "begin_mask": begin_mask, "end_mask": end_mask}
    for name, vector in {**columns, "squeeze_mask": squeeze_mask}.items():
        if vector is not None and len(vector) != rank:
            raise ValueError(f"{name} must have {rank} elements for x of rank {rank}, got {len(vector)}")
    steps = [1] * rank if stride is None else [int(step) for step in stride]
    if 0 in steps:
        raise ValueError(f"stride must not be 0, got {steps}")

    def masked(mask: Any, axis: int) -> bool:
        return mask is not None and bool(mask[axis])

    return tuple(
        int(begin[axis])
        if masked(squeeze_mask, axis)
        else slice(
            None if masked(begin_mask, axis) else int(begin[axis]),
            None if masked(end_mask, axis) else int(end[axis]),
            steps[axis],
        )
        for axis in range(rank)
    )


def _sliced(arguments: StaticArguments) -> shapes.Shapes:
    x = arguments.shape("x")
    if x is None:
        return None
    names = ("begin", "end", "stride", "begin_mask", "end_mask", "squeeze_mask")
    index = index_slices(len(x), *(arguments.constant(name) for name in names))
    sizes: list[int | None] = []
    for size, part in zip(x, index, strict=True):
        if isinstance(part, slice):
            sizes.append(None if size is None else len(range(*part.indices(size))))
        elif size is not None and not -size <= part < size:
            raise ValueError(f"index {part} lies outside an axis of {size}")
    return (tuple(sizes),)


@op("slice_by_index", source=_TRANSFORMATION, shape=_sliced, exact=True)
def slice_by_index(
    *,
    x: Array,
    begin: Array,
    end: Array,
    stride: Array | None = None,
    begin_mask: Array | None = None,
    end_mask: Array | None = None,
    squeeze_mask: Array | None = None,
) -> Array:
    """x[begin : end : stride] on every axis; a masked bound is open, a squeezed axis goes."""
    return np.asarray(x[index_slices(x.ndim, begin, end, stride, begin_mask, end_mask, squeeze_mask)])


def size_slices(shape: Shape, begin: Any, size: Any) -> tuple[tuple[int, int | None], ...]:
    """Returns start and number of elements for every axis of `slice_by_size`; None for all that are left.

    Raises:
        ValueError: A vector has another length than the rank, or a slice reaches over an end.
    """
    if len(begin) != len(shape) or len(size) != len(shape):
        raise ValueError(f"begin and size must have {len(shape)} elements, got {len(begin)} and {len(size)}")
    rows: list[tuple[int, int | None]] = []
    for axis, (extent, start, count) in enumerate(zip(shape, begin, size, strict=True)):
        first, wanted = int(start), None if int(count) == -1 else int(count)
        if extent is not None:
            first = first + extent if first < 0 else first
            if not 0 <= first <= extent or not 0 <= (wanted or 0) <= extent - first:
                raise ValueError(f"{count} elements from {start} do not lie on axis {axis} of {extent}")
        rows.append((first, wanted))
    return tuple(rows)


def _cut(arguments: StaticArguments) -> shapes.Shapes:
    x, size = arguments.shape("x"), [int(count) for count in arguments.constant("size")]
    if x is None:
        return None
    if "begin" not in arguments.constants:
        return (tuple(None if count == -1 else count for count in size),)
    rows = size_slices(x, arguments.constants["begin"], size)
    left = (None if extent is None else extent - first for extent, (first, _) in zip(x, rows, strict=True))
    return (tuple(rest if count is None else count for rest, (_, count) in zip(left, rows, strict=True)),)


@op("slice_by_size", source=_TRANSFORMATION, shape=_cut, exact=True)
def slice_by_size(*, x: Array, begin: Array, size: Array) -> Array:
    """`size` elements from `begin`, which may count from the end, on every axis; -1 takes all that are left."""
    rows = size_slices(x.shape, begin, size)
    return np.asarray(x[tuple(slice(first, None if count is None else first + count) for first, count in rows)])
