"""Ranges of activations: which part of what occurred the 256 levels of a byte cover.

Every range takes in 0, exactly on a level: padding adds zeros, and ReLU-like functions give many.

Sources: min-max and moving average: B. Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018, section 3.1; percentile: H. Wu et al., "Integer Quantization for Deep
Learning Inference: Principles and Empirical Evaluation", arXiv:2004.09602, section 5.1; least squared error: M. Nagel
et al., "A White Paper on Neural Network Quantization", arXiv:2106.08295, section 3.1.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from kewcore.parity.snr import power_ratio_db
from kewcore_export.activations.histogram import Distribution

Method = Literal["mse", "min-max", "moving-average", "percentile"]
METHODS: tuple[Method, ...] = get_args(Method)

PERCENTILE = 99.99
"""Of the elements; Wu et al. found 99.99 and 99.999 best for convolutional networks."""
MOVING_AVERAGE_CONSTANT = 0.01
"""Weight of a new image, as PyTorch's `MovingAverageMinMaxObserver` has it; the first hundred weigh the same."""
LEVELS = 255
"""Steps between the least and the largest byte."""
SMALLEST_SCALE = float(np.finfo(np.float16).smallest_normal)
"""Below it an fp16 scale has fewer bits, and its reciprocal does not fit into fp16."""
_FRACTIONS = np.concatenate([np.linspace(1.0, 0.5, 51), np.geomspace(0.5, 0.02, 41)[1:]])
_ROUNDS = 3
_OFF_LEVEL = 1 / 8
"""How far 0 may lie from a level of an image's bytes; with the rounding of an fp16 scale, 255 of which make up an
eighth of a step, every byte still comes back as itself."""


@dataclass(frozen=True)
class ActivationRange:
    """How one activation becomes bytes: `q = clip(round(x / scale) + zero_point)`.

    Attributes:
        scale: A number that fp16 has.
        zero_point: The byte that stands for 0.
        dtype: `int8` or `uint8`.
    """

    scale: float
    zero_point: int
    dtype: Literal["int8", "uint8"]

    @property
    def low(self) -> float:
        """What the least byte stands for."""
        return self.scale * (np.iinfo(self.dtype).min - self.zero_point)

    @property
    def high(self) -> float:
        """What the largest byte stands for."""
        return self.scale * (np.iinfo(self.dtype).max - self.zero_point)

    def quantized(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns what values become when they are quantised and dequantised, fp16 rounding left out."""
        limits = np.iinfo(self.dtype)
        steps = np.clip(np.rint(values / self.scale) + self.zero_point, limits.min, limits.max)
        result: NDArray[np.float64] = (steps - self.zero_point) * self.scale
        return result


def chosen_range(distribution: Distribution, method: Method, *, symmetric: bool) -> ActivationRange | None:
    """Chooses the range of an activation.

    Args:
        distribution: Its values over all calibration images.
        method: How.
        symmetric: Whether 0 stays in the middle, with zero point 0.

    Returns:
        None where there is no usable range: all values are 0, or so small that fp16 has no scale for them.
    """
    low, high = min(0.0, distribution.low), max(0.0, distribution.high)
    if method == "moving-average":
        low, high = _moving_average(distribution)
    elif method == "percentile":
        low, high = _percentiles(distribution)
    if max(-low, high) * (2 if symmetric else 1) < SMALLEST_SCALE * LEVELS:
        return None
    if method == "mse":
        return _least_squares(distribution, low, high, symmetric=symmetric)
    return _range(low, high, symmetric=symmetric)


def exact_range(low: float, high: float) -> ActivationRange | None:
    """Returns the range in which the bytes of an image stand for themselves, if its values from `low` to `high` allow.

    Args:
        low: What the program makes of a pixel of 0.
        high: What it makes of 255.
    """
    scale = float(np.float16((high - low) / LEVELS))
    if not SMALLEST_SCALE <= scale < np.inf:
        return None
    zero_point = -low / scale
    if abs(zero_point - round(zero_point)) > _OFF_LEVEL or not 0 <= round(zero_point) <= LEVELS:
        return None
    return ActivationRange(scale, round(zero_point), "uint8")


def signal_to_noise_db(distribution: Distribution, activation_range: ActivationRange) -> float:
    """Signal-to-noise ratio of an activation after quantisation, over all elements of all images; inf where exact."""
    signal = float((distribution.counts * distribution.values**2).sum())
    return power_ratio_db(signal, _squared_error(distribution, activation_range))


def clipped_part(distribution: Distribution, activation_range: ActivationRange) -> float:
    """Returns which part of the elements lies more than half a step outside the range, 0…1."""
    half = activation_range.scale / 2
    outside = (distribution.values < activation_range.low - half) | (distribution.values > activation_range.high + half)
    return float(distribution.counts[outside].sum() / max(1, distribution.counts.sum()))


def _range(low: float, high: float, *, symmetric: bool) -> ActivationRange:
    if symmetric:
        scale = _as_fp16(max(-low, high) / 127)
        return ActivationRange(scale, 0, "int8")
    scale = _as_fp16((high - low) / LEVELS)
    return ActivationRange(scale, int(np.clip(round(-128 - low / scale), -128, 127)), "int8")


def _as_fp16(scale: float) -> float:
    return max(float(np.float16(scale)), SMALLEST_SCALE)


def _moving_average(distribution: Distribution) -> tuple[float, float]:
    low = high = 0.0
    for number, image in enumerate(distribution.per_image, start=1):
        weight = max(1 / number, MOVING_AVERAGE_CONSTANT)
        low += weight * (image.low - low)
        high += weight * (image.high - high)
    return min(0.0, low), max(0.0, high)


def _percentiles(distribution: Distribution) -> tuple[float, float]:
    if not distribution.values.size:
        return 0.0, 0.0
    cumulative = np.cumsum(distribution.counts)
    outside = cumulative[-1] * (1 - PERCENTILE / 100)
    low = distribution.values[np.searchsorted(cumulative, outside, side="right").clip(max=cumulative.size - 1)]
    high = distribution.values[np.searchsorted(cumulative, cumulative[-1] - outside).clip(max=cumulative.size - 1)]
    return min(0.0, float(low)), max(0.0, float(high))


def _least_squares(distribution: Distribution, low: float, high: float, *, symmetric: bool) -> ActivationRange:
    """Tries shorter ranges: the upper end, then the lower one, in turns; the widest of equally good ones is taken."""

    def best(ends: list[tuple[float, float]]) -> tuple[float, float]:
        return min(ends, key=lambda pair: _squared_error(distribution, _range(*pair, symmetric=symmetric)))

    if symmetric:
        return _range(*best([(low * part, high * part) for part in _FRACTIONS]), symmetric=True)
    ends = (low, high)
    for _ in range(_ROUNDS):
        before = ends
        ends = best([ends, *((ends[0], high * part) for part in _FRACTIONS)])
        ends = best([ends, *((low * part, ends[1]) for part in _FRACTIONS)]) if low < 0 else ends
        if ends == before:
            break
    return _range(*ends, symmetric=False)


def _squared_error(distribution: Distribution, activation_range: ActivationRange) -> float:
    difference = activation_range.quantized(distribution.values) - distribution.values
    return float((distribution.counts * difference**2).sum())
