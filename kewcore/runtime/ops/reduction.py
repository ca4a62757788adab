"""Reductions over axes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kewcore.runtime.opset import Opset
from kewcore.runtime.program import DataType
from kewcore.runtime.registry import NUMBERS, Array, op
from kewcore.runtime.shapes import axes_in, reduction

_SOURCE = "iOS15/reduction.py"


def _log_sum_exp(x: Array, axis: Any, keepdims: bool) -> Array:
    peak = np.max(x, axis=axis, keepdims=True)
    result = np.log(np.sum(np.exp(x - peak), axis=axis, keepdims=True)) + peak
    return np.asarray(result if keepdims else np.squeeze(result, axis=axis))


_REDUCTIONS: dict[str, Callable[[Array, Any, bool], Any]] = {
    "reduce_l1_norm": lambda x, axis, keep: np.sum(np.abs(x), axis=axis, keepdims=keep),
    "reduce_l2_norm": lambda x, axis, keep: np.sqrt(np.sum(np.square(x), axis=axis, keepdims=keep)),
    "reduce_log_sum": lambda x, axis, keep: np.log(np.sum(x, axis=axis, keepdims=keep)),
    "reduce_log_sum_exp": _log_sum_exp,
    "reduce_max": lambda x, axis, keep: np.max(x, axis=axis, keepdims=keep),
    "reduce_mean": lambda x, axis, keep: np.mean(x, axis=axis, keepdims=keep),
    "reduce_min": lambda x, axis, keep: np.min(x, axis=axis, keepdims=keep),
    "reduce_prod": lambda x, axis, keep: np.prod(x, axis=axis, keepdims=keep),
    "reduce_sum": lambda x, axis, keep: np.sum(x, axis=axis, keepdims=keep),
    "reduce_sum_square": lambda x, axis, keep: np.sum(np.square(x), axis=axis, keepdims=keep),
}


def _register(name: str, function: Callable[[Array, Any, bool], Any]) -> None:
    exact = name in {"reduce_max", "reduce_min"}

    @op(name, source=_SOURCE, accepts={"x": NUMBERS}, shape=reduction, exact=exact)
    def kernel(*, x: Array, axes: Array | None = None, keep_dims: bool = False) -> Array:
        return np.asarray(function(x, axes_in(axes, x.ndim), bool(keep_dims)))


for _name, _function in _REDUCTIONS.items():
    _register(_name, _function)


@op("reduce_argmax", source=_SOURCE, accepts={"x": NUMBERS}, shape=reduction, result_like=None, exact=True)
def reduce_argmax(*, x: Array, axis: int = -1, keep_dims: bool = False) -> Array:
    """Index of the largest element along `axis`; the first of equals."""
    return np.asarray(np.argmax(x, axis=int(axis), keepdims=bool(keep_dims)), np.int32)


@op("reduce_argmin", source=_SOURCE, accepts={"x": NUMBERS}, shape=reduction, result_like=None, exact=True)
def reduce_argmin(*, x: Array, axis: int = -1, keep_dims: bool = False) -> Array:
    """Index of the smallest element along `axis`; the first of equals."""
    return np.asarray(np.argmin(x, axis=int(axis), keepdims=bool(keep_dims)), np.int32)


@op(
    "reduce_argmax",
    since=Opset.IOS17,
    source="iOS17/reduction.py",
    accepts={"x": NUMBERS},
    shape=reduction,
    result_like=None,
    exact=True,
)
def reduce_argmax_17(*, x: Array, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32") -> Array:
    """As before iOS 17, with a choice of the index's type."""
    return np.asarray(reduce_argmax(x=x, axis=axis, keep_dims=keep_dims).astype(DataType(output_dtype).numpy))


@op(
    "reduce_argmin",
    since=Opset.IOS17,
    source="iOS17/reduction.py",
    accepts={"x": NUMBERS},
    shape=reduction,
    result_like=None,
    exact=True,
)
def reduce_argmin_17(*, x: Array, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32") -> Array:
    """As before iOS 17, with a choice of the index's type."""
    return np.asarray(reduce_argmin(x=x, axis=axis, keep_dims=keep_dims).astype(DataType(output_dtype).numpy))
