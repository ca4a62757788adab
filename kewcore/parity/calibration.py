"""Calibration: does a classifier that says 80 % get four of five right?"""

from dataclasses import dataclass

import numpy as np

from kewcore.parity.arrays import Floats, Integers

BINS = 15


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
    index = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
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
