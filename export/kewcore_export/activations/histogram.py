"""Exact histograms of fp16 activations in constant memory: one counter for each of the 65,536 bit patterns.

A 16-bit program has no other values, so nothing is binned: ranges, percentiles and squared errors that are computed
from the counters are those of all elements of all images, in whatever order they came.
"""

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

_PATTERNS = 1 << 16


@dataclass(frozen=True)
class Extremes:
    """Smallest and largest element of one image's activation."""

    low: float
    high: float


@dataclass(frozen=True)
class Distribution:
    """How often each value occurred.

    Attributes:
        values: float64 `[K]`, ascending, finite, distinct.
        counts: int64 `[K]`, all positive.
        per_image: Extremes of each image, in the order in which they came.
    """

    values: NDArray[np.float64]
    counts: NDArray[np.int64]
    per_image: tuple[Extremes, ...] = field(repr=False)

    @property
    def low(self) -> float:
        """The smallest value; 0 where there is none."""
        return float(self.values[0]) if self.values.size else 0.0

    @property
    def high(self) -> float:
        """The largest value; 0 where there is none."""
        return float(self.values[-1]) if self.values.size else 0.0


class Histogram:
    """Counts the elements of one activation, image by image, in 512 kB."""

    def __init__(self) -> None:
        self._counts = np.zeros(_PATTERNS, np.int64)
        self._per_image: list[Extremes] = []

    def add(self, activation: NDArray[np.float16]) -> None:
        """Counts the elements of one image's activation, any shape; all of them finite."""
        patterns = np.ascontiguousarray(activation, np.float16).view(np.uint16).ravel()
        counts = np.bincount(patterns, minlength=_PATTERNS)
        self._counts += counts
        seen = _values()[counts > 0]
        if seen.size:
            self._per_image.append(Extremes(float(seen.min()), float(seen.max())))

    def distribution(self) -> Distribution:
        """Returns what was counted; the zero of negative sign is the other zero."""
        values, counts = _values(), self._counts
        seen = counts > 0
        distinct, owner = np.unique(values[seen], return_inverse=True)
        summed = np.zeros(distinct.size, np.int64)
        np.add.at(summed, owner, counts[seen])
        return Distribution(distinct, summed, tuple(self._per_image))


def united(parts: tuple[Distribution, ...]) -> Distribution:
    """Puts the distributions of activations together that are to share one range.

    Args:
        parts: One or more, of the same images in the same order.
    """
    if len(parts) == 1:
        return parts[0]
    values, owner = np.unique(np.concatenate([part.values for part in parts]), return_inverse=True)
    counts = np.zeros(values.size, np.int64)
    np.add.at(counts, owner, np.concatenate([part.counts for part in parts]))
    per_image = tuple(
        Extremes(min(one.low for one in row), max(one.high for one in row))
        for row in zip(*(part.per_image for part in parts), strict=False)
    )
    return Distribution(values, counts, per_image)


@cache
def _values() -> NDArray[np.float64]:
    """The number that each bit pattern stands for."""
    return np.arange(_PATTERNS, dtype=np.uint16).view(np.float16).astype(np.float64)
