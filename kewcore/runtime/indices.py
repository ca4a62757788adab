"""Indices that a program computes, and the sizes of tensors that it asks for: checked before they are followed."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from kewcore.runtime.program import TENSOR_LIMIT_BYTES, element_count
from kewcore.runtime.registry import Array


def bounded(shape: Iterable[Any], dtype: Any) -> tuple[int, ...]:
    """Returns a shape as plain numbers, if a tensor of it may be made.

    Args:
        shape: Sizes, often computed at run time.
        dtype: NumPy type of the elements.

    Raises:
        ValueError: A size is negative, or the tensor would take more than `TENSOR_LIMIT_BYTES`.
    """
    sizes = tuple(int(size) for size in shape)
    if min(sizes, default=0) < 0:
        raise ValueError(f"sizes must not be negative, got {list(sizes)}")
    size_bytes = element_count(sizes) * np.dtype(dtype).itemsize
    if size_bytes > TENSOR_LIMIT_BYTES:
        raise ValueError(
            f"a tensor of shape {list(sizes)} would take {size_bytes} bytes, "
            f"more than the limit of {TENSOR_LIMIT_BYTES}"
        )
    return sizes


def lies_outside(indices: Array, size: int, *, negatives: bool) -> Array:
    """Marks indices outside an axis.

    Args:
        indices: Whole numbers.
        size: Number of elements on the axis.
        negatives: Whether negative indices count from the end, rather than lie outside.
    """
    return np.asarray((indices < (-size if negatives else 0)) | (indices >= size))


def positions(indices: Any, size: int, *, negatives: bool = True) -> Array:
    """Brings indices to 0 … size - 1.

    Args:
        indices: Whole numbers of any type and shape.
        size: Number of elements on the axis.
        negatives: Whether negative indices count from the end, rather than lie outside.

    Raises:
        IndexError: One lies outside; the message names the first.
    """
    wide = np.asarray(indices).astype(np.int64)
    outside = lies_outside(wide, size, negatives=negatives)
    if outside.any():
        lowest = -size if negatives else 0
        raise IndexError(f"indices must be from {lowest} to {size - 1}, got {wide[outside].reshape(-1)[0]}")
    return np.where(wide < 0, wide + size, wide)
