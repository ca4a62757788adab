"""The smallest slowdown that a bench can see: what its noise leaves, so that 'no regression' says how much it means."""

import math
from statistics import NormalDist

from kewcore_bench.timing.latency import LatencyRatio
from kewcore_bench.timing.round_bootstrap import log_ratio_draws

POWER = 0.95
"""How often a slowdown of that size would be called."""
_LEVEL = 0.95


def detectable_slowdown(standard_error: float, max_slowdown: float) -> float:
    """Gives the smallest true slowdown that would be called a regression, `POWER` of the time.

    A regression is called when the lower end of the 95 % interval of the change lies above what is allowed. With an
    estimate that is normal on the logarithmic scale, that happens with probability `POWER` when the true change is
    `(1 + max_slowdown) · exp((z₀.₉₇₅ + z₀.₉₅) · standard_error)`.

    Args:
        standard_error: Of the logarithm of the change.
        max_slowdown: Slowdown that is allowed, as a part of one.

    Returns:
        The slowdown, as a part of one.

    Source: Bloom (1995), Minimum detectable effects: a simple way to report the statistical power of experimental
    designs, Evaluation Review 19:547-556, for the multiple of the standard error.
    """
    z = NormalDist()
    multiple = z.inv_cdf(0.5 + _LEVEL / 2) + z.inv_cdf(POWER)
    return (1 + max_slowdown) * math.exp(multiple * standard_error) - 1


def detectable_alone(ratio: LatencyRatio, max_slowdown: float, seed: int = 0) -> float:
    """Gives the slowdown that a later bench as noisy as this one would see against it: both bring the same error.

    Args:
        ratio: A ratio of this bench.
        max_slowdown: Slowdown that is allowed, as a part of one.
        seed: Of the bootstrap.

    Returns:
        The slowdown, as a part of one.
    """
    error = float(log_ratio_draws(ratio.round_ratios, ratio.starts, seed=seed).std())
    return detectable_slowdown(math.sqrt(2) * error, max_slowdown)
