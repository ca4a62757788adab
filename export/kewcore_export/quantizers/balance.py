"""Rounding that keeps sums: data-free care for what a network's inputs have in common.

Activations behind a ReLU-like function are mostly positive, and neighbours resemble each other. The part of a layer's
error that they share is the *sum* of the weight errors under one kernel and under one output channel, and it reaches
the logits, while independent errors cancel. So after rounding to the nearest level, the few values that lie closest to
the border between two levels are moved to the other one, until each sum is as near to the original as one move allows.

Source: C. Guo et al., "SQuant: On-the-Fly Data-Free Quantization via Diagonal Hessian Approximation", ICLR 2022; here
with any ascending levels, so that palettes are treated as linear weights are.
"""

import numpy as np
from numpy.typing import NDArray

from kewcore_export.quantizers.blocks import Weight, from_rows, to_rows

Moves = NDArray[np.int8]
_ELEMENTS_AT_ONCE = 1 << 18


def balancing_moves(
    weight: Weight, stored: Weight, below: Weight, above: Weight, channel_axis: int, blocks: tuple[int, ...]
) -> Moves:
    """Chooses which values to move by one level, so that sums over kernels and over output channels are kept.

    Where a channel is cut into blocks with scales of their own, the sum of each block is kept instead: or else the
    blocks of small values, whose moves are cheap, would make up for the errors of those of large ones.

    Args:
        weight: float32, the exact values.
        stored: The level that each was rounded to.
        below: The next lower level, `-inf` where there is none.
        above: The next higher level, `inf` where there is none.
        channel_axis: Axis of output channels.
        blocks: How many blocks share a scale or palette, along each axis.

    Returns:
        int8, the weight's shape: -1, 0 or 1 levels.
    """
    channels = tuple(length if axis == channel_axis else blocks[axis] for axis, length in enumerate(weight.shape))
    moves = np.zeros(weight.shape, np.int8)
    if weight.ndim > 2 and np.prod(weight.shape[2:]) > 1:
        kernels = (*weight.shape[:2], *(1 for _ in weight.shape[2:]))
        moves = _moves_by_row(weight, stored, below, above, moves, kernels)
        stored = moved(stored, below, above, moves)
    return _moves_by_row(weight, stored, below, above, moves, channels)


def moved(stored: Weight, below: Weight, above: Weight, moves: Moves) -> Weight:
    """Gives the levels after the moves."""
    return np.where(moves > 0, above, np.where(moves < 0, below, stored))


def _moves_by_row(
    weight: Weight, stored: Weight, below: Weight, above: Weight, moves: Moves, blocks: tuple[int, ...]
) -> Moves:
    arrays = [to_rows(array, blocks) for array in (weight, stored, below, above, moves)]
    step = max(1, _ELEMENTS_AT_ONCE // arrays[0].shape[1])
    parts = [_row_moves(*(a[start : start + step] for a in arrays)) for start in range(0, len(arrays[0]), step)]
    result: Moves = from_rows(np.concatenate(parts), weight.shape, blocks)
    return result


def _row_moves(weight: Weight, stored: Weight, below: Weight, above: Weight, moves: Moves) -> Moves:
    error = weight - stored
    missing = error.sum(axis=1, dtype=np.float64)
    upwards = (missing > 0)[:, None]
    # What a move adds to the sum, and how far the value lies from the border behind which it would be no loss.
    step = np.where(upwards, above - stored, stored - below)
    step = np.where(moves == 0, step, np.inf)
    distance = step / 2 - np.where(upwards, error, -error)
    chosen = _cheapest(distance, step, np.abs(missing))
    return np.where(chosen, np.where(upwards, np.int8(1), np.int8(-1)), moves)


def _cheapest(distance: Weight, step: Weight, missing: NDArray[np.float64]) -> NDArray[np.bool_]:
    smallest = step.min(axis=1)
    wanting = (smallest > 0) & (smallest / 2 < missing)
    if not wanting.any():
        return np.zeros(distance.shape, bool)
    # No row can need more moves than this; sorting only so many keeps long rows cheap.
    count = min(distance.shape[1], int((missing[wanting] / smallest[wanting]).max()) + 2)
    nearest = np.sort(np.argpartition(distance, count - 1, axis=1)[:, :count], axis=1)
    order = np.take_along_axis(
        nearest, np.argsort(np.take_along_axis(distance, nearest, axis=1), axis=1, kind="stable"), axis=1
    )
    steps = np.take_along_axis(step, order, axis=1)
    possible = np.isfinite(steps)
    steps = np.where(possible, steps, 0)
    # A move is made if the sum is nearer to its aim with it than without.
    chosen = np.cumsum(steps, axis=1, dtype=np.float64) - steps / 2 < missing[:, None]
    result = np.zeros(distance.shape, bool)
    np.put_along_axis(result, order, chosen & possible, axis=1)
    return result
