"""Distances between two tables of probabilities: logit SNR in decibels, and Kullback-Leibler divergence."""

import math

import numpy as np
from numpy.typing import NDArray

from kewcore.parity.arrays import Floats

PROBABILITY_FLOOR = 2.0**-24
"""Smallest positive fp16 number: what an fp16 softmax gives below it is 0, and the logarithm needs more."""

LOGIT_FLOOR = 2.0**-14
"""Smallest normal fp16 number: below it fp16 outputs lose bits, and the SNR would measure how they round."""

LEAST_SNR_DB = -200.0
"""Stands for minus infinity, which JSON cannot hold: no signal, or the other side overflowed or is no number."""


def centred_logits(probabilities: Floats) -> NDArray[np.float64]:
    """Recovers logits from softmax outputs, up to the constant that softmax forgets.

    Classifiers here end in a softmax, so logits are not seen; `log p` differs from them by one constant a row, which
    subtracting the row's mean removes. Probabilities below `LOGIT_FLOOR` count as that floor.

    Args:
        probabilities: float `[N, C]`.

    Returns:
        float64 `[N, C]`, each row with mean 0.
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), LOGIT_FLOOR))
    centred: NDArray[np.float64] = logits - logits.mean(axis=1, keepdims=True)
    return centred


def snr_db(signal: Floats, approximation: Floats) -> float:
    """Signal-to-noise ratio `10·log10(Σ signal² / Σ (signal - approximation)²)`; infinite when both are equal.

    Args:
        signal: Any shape.
        approximation: Same shape.

    Source: the usual definition, e.g. Oppenheim & Schafer, Discrete-Time Signal Processing, 3rd ed., section 4.8.
    """
    wanted = signal.astype(np.float64)
    return power_ratio_db(float(np.sum(wanted**2)), float(np.sum((wanted - approximation.astype(np.float64)) ** 2)))


def power_ratio_db(signal_power: float, noise_power: float) -> float:
    """Ratio of two powers in decibels; infinite without noise, else `LEAST_SNR_DB` at least."""
    if noise_power == 0:
        return math.inf
    if not signal_power or not math.isfinite(noise_power):
        return LEAST_SNR_DB
    return max(LEAST_SNR_DB, 10 * math.log10(signal_power / noise_power))


def logit_snr_db(reference: Floats, package: Floats) -> float:
    """SNR of the package's centred log-probabilities against the reference's, over all rows, in decibels."""
    return snr_db(centred_logits(reference), centred_logits(package))


def mean_kl_nats(reference: Floats, package: Floats) -> float:
    """Mean over rows of the Kullback-Leibler divergence `Σ p·ln(p / q)`, p the reference, in nats.

    Both are brought to sums of 1 in float64 first, so that float32 rounding cannot make it negative.

    Source: Kullback & Leibler (1951), On information and sufficiency, Ann. Math. Statist. 22:79-86.
    """
    p, q = (_normalised(table) for table in (reference, package))
    return max(0.0, float(np.mean(np.sum(p * np.log(p / q), axis=1))))


def _normalised(probabilities: Floats) -> NDArray[np.float64]:
    floored = np.maximum(probabilities.astype(np.float64), PROBABILITY_FLOOR)
    normalised: NDArray[np.float64] = floored / floored.sum(axis=1, keepdims=True)
    return normalised
