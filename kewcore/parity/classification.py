"""How good one classifier is on labelled images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import DataError
from kewcore.parity.arrays import Floats, Integers
from kewcore.parity.calibration import ReliabilityBin, expected_calibration_error, reliability
from kewcore.parity.checks import check_labels, check_probabilities
from kewcore.parity.intervals import Interval, wilson
from kewcore.parity.snr import PROBABILITY_FLOOR


@dataclass(frozen=True)
class Average:
    """Precision, recall and F1 averaged over classes, 0…1."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class ClassMetrics:
    """One class against the rest.

    Attributes:
        name: The class.
        support: Images that truly are of the class.
        precision: 0…1; 0 when nothing was called so.
        recall: 0…1; 0 when there is no such image.
        f1: 0…1.
        roc_auc: Area under the ROC curve, one against the rest; None when the images hold no such class, or no other.
    """

    name: str
    support: int
    precision: float
    recall: float
    f1: float
    roc_auc: float | None


@dataclass(frozen=True)
class ClassificationMetrics:
    """Figures of one classifier on `n` labelled images.

    Attributes:
        n: Images.
        class_names: In the order of rows and columns of `confusion`.
        accuracy: 0…1.
        accuracy_interval: Its 95 % Wilson interval.
        macro: Averages over the classes that occur, each counting the same.
        weighted: Averages weighted by support.
        per_class: One entry a class.
        confusion: `confusion[i][j]` images of class i were called j.
        roc_auc_macro: Mean over the classes whose area is defined; None when there is none.
        expected_calibration_error: 0…1, 15 bins.
        log_loss_nats: Mean `-ln p(true class)`, with p at least 2⁻²⁴.
        reliability: The 15 bins behind the calibration error.
    """

    n: int
    class_names: tuple[str, ...]
    accuracy: float
    accuracy_interval: Interval
    macro: Average
    weighted: Average
    per_class: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]
    roc_auc_macro: float | None
    expected_calibration_error: float
    log_loss_nats: float
    reliability: tuple[ReliabilityBin, ...]


def evaluate(labels: Integers, probabilities: Floats, class_names: Sequence[str]) -> ClassificationMetrics:
    """Measures a classifier.

    Args:
        labels: True classes, integer `[N]`.
        probabilities: float `[N, C]`.
        class_names: C names.

    Raises:
        DataError: Shapes do not fit, or the table does not hold probabilities.

    Source: precision, recall, F1 and their averages as in scikit-learn's `precision_recall_fscore_support`, which
    computes them; macro averages run over the classes that occur in `labels`, so that a small sample is not punished
    for the classes it lacks. ROC-AUC one against the rest: Provost & Domingos (2000), Well-trained PETs.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    check_probabilities(probabilities)
    if probabilities.shape[1] != len(class_names):
        raise DataError(f"probabilities have {probabilities.shape[1]} columns for {len(class_names)} class names")
    check_labels(labels, *probabilities.shape)
    predicted = probabilities.argmax(axis=1)
    classes = np.arange(len(class_names))
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=classes, average=None, zero_division=0
    )
    areas = [roc_auc(labels == index, probabilities[:, index]) for index in classes]
    defined = [area for area in areas if area is not None]
    bins = reliability(labels, probabilities)
    right = int(np.sum(predicted == labels))
    occurs = (support > 0).astype(np.float64)
    true_probability = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return ClassificationMetrics(
        n=len(labels),
        class_names=tuple(class_names),
        accuracy=right / len(labels),
        accuracy_interval=wilson(right, len(labels)),
        macro=_average(precision, recall, f1, occurs),
        weighted=_average(precision, recall, f1, support.astype(np.float64)),
        per_class=tuple(
            ClassMetrics(name, int(support[i]), float(precision[i]), float(recall[i]), float(f1[i]), areas[i])
            for i, name in enumerate(class_names)
        ),
        confusion=tuple(
            tuple(int(count) for count in row) for row in confusion_matrix(labels, predicted, labels=classes)
        ),
        roc_auc_macro=sum(defined) / len(defined) if defined else None,
        expected_calibration_error=expected_calibration_error(bins),
        log_loss_nats=float(-np.log(np.maximum(true_probability, PROBABILITY_FLOOR)).mean()),
        reliability=bins,
    )


def roc_auc(positive: NDArray[np.bool_], scores: Floats) -> float | None:
    """Area under the ROC curve; None when all images are positive, or none is.

    Args:
        positive: bool `[N]`.
        scores: float `[N]`, higher for the positive.
    """
    from sklearn.metrics import roc_auc_score

    if positive.all() or not positive.any():
        return None
    return float(roc_auc_score(positive, scores))


def _average(
    precision: NDArray[np.float64], recall: NDArray[np.float64], f1: NDArray[np.float64], weights: NDArray[np.float64]
) -> Average:
    shares = weights / weights.sum()
    return Average(float(precision @ shares), float(recall @ shares), float(f1 @ shares))
