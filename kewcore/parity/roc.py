"""ROC curves, one class against the rest, in so few points that a result can carry them."""

from collections.abc import Sequence
from dataclasses import dataclass

from kewcore.parity.arrays import Floats, Integers
from kewcore.parity.checks import check_labels, check_probabilities

_DECIMALS = 3
"""Of a rate: a thousandth of an axis cannot be seen, and as many points are enough for any number of images."""


@dataclass(frozen=True)
class RocCurve:
    """The ROC curve of one class against the rest: its corners, from (0, 0) to (1, 1).

    Attributes:
        name: The class.
        false_positive_rate: Part of the other images that is called so, 0…1, rising, to three decimals.
        true_positive_rate: Part of its images that is called so, 0…1, rising, to three decimals.
    """

    name: str
    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]


def roc_curves(labels: Integers, probabilities: Floats, class_names: Sequence[str]) -> tuple[RocCurve, ...]:
    """Traces the curve of every class of which the images hold one, and another.

    Args:
        labels: True classes, integer `[N]`.
        probabilities: float `[N, C]`.
        class_names: C names.

    Raises:
        DataError: Shapes do not fit, or the table does not hold probabilities.

    Source: scikit-learn's `roc_curve`, which leaves out points on a straight line.
    """
    from sklearn.metrics import roc_curve

    check_probabilities(probabilities)
    check_labels(labels, *probabilities.shape)
    curves = []
    for index, name in enumerate(class_names):
        positive = labels == index
        if positive.any() and not positive.all():
            false_positives, true_positives, _ = roc_curve(positive, probabilities[:, index])
            rounded = zip(false_positives.round(_DECIMALS), true_positives.round(_DECIMALS), strict=True)
            points = list(dict.fromkeys((float(x), float(y)) for x, y in rounded))
            curves.append(RocCurve(name, tuple(x for x, _ in points), tuple(y for _, y in points)))
    return tuple(curves)
