"""What a search measures of a candidate: how far its answers are from the reference's."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kewcore.parity.agreement import compare
from kewcore.parity.intervals import Interval, wilson
from kewcore.parity.snr import mean_kl_nats

_PRIOR_SHARE = 0.5
"""Deviation of the drop that is thought likely beforehand, as a part of the images whose class changes: with a share q
of them, the drop lies between -q and q."""

_DEVIATIONS = 2
"""By how many standard deviations the estimate is raised. With one, the smallest of eleven mixes of KewCNN (original)
that kept 0.5 percentage points on 293 validation images lost 0.7 on 840 others."""


@dataclass(frozen=True)
class Figures:
    """A candidate's answers beside the reference's, on the same labelled images.

    Attributes:
        images: How many; mirrored views of an image are no further images.
        agreement: Part of all views on which both give the same class, 0…1.
        agreement_interval: 95 % Wilson interval for so many images.
        agreement_lower: The agreement less two standard deviations, over images of the mean over an image's views.
        accuracy: Of the candidate, 0…1, on the images as they are.
        reference_accuracy: Of the reference.
        drop_pp: What the candidate has less of it, in percentage points.
        drop_interval_pp: Its 95 % paired bootstrap interval.
        estimated_drop_pp: The drop that all views, and the reference's own probabilities, make likely; see
            `_estimated_drop`.
        estimated_drop_upper_pp: Two standard deviations more: 39 of 40 drops are less.
        mean_kl_nats: Mean Kullback-Leibler divergence from the reference, over all views.
        accuracy_interval: 95 % Wilson interval of the accuracy.
    """

    images: int
    agreement: float
    agreement_interval: Interval
    agreement_lower: float
    accuracy: float
    reference_accuracy: float
    drop_pp: float
    drop_interval_pp: Interval
    estimated_drop_pp: float
    estimated_drop_upper_pp: float
    mean_kl_nats: float
    accuracy_interval: Interval


def measured_figures(
    reference: NDArray[np.float32], candidate: NDArray[np.float32], labels: NDArray[np.int64], views: int = 1
) -> Figures:
    """Compares a candidate with the reference.

    Args:
        reference: Probabilities, float32 `[V * N, C]`: all images as they are, then all of them as a second view, ….
        candidate: Probabilities, float32 `[V * N, C]`.
        labels: True classes, int64 `[V * N]`.
        views: How many views of each image there are, V.
    """
    images = len(labels) // views
    plain = compare(reference[:images], candidate[:images], labels[:images])
    accuracy = plain.accuracy
    if accuracy is None:
        raise ValueError("a comparison with labels has accuracies")
    changed = (reference.argmax(axis=1) != candidate.argmax(axis=1)).reshape(views, -1).mean(axis=0)
    same = float(1 - changed.mean())
    estimated, deviation = _estimated_drop(reference, candidate, labels, views)
    return Figures(
        images=images,
        agreement=same,
        agreement_interval=wilson(round(same * images), images),
        agreement_lower=max(0.0, same - _DEVIATIONS * _deviation(changed, views)),
        accuracy=accuracy.second_accuracy,
        reference_accuracy=accuracy.first_accuracy,
        drop_pp=accuracy.drop_pp,
        drop_interval_pp=accuracy.drop_interval_pp,
        estimated_drop_pp=100 * estimated,
        estimated_drop_upper_pp=100 * (estimated + _DEVIATIONS * deviation),
        mean_kl_nats=mean_kl_nats(reference, candidate),
        accuracy_interval=wilson(round(accuracy.second_accuracy * images), images),
    )


def _estimated_drop(
    reference: NDArray[np.float32], candidate: NDArray[np.float32], labels: NDArray[np.int64], views: int
) -> tuple[float, float]:
    """Weighs what the labels say of the drop against what the reference's probabilities say.

    Few answers change, and what their labels say is mostly chance: a drop of three of 300 images may as well be none.
    The reference's probabilities say what to expect of images whose class changes: the mean of the probability of its
    class less that of the candidate's class. Both are put together as two normal distributions, the second as the prior
    (Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.5).

    Returns:
        Mean and standard deviation of the drop, 0…1.
    """
    rows = np.arange(len(labels))
    own, other = reference.argmax(axis=1), candidate.argmax(axis=1)
    changed = float((own != other).mean())
    if changed == 0:
        return 0.0, 0.0
    expected = float((reference[rows, own] - reference[rows, other]).mean(dtype=np.float64))
    lost = ((own == labels).astype(np.float64) - (other == labels)).reshape(views, -1).mean(axis=0)
    variance = _deviation(lost, views) ** 2
    prior = (_PRIOR_SHARE * changed) ** 2
    weight = prior / (prior + variance)
    return weight * float(lost.mean()) + (1 - weight) * expected, math.sqrt(weight * variance)


def _deviation(changes: NDArray[np.float64], views: int) -> float:
    """Gives the standard deviation of the mean of what changed of each image, `[N]`, as a mean over its views.

    Views of an image are taken as one observation; one answer more than those that changed is counted, so that no
    change is not taken for certainty.
    """
    return math.sqrt(float(np.square(changes).sum()) + views**-2) / len(changes)
