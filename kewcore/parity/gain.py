"""Whether a gain of one model over another survives in copies of both, on the same labelled images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kewcore.parity.intervals import RESAMPLES, Interval

_PSEUDO_COUNT = 0.5
_STEPS = np.arange(-2, 3)


@dataclass(frozen=True)
class GainChange:
    """The gain of two copies beside the gain of what they were made from.

    Attributes:
        change_pp: Gain of the copies minus gain of the references, in percentage points: below 0 some of it is lost.
        interval_pp: Its 95 % paired bootstrap interval.
    """

    change_pp: float
    interval_pp: Interval


def compare_gains(
    reference_before: NDArray[np.bool_],
    reference_after: NDArray[np.bool_],
    copy_before: NDArray[np.bool_],
    copy_after: NDArray[np.bool_],
    *,
    level: float = 0.95,
    seed: int = 0,
) -> GainChange:
    """Compares two gains of accuracy by which of the same images all four classifiers got right.

    An image counts `(copy_after - copy_before) - (reference_after - reference_before)`, from -2 to 2; the images are
    resampled. Half a count is added to -1 and to 1, and one to 0, so that a sample in which no image counts does not
    read as a guarantee: what `kewcore.parity.paired.drop_interval_pp` adds to its table.

    Args:
        reference_before: bool `[N]`, N at least 1.
        reference_after: bool `[N]`.
        copy_before: bool `[N]`.
        copy_after: bool `[N]`.
        level: Confidence.
        seed: Makes two calls equal.

    Source: Efron & Tibshirani (1993), An Introduction to the Bootstrap, section 13.3; the added counts after Agresti &
    Min (2005), Statistics in Medicine 24:729-740.
    """
    gain = copy_after.astype(np.int64) - copy_before
    changes = gain - (reference_after.astype(np.int64) - reference_before)
    n = len(changes)
    counts = np.array([float(np.sum(changes == step)) for step in _STEPS])
    counts += np.array([0, _PSEUDO_COUNT, 2 * _PSEUDO_COUNT, _PSEUDO_COUNT, 0])
    draws = np.random.default_rng(seed).multinomial(n, counts / counts.sum(), size=RESAMPLES)
    low, high = np.quantile(100 * (draws @ _STEPS) / n, [(1 - level) / 2, (1 + level) / 2])
    change_pp = 100 * float(changes.sum()) / n
    return GainChange(change_pp, Interval(min(float(low), change_pp), max(float(high), change_pp), level))
