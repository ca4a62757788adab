"""Non-maximum suppression of boxes that are counted by hand, in both executors."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onop import EXECUTORS, answers

from kewcore.errors import KewError

pytestmark = pytest.mark.runtime
# Centre x and y, width, height: two that overlap by a half, one far away, one without area inside the first.
BOXES = np.array([[2, 2, 4, 4], [2, 3, 4, 4], [20, 20, 2, 2], [2, 2, 0, 0]], np.float32)
SCORES = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.4], [0.5, 0.6]], np.float32)
THRESHOLDS = {"iou_threshold": 0.5, "score_threshold": 0.35}


def suppressed(folder: Path, executor: str, boxes: Any, scores: Any, opset: str, **arguments: Any) -> dict[str, Any]:
    (n, *_), k, count = boxes.shape, scores.shape[2], arguments["max_boxes"]
    outputs: Any = {"boxes_out": ("fp32", (n, count, 4)), "scores_out": ("fp32", (n, count, k))}
    outputs |= {"indices": ("int32", (n, count)), "number": ("int32", (n,))}
    if opset == "CoreML8":
        boxes, scores = boxes.transpose(0, 2, 1), scores.transpose(0, 2, 1)
        outputs = {"boxes_out": ("fp32", (n, 4, count)), "scores_out": ("fp32", (n, k, count))}
        outputs |= {"indices": ("int32", (n, count))}
        arguments.pop("score_threshold")
    inputs = {"boxes": np.ascontiguousarray(boxes), "scores": np.ascontiguousarray(scores)}
    given = {"boxes": "boxes", "scores": "scores", **arguments}
    return answers(folder, "non_maximum_suppression", given, inputs, outputs, executor, opset)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("per_class", "max_boxes", "expected"),
    # Boxes 0 and 1 share 12 of 20 units of area; box 3 touches nothing by area. The best scores are 0.9, 0.8, 0.4, 0.6.
    [(False, 4, [0, 3, 2]), (True, 4, [0, 1, 3, 2]), (False, 2, [0, 3]), (False, 5, [0, 3, 2])],
)
def test_the_best_of_those_that_overlap_stay(
    tmp_path: Path, per_class: bool, max_boxes: int, expected: list[int], executor: str
) -> None:
    arguments = {**THRESHOLDS, "max_boxes": max_boxes, "per_class_suppression": per_class}
    results = suppressed(tmp_path, executor, BOXES[None], SCORES[None], "CoreML5", **arguments)
    padding = [-1] * (max_boxes - len(expected))
    assert results["indices"].tolist() == [expected + padding]
    assert results["number"].tolist() == [len(expected)]
    zeros = [[0.0] * 4] * len(padding)
    assert results["boxes_out"].tolist() == [[*BOXES[expected].tolist(), *zeros]]
    assert results["scores_out"].tolist() == [[*SCORES[expected].tolist(), *([[0.0] * 2] * len(padding))]]
    newer = suppressed(tmp_path, executor, BOXES[None], SCORES[None], "CoreML8", **arguments)
    assert newer["indices"].tolist() == results["indices"].tolist()
    assert newer["boxes_out"].transpose(0, 2, 1).tolist() == results["boxes_out"].tolist()
    assert newer["scores_out"].transpose(0, 2, 1).tolist() == results["scores_out"].tolist()


def test_the_best_stays_if_all_scores_are_too_low(tmp_path: Path) -> None:
    arguments = {"iou_threshold": 0.5, "score_threshold": 1.0, "max_boxes": 2}
    results = suppressed(tmp_path, "reference", BOXES[None], SCORES[None], "CoreML6", **arguments)
    assert [results["indices"].tolist(), results["number"].tolist()] == [[[0, -1]], [1]]


@pytest.mark.parametrize(
    ("boxes", "scores", "max_boxes", "said"),
    [
        ((1, 4, 5), (1, 4, 2), 2, "boxes must have rank 3 and 4 coordinates"),
        ((1, 4, 4), (1, 5, 2), 2, r"boxes \[1, 4, 4\] and scores \[1, 5, 2\] must agree in axis 1"),
        ((1, 4, 4), (1, 4, 2), -1, "max_boxes not be negative; got -1"),
        ((1, 4, 4), (1, 4, 2), 2**31 - 1, "more than the limit of 4294967296"),
    ],
)
def test_misfits_are_named(tmp_path: Path, boxes: Any, scores: Any, max_boxes: int, said: str) -> None:
    inputs = {"boxes": np.zeros(boxes, np.float32), "scores": np.zeros(scores, np.float32)}
    outputs: Any = {"a": ("fp32", (1, None, 4)), "b": ("fp32", (1, None, 2))}
    outputs |= {"c": ("int32", (1, None)), "d": ("int32", (1,))}
    arguments = {"boxes": "boxes", "scores": "scores", **THRESHOLDS, "max_boxes": max_boxes}
    with pytest.raises(KewError, match=said):
        answers(tmp_path, "non_maximum_suppression", arguments, inputs, outputs, "reference", "CoreML6")
