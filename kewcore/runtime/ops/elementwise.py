"""Elementwise arithmetic, comparisons and functions of one, two or three tensors."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kewcore.runtime.ops.activation import error_function
from kewcore.runtime.registry import BOOLS, FLOATS, NUMBERS, Array, op
from kewcore.runtime.shapes import broadcast_of, same_as

_UNARY, _BINARY = "iOS15/elementwise_unary.py", "iOS15/elementwise_binary.py"
_BOTH = broadcast_of("x", "y")


def _floor_div(x: Array, y: Array) -> Array:
    return np.asarray(np.floor_divide(x, y))


def _real_div(x: Array, y: Array) -> Array:
    """Integers are divided as reals and cut off where the result is typed as an integer."""
    return np.asarray(np.true_divide(x, y))


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "real_div": _real_div,
    "floor_div": _floor_div,
    "mod": np.mod,
    "pow": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
}
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "equal": np.equal,
    "not_equal": np.not_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
}
_LOGICAL: dict[str, Callable[[Any, Any], Any]] = {
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "abs": np.abs,
    "acos": np.arccos,
    "asin": np.arcsin,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "erf": error_function,
    "exp": np.exp,
    "exp2": np.exp2,
    "floor": np.floor,
    "round": np.round,
    "sign": np.sign,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "square": np.square,
    "tan": np.tan,
    "tanh": np.tanh,
}
_EXACT = frozenset({"abs", "ceil", "floor", "round", "sign", "maximum", "minimum"})


def _register_binary(name: str, function: Callable[[Any, Any], Any]) -> None:
    comparison = name in _COMPARISONS or name in _LOGICAL
    accepts = BOOLS if name in _LOGICAL else NUMBERS | BOOLS

    @op(
        name,
        source=_BINARY,
        accepts={"x": accepts, "y": accepts},
        shape=_BOTH,
        result_like=None if comparison else "x",
        exact=comparison or name in _EXACT,
    )
    def kernel(*, x: Array, y: Array) -> Array:
        return np.asarray(function(x, y))


def _register_unary(name: str, function: Callable[[Any], Any]) -> None:
    @op(name, source=_UNARY, accepts={"x": NUMBERS}, shape=same_as("x"), exact=name in _EXACT)
    def kernel(*, x: Array) -> Array:
        return np.asarray(function(x))


for _name, _function in {**_ARITHMETIC, **_COMPARISONS, **_LOGICAL}.items():
    _register_binary(_name, _function)
for _name, _one in _FUNCTIONS.items():
    _register_unary(_name, _one)


@op("logical_not", source=_UNARY, accepts={"x": BOOLS}, shape=same_as("x"), exact=True)
def logical_not(*, x: Array) -> Array:
    """Not x."""
    return np.logical_not(x)


@op("clip", source=_UNARY, accepts={"x": NUMBERS}, shape=same_as("x"), exact=True)
def clip(*, x: Array, alpha: float, beta: float) -> Array:
    """min(max(x, alpha), beta)."""
    return np.minimum(np.maximum(x, alpha), beta)


@op("threshold", source=_UNARY, accepts={"x": NUMBERS}, shape=same_as("x"), exact=True)
def threshold(*, x: Array, alpha: float) -> Array:
    """max(x, alpha)."""
    return np.maximum(x, alpha)


@op("inverse", source=_UNARY, accepts={"x": FLOATS}, shape=same_as("x"))
def inverse(*, x: Array, epsilon: float = 1e-4) -> Array:
    """1 / (x + epsilon)."""
    return np.asarray(np.reciprocal(x + np.float32(epsilon)))


@op("log", source=_UNARY, accepts={"x": FLOATS}, shape=same_as("x"))
def log(*, x: Array, epsilon: float = 1e-45) -> Array:
    """Natural logarithm of x + epsilon."""
    return np.asarray(np.log(x + np.float32(epsilon)))


@op("rsqrt", source=_UNARY, accepts={"x": FLOATS}, shape=same_as("x"))
def rsqrt(*, x: Array, epsilon: float = 1e-12) -> Array:
    """1 / sqrt(x + epsilon)."""
    return np.asarray(1 / np.sqrt(x + np.float32(epsilon)))


@op("select", source="iOS15/control_flow.py", shape=broadcast_of("cond", "a", "b"), result_like="a", exact=True)
def select(*, cond: Array, a: Array, b: Array) -> Array:
    """a where cond, else b."""
    return np.where(cond, a, b)
