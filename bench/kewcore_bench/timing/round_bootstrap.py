"""Bootstrap of a latency ratio from rounds that were measured in several starts of the engines' processes.

Rounds of one start resemble one another more than rounds of two: where memory came to lie and how threads were placed
stays for the life of a process. So starts are drawn first, then rounds within each.

Source: Kalibera & Jones (2013), Rigorous benchmarking in reasonable time, ISMM '13, on levels of repetition; Davison &
Hinkley (1997), Bootstrap Methods and their Application, section 3.8, on resampling by levels.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import UsageError
from kewcore.parity.intervals import Interval

RESAMPLES = 2000


def ratio_estimate(round_ratios: Sequence[float], starts: int) -> float:
    """Trimmed mean over the starts of the trimmed mean over the rounds of each, of logarithms.

    Not the plain mean: one process in some thirty ran 1.4 times as fast as its like for as long as it lived. Not the
    median either, which strays 1.25 times as far as a mean where nothing is odd.

    Args:
        round_ratios: One ratio a round, start after start, as many rounds in each.
        starts: How many starts there were.

    Raises:
        UsageError: The rounds cannot be told apart by start.
    """
    return float(np.exp(_trimmed_mean(_trimmed_mean(_by_start(round_ratios, starts)))))


def log_ratio_draws(
    round_ratios: Sequence[float], starts: int, *, seed: int = 0, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """Draws the logarithm of `ratio_estimate` again and again, from resampled starts and rounds.

    Args:
        round_ratios: One ratio a round, start after start, as many rounds in each.
        starts: How many starts there were.
        seed: Makes two calls equal.
        resamples: How many draws.

    Returns:
        float64 `[resamples]`.

    Raises:
        UsageError: The rounds cannot be told apart by start.
    """
    logs = _by_start(round_ratios, starts)
    rounds = logs.shape[1]
    rng = np.random.default_rng(seed)
    chosen_starts = rng.integers(0, starts, (resamples, starts, 1))
    chosen_rounds = rng.integers(0, rounds, (resamples, starts, rounds))
    return _trimmed_mean(_trimmed_mean(logs[chosen_starts, chosen_rounds]))


def interval_of(draws: NDArray[np.float64], level: float = 0.95) -> Interval:
    """Percentile interval of a ratio from draws of its logarithm."""
    low, high = np.exp(np.quantile(draws, [(1 - level) / 2, (1 + level) / 2]))
    return Interval(float(low), float(high), level)


def _trimmed_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the last axis without the lowest and the highest quarter; of three, the one between."""
    count = values.shape[-1]
    cut = 1 if count == 3 else count // 4
    kept: NDArray[np.float64] = np.sort(values, axis=-1)[..., cut : count - cut]
    return np.asarray(kept.mean(axis=-1))


def _by_start(round_ratios: Sequence[float], starts: int) -> NDArray[np.float64]:
    if starts < 1 or not round_ratios or len(round_ratios) % starts:
        raise UsageError(f"{len(round_ratios)} rounds cannot come from {starts} starts of as many rounds each")
    return np.log(np.array(round_ratios, np.float64)).reshape(starts, -1)
