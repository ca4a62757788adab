"""Weights that make rare classes count as much as common ones."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import UsageError
from kewcore.recipes import ClassWeights


def class_weights(
    choice: ClassWeights, labels: NDArray[np.int64], class_names: Sequence[str], published: Mapping[str, float]
) -> NDArray[np.float32]:
    """Returns the factor on the loss of each class's images.

    Args:
        choice: `balanced` for n / (C * n_class), as scikit-learn's `compute_class_weight`; `published` for the recipe's
            own table; `none` for ones.
        labels: int64 `[N]`, of the training part.
        class_names: The C classes.
        published: Weight by class name.

    Returns:
        float32 `[C]`.

    Raises:
        UsageError: A class without images, or a recipe that publishes no weights for these classes.
    """
    check_class_weights(choice, class_names, published)
    if choice == "none":
        return np.ones(len(class_names), np.float32)
    if choice == "published":
        return np.array([published[name] for name in class_names], np.float32)
    counts = np.bincount(labels, minlength=len(class_names))
    if empty := [name for name, count in zip(class_names, counts, strict=True) if count == 0]:
        raise UsageError(f"balanced class weights need an image of every class; none of: {', '.join(empty)}")
    return (len(labels) / (len(class_names) * counts)).astype(np.float32)


def check_class_weights(choice: ClassWeights, class_names: Sequence[str], published: Mapping[str, float]) -> None:
    """Refuses a choice that cannot be had, without a look at images; see `class_weights`.

    Raises:
        UsageError: The recipe publishes no weights for these classes.
    """
    if choice == "published" and (missing := [name for name in class_names if name not in published]):
        raise UsageError(f"the recipe publishes no class weights for {', '.join(missing)}")
