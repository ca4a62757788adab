"""Per-class recall of two classifiers on the same images: what a package gained or lost, class by class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kewcore.parity.arrays import Integers
from kewcore.parity.intervals import Interval
from kewcore.parity.paired import drop_interval_pp


@dataclass(frozen=True)
class RecallChange:
    """Recall of one class before and after.

    Attributes:
        name: The class.
        support: Images that truly are of the class, at least 1.
        reference_recall: Part of them that the reference finds, 0…1.
        package_recall: Part of them that the package finds, 0…1.
        change_pp: Package minus reference, in percentage points: below 0 the package finds fewer.
        change_interval_pp: 95 % paired bootstrap interval of `change_pp`.
    """

    name: str
    support: int
    reference_recall: float
    package_recall: float
    change_pp: float
    change_interval_pp: Interval


def recall_changes(
    labels: Integers,
    reference_right: NDArray[np.bool_],
    package_right: NDArray[np.bool_],
    class_names: Sequence[str],
    seed: int = 0,
) -> tuple[RecallChange, ...]:
    """Compares recall class by class; classes without an image are left out.

    Within a class, recall is accuracy, so the interval is that of a paired difference of accuracies.

    Args:
        labels: True classes, integer `[N]`.
        reference_right: bool `[N]`, whether the reference's top class is the true one.
        package_right: bool `[N]`, the same of the package.
        class_names: What labels point into.
        seed: Of the bootstrap.

    Source: `kewcore.parity.paired.drop_interval_pp`.
    """
    found = []
    for index, name in enumerate(class_names):
        inside = labels == index
        if not inside.any():
            continue
        before, after = reference_right[inside], package_right[inside]
        gained, lost = int(np.sum(after & ~before)), int(np.sum(before & ~after))
        support = len(before)
        found.append(
            RecallChange(
                name=name,
                support=support,
                reference_recall=float(before.mean()),
                package_recall=float(after.mean()),
                change_pp=100 * (gained - lost) / support,
                change_interval_pp=drop_interval_pp(support, gained, lost, seed=seed),
            )
        )
    return tuple(found)
