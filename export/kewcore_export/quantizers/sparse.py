"""Magnitude pruning."""

import numpy as np
from numpy.typing import NDArray

from kewcore_export.quantizers.blocks import Weight
from kewcore_export.quantizers.compressed import SparseWeight


def magnitude_mask(weight: Weight, sparsity: float) -> NDArray[np.bool_]:
    """Marks the largest values of a weight; exactly `round(sparsity * size)` others are left out.

    Of equal magnitudes at the border those that come first in row-major order stay.

    Returns:
        bool, the weight's shape; True where a value stays.
    """
    dropped = round(sparsity * weight.size)
    magnitude: Weight = np.abs(weight).ravel()
    if dropped == 0:
        return np.ones(weight.shape, bool)
    border = np.partition(magnitude, dropped - 1)[dropped - 1]
    mask: NDArray[np.bool_] = magnitude > border
    equal = np.flatnonzero(magnitude == border)
    mask[equal[: magnitude.size - dropped - int(mask.sum())]] = True
    return mask.reshape(weight.shape)


def prune(weight: Weight, mask: NDArray[np.bool_]) -> SparseWeight:
    """Keeps the marked values of a weight, rounded to fp16."""
    return SparseWeight(mask, weight[mask].astype(np.float16))
