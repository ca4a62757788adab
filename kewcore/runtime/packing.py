"""Packed integers of fewer than eight bits: the first element lies in the lowest bits of the first byte."""

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import PackageError

PACKED_BITS = (1, 2, 3, 4, 6, 8)


def packed_size_bytes(count: int, bits: int) -> int:
    """Returns the bytes that `count` elements of `bits` bits take; the last byte may have unused bits."""
    return -(-count * bits // 8)


def unpack(packed: NDArray[np.uint8], bits: int, count: int) -> NDArray[np.uint8]:
    """Unpacks unsigned integers, least significant bit first; an element may straddle two bytes.

    Args:
        packed: uint8 `[packed_size_bytes(count, bits)]`.
        bits: One of `PACKED_BITS`.
        count: Number of elements.

    Returns:
        uint8 `[count]`.

    Raises:
        PackageError: There are fewer bytes than `count` elements take.

    Source: the description of `indices` in coremltools' `constexpr_lut_to_dense` (iOS 16).
    """
    if bits not in PACKED_BITS:
        raise PackageError(f"packed elements must have one of {PACKED_BITS} bits, got {bits}")
    needed = packed_size_bytes(count, bits)
    if packed.size < needed:
        raise PackageError(f"{count} elements of {bits} bits take {needed} bytes, got {packed.size}")
    packed = packed[:needed]
    if bits == 8:
        return packed
    if 8 % bits == 0:
        shifts = np.arange(0, 8, bits, dtype=np.uint8)
        return ((packed[:, None] >> shifts) & np.uint8((1 << bits) - 1)).reshape(-1)[:count]
    # 3 and 6 bits divide 24: take three bytes at a time.
    groups = np.zeros((-(-needed // 3), 4), np.uint8)
    padded = np.zeros(groups.shape[0] * 3, np.uint8)
    padded[:needed] = packed
    groups[:, :3] = padded.reshape(-1, 3)
    words = groups.view("<u4")
    elements = (words >> np.arange(0, 24, bits, dtype=np.uint32)) & np.uint32((1 << bits) - 1)
    return elements.astype(np.uint8).reshape(-1)[:count]


def sign_extend(values: NDArray[np.uint8], bits: int) -> NDArray[np.int8]:
    """Reads unsigned `bits`-bit elements as two's complement, such as int4."""
    shift = np.uint8(8 - bits)
    return (values << shift).view(np.int8) >> np.int8(8 - bits)
