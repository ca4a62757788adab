"""What every metric asks of its arrays, refused with the place and the value."""

import numpy as np

from kewcore.errors import DataError
from kewcore.parity.arrays import Floats, Integers

_ROW_SUM_TOLERANCE = 0.02
"""fp16 softmax outputs over many classes sum to 1 within about C × 2⁻¹²; this is far above and still finds logits."""


def check_probabilities(probabilities: Floats, who: str = "probabilities") -> None:
    """Refuses what is not a table of probabilities.

    Args:
        probabilities: float `[N, C]`.
        who: How a message names the table.

    Raises:
        DataError: Not two axes, empty, not finite, outside 0…1, or rows that do not sum to 1.
    """
    if probabilities.ndim != 2 or 0 in probabilities.shape:
        raise DataError(f"{who} must have shape [images, classes] with at least one of each, got {probabilities.shape}")
    if not np.isfinite(probabilities).all():
        bad = np.flatnonzero(~np.isfinite(probabilities).all(axis=1))
        raise DataError(f"{who} hold NaN or infinity in {len(bad)} of {len(probabilities)} rows, first in row {bad[0]}")
    sums = probabilities.astype(np.float64).sum(axis=1)
    wrong = (np.abs(sums - 1) > _ROW_SUM_TOLERANCE) | (probabilities < 0).any(axis=1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{who} must be from 0 to 1 with rows that sum to 1; row {row} sums to {sums[row]:.4g}, "
            f"smallest {probabilities[row].min():.4g}",
            hint="are these logits? Classifiers of kewcore end in a softmax",
        )


def check_labels(labels: Integers, images: int, classes: int) -> None:
    """Refuses labels that do not fit `images` rows and `classes` columns.

    Raises:
        DataError: Another number of labels than images, or an index outside the classes.
    """
    if labels.shape != (images,):
        raise DataError(f"{images} rows of probabilities need labels of shape ({images},), got {labels.shape}")
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        raise DataError(f"labels must be from 0 to {classes - 1}, got {labels.min()} to {labels.max()}")


def check_same_shape(reference: Floats, package: Floats) -> None:
    """Refuses two tables of probabilities that cannot be compared row by row.

    Raises:
        DataError: The shapes differ.
    """
    if reference.shape != package.shape:
        raise DataError(
            f"the two classifiers gave probabilities of different shapes: {reference.shape} and {package.shape}"
        )
