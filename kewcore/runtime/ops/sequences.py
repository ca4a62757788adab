"""Operations along an axis that is read in order: running sums, reversal up to a length, windows; and bands."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from kewcore.runtime.indices import bounded
from kewcore.runtime.registry import INTEGERS, NUMBERS, Array, StaticArguments, op
from kewcore.runtime.shapes import Shapes, axis_in, same_as

_OPERATION, _TRANSFORMATION = "iOS15/tensor_operation.py", "iOS15/tensor_transformation.py"


@op("cumsum", source=_OPERATION, accepts={"x": NUMBERS}, shape=same_as("x"))
def cumsum(*, x: Array, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Array:
    """Sums of the elements up to each along `axis`; without itself (`exclusive`), or from the end (`reverse`)."""
    position = axis_in(axis, x.ndim)
    turned = np.flip(x, position) if reverse else x
    if exclusive:
        first = np.zeros((*x.shape[:position], 1, *x.shape[position + 1 :]), x.dtype)
        turned = np.concatenate([first, turned], axis=position).take(np.arange(x.shape[position]), axis=position)
    sums = np.cumsum(turned, axis=position, dtype=x.dtype)
    return np.flip(sums, position) if reverse else sums


def band_mask(rows: int, columns: int, lower: int, upper: int) -> Array:
    """Marks a band round the diagonal: `lower` diagonals below it and `upper` above; a negative number keeps all."""
    distance = np.arange(rows)[:, None] - np.arange(columns)[None, :]
    below = np.ones_like(distance, np.bool_) if lower < 0 else distance <= lower
    return np.asarray(below if upper < 0 else below & (-distance <= upper))


def _matrices(arguments: StaticArguments) -> Shapes:
    x = arguments.shape("x")
    if x is not None and len(x) < 2:
        raise ValueError(f"x must have rank 2 at least, got {len(x)}")
    return (x,)


@op("band_part", source=_OPERATION, shape=_matrices, exact=True)
def band_part(*, x: Array, lower: int = -1, upper: int = -1) -> Array:
    """Matrices of the last two axes with zeros outside a band.

    Raises:
        ValueError: `x` has fewer than two axes.
    """
    if x.ndim < 2:
        raise ValueError(f"x must have rank 2 at least, got {x.ndim}")
    mask = band_mask(x.shape[-2], x.shape[-1], int(lower), int(upper))
    return np.where(mask, x, np.zeros((), x.dtype))


def _reversed_shape(arguments: StaticArguments) -> Shapes:
    x, lengths = arguments.shape("x"), arguments.shape("lengths")
    if x is not None and lengths is not None:
        batch = axis_in(arguments.constant("batch_axis", 0), len(x), "batch_axis")
        _check_axes(axis_in(arguments.constant("seq_axis", 0), len(x), "seq_axis"), batch)
        if len(lengths) != 1 or (None not in {lengths[0], x[batch]} and lengths[0] != x[batch]):
            raise ValueError(f"lengths must have shape [{x[batch]}], got {list(lengths)}")
    return (x,)


def _check_axes(sequence: int, batch: int) -> None:
    if sequence == batch:
        raise ValueError(f"seq_axis and batch_axis must differ, both are {batch}")


@op(
    "reverse_sequence",
    source=_TRANSFORMATION,
    accepts={"lengths": INTEGERS},
    shape=_reversed_shape,
    exact=True,
)
def reverse_sequence(*, x: Array, lengths: Array, seq_axis: int = 0, batch_axis: int = 0) -> Array:
    """The first `lengths[i]` elements along `seq_axis` reversed, for every `i` along `batch_axis`.

    Raises:
        ValueError: The axes are the same, or a length is negative or larger than the axis.
    """
    sequence, batch = axis_in(seq_axis, x.ndim, "seq_axis"), axis_in(batch_axis, x.ndim, "batch_axis")
    _check_axes(sequence, batch)
    size, counts = x.shape[sequence], np.asarray(lengths).astype(np.int64)
    if counts.shape != (x.shape[batch],):
        raise ValueError(f"lengths must have shape [{x.shape[batch]}], got {list(counts.shape)}")
    if counts.size and not 0 <= counts.min() <= counts.max() <= size:
        raise ValueError(f"lengths must be from 0 to {size}, got {counts.min()} to {counts.max()}")
    places = np.arange(size)[None, :]
    rows = np.where(places < counts[:, None], counts[:, None] - 1 - places, places)
    rows = rows if batch < sequence else rows.T
    shape = tuple(n if i in {sequence, batch} else 1 for i, n in enumerate(x.shape))
    return np.take_along_axis(x, rows.reshape(shape), axis=sequence)


def window_starts(size: int, window: int, stride: int) -> int:
    """Returns how many windows fit along an axis.

    Raises:
        ValueError: None does, or a number is below 1.
    """
    if window < 1 or stride < 1 or window > size:
        raise ValueError(f"size must be from 1 to {size} and stride at least 1, got {window} and {stride}")
    return (size - window) // stride + 1


def _windowed(arguments: StaticArguments) -> Shapes:
    x = arguments.shape("x")
    if x is None:
        return None
    axis, window = axis_in(arguments.constant("axis"), len(x)), int(arguments.constant("size"))
    size = x[axis]
    count = None if size is None else window_starts(size, window, int(arguments.constant("stride", 1)))
    return ((*x[:axis], count, window, *x[axis + 1 :]),)


@op("sliding_windows", source=_TRANSFORMATION, shape=_windowed, exact=True)
def sliding_windows(*, x: Array, axis: int, size: int, stride: int = 1) -> Array:
    """All windows of `size` elements along `axis`, `stride` apart, on a new axis behind it.

    Raises:
        ValueError: No window fits, or all would take too much memory.
    """
    position, window = axis_in(axis, x.ndim), int(size)
    count = window_starts(x.shape[position], window, int(stride))
    bounded((*x.shape[:position], count, window, *x.shape[position + 1 :]), x.dtype)
    views = np.moveaxis(sliding_window_view(x, window, axis=position), -1, position + 1)
    return np.ascontiguousarray(views[(*(slice(None),) * position, slice(None, None, int(stride)))])
