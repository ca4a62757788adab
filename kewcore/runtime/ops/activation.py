"""Activation functions, elementwise but for softmax."""

import math

import numpy as np

from kewcore.runtime.registry import FLOATS, Array, op
from kewcore.runtime.shapes import same_as

_SOURCE = "iOS15/activation.py"
_X = {"x": FLOATS}
_SAME = same_as("x")


@op("relu", source=_SOURCE, accepts=_X, shape=_SAME, exact=True)
def relu(*, x: Array) -> Array:
    """max(x, 0)."""
    return np.maximum(x, 0)


@op("relu6", source=_SOURCE, accepts=_X, shape=_SAME, exact=True)
def relu6(*, x: Array) -> Array:
    """min(max(x, 0), 6)."""
    return np.clip(x, 0, 6)


@op("leaky_relu", source=_SOURCE, accepts=_X, shape=_SAME)
def leaky_relu(*, x: Array, alpha: float) -> Array:
    """x, or alpha · x below 0."""
    return np.where(x >= 0, x, alpha * x)


@op("clamped_relu", source=_SOURCE, accepts=_X, shape=_SAME)
def clamped_relu(*, x: Array, alpha: float, beta: float) -> Array:
    """min(x, beta), or min(alpha · x, beta) below 0."""
    return np.minimum(np.where(x >= 0, x, alpha * x), beta)


@op("thresholded_relu", source=_SOURCE, accepts=_X, shape=_SAME, exact=True)
def thresholded_relu(*, x: Array, alpha: float) -> Array:
    """x, or 0 below alpha."""
    return np.where(x >= alpha, x, np.zeros((), x.dtype))


@op("elu", source=_SOURCE, accepts=_X, shape=_SAME)
def elu(*, x: Array, alpha: float) -> Array:
    """x, or alpha · (exp(x) - 1) below 0."""
    return np.where(x >= 0, x, alpha * np.expm1(np.minimum(x, 0)))


@op("prelu", source=_SOURCE, accepts=_X, shape=_SAME)
def prelu(*, x: Array, alpha: Array) -> Array:
    """x, or alpha[c] · x below 0, with one alpha a channel (axis 1)."""
    return np.where(x >= 0, x, np.reshape(alpha, (-1,) + (1,) * (x.ndim - 2)) * x)


@op("sigmoid", source=_SOURCE, accepts=_X, shape=_SAME)
def sigmoid(*, x: Array) -> Array:
    """1 / (1 + exp(-x)), written with tanh so that nothing overflows."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


@op("sigmoid_hard", source=_SOURCE, accepts=_X, shape=_SAME)
def sigmoid_hard(*, x: Array, alpha: float = 0.2, beta: float = 0.5) -> Array:
    """min(max(alpha · x + beta, 0), 1)."""
    return np.clip(alpha * x + beta, 0, 1)


@op("silu", source=_SOURCE, accepts=_X, shape=_SAME)
def silu(*, x: Array) -> Array:
    """x · sigmoid(x)."""
    return x * sigmoid(x=x)


@op("gelu", source=_SOURCE, accepts=_X, shape=_SAME)
def gelu(*, x: Array, mode: str = "EXACT") -> Array:
    """Gaussian error linear unit: exact, by tanh, or by a sigmoid.

    Raises:
        ValueError: `mode` is none of the three.
    """
    if mode == "EXACT":
        return 0.5 * x * (1 + error_function(x / math.sqrt(2)))
    if mode == "TANH_APPROXIMATION":
        return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))
    if mode == "SIGMOID_APPROXIMATION":
        return np.asarray(x * sigmoid(x=1.702 * x))
    raise ValueError(f"mode must be EXACT, TANH_APPROXIMATION or SIGMOID_APPROXIMATION, got '{mode}'")


def error_function(x: Array) -> Array:
    """Returns erf of every element, as the C library has it: slow, and right to the last bit of float32."""
    return np.asarray(np.frompyfunc(math.erf, 1, 1)(x)).astype(np.float32)


@op("softplus", source=_SOURCE, accepts=_X, shape=_SAME)
def softplus(*, x: Array) -> Array:
    """log(1 + exp(x))."""
    return np.logaddexp(x, np.zeros((), x.dtype))


@op("softplus_parametric", source=_SOURCE, accepts=_X, shape=_SAME)
def softplus_parametric(*, x: Array, alpha: Array, beta: Array) -> Array:
    """alpha[c] · log(1 + exp(beta[c] · x)), with one alpha and one beta a channel (axis 1)."""
    per_channel = (-1,) + (1,) * (x.ndim - 2)
    return np.asarray(np.reshape(alpha, per_channel) * softplus(x=np.reshape(beta, per_channel) * x))


@op("softsign", source=_SOURCE, accepts=_X, shape=_SAME)
def softsign(*, x: Array) -> Array:
    """x / (1 + |x|)."""
    return np.asarray(x / (1 + np.abs(x)))


@op("scaled_tanh", source=_SOURCE, accepts=_X, shape=_SAME)
def scaled_tanh(*, x: Array, alpha: float = 1, beta: float = 1) -> Array:
    """alpha · tanh(beta · x)."""
    return np.asarray(alpha * np.tanh(beta * x))


@op("linear_activation", source=_SOURCE, accepts=_X, shape=_SAME)
def linear_activation(*, x: Array, alpha: float, beta: float = 0) -> Array:
    """alpha · x + beta."""
    return alpha * x + beta


@op("softmax", source=_SOURCE, accepts=_X, shape=_SAME)
def softmax(*, x: Array, axis: int = -1) -> Array:
    """exp(x) over its sum along `axis`, shifted by the maximum."""
    shifted = np.exp(x - np.max(x, axis=int(axis), keepdims=True))
    return np.asarray(shifted / np.sum(shifted, axis=int(axis), keepdims=True))
