"""What a compressed weight consists of, and what it decompresses to.

Scales and palettes have the rank of the weight; each axis of them divides the same axis of the weight, and one entry
covers a whole block of it, as in the iOS 18 `constexpr_` ops.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RoundedWeight:
    """Values that stay floating point, rounded with care; see `kewcore_export.quantizers.rounding`.

    Attributes:
        values: fp16, the weight's shape.
    """

    values: NDArray[np.float16]


@dataclass(frozen=True)
class LinearWeight:
    """`scale * values`, symmetric: no offset.

    Attributes:
        values: int8, the weight's shape; of 4-bit weights from -7 to 7.
        scale: fp16, the weight's rank.
        bits: 8 or 4.
    """

    values: NDArray[np.int8]
    scale: NDArray[np.float16]
    bits: int


@dataclass(frozen=True)
class PaletteWeight:
    """`palette[indices]`.

    Attributes:
        indices: uint8, the weight's shape.
        palette: fp16 `[blocks of axis 0, ..., blocks of the last axis, 2**bits]`.
        bits: Bits of an index.
    """

    indices: NDArray[np.uint8]
    palette: NDArray[np.float16]
    bits: int


@dataclass(frozen=True)
class SparseWeight:
    """Zeros, and the values that are left.

    Attributes:
        mask: bool, the weight's shape; True where a value is left.
        values: fp16 `[number of True]`, in row-major order.
    """

    mask: NDArray[np.bool_]
    values: NDArray[np.float16]


@dataclass(frozen=True)
class SparsePaletteWeight:
    """Zeros, and palette indices of the values that are left.

    Attributes:
        mask: bool, the weight's shape.
        indices: uint8 `[number of True]`, in row-major order.
        palette: fp16, as in `PaletteWeight`.
        bits: Bits of an index.
    """

    mask: NDArray[np.bool_]
    indices: NDArray[np.uint8]
    palette: NDArray[np.float16]
    bits: int


@dataclass(frozen=True)
class VectorPaletteWeight:
    """`palette[indices]`, where an entry holds neighbours along one axis.

    Attributes:
        indices: uint8, the weight's shape, with `axis` divided by the length of a vector.
        palette: fp16 `[1, ..., 1, 2**bits, vector]`.
        bits: Bits of an index.
        axis: Axis along which vectors lie.
    """

    indices: NDArray[np.uint8]
    palette: NDArray[np.float16]
    bits: int
    axis: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The weight's shape."""
        vector = self.palette.shape[-1]
        return tuple(n * vector if axis == self.axis else n for axis, n in enumerate(self.indices.shape))


CompressedWeight = LinearWeight | PaletteWeight | SparseWeight | SparsePaletteWeight | VectorPaletteWeight
StoredWeight = RoundedWeight | CompressedWeight


def stored_bits(weight: StoredWeight) -> int:
    """Counts the bits that a weight takes in a weights file, without padding."""
    match weight:
        case RoundedWeight(values):
            return values.size * 16
        case LinearWeight(values, scale, bits):
            return values.size * bits + scale.size * 16
        case PaletteWeight(indices, palette, bits) | VectorPaletteWeight(indices, palette, bits):
            return indices.size * bits + palette.size * 16
        case SparseWeight(mask, values):
            return mask.size + values.size * 16
        case SparsePaletteWeight(mask, indices, palette, bits):
            return mask.size + indices.size * bits + palette.size * 16
