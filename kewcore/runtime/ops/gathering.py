"""Operations that read elements at indices that the program computes.

Since iOS 17 negative indices are out of bounds where `validate_indices` asks for a check; otherwise their meaning is
left open. Here they count from the end, as they do where coremltools computes constants, and an index behind the end is
an error in every version.
"""

import numpy as np

from kewcore.runtime.indices import bounded, positions
from kewcore.runtime.opset import Opset
from kewcore.runtime.registry import INTEGERS, Array, Shape, StaticArguments, op
from kewcore.runtime.shapes import Shapes, axis_in

_IOS15, _IOS16, _IOS17 = (f"iOS{version}/scatter_gather.py" for version in (15, 16, 17))
_INDICES = {"indices": INTEGERS}


def _gathered(arguments: StaticArguments) -> Shapes:
    """`x [*D]` and `indices [*N]` give `D[:axis] + N[batch_dims:] + D[axis + 1:]`."""
    x, indices = arguments.shape("x"), arguments.shape("indices")
    if x is None or indices is None:
        return None
    axis, batch_dims = _batched_axis(x, indices, arguments.constant("axis", 0), arguments.constant("batch_dims", 0))
    return ((*x[:axis], *indices[batch_dims:], *x[axis + 1 :]),)


def _batched_axis(x: Shape, indices: Shape, axis: int, batch_dims: int) -> tuple[int, int]:
    position, count = axis_in(axis, len(x)), int(batch_dims)
    if not 0 <= count <= min(position, len(indices)):
        raise ValueError(f"batch_dims must be from 0 to {min(position, len(indices))}, got {count}")
    _check_batch(x, indices, count)
    return position, count


def _check_batch(x: Shape, indices: Shape, batch_dims: int) -> None:
    pairs = zip(x[:batch_dims], indices[:batch_dims], strict=True)
    if any(a != b for a, b in pairs if a is not None and b is not None):
        raise ValueError(f"x {list(x)} and indices {list(indices)} must agree in their first {batch_dims} sizes")


@op("gather", source=_IOS15, accepts=_INDICES, shape=_gathered, exact=True)
def gather(*, x: Array, indices: Array, axis: int = 0) -> Array:
    """Slices of `x` along `axis`, in the order of `indices`: `D[:axis] + N + D[axis + 1:]`."""
    return gather_17(x=x, indices=indices, axis=axis)


@op("gather", since=Opset.IOS16, source=_IOS16, accepts=_INDICES, shape=_gathered, exact=True)
def gather_16(*, x: Array, indices: Array, axis: int = 0, batch_dims: int = 0) -> Array:
    """As before iOS 16, where the first `batch_dims` axes of `x` and `indices` may go together."""
    return gather_17(x=x, indices=indices, axis=axis, batch_dims=batch_dims)


@op("gather", since=Opset.IOS17, source=_IOS17, accepts=_INDICES, shape=_gathered, exact=True)
def gather_17(*, x: Array, indices: Array, axis: int = 0, batch_dims: int = 0, validate_indices: bool = False) -> Array:
    """As before iOS 17; `validate_indices` refuses negative indices.

    Raises:
        IndexError: An index lies outside.
    """
    x, indices = np.asarray(x), np.asarray(indices)
    position, count = _batched_axis(x.shape, indices.shape, axis, batch_dims)
    rows = positions(indices, x.shape[position], negatives=not validate_indices)
    before, behind = x.shape[:position], x.shape[position + 1 :]
    shape = bounded((*before, *indices.shape[count:], *behind), x.dtype)
    if not count:
        return np.take(x, rows, axis=position)
    batch, between = x.shape[:count], x.shape[count:position]
    moved = np.moveaxis(x, position, count)
    flat = rows.reshape(*batch, -1, *(1 for _ in (*between, *behind)))
    taken = np.take_along_axis(moved, flat, axis=count)
    return np.moveaxis(taken, count, position).reshape(shape)


def _like_indices(arguments: StaticArguments) -> Shapes:
    """The result has the shape of `indices`, which agrees with `x` but for `axis`."""
    x, indices = arguments.shape("x"), arguments.shape("indices")
    if x is not None and indices is not None:
        check_all_but_axis(x, indices, axis_in(arguments.constant("axis", 0), len(x)), "x")
    return (indices,)


