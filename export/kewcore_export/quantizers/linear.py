"""Symmetric linear quantisation: scales that minimise the squared error, rounding that keeps sums."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore_export.quantizers.balance import balancing_moves
from kewcore_export.quantizers.blocks import Weight, from_rows, spread, to_rows
from kewcore_export.quantizers.compressed import LinearWeight

# Clipping thresholds that are tried, as fractions of the largest magnitude. Clipping rare large weights lets all the
# others have a finer step; 4 bits gain from more of it than 8.
_CLIP_FRACTIONS = {8: np.linspace(1.0, 0.6, 9), 4: np.linspace(1.0, 0.6, 13)}
_CHUNK_ELEMENTS = 1 << 18
_SMALLEST_SCALE = np.float32(np.finfo(np.float16).smallest_subnormal)


def quantize_linear(weight: Weight, bits: int, blocks: tuple[int, ...], channel_axis: int) -> LinearWeight:
    """Quantises a weight to signed integers, one scale a block, no offset.

    Numerics: the integers are chosen against the scale as stored, rounded to fp16.

    Args:
        weight: float32, any shape.
        bits: 8 or 4; integers run from `-(2**(bits - 1) - 1)` to `2**(bits - 1) - 1`.
        blocks: How many blocks along each axis.
        channel_axis: Axis of output channels, whose sums are kept.
    """
    largest = np.float32(2 ** (bits - 1) - 1)
    rows = to_rows(weight, blocks)
    chunk = max(1, _CHUNK_ELEMENTS // rows.shape[1])
    starts = range(0, len(rows), chunk)
    scale = np.concatenate([_best_scale(rows[start : start + chunk], bits, largest) for start in starts])
    values: NDArray[np.float32] = np.concatenate(
        [_round(rows[start : start + chunk], scale[start : start + chunk], largest) for start in starts]
    )
    values = from_rows(values, weight.shape, blocks)
    step = spread(scale.astype(np.float32).reshape(blocks), weight.shape)
    stored = values * step
    above = np.where(values < largest, stored + step, np.inf).astype(np.float32)
    below = np.where(values > -largest, stored - step, -np.inf).astype(np.float32)
    values = values + balancing_moves(weight, stored, below, above, channel_axis, blocks)
    return LinearWeight(values.astype(np.int8), scale.reshape(blocks), bits)


def _best_scale(rows: NDArray[Any], bits: int, largest: np.float32) -> NDArray[np.float16]:
    peak = np.abs(rows).max(axis=1).astype(np.float32)
    best_error = np.full(len(rows), np.inf, np.float32)
    best_scale = np.ones(len(rows), np.float16)
    for fraction in _CLIP_FRACTIONS[bits]:
        scale = np.maximum(peak * np.float32(fraction) / largest, _SMALLEST_SCALE).astype(np.float16)
        error = _squared_error(rows, scale, largest)
        better = error < best_error
        best_error = np.where(better, error, best_error)
        best_scale = np.where(better, scale, best_scale)
    return best_scale


def _round(rows: NDArray[Any], scale: NDArray[np.float16], largest: np.float32) -> NDArray[np.float32]:
    levels: NDArray[np.float32] = rows / scale.astype(np.float32)[:, None]
    np.rint(levels, out=levels)
    np.clip(levels, -largest, largest, out=levels)
    return levels


def _squared_error(rows: NDArray[Any], scale: NDArray[np.float16], largest: np.float32) -> NDArray[np.float32]:
    error = _round(rows, scale, largest)
    error *= scale.astype(np.float32)[:, None]
    error -= rows
    total: NDArray[np.float32] = np.einsum("ij,ij->i", error, error)
    return total
