"""Palettes by one-dimensional k-means, for many blocks at once.

In one dimension a cluster is an interval, so with the distinct values in order and running sums a step of Lloyd's
algorithm costs a few binary searches instead of a pass over the data. The first centroids follow the density to the
power 1/3, which is the optimal spacing in the limit of many levels.

Source: S. P. Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28(2), 1982; P. F. Panter and
W. Dite, "Quantization distortion in pulse-count modulation with nonuniform spacing of levels", Proc. IRE 39(1), 1951.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore_export.quantizers.balance import balancing_moves
from kewcore_export.quantizers.blocks import Weight, from_rows, to_rows
from kewcore_export.quantizers.compressed import PaletteWeight, SparsePaletteWeight

_MOST_STEPS = 100
_DENSITY_BINS = 512

# Up to so many distinct values the best palette is found exactly; Lloyd's algorithm can get stuck where values are few.
_MOST_FOR_EXACT = 128

# From so many values on, a table over all fp16 bit patterns is faster than sorting.
_FEWEST_FOR_TABLE = 1 << 14
_FINITE = np.arange(1 << 16, dtype=np.uint16)[np.isfinite(np.arange(1 << 16, dtype=np.uint16).view(np.float16))]
_ALL_BITS = _FINITE[np.argsort(_FINITE.view(np.float16), kind="stable")]
_ALL_VALUES = _ALL_BITS.view(np.float16)


def quantize_palette(weight: Weight, bits: int, blocks: tuple[int, ...], channel_axis: int) -> PaletteWeight:
    """Replaces every value by one of `2**bits` centroids of its block: the nearest, but for what sums need.

    Args:
        weight: float32, any shape.
        bits: 1, 2, 3, 4, 6 or 8.
        blocks: How many blocks, each with a palette of its own, along each axis.
        channel_axis: Axis of output channels, whose sums are kept.
    """
    rows = to_rows(weight, blocks)
    palettes = np.stack([fit_palette(row, 2**bits) for row in rows])
    indices = np.stack([nearest(row, palette) for row, palette in zip(rows, palettes, strict=True)])
    below, stored, above = (
        from_rows(levels, weight.shape, blocks) for levels in _neighbouring_levels(indices, palettes)
    )
    dense = from_rows(indices, weight.shape, blocks)
    moves = balancing_moves(weight, stored, below, above, channel_axis, blocks)
    return PaletteWeight((dense + moves).astype(np.uint8), palettes.reshape(*blocks, 2**bits), bits)


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

    Numerics: values are first rounded to fp16, which is far finer than any palette and bounds the number of distinct
    ones.

    Args:
        values: float32 `[n]`, unsorted.
        levels: How many centroids.

    Returns:
        fp16 `[levels]`, ascending. With fewer distinct values than levels the palette holds each of them exactly and
        repeats the last.
    """
    if values.size == 0:
        return np.zeros(levels, np.float16)
    distinct, counts = _distinct(values.astype(np.float16))
    if distinct.size <= levels:
        return np.pad(distinct, (0, levels - distinct.size), mode="edge").astype(np.float16)
    if distinct.size <= _MOST_FOR_EXACT:
        return _optimal(distinct, counts, levels).astype(np.float16)
    members = np.concatenate([[0], np.cumsum(counts)])
    sums = np.concatenate([[0.0], np.cumsum(counts * distinct)])
    centroids = _spread_by_density(distinct, counts, levels)
    previous = np.empty(0, np.intp)
    for _ in range(_MOST_STEPS):
        ends = np.searchsorted(distinct, (centroids[1:] + centroids[:-1]) / 2)
        if np.array_equal(ends, previous):
            break
        previous = ends
        edges = np.concatenate([[0], ends, [distinct.size]])
        size = np.diff(members[edges])
        centroids = np.where(size > 0, np.diff(sums[edges]) / np.maximum(size, 1), centroids)
    return np.sort(centroids).astype(np.float16)


def nearest(values: NDArray[Any], palette: NDArray[np.float16]) -> NDArray[np.uint8]:
    """Gives for each value, rounded to fp16, the index of the nearest entry of an ascending palette."""
    exact = palette.astype(np.float32)
    borders = (exact[1:] + exact[:-1]) / 2
    half = values.astype(np.float16)
    if values.size < _FEWEST_FOR_TABLE:
        return np.searchsorted(borders, half.astype(np.float32)).astype(np.uint8)
    table = np.empty(1 << 16, np.uint8)
    table[_ALL_BITS] = np.searchsorted(borders, _ALL_VALUES.astype(np.float32))
    return table[half.view(np.uint16)]


def _distinct(half: NDArray[np.float16]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Lists the distinct values in ascending order, with how often each occurs."""
    if half.size < _FEWEST_FOR_TABLE:
        found, counts = np.unique(half, return_counts=True)
        return found.astype(np.float64), counts
    counts = np.bincount(half.view(np.uint16), minlength=1 << 16)[_ALL_BITS]
    present = np.flatnonzero(counts)
    return _ALL_VALUES[present].astype(np.float64), counts[present]


def _neighbouring_levels(
    indices: NDArray[np.uint8], palettes: NDArray[np.float16]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Gives the levels below, at and above each index of each row."""
    edge = np.full((len(palettes), 1), np.inf, np.float32)
    ladder = np.concatenate([-edge, palettes.astype(np.float32), edge], axis=1)
    at = indices.astype(np.intp) + 1
    below, stored, above = (np.take_along_axis(ladder, at + offset, axis=1) for offset in (-1, 0, 1))
    return below, stored, above


def _optimal(distinct: NDArray[np.float64], counts: NDArray[np.int64], levels: int) -> NDArray[np.float64]:
    """Finds the best centroids by dynamic programming over the borders between clusters."""
    size = distinct.size
    n, s, q = (np.concatenate([[0], np.cumsum(counts * distinct**power)]) for power in (0, 1, 2))
    start, end = np.arange(size + 1)[:, None], np.arange(size + 1)[None, :]
    members = np.maximum(n[end] - n[start], 1)
    within = np.where(end > start, (q[end] - q[start]) - (s[end] - s[start]) ** 2 / members, np.inf)
    error = np.where(np.arange(size + 1) == 0, 0.0, np.inf)
    borders = []
    for _ in range(levels):
        total = error[:, None] + within
        borders.append(total.argmin(axis=0))
        error = total.min(axis=0)
    edges = [size]
    for border in reversed(borders):
        edges.append(int(border[edges[-1]]))
    cuts = np.array(edges[::-1])
    centroids: NDArray[np.float64] = np.diff(s[cuts]) / np.diff(n[cuts])
    return centroids


def _spread_by_density(distinct: NDArray[np.float64], counts: NDArray[np.int64], levels: int) -> NDArray[np.float64]:
    edge_values = (float(distinct[0]), float(distinct[-1]))
    density, edges = np.histogram(distinct, bins=_DENSITY_BINS, range=edge_values, weights=counts)
    spacing = np.cumsum(np.cbrt(density.astype(np.float64)))
    wanted = (np.arange(levels) + 0.5) / levels * spacing[-1]
    return np.interp(wanted, np.concatenate([[0.0], spacing]), edges)
