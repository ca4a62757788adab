"""Calibration: does a classifier that says 80 % get four of five right?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kewcore.parity.arrays import Floats, Integers
from kewcore.parity.intervals import RESAMPLES, Interval

BINS = 15
_CHUNK_DRAWS = 4_000_000


@dataclass(frozen=True)
class ReliabilityBin:
    """Images whose highest probability fell into one bin.

    Attributes:
        low: Lower edge, outside the bin except for the first.
        high: Upper edge, inside the bin.
        count: How many images.
        confidence: Their mean highest probability; 0 in an empty bin.
        accuracy: Part of them that was right; 0 in an empty bin.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def reliability(labels: Integers, probabilities: Floats, bins: int = BINS) -> tuple[ReliabilityBin, ...]:
    """Sorts images into equal-width bins of confidence, `(low, high]`.

    Args:
        labels: integer `[N]`.
        probabilities: float `[N, C]`.
        bins: How many bins cover 0…1.

    Source: Guo, Pleiss, Sun & Weinberger (2017), On calibration of modern neural networks, ICML, section 2.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    index = _bin_of(confidence, bins)
    found = []
    for bin_index in range(bins):
        inside = index == bin_index
        count = int(inside.sum())
        found.append(
            ReliabilityBin(
                low=float(edges[bin_index]),
                high=float(edges[bin_index + 1]),
                count=count,
                confidence=float(confidence[inside].mean()) if count else 0.0,
                accuracy=float(right[inside].mean()) if count else 0.0,
            )
        )
    return tuple(found)


def expected_calibration_error(bins: tuple[ReliabilityBin, ...]) -> float:
    """Mean `|accuracy - confidence|` over the bins, weighted by their images; 0 is perfect, 0…1.

    Source: Guo et al. (2017), equation 3.
    """
    total = sum(one.count for one in bins)
    return sum(one.count * abs(one.accuracy - one.confidence) for one in bins) / total


@dataclass(frozen=True)
class CalibrationChange:
    """Expected calibration error of a reference and of a package on the same images.

    Attributes:
        reference_error: 0…1.
        package_error: 0…1.
        change: Package minus reference: above 0 the package is calibrated worse.
        change_interval: 95 % paired bootstrap interval of `change`.
    """

    reference_error: float
    package_error: float
    change: float
    change_interval: Interval


def calibration_change(
    labels: Integers, reference: Floats, package: Floats, *, level: float = 0.95, seed: int = 0
) -> CalibrationChange:
    """Compares the calibration of two classifiers.

    The error of a resampled set is biased upwards, but by nearly the same in both, so the paired difference is taken.

    Args:
        labels: True classes, integer `[N]`.
        reference: Probabilities of the reference, float `[N, C]`.
        package: Probabilities of the package, float `[N, C]`.
        level: Confidence.
        seed: Of the bootstrap.

    Source: Guo et al. (2017), equation 3; Efron & Tibshirani (1993), section 13.3.
    """
    tables = [_gaps_by_bin(labels, probabilities) for probabilities in (reference, package)]
    n, rng = len(labels), np.random.default_rng(seed)
    rows_a_chunk = max(1, _CHUNK_DRAWS // n)
    changes = []
    for start in range(0, RESAMPLES, rows_a_chunk):
        counts = rng.multinomial(n, np.full(n, 1 / n), size=min(rows_a_chunk, RESAMPLES - start)).astype(np.float64)
        first, second = (np.abs(counts @ gaps).sum(axis=1) / n for gaps in tables)
        changes.append(second - first)
    low, high = np.quantile(np.concatenate(changes), [(1 - level) / 2, (1 + level) / 2])
    before, after = (expected_calibration_error(reliability(labels, table)) for table in (reference, package))
    change = after - before
    return CalibrationChange(before, after, change, Interval(min(float(low), change), max(float(high), change), level))


def _gaps_by_bin(labels: Integers, probabilities: Floats) -> NDArray[np.float64]:
    """Each image's `right - confidence` in the column of its bin, float64 `[N, BINS]`: their sums make the error."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    table = np.zeros((len(labels), BINS))
    table[np.arange(len(labels)), _bin_of(confidence, BINS)] = (probabilities.argmax(axis=1) == labels) - confidence
    return table


def _bin_of(confidence: NDArray[np.float64], bins: int) -> NDArray[np.intp]:
    index: NDArray[np.intp] = np.clip(
        np.searchsorted(np.linspace(0, 1, bins + 1), confidence, side="left") - 1, 0, bins - 1
    )
    return index
