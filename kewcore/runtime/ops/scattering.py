"""Operations that write elements at indices that the program computes.

Before iOS 17 negative indices count from the end. Since then they lie outside, and what an index outside does is left
open, as long as it is safe, unless `validate_indices` asks for an error. Here it writes nothing.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from kewcore.runtime.indices import lies_outside, positions
from kewcore.runtime.ops.gathering import check_all_but_axis
from kewcore.runtime.ops.transformation import index_slices
from kewcore.runtime.opset import Opset
from kewcore.runtime.registry import INTEGERS, NUMBERS, Array, Shape, StaticArguments, op
from kewcore.runtime.shapes import Shapes, axis_in

_IOS15, _IOS17 = "iOS15/scatter_gather.py", "iOS17/scatter_gather.py"
_ACCEPTS = {"data": NUMBERS, "indices": INTEGERS, "updates": NUMBERS}

_ACCUMULATING: dict[str, Callable[[Array, Any, Array], None]] = {
    "add": np.add.at,
    "sub": np.subtract.at,
    "mul": np.multiply.at,
    "max": np.maximum.at,
    "min": np.minimum.at,
}


def _written(data: Array, places: tuple[Any, ...], updates: Array, mode: str) -> Array:
    """Writes in order: equal places take one update after the other, and `update` keeps the last."""
    result = np.array(data)
    if mode == "update":
        result[places] = updates
    elif mode == "div":
        quotients = result if result.dtype.kind == "f" else result.astype(np.float64)
        np.divide.at(quotients, places, updates)
        return quotients
    elif mode in _ACCUMULATING:
        _ACCUMULATING[mode](result, places, updates)
    else:
        raise ValueError(f"mode must be update, add, sub, mul, div, max or min, got '{mode}'")
    return result


def _check_updates(updates: Shape, wanted: Shape) -> None:
    fits = len(updates) == len(wanted) and all(
        a == b or a is None or b is None for a, b in zip(updates, wanted, strict=True)
    )
    if not fits:
        raise ValueError(f"updates must have shape {list(wanted)}, got {list(updates)}")


def _scatter_shapes(arguments: StaticArguments) -> Shapes:
    data, indices, updates = (arguments.shape(name) for name in ("data", "indices", "updates"))
    if data is not None and indices is not None and updates is not None:
        axis = axis_in(arguments.constant("axis", 0), len(data))
        _check_updates(updates, (*data[:axis], *indices, *data[axis + 1 :]))
    return (data,)


@op("scatter", source=_IOS15, accepts=_ACCEPTS, shape=_scatter_shapes, result_like="data")
def scatter(*, data: Array, indices: Array, updates: Array, axis: int = 0, mode: str = "add") -> Array:
    """`data`, where slice `i` of `updates` is written to slice `indices[i]` along `axis`.

    Raises:
        IndexError: An index lies outside.
    """
    position = axis_in(axis, data.ndim)
    _check_updates(updates.shape, (*data.shape[:position], *np.shape(indices), *data.shape[position + 1 :]))
    rows = positions(indices, data.shape[position])
    return _written(data, (*(slice(None),) * position, rows), updates, mode)


@op("scatter", since=Opset.IOS17, source=_IOS17, accepts=_ACCEPTS, shape=_scatter_shapes, result_like="data")
def scatter_17(
    *,
    data: Array,
    indices: Array,
    updates: Array,
    axis: int = 0,
    mode: str = "add",
    validate_indices: bool = False,
) -> Array:
    """As before iOS 17, where indices outside are skipped or, on demand, refused.

    Raises:
        IndexError: `validate_indices` is true and an index lies outside.
    """
    position = axis_in(axis, data.ndim)
    _check_updates(updates.shape, (*data.shape[:position], *np.shape(indices), *data.shape[position + 1 :]))
    rows = np.reshape(indices, -1)
    if validate_indices:
        positions(rows, data.shape[position], negatives=False)
    inside = ~lies_outside(rows, data.shape[position], negatives=False)
    slices = updates.reshape(*data.shape[:position], -1, *data.shape[position + 1 :])
    return _written(data, (*(slice(None),) * position, rows[inside]), slices.compress(inside, position), mode)


def _along_axis_shapes(arguments: StaticArguments) -> Shapes:
    data, indices, updates = (arguments.shape(name) for name in ("data", "indices", "updates"))
    if data is not None and indices is not None:
        check_all_but_axis(data, indices, axis_in(arguments.constant("axis", 0), len(data)), "data")
        if updates is not None:
            _check_updates(updates, indices)
    return (data,)


def _places_along_axis(data: Array, rows: Array, axis: int) -> list[Array]:
    places = [np.broadcast_to(grid, rows.shape) for grid in np.ogrid[tuple(slice(size) for size in rows.shape)]]
    places[axis] = rows
    return places


@op("scatter_along_axis", source=_IOS15, accepts=_ACCEPTS, shape=_along_axis_shapes, result_like="data")
def scatter_along_axis(*, data: Array, indices: Array, updates: Array, axis: int = 0, mode: str = "add") -> Array:
    """`data`, where every element of `updates` is written to the index along `axis`, elsewhere to the same place.

    Raises:
        IndexError: An index lies outside.
    """
    position = axis_in(axis, data.ndim)
    check_all_but_axis(data.shape, indices.shape, position, "data")
    _check_updates(updates.shape, indices.shape)
    rows = positions(indices, data.shape[position])
    return _written(data, tuple(_places_along_axis(data, rows, position)), updates, mode)


@op(
    "scatter_along_axis",
    since=Opset.IOS17,
    source=_IOS17,
    accepts=_ACCEPTS,
    shape=_along_axis_shapes,
    result_like="data",
)
def scatter_along_axis_17(
    *,
    data: Array,
    indices: Array,
    updates: Array,
    axis: int = 0,
    mode: str = "add",
    validate_indices: bool = False,
) -> Array:
    """As before iOS 17, where indices outside are skipped or, on demand, refused.

    Raises:
        IndexError: `validate_indices` is true and an index lies outside.
    """
    position = axis_in(axis, data.ndim)
    check_all_but_axis(data.shape, indices.shape, position, "data")
    _check_updates(updates.shape, indices.shape)
    if validate_indices:
        positions(indices, data.shape[position], negatives=False)
    inside = ~lies_outside(indices, data.shape[position], negatives=False)
    places = (grid[inside] for grid in _places_along_axis(data, indices, position))
    return _written(data, tuple(places), updates[inside], mode)


def _nd_shapes(arguments: StaticArguments) -> Shapes:
    data, indices, updates = (arguments.shape(name) for name in ("data", "indices", "updates"))
    if data is not None and indices and indices[-1] is not None:
        _check_nd(data, indices, updates, indices[-1])
    return (data,)


def _check_nd(data: Shape, indices: Shape, updates: Shape | None, depth: int) -> None:
    if not 1 <= depth <= len(data):
        raise ValueError(f"the last size of indices must be from 1 to {len(data)}, got {depth}")
    if updates is not None:
        _check_updates(updates, (*indices[:-1], *data[depth:]))


@op("scatter_nd", source=_IOS15, accepts=_ACCEPTS, shape=_nd_shapes, result_like="data")
def scatter_nd(*, data: Array, indices: Array, updates: Array, mode: str = "add") -> Array:
    """`data`, where slices of `updates` are written to the places that the last axis of `indices` names.

    Raises:
        IndexError: An index lies outside.
    """
    depth = indices.shape[-1]
    _check_nd(data.shape, indices.shape, np.shape(updates), depth)
    places = tuple(positions(indices[..., i], data.shape[i]) for i in range(depth))
    return _written(data, places, updates, mode)


@op("scatter_nd", since=Opset.IOS17, source=_IOS17, accepts=_ACCEPTS, shape=_nd_shapes, result_like="data")
def scatter_nd_17(
    *, data: Array, indices: Array, updates: Array, mode: str = "add", validate_indices: bool = False
) -> Array:
    """As before iOS 17, where indices outside are skipped or, on demand, refused.

    Raises:
        IndexError: `validate_indices` is true and an index lies outside.
    """
    depth = indices.shape[-1]
    _check_nd(data.shape, indices.shape, np.shape(updates), depth)
    columns = [indices[..., i] for i in range(depth)]
    if validate_indices:
        for column, size in zip(columns, data.shape, strict=False):
            positions(column, size, negatives=False)
    outside = [lies_outside(column, data.shape[i], negatives=False) for i, column in enumerate(columns)]
    inside = ~np.logical_or.reduce(outside)
    return _written(data, tuple(column[inside] for column in columns), np.asarray(updates)[inside], mode)


@op(
    "slice_update",
    since=Opset.IOS18,
    source="iOS18/tensor_transformation.py",
    shape=lambda arguments: (arguments.shape("x"),),
    exact=True,
)
def slice_update(
    *,
    x: Array,
    update: Array,
    begin: Array,
    end: Array,
    stride: Array | None = None,
    begin_mask: Array | None = None,
    end_mask: Array | None = None,
    squeeze_mask: Array | None = None,
) -> Array:
    """`x`, where what `slice_by_index` would read is replaced by `update`.

    Raises:
        ValueError: `update` has another shape than the slice.
    """
    index = index_slices(x.ndim, begin, end, stride, begin_mask, end_mask, squeeze_mask)
    result = np.array(x)
    if result[index].shape != np.shape(update):
        raise ValueError(f"update must have shape {list(result[index].shape)}, got {list(np.shape(update))}")
    result[index] = update
    return result
