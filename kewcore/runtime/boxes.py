"""Boxes: their edges, how much they overlap, and which of them stay where many are found around one thing."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

PAIRS_LIMIT = 1 << 30
"""Pairs of boxes that one suppression compares, about ten seconds of work; its time grows with their number squared."""


def edges_of(boxes: NDArray[Any]) -> NDArray[Any]:
    """Returns left, top, right and bottom, `[4, B]`, of centres and sizes `[B, 4]`."""
    half = boxes[:, 2:] * boxes.dtype.type(0.5)
    return np.asarray(np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1).T)


def overlap(edges: NDArray[Any], box: int, others: NDArray[Any]) -> NDArray[Any]:
    """Returns the intersection over union of one box with others; 0 for boxes without area."""
    first, second = edges[:, box, None], edges[:, others]
    sides = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    intersection = np.prod(np.maximum(sides, 0), axis=0)
    area, areas = np.prod(first[2:] - first[:2], axis=0), np.prod(second[2:] - second[:2], axis=0)
    union = area + areas - intersection
    return np.where((area > 0) & (areas > 0), intersection / np.where(union > 0, union, 1), 0)


def survivors(
    boxes: NDArray[Any],
    scores: NDArray[Any],
    iou_threshold: float,
    score_threshold: float,
    max_boxes: int,
    *,
    per_class: bool,
) -> list[int]:
    """Picks the best box, drops those that overlap it too much, and so on with the rest.

    Args:
        boxes: `[B, 4]`: x and y of the centre, width, height.
        scores: `[B, K]`; a box counts with its best class.
        iou_threshold: A box goes if its intersection over union with a better one is larger.
        score_threshold: A box goes if its score is lower.
        max_boxes: How many stay at most.
        per_class: Whether only boxes of the same class suppress each other.

    Returns:
        Indices of the boxes that stay, best first.

    Raises:
        ValueError: It would compare more pairs than `PAIRS_LIMIT`.
    """
    best, classes, edges = scores.max(axis=1), scores.argmax(axis=1), edges_of(boxes)
    waiting = np.argsort(-best, kind="stable")
    waiting = waiting[best[waiting] >= score_threshold]
    chosen: list[int] = []
    pairs = 0
    while len(waiting) and len(chosen) < max_boxes:
        pairs += len(waiting)
        if pairs > PAIRS_LIMIT:
            raise ValueError(f"suppression among {len(best)} boxes compares more than {PAIRS_LIMIT} pairs")
        box, waiting = int(waiting[0]), waiting[1:]
        chosen.append(box)
        suppressed = overlap(edges, box, waiting) > iou_threshold
        waiting = waiting[~(suppressed & (classes[waiting] == classes[box]) if per_class else suppressed)]
    return chosen
