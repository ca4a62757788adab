"""What a search measures of a candidate: how far its answers are from the reference's."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from kewcore.parity.agreement import compare
from kewcore.parity.intervals import Interval

_LEVEL = 0.95


@dataclass(frozen=True)
class Figures:
    """A candidate's answers beside the reference's, on the same labelled images.

    Attributes:
        images: How many.
        agreement: Part of them on which both give the same class, 0…1.
        agreement_interval: Its 95 % Wilson interval.
        accuracy: Of the candidate, 0…1.
        reference_accuracy: Of the reference, 0…1.
        drop_pp: What the candidate has less of it, in percentage points.
        drop_interval_pp: Its 95 % paired bootstrap interval.
        lost_pp: Share of images that the reference has right and the candidate wrong, in percentage points.
        likely_drop_pp: The drop that the reference's own probabilities make likely: the mean, over images, of the
            probability of its class less that of the candidate's class.
        likely_drop_upper_pp: Upper end of its one-sided 95 % interval.
        mean_kl_nats: Mean Kullback-Leibler divergence from the reference.
    """

    images: int
    agreement: float
    agreement_interval: Interval
    accuracy: float
    reference_accuracy: float
    drop_pp: float
    drop_interval_pp: Interval
    lost_pp: float
    likely_drop_pp: float
    likely_drop_upper_pp: float
    mean_kl_nats: float


def measured_figures(
    reference: NDArray[np.float32], candidate: NDArray[np.float32], labels: NDArray[np.int64]
) -> Figures:
    """Compares a candidate with the reference.

    Args:
        reference: Probabilities, float32 `[N, C]`.
        candidate: Probabilities, float32 `[N, C]`.
        labels: True classes, int64 `[N]`.
    """
    parity = compare(reference, candidate, labels)
    accuracy = parity.accuracy
    if accuracy is None:
        raise ValueError("a comparison with labels has accuracies")
    rows = np.arange(len(labels))
    own, other = reference.argmax(axis=1), candidate.argmax(axis=1)
    likely = (reference[rows, own] - reference[rows, other]).astype(np.float64)
    spread = float(likely.std(ddof=1)) / math.sqrt(len(likely)) if len(likely) > 1 else 0.0
    return Figures(
        images=parity.n,
        agreement=parity.top1_agreement,
        agreement_interval=parity.top1_agreement_interval,
        accuracy=accuracy.second_accuracy,
        reference_accuracy=accuracy.first_accuracy,
        drop_pp=accuracy.drop_pp,
        drop_interval_pp=accuracy.drop_interval_pp,
        lost_pp=100 * accuracy.only_first_right / parity.n,
        likely_drop_pp=100 * float(likely.mean()),
        likely_drop_upper_pp=100 * (float(likely.mean()) + NormalDist().inv_cdf(_LEVEL) * spread),
        mean_kl_nats=parity.mean_kl_nats,
    )