def check_all_but_axis(shape: Shape, indices: Shape, axis: int, parameter: str) -> None:
    """Makes sure that indices along an axis have the sizes of the tensor on all others.

    Raises:
        ValueError: They have not.
    """
    fits = len(shape) == len(indices) and all(
        i == axis or a == b or a is None or b is None for i, (a, b) in enumerate(zip(shape, indices, strict=True))
    )
    if not fits:
        raise ValueError(f"indices {list(indices)} must agree with {parameter} {list(shape)} but for axis {axis}")


@op("gather_along_axis", source=_IOS15, accepts=_INDICES, shape=_like_indices, exact=True)
def gather_along_axis(*, x: Array, indices: Array, axis: int = 0) -> Array:
    """For every element of `indices` the element of `x` at that index along `axis`, elsewhere at the same place."""
    return gather_along_axis_17(x=x, indices=indices, axis=axis)


@op("gather_along_axis", since=Opset.IOS17, source=_IOS17, accepts=_INDICES, shape=_like_indices, exact=True)
def gather_along_axis_17(*, x: Array, indices: Array, axis: int = 0, validate_indices: bool = False) -> Array:
    """As before iOS 17; `validate_indices` refuses negative indices.

    Raises:
        IndexError: An index lies outside.
    """
    position = axis_in(axis, x.ndim)
    check_all_but_axis(x.shape, indices.shape, position, "x")
    rows = positions(indices, x.shape[position], negatives=not validate_indices)
    bounded(indices.shape, x.dtype)
    return np.take_along_axis(x, rows, axis=position)


def _gathered_nd(arguments: StaticArguments) -> Shapes:
    """`x [*D]` and `indices [*K, depth]` give `K + D[batch_dims + depth:]`."""
    x, indices = arguments.shape("x"), arguments.shape("indices")
    if x is None or indices is None or not indices or indices[-1] is None:
        return None
    batch_dims = int(arguments.constant("batch_dims", 0))
    _check_depth(x, indices, indices[-1], batch_dims)
    return ((*indices[:-1], *x[batch_dims + indices[-1] :]),)


def _check_depth(x: Shape, indices: Shape, depth: int, batch_dims: int) -> None:
    if not 0 <= batch_dims < min(len(x), len(indices)):
        raise ValueError(f"batch_dims must be from 0 to {min(len(x), len(indices)) - 1}, got {batch_dims}")
    if not 1 <= depth <= len(x) - batch_dims:
        raise ValueError(f"the last size of indices must be from 1 to {len(x) - batch_dims}, got {depth}")
    _check_batch(x, indices, batch_dims)


@op("gather_nd", source=_IOS15, accepts=_INDICES, shape=_gathered_nd, exact=True)
def gather_nd(*, x: Array, indices: Array) -> Array:
    """Slices of `x` at the places that the last axis of `indices` names."""
    return gather_nd_17(x=x, indices=indices)


@op("gather_nd", since=Opset.IOS16, source=_IOS16, accepts=_INDICES, shape=_gathered_nd, exact=True)
def gather_nd_16(*, x: Array, indices: Array, batch_dims: int = 0) -> Array:
    """As before iOS 16, where the first `batch_dims` axes of `x` and `indices` may go together."""
    return gather_nd_17(x=x, indices=indices, batch_dims=batch_dims)


@op("gather_nd", since=Opset.IOS17, source=_IOS17, accepts=_INDICES, shape=_gathered_nd, exact=True)
def gather_nd_17(*, x: Array, indices: Array, batch_dims: int = 0, validate_indices: bool = False) -> Array:
    """As before iOS 17; `validate_indices` refuses negative indices.

    Raises:
        IndexError: An index lies outside.
    """
    count, depth = int(batch_dims), indices.shape[-1]
    _check_depth(x.shape, indices.shape, depth, count)
    bounded((*indices.shape[:-1], *x.shape[count + depth :]), x.dtype)
    batch = np.ogrid[tuple(slice(size) for size in x.shape[:count])]
    grids = [grid.reshape(*grid.shape, *(1,) * (indices.ndim - 1 - count)) for grid in batch]
    places = [positions(indices[..., i], x.shape[count + i], negatives=not validate_indices) for i in range(depth)]
    return np.asarray(x[(*grids, *places)])
