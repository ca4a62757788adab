"""Palettes whose entries are short vectors, by k-means: one index stands for neighbouring output channels.

Source: A. Gersho and R. M. Gray, "Vector Quantization and Signal Compression", Kluwer, 1992, chapter 11, on the
generalised Lloyd algorithm; D. Arthur and S. Vassilvitskii, "k-means++: The Advantages of Careful Seeding", SODA 2007.
"""

import numpy as np
from numpy.typing import NDArray

from kewcore_export.quantizers.blocks import Weight
from kewcore_export.quantizers.compressed import VectorPaletteWeight

_SEED = 20240229
_FIT_VECTORS_PER_ENTRY = 256
"""Vectors that the palette is fitted to, for each of its entries: more moves the entries by less than fp16 shows."""
_MOST_STEPS = 25
_ROWS_AT_ONCE = 1 << 15


def quantize_vector_palette(weight: Weight, bits: int, vector: int, channel_axis: int) -> VectorPaletteWeight:
    """Replaces each `vector` neighbours along the output channels by the nearest of `2**bits` vectors.

    Args:
        weight: float32, any shape; `vector` divides its channel axis.
        bits: Bits of an index: 1, 2, 3, 4, 6 or 8.
        vector: 2 or 4.
        channel_axis: Axis of output channels.
    """
    last = np.moveaxis(weight, channel_axis, -1)
    vectors = np.ascontiguousarray(last).reshape(-1, vector)
    palette = _fitted(vectors, 2**bits).astype(np.float16)
    indices = _nearest(vectors, palette.astype(np.float32)).astype(np.uint8)
    shaped = np.moveaxis(indices.reshape(*last.shape[:-1], -1), -1, channel_axis)
    ones = (1,) * weight.ndim
    return VectorPaletteWeight(
        np.ascontiguousarray(shaped), palette.reshape(*ones, 2**bits, vector), bits, channel_axis
    )


def _fitted(vectors: NDArray[np.float32], entries: int) -> NDArray[np.float32]:
    generator = np.random.default_rng(_SEED)
    most = _FIT_VECTORS_PER_ENTRY * entries
    if len(vectors) > most:
        vectors = vectors[generator.choice(len(vectors), most, replace=False)]
    palette = _first_entries(vectors, entries, generator)
    previous = np.empty(0, np.intp)
    for _ in range(_MOST_STEPS):
        indices = _nearest(vectors, palette)
        if np.array_equal(indices, previous):
            break
        previous = indices
        members = np.bincount(indices, minlength=entries)
        sums = np.stack([np.bincount(indices, column, entries) for column in vectors.T], axis=1)
        found = sums / np.maximum(members, 1)[:, None]
        palette = np.where(members[:, None] > 0, found, palette).astype(np.float32)
    return palette


def _first_entries(vectors: NDArray[np.float32], entries: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Draws vectors one after the other, each with a chance that grows with its squared distance to those drawn."""
    chosen = [vectors[generator.integers(len(vectors))]]
    distance = np.square(vectors - chosen[0]).sum(axis=1)
    for _ in range(entries - 1):
        total = float(distance.sum(dtype=np.float64))
        if total == 0:  # fewer distinct vectors than entries: the rest repeats the first
            chosen.append(chosen[0])
            continue
        chosen.append(vectors[generator.choice(len(vectors), p=distance / total)])
        distance = np.minimum(distance, np.square(vectors - chosen[-1]).sum(axis=1))
    return np.stack(chosen)


def _nearest(vectors: NDArray[np.float32], palette: NDArray[np.float32]) -> NDArray[np.intp]:
    # |v - p|^2 = |v|^2 - 2 v.p + |p|^2, and |v|^2 is the same for all entries.
    half_norm = np.square(palette).sum(axis=1) / 2
    parts = [
        (half_norm - vectors[start : start + _ROWS_AT_ONCE] @ palette.T).argmin(axis=1)
        for start in range(0, len(vectors), _ROWS_AT_ONCE)
    ]
    return np.concatenate(parts)
