"""How a weight is cut into blocks that share a scale or a palette."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Weight = NDArray[np.float32]


def block_size(axis_length: int, wanted: int) -> int:
    """Chooses the size of blocks along an axis, so that they cover it without a rest, whatever its length.

    The divisor of the length nearest to `wanted` by ratio, from a quarter of it to twice it; where there is none, as
    for a prime length, the whole axis is one block.
    """
    divisors = [d for d in range(1, axis_length + 1) if axis_length % d == 0 and wanted <= 4 * d and d <= 2 * wanted]
    return min(divisors, key=lambda d: (max(d, wanted) / min(d, wanted), d), default=axis_length)


def to_rows(weight: NDArray[Any], blocks: tuple[int, ...]) -> NDArray[Any]:
    """Gathers each block into one row.

    Args:
        weight: Any shape `[n0, n1, ...]`.
        blocks: How many blocks along each axis; each divides the axis.

    Returns:
        `[number of blocks, elements of a block]`, blocks and elements in row-major order.
    """
    split = [part for n, b in zip(weight.shape, blocks, strict=True) for part in (b, n // b)]
    order = [*range(0, len(split), 2), *range(1, len(split), 2)]
    return np.ascontiguousarray(weight.reshape(split).transpose(order)).reshape(int(np.prod(blocks)), -1)


def spread(per_block: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Repeats one entry a block to one entry an element.

    Args:
        per_block: An array of the same rank as `shape`; each axis divides that of `shape`.
        shape: Of the result.
    """
    for axis, length in enumerate(shape):
        per_block = np.repeat(per_block, length // per_block.shape[axis], axis)
    return per_block


def from_rows(rows: NDArray[Any], shape: tuple[int, ...], blocks: tuple[int, ...]) -> NDArray[Any]:
    """Undoes `to_rows`."""
    sizes = tuple(n // b for n, b in zip(shape, blocks, strict=True))
    rank = len(shape)
    order = [axis for i in range(rank) for axis in (i, rank + i)]
    return np.ascontiguousarray(rows.reshape(*blocks, *sizes).transpose(order)).reshape(shape)
