"""Palettes by one-dimensional k-means, for many blocks at once.

In one dimension a cluster is an interval, so with sorted values and running sums a step of Lloyd's algorithm costs a
few binary searches instead of a pass over the data. The first centroids follow the density to the power 1/3, which is
the optimal spacing in the limit of many levels.

Source: S. P. Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28(2), 1982; P. F. Panter and
W. Dite, "Quantization distortion in pulse-count modulation with nonuniform spacing of levels", Proc. IRE 39(1), 1951.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore_export.quantizers.blocks import Weight, from_rows, to_rows
from kewcore_export.quantizers.compressed import PaletteWeight, SparsePaletteWeight

_MOST_STEPS = 100
_DENSITY_BINS = 512


def quantize_palette(weight: Weight, bits: int, blocks: tuple[int, ...]) -> PaletteWeight:
    """Replaces every value by the nearest of `2**bits` centroids of its block.

    Args:
        weight: float32, any shape.
        bits: 1, 2, 3, 4, 6 or 8.
        blocks: How many blocks, each with a palette of its own, along each axis.
    """
    rows = to_rows(weight, blocks)
    palettes = np.stack([fit_palette(row, 2**bits) for row in rows])
    indices = np.empty(rows.shape, np.uint8)
    for row, palette, out in zip(rows, palettes, indices, strict=True):
        out[:] = nearest(row, palette)
    return PaletteWeight(
        indices=from_rows(indices, weight.shape, blocks).astype(np.uint8, copy=False),
        palette=palettes.reshape(*blocks, 2**bits),
        bits=bits,
    )


def quantize_sparse_palette(
    weight: Weight, mask: NDArray[np.bool_], bits: int, blocks: tuple[int, ...]
) -> SparsePaletteWeight:
    """Sets what `mask` leaves out to zero, and fits palettes to the rest.

    Args:
        weight: float32, any shape.
        mask: bool, the same shape; True where a value stays.
        bits: Bits of an index.
        blocks: How many blocks along each axis.
    """
    rows, masks = to_rows(weight, blocks), to_rows(mask, blocks).astype(bool)
    palettes = np.stack([fit_palette(row[kept], 2**bits) for row, kept in zip(rows, masks, strict=True)])
    indices = np.zeros(rows.shape, np.uint8)
    for row, palette, out in zip(rows, palettes, indices, strict=True):
        out[:] = nearest(row, palette)
    dense = from_rows(indices, weight.shape, blocks).astype(np.uint8, copy=False)
    return SparsePaletteWeight(mask, dense[mask], palettes.reshape(*blocks, 2**bits), bits)


def fit_palette(values: NDArray[Any], levels: int) -> NDArray[np.float16]:
    """Finds centroids of values by k-means.

    Args:
        values: float32 `[n]`, unsorted.
        levels: How many centroids.

    Returns:
        fp16 `[levels]`, ascending. With fewer distinct values than levels the palette holds each of them exactly and
        repeats the last.
    """
    if values.size == 0:
        return np.zeros(levels, np.float16)
    ordered = np.sort(values.astype(np.float32, copy=False))
    distinct = _few_distinct(ordered, levels)
    if distinct is not None:
        return np.pad(distinct, (0, levels - distinct.size), mode="edge").astype(np.float16)
    sums = np.concatenate([[0.0], np.cumsum(ordered, dtype=np.float64)])
    centroids = _spread(ordered, levels)
    previous = np.empty(0, np.intp)
    for _ in range(_MOST_STEPS):
        ends = np.searchsorted(ordered, (centroids[1:] + centroids[:-1]) / 2)
        if np.array_equal(ends, previous):
            break
        previous = ends
        edges = np.concatenate([[0], ends, [ordered.size]])
        counts = np.diff(edges)
        totals = np.diff(sums[edges])
        centroids = np.where(counts > 0, totals / np.maximum(counts, 1), centroids)
    return np.sort(centroids).astype(np.float16)


def nearest(values: NDArray[Any], palette: NDArray[np.float16]) -> NDArray[np.uint8]:
    """Gives for each value the index of the nearest entry of an ascending palette."""
    exact = palette.astype(np.float32)
    return np.searchsorted((exact[1:] + exact[:-1]) / 2, values, side="left").astype(np.uint8)


def _few_distinct(ordered: NDArray[np.float32], levels: int) -> NDArray[np.float32] | None:
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    return ordered[first] if first.size <= levels else None


def _spread(ordered: NDArray[np.float32], levels: int) -> NDArray[np.float64]:
    counts, edges = np.histogram(ordered, bins=_DENSITY_BINS, range=(float(ordered[0]), float(ordered[-1])))
    spacing = np.cumsum(np.cbrt(counts.astype(np.float64)))
    wanted = (np.arange(levels) + 0.5) / levels * spacing[-1]
    return np.interp(wanted, np.concatenate([[0.0], spacing]), edges)
