"""Two classifiers on the same labelled images: the difference of accuracies and McNemar's exact test."""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from kewcore.parity.intervals import RESAMPLES, Interval, wilson

_PSEUDO_COUNT = 0.5


@dataclass(frozen=True)
class PairedAccuracy:
    """Accuracies of a first and a second classifier, and whether they differ by more than chance.

    Attributes:
        n: Labelled images.
        first_accuracy: 0…1.
        second_accuracy: 0…1.
        first_interval: 95 % Wilson interval of the first accuracy.
        second_interval: 95 % Wilson interval of the second.
        drop_pp: First minus second, in percentage points: above 0 the second is worse.
        drop_interval_pp: 95 % paired bootstrap interval of `drop_pp`.
        only_first_right: Images that the first alone got right (discordant).
        only_second_right: Images that the second alone got right (discordant).
        mcnemar_p: Two-sided p value of McNemar's exact test.
    """

    n: int
    first_accuracy: float
    second_accuracy: float
    first_interval: Interval
    second_interval: Interval
    drop_pp: float
    drop_interval_pp: Interval
    only_first_right: int
    only_second_right: int
    mcnemar_p: float


def compare_accuracy(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_], seed: int = 0) -> PairedAccuracy:
    """Compares two classifiers by which of the same images each got right.

    Args:
        first_right: bool `[N]`, N at least 1.
        second_right: bool `[N]`.
        seed: Of the bootstrap.
    """
    n = len(first_right)
    only_first = int(np.sum(first_right & ~second_right))
    only_second = int(np.sum(~first_right & second_right))
    return PairedAccuracy(
        n=n,
        first_accuracy=float(first_right.mean()),
        second_accuracy=float(second_right.mean()),
        first_interval=wilson(int(first_right.sum()), n),
        second_interval=wilson(int(second_right.sum()), n),
        drop_pp=100 * (only_first - only_second) / n,
        drop_interval_pp=drop_interval_pp(n, only_first, only_second, seed=seed),
        only_first_right=only_first,
        only_second_right=only_second,
        mcnemar_p=mcnemar_exact(only_first, only_second),
    )


def mcnemar_exact(only_first_right: int, only_second_right: int) -> float:
    """Two-sided p value of McNemar's exact test: the binomial test of the discordant pairs against one half.

    Source: McNemar, Q. (1947), Note on the sampling error of the difference between correlated proportions or
    percentages, Psychometrika 12:153-157; exact form in Agresti (2002), Categorical Data Analysis, 10.1.4.
    """
    discordant = only_first_right + only_second_right
    tail = sum(math.comb(discordant, k) for k in range(min(only_first_right, only_second_right) + 1))
    return min(1.0, float(Fraction(2 * tail, 2**discordant)))


def drop_interval_pp(
    n: int, only_first_right: int, only_second_right: int, *, level: float = 0.95, seed: int = 0
) -> Interval:
    """Paired bootstrap interval of the drop of accuracy, in percentage points.

    Resampling pairs is drawing from a multinomial over (first alone right, second alone right, the rest). Half a count
    is added to each of the four cells of the 2×2 table first: otherwise a sample without any discordant pair would get
    the interval 0 to 0, and a small sample would read as a guarantee.

    Args:
        n: Pairs, at least 1.
        only_first_right: Discordant pairs in favour of the first.
        only_second_right: Discordant pairs in favour of the second.
        level: Confidence.
        seed: Makes two calls equal.

    Source: Efron & Tibshirani (1993), section 13.3; the added counts after Agresti & Min (2005), Simple improved
    confidence intervals for comparing matched proportions, Statistics in Medicine 24:729-740.
    """
    first, second = only_first_right + _PSEUDO_COUNT, only_second_right + _PSEUDO_COUNT
    total = n + 4 * _PSEUDO_COUNT
    draws = np.random.default_rng(seed).multinomial(
        n, [first / total, second / total, (total - first - second) / total], size=RESAMPLES
    )
    drops = 100 * (draws[:, 0] - draws[:, 1]) / n
    low, high = np.quantile(drops, [(1 - level) / 2, (1 + level) / 2])
    estimate = 100 * (only_first_right - only_second_right) / n
    return Interval(min(float(low), estimate), max(float(high), estimate), level)
