"""Non-maximum suppression: of boxes that overlap, the one with the best score stays."""

import numpy as np

from kewcore.runtime.boxes import survivors
from kewcore.runtime.indices import bounded
from kewcore.runtime.opset import Opset
from kewcore.runtime.registry import FLOATS, Array, Shape, StaticArguments, op
from kewcore.runtime.shapes import Shapes

_ACCEPTS = {"boxes": FLOATS, "scores": FLOATS}


def _check(boxes: Shape, scores: Shape, box_axis: int, count: int) -> None:
    """Boxes `[N, B, 4]` and scores `[N, B, K]`, or with the last two axes swapped."""
    if len(boxes) != 3 or len(scores) != 3 or boxes[3 - box_axis] not in {4, None}:
        raise ValueError(f"boxes must have rank 3 and 4 coordinates, scores rank 3; got {list(boxes)}, {list(scores)}")
    for axis in (0, box_axis):
        if None not in {boxes[axis], scores[axis]} and boxes[axis] != scores[axis]:
            raise ValueError(f"boxes {list(boxes)} and scores {list(scores)} must agree in axis {axis}")
    if count < 0 or 0 in {boxes[box_axis], scores[3 - box_axis]}:
        raise ValueError(f"there must be boxes and classes, and max_boxes not be negative; got {count}")


def _survivors(
    boxes: Array, scores: Array, iou_threshold: float, score_threshold: float, max_boxes: int, *, per_class: bool
) -> list[int]:
    """Indices of the boxes `[B, 4]` that stay, best first; the best of all if none reaches the threshold.

    Source: `_ref_non_maximum_suppression` in coremltools 9.0, `mil/ops/tests/iOS14/test_tensor_operation.py`.
    """
    chosen = survivors(boxes, scores, iou_threshold, score_threshold, max_boxes, per_class=per_class)
    return chosen or [int(scores.max(axis=1).argmax())][:max_boxes]


def _suppressed_shapes(arguments: StaticArguments) -> Shapes:
    boxes, scores = arguments.shape("boxes"), arguments.shape("scores")
    if boxes is None or scores is None:
        return None
    count = int(arguments.constant("max_boxes"))
    _check(boxes, scores, 1, count)
    return ((boxes[0], count, 4), (boxes[0], count, scores[2]), (boxes[0], count), (boxes[0],))


@op(
    "non_maximum_suppression",
    source="iOS15/tensor_operation.py",
    accepts=_ACCEPTS,
    shape=_suppressed_shapes,
    result_like=None,
    exact=True,
)
def non_maximum_suppression(
    *,
    boxes: Array,
    scores: Array,
    iou_threshold: float,
    score_threshold: float,
    max_boxes: int,
    per_class_suppression: bool = False,
) -> tuple[Array, Array, Array, Array]:
    """Boxes that stay, best first, with their scores, indices, and their number.

    Args:
        boxes: `[N, B, 4]`: x and y of the centre, width, height.
        scores: `[N, B, K]`; a box counts with its best class.
        iou_threshold: A box goes if its intersection over union with a better one is larger.
        score_threshold: A box goes if its score is lower; the best of all stays if all are.
        max_boxes: Rows of the results; zeros, and -1 for indices, fill them up.
        per_class_suppression: Whether only boxes of the same class suppress each other.

    Raises:
        ValueError: Sizes do not fit, or the results would take too much memory.
    """
    count = int(max_boxes)
    _check(boxes.shape, scores.shape, 1, count)
    batch, _, classes = scores.shape
    kept_boxes = np.zeros(bounded((batch, count, 4), boxes.dtype), boxes.dtype)
    kept_scores = np.zeros(bounded((batch, count, classes), scores.dtype), scores.dtype)
    indices = np.full((batch, count), -1, np.int32)
    numbers = np.zeros(batch, np.int32)
    for n in range(batch):
        rows = _survivors(
            boxes[n],
            scores[n],
            float(iou_threshold),
            float(score_threshold),
            count,
            per_class=bool(per_class_suppression),
        )
        numbers[n] = len(rows)
        kept_boxes[n, : len(rows)], kept_scores[n, : len(rows)] = boxes[n, rows], scores[n, rows]
        indices[n, : len(rows)] = rows
    return kept_boxes, kept_scores, indices, numbers


def _suppressed_shapes_17(arguments: StaticArguments) -> Shapes:
    boxes, scores = arguments.shape("boxes"), arguments.shape("scores")
    if boxes is None or scores is None:
        return None
    count = int(arguments.constant("max_boxes"))
    _check(boxes, scores, 2, count)
    return ((boxes[0], 4, count), (boxes[0], scores[1], count), (boxes[0], count))


@op(
    "non_maximum_suppression",
    since=Opset.IOS17,
    source="iOS17/tensor_operation.py",
    accepts=_ACCEPTS,
    shape=_suppressed_shapes_17,
    result_like=None,
    exact=True,
)
def non_maximum_suppression_17(
    *, boxes: Array, scores: Array, iou_threshold: float, max_boxes: int, per_class_suppression: bool = False
) -> tuple[Array, Array, Array]:
    """As before iOS 17, with boxes on the last axis: `[N, 4, B]` and `[N, K, B]`; no score is too low.

    Raises:
        ValueError: Sizes do not fit, or the results would take too much memory.
    """
    _check(boxes.shape, scores.shape, 2, int(max_boxes))
    kept_boxes, kept_scores, indices, _ = non_maximum_suppression(
        boxes=boxes.transpose(0, 2, 1),
        scores=scores.transpose(0, 2, 1),
        iou_threshold=iou_threshold,
        score_threshold=-np.inf,
        max_boxes=max_boxes,
        per_class_suppression=per_class_suppression,
    )
    return kept_boxes.transpose(0, 2, 1), kept_scores.transpose(0, 2, 1), indices
