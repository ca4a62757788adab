"""Parity: how close a package's probabilities stay to its reference's on the same images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kewcore.errors import DataError
from kewcore.parity.arrays import Floats, Integers
from kewcore.parity.calibration import CalibrationChange, calibration_change
from kewcore.parity.checks import check_labels, check_probabilities, check_same_shape
from kewcore.parity.intervals import Interval, wilson
from kewcore.parity.paired import PairedAccuracy, compare_accuracy
from kewcore.parity.recall import RecallChange, recall_changes
from kewcore.parity.snr import logit_snr_db, mean_kl_nats


@dataclass(frozen=True)
class ParityMetrics:
    """Parity of a package with its reference on `n` images.

    Attributes:
        n: Images compared.
        top1_agreement: Part of the images on which both give the same class, 0…1.
        top1_agreement_interval: Its 95 % Wilson interval.
        max_abs_dp: Largest `|p_reference - p_package|` over all images and classes.
        mean_abs_dp: Mean of it.
        mean_kl_nats: Mean Kullback-Leibler divergence of the package from the reference.
        logit_snr_db: SNR of row-centred log-probabilities, which stand for logits since outputs are softmaxed;
            infinite when the outputs are equal.
        disagreements: Indices of the images on which the top classes differ.
        accuracy: Accuracies of both and their paired difference; None without labels.
        per_class: Change of recall by class, classes without an image left out; empty without labels and class names.
        calibration: Change of the expected calibration error; None without labels and class names.
    """

    n: int
    top1_agreement: float
    top1_agreement_interval: Interval
    max_abs_dp: float
    mean_abs_dp: float
    mean_kl_nats: float
    logit_snr_db: float
    disagreements: tuple[int, ...]
    accuracy: PairedAccuracy | None
    per_class: tuple[RecallChange, ...] = ()
    calibration: CalibrationChange | None = None


def compare(
    reference: Floats,
    package: Floats,
    labels: Integers | None = None,
    *,
    class_names: Sequence[str] | None = None,
    seed: int = 0,
) -> ParityMetrics:
    """Compares a package with its reference, image by image.

    Args:
        reference: Probabilities of the reference, float `[N, C]`.
        package: Probabilities of the package, float `[N, C]`, same images and classes in the same order.
        labels: True classes, integer `[N]`, or None where they are not known.
        class_names: Names of the C classes; with labels and these, recall by class and calibration are compared too.
        seed: Of the bootstraps.

    Raises:
        DataError: Shapes differ, a table does not hold probabilities, or labels do not fit.
    """
    check_probabilities(reference, "the reference's probabilities")
    check_probabilities(package, "the package's probabilities")
    check_same_shape(reference, package)
    accuracy, calibration = None, None
    per_class: tuple[RecallChange, ...] = ()
    reference_top1, package_top1 = reference.argmax(axis=1), package.argmax(axis=1)
    if labels is not None:
        check_labels(labels, *reference.shape)
        rights = reference_top1 == labels, package_top1 == labels
        accuracy = compare_accuracy(*rights, seed)
        if class_names is not None:
            if len(class_names) != reference.shape[1]:
                raise DataError(f"probabilities have {reference.shape[1]} columns for {len(class_names)} class names")
            per_class = recall_changes(labels, *rights, class_names, seed)
            calibration = calibration_change(labels, reference, package, seed=seed)
    differs = np.flatnonzero(reference_top1 != package_top1)
    n = len(reference)
    dp = np.abs(reference.astype(np.float64) - package.astype(np.float64))
    return ParityMetrics(
        n=n,
        top1_agreement=(n - len(differs)) / n,
        top1_agreement_interval=wilson(n - len(differs), n),
        max_abs_dp=float(dp.max()),
        mean_abs_dp=float(dp.mean()),
        mean_kl_nats=mean_kl_nats(reference, package),
        logit_snr_db=logit_snr_db(reference, package),
        disagreements=tuple(int(index) for index in differs),
        accuracy=accuracy,
        per_class=per_class,
        calibration=calibration,
    )
