"""Sorting: `argsort` and `topk`. Among equals the first comes first, whatever the direction."""

from typing import Any

import numpy as np

from kewcore.runtime.opset import Opset
from kewcore.runtime.program import DataType
from kewcore.runtime.registry import NUMBERS, Array, StaticArguments, op
from kewcore.runtime.shapes import Shapes, axis_in, same_as

_NUMBERS = {"x": NUMBERS}


def _order(x: Array, axis: int, *, ascending: bool) -> Array:
    """Indices that sort `x`; negating would overflow for integers, so the other direction turns the axis round."""
    if ascending:
        return np.argsort(x, axis=axis, kind="stable")
    turned = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    return np.asarray(x.shape[axis] - 1 - np.flip(turned, axis))


@op(
    "argsort",
    source="iOS15/tensor_operation.py",
    accepts=_NUMBERS,
    shape=same_as("x"),
    result_like=None,
    exact=True,
)
def argsort(*, x: Array, axis: int = -1, ascending: bool = False) -> Array:
    """Indices that sort `x` along `axis`."""
    return _order(x, axis_in(axis, x.ndim), ascending=bool(ascending)).astype(np.int32)


def _kept(arguments: StaticArguments) -> Shapes:
    x = arguments.shape("x")
    if x is None:
        return None
    axis = axis_in(arguments.constant("axis", -1), len(x))
    size = x[axis]
    count: int | None = int(arguments.constant("k", 1))
    if size is not None:
        count = top_count(int(arguments.constant("k", 1)), size)
    elif count == -1:
        count = None
    shape = (*x[:axis], count, *x[axis + 1 :])
    return (shape, shape) if bool(arguments.constant("return_indices", True)) else (shape,)


def top_count(k: int, size: int) -> int:
    """Returns how many elements `topk` keeps of an axis: `k`, or all for -1.

    Raises:
        ValueError: There are not as many.
    """
    if not -1 <= k <= size:
        raise ValueError(f"k must be from -1 to {size}, got {k}")
    return size if k == -1 else k


@op("topk", source="iOS15/tensor_operation.py", accepts=_NUMBERS, shape=_kept, result_like=None, exact=True)
def topk(*, x: Array, k: int = 1, axis: int = -1, ascending: bool = False) -> tuple[Array, Array]:
    """The `k` largest (`ascending`: smallest) elements along `axis`, in order, and their indices."""
    position = axis_in(axis, x.ndim)
    count = top_count(int(k), x.shape[position])
    indices = np.take(_order(x, position, ascending=bool(ascending)), np.arange(count), axis=position)
    return np.take_along_axis(x, indices, axis=position), indices.astype(np.int32)


@op(
    "topk",
    since=Opset.IOS16,
    source="iOS16/tensor_operation.py",
    accepts=_NUMBERS,
    shape=_kept,
    result_like=None,
    exact=True,
)
def topk_16(
    *, x: Array, k: int = 1, axis: int = -1, ascending: bool = False, sort: bool = True, return_indices: bool = True
) -> Any:
    """As before iOS 16, with indices on demand. Elements come in order also where `sort` leaves that open."""
    values, indices = topk(x=x, k=k, axis=axis, ascending=ascending)
    return (values, indices) if return_indices else values


@op(
    "topk",
    since=Opset.IOS17,
    source="iOS17/tensor_operation.py",
    accepts=_NUMBERS,
    shape=_kept,
    result_like=None,
    exact=True,
)
def topk_17(
    *,
    x: Array,
    k: int = 1,
    axis: int = -1,
    ascending: bool = False,
    sort: bool = True,
    return_indices: bool = True,
    output_indices_dtype: str = "int32",
) -> Any:
    """As before iOS 17, with a choice of the indices' type.

    Raises:
        ValueError: `output_indices_dtype` is not the name of a type.
    """
    values, indices = topk(x=x, k=k, axis=axis, ascending=ascending)
    return (values, indices.astype(DataType(output_indices_dtype).numpy)) if return_indices else values
