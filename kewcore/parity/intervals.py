"""Confidence intervals: Wilson's for a proportion, percentile bootstraps for everything else."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from kewcore.errors import UsageError
from kewcore.parity.arrays import Floats

RESAMPLES = 2000
_CHUNK_DRAWS = 4_000_000


@dataclass(frozen=True)
class Interval:
    """A two-sided confidence interval.

    Attributes:
        low: Lower bound, in the unit of the figure it belongs to.
        high: Upper bound.
        level: Confidence, such as 0.95.
    """

    low: float
    high: float
    level: float = 0.95


def wilson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Interval of a proportion that stays honest for small samples and for 0 and 100 %.

    Args:
        successes: How often it happened.
        trials: Out of how many.
        level: Confidence.

    Raises:
        UsageError: No trials, or more successes than trials.

    Source: Wilson, E. B. (1927), Probable inference, the law of succession, and statistical inference, JASA 22:209-212;
    the form of Brown, Cai & DasGupta (2001), Interval estimation for a binomial proportion, Statist. Sci. 16:101-133.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise UsageError(f"a proportion needs 0 ≤ successes ≤ trials and a trial, got {successes} of {trials}")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = successes / trials
    centre = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    # At 0 and at 100 % the bound is 0 or 1 exactly; rounding must not put the estimate outside its interval.
    low = 0.0 if successes == 0 else max(0.0, (centre - spread) / scale)
    high = 1.0 if successes == trials else min(1.0, (centre + spread) / scale)
    return Interval(low, high, level)


def bootstrap(
    values: Floats,
    statistic: Callable[..., Floats] = np.mean,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of a statistic of independent values.

    Args:
        values: float `[N]`.
        statistic: A NumPy reduction that takes `axis`, such as `np.mean` or `np.median`.
        level: Confidence.
        resamples: How many samples are drawn.
        seed: Makes two calls equal.

    Raises:
        UsageError: No values.

    Source: Efron & Tibshirani (1993), An Introduction to the Bootstrap, section 13.3.
    """
    if values.ndim != 1 or not values.size:
        raise UsageError(f"a bootstrap needs at least one value on one axis, got shape {values.shape}")
    rng = np.random.default_rng(seed)
    rows_a_chunk = max(1, _CHUNK_DRAWS // values.size)
    statistics = [
        statistic(values[rng.integers(0, values.size, (min(rows_a_chunk, resamples - start), values.size))], axis=1)
        for start in range(0, resamples, rows_a_chunk)
    ]
    low, high = np.quantile(np.concatenate(statistics), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level)
