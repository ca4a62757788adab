"""Operations that make tensors whose size is itself a value, or that say where and how large tensors are."""

import math
from typing import Any

import numpy as np

from kewcore.runtime.indices import bounded
from kewcore.runtime.opset import Opset
from kewcore.runtime.registry import INTEGERS, NUMBERS, Array, StaticArguments, op
from kewcore.runtime.shapes import Shapes, axis_in, same_as

_SOURCE = "iOS15/tensor_operation.py"


def _rank_of(arguments: StaticArguments) -> Shapes:
    x = arguments.shape("x")
    return None if x is None else ((len(x),),)


@op("shape", source=_SOURCE, shape=_rank_of, result_like=None, exact=True)
def shape(*, x: Array) -> Array:
    """Sizes of `x` as an int32 vector."""
    return np.array(np.shape(x), np.int32)


def _filled(arguments: StaticArguments) -> Shapes:
    return (tuple(int(size) for size in np.atleast_1d(arguments.constant("shape"))),)


@op("fill", source=_SOURCE, accepts={"shape": INTEGERS}, shape=_filled, result_like="value", exact=True)
def fill(*, shape: Array, value: float = 0.0) -> Array:
    """A tensor of a shape that may be computed, full of one value.

    Raises:
        ValueError: It would take too much memory.
    """
    element = np.asarray(value)
    return np.full(bounded(np.atleast_1d(shape), element.dtype), element)


@op(
    "fill_like",
    since=Opset.IOS16,
    source="iOS16/tensor_operation.py",
    shape=same_as("ref_tensor"),
    result_like="value",
    exact=True,
)
def fill_like(*, ref_tensor: Array, value: float = 0.0) -> Array:
    """A tensor of the shape of `ref_tensor`, full of one value."""
    element = np.asarray(value)
    return np.full(bounded(np.shape(ref_tensor), element.dtype), element)


def _range_length(start: Any, end: Any, step: Any) -> int:
    first, last, difference = float(start), float(end), float(step)
    if not (math.isfinite(first) and math.isfinite(last) and math.isfinite(difference)) or difference == 0:
        raise ValueError(f"a range needs finite bounds and a step that is not 0, got {first}, {last}, {difference}")
    return max(0, math.ceil((last - first) / difference))


def _ranged(arguments: StaticArguments) -> Shapes:
    return ((_range_length(*(arguments.constant(name) for name in ("start", "end", "step"))),),)


@op(
    "range_1d",
    source=_SOURCE,
    accepts={"start": NUMBERS, "end": NUMBERS, "step": NUMBERS},
    shape=_ranged,
    result_like="start",
)
def range_1d(*, end: float, start: float, step: float) -> Array:
    """`start`, `start + step`, … as long as that stays before `end`.

    Raises:
        ValueError: It has no end, or would take too much memory.
    """
    steps = np.arange(*bounded((_range_length(start, end, step),), np.float64))
    return np.asarray(np.asarray(start, np.float64) + steps * float(step)).astype(np.asarray(start).dtype)


def _one_hot_shape(arguments: StaticArguments) -> Shapes:
    indices = arguments.shape("indices")
    if indices is None:
        return None
    axis = axis_in(arguments.constant("axis", -1), len(indices) + 1)
    return ((*indices[:axis], int(arguments.constant("one_hot_vector_size")), *indices[axis:]),)


@op(
    "one_hot",
    source=_SOURCE,
    accepts={"indices": INTEGERS, "one_hot_vector_size": INTEGERS},
    shape=_one_hot_shape,
    result_like="on_value",
    exact=True,
)
def one_hot(
    *,
    indices: Array,
    one_hot_vector_size: int,
    axis: int = -1,
    on_value: float = 1,
    off_value: float = 0,
) -> Array:
    """A new axis that holds `on_value` at the index and `off_value` elsewhere; everywhere if the index lies outside.

    Raises:
        ValueError: It would take too much memory.
    """
    indices, size = np.asarray(indices), int(one_hot_vector_size)
    position = axis_in(axis, indices.ndim + 1)
    bounded((*indices.shape, size), np.result_type(on_value, off_value))
    places = np.arange(size).reshape(-1, *(1 for _ in range(indices.ndim - position)))
    return np.where(np.expand_dims(indices.astype(np.int64), position) == places, on_value, off_value)


def _unknown_count(arguments: StaticArguments) -> Shapes:
    x = arguments.shape("x")
    return None if x is None else ((None, len(x)),)


@op("non_zero", source=_SOURCE, shape=_unknown_count, result_like=None, exact=True)
def non_zero(*, x: Array) -> Array:
    """Indices of the elements that are not 0, a row each: `[N, rank of x]`.

    Raises:
        ValueError: They would take too much memory.
    """
    elements = np.asarray(x)
    bounded((int(np.count_nonzero(elements)), elements.ndim), np.int64)
    return np.argwhere(elements).astype(np.int32)
