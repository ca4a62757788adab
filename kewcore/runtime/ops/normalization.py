"""Normalisations."""

import numpy as np

from kewcore.runtime.registry import FLOATS, Array, op
from kewcore.runtime.shapes import same_as

_SOURCE = "iOS15/normalization.py"
_X = {"x": FLOATS}
_SAME = same_as("x")


def _per_channel(value: Array, x: Array) -> Array:
    """Shapes a vector for axis 1 of `x`."""
    return value.reshape((-1,) + (1,) * (x.ndim - 2))


@op("batch_norm", source=_SOURCE, accepts=_X, shape=_SAME)
def batch_norm(
    *,
    x: Array,
    mean: Array,
    variance: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    epsilon: float = 1e-5,
) -> Array:
    """(x - mean) / sqrt(variance + epsilon) · gamma + beta, with one of each a channel (axis 1)."""
    scale = 1 / np.sqrt(variance + epsilon)
    if gamma is not None:
        scale = scale * gamma
    result = (x - _per_channel(mean, x)) * _per_channel(scale, x)
    return result if beta is None else result + _per_channel(beta, x)


@op("instance_norm", source=_SOURCE, accepts=_X, shape=_SAME)
def instance_norm(*, x: Array, gamma: Array | None = None, beta: Array | None = None, epsilon: float = 1e-5) -> Array:
    """Normalises every channel of every instance over its spatial axes, then scales by gamma and adds beta."""
    axes = tuple(range(2, x.ndim))
    centred = x - x.mean(axis=axes, keepdims=True)
    result = centred / np.sqrt(np.square(centred).mean(axis=axes, keepdims=True) + epsilon)
    if gamma is not None:
        result = result * _per_channel(gamma, x)
    return np.asarray(result if beta is None else result + _per_channel(beta, x))


@op("layer_norm", source=_SOURCE, accepts=_X, shape=_SAME)
def layer_norm(
    *,
    x: Array,
    axes: Array | None = None,
    gamma: Array | None = None,
    beta: Array | None = None,
    epsilon: float = 1e-5,
) -> Array:
    """Normalises over `axes` (all by default), then scales by gamma and adds beta, both shaped like those axes."""
    over = tuple(range(x.ndim)) if axes is None else tuple(int(axis) % x.ndim for axis in np.atleast_1d(axes))
    normalized = [size if i in over else 1 for i, size in enumerate(x.shape)]
    centred = x - x.mean(axis=over, keepdims=True)
    result = centred / np.sqrt(np.square(centred).mean(axis=over, keepdims=True) + epsilon)
    if gamma is not None:
        result = result * gamma.reshape(normalized)
    return np.asarray(result if beta is None else result + beta.reshape(normalized))


@op("l2_norm", source=_SOURCE, accepts=_X, shape=_SAME)
def l2_norm(*, x: Array, epsilon: float = 1e-6) -> Array:
    """x over the square root of the sum of its squares (plus epsilon) over the last three axes."""
    return np.asarray(x / np.sqrt(np.square(x).sum(axis=(-3, -2, -1), keepdims=True) + epsilon))


@op("local_response_norm", source=_SOURCE, accepts=_X, shape=_SAME)
def local_response_norm(*, x: Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Array:
    """x / (k + alpha / size · Σ x²)^beta, summed over `size` channels around each (axis 1).

    The odd one of an even number of channels comes before, as Apple's operator tests have it.
    """
    width, channels = int(size), x.shape[1]
    before = width // 2
    squares, total = np.square(x), np.zeros_like(x)
    for offset in range(max(-before, 1 - channels), min(width - 1 - before, channels - 1) + 1):
        first, last = max(0, -offset), min(channels, channels - offset)
        total[:, first:last] += squares[:, first + offset : last + offset]
    return np.asarray(x / np.power(k + alpha / width * total, beta))
