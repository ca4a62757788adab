"""The suppression of boxes behind a detector, against plain loops over pairs of boxes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import write_package

from kewcore.errors import PackageError, UsageError
from kewcore.runtime import load
from kewcore.runtime.spec.messages import model_class

pytestmark = pytest.mark.runtime
FLOAT32, DOUBLE = 65568, 65600


def suppression(*, per_class: bool = False, labels: Any = (), rows: Any = (), double: bool = False) -> Any:
    """Makes a model; `rows` is a lower and an upper bound of the rows given, or their fixed number."""
    model = model_class()(specificationVersion=7)
    message = model.nonMaximumSuppression
    message.iouThreshold, message.confidenceThreshold = 0.5, 0.25
    message.pickTop.perClass = per_class
    if labels:
        names = message.stringClassLabels if isinstance(labels[0], str) else message.int64ClassLabels
        names.vector.extend(labels)
    message.confidenceInputFeatureName, message.coordinatesInputFeatureName = "scores", "boxes"
    message.confidenceOutputFeatureName, message.coordinatesOutputFeatureName = "confidence", "coordinates"
    message.iouThresholdInputFeatureName = "iouThreshold"
    message.confidenceThresholdInputFeatureName = "confidenceThreshold"
    features = ((model.description.input, "scores"), (model.description.input, "boxes"))
    features += ((model.description.output, "confidence"), (model.description.output, "coordinates"))
    for where, name in features:
        array = where.add(name=name).type.multiArrayType
        array.dataType = DOUBLE if double else FLOAT32
        if name in {"confidence", "coordinates"} and isinstance(rows, int):
            array.shape.extend([rows, 4 if name == "coordinates" else 3])
        elif name in {"confidence", "coordinates"} and rows:
            array.shapeRange.sizeRanges.add(lowerBound=rows[0], upperBound=rows[1])
            array.shapeRange.sizeRanges.add(lowerBound=1, upperBound=-1)
    return model


def boxes_and_scores(count: int, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    boxes = np.concatenate([rng.uniform(0, 1, (count, 2)), rng.uniform(0.1, 0.5, (count, 2))], axis=1)
    return boxes.astype(np.float32), rng.uniform(0, 1, (count, 3)).astype(np.float32)


def iou(a: Any, b: Any) -> float:
    width = min(a[0] + a[2] / 2, b[0] + b[2] / 2) - max(a[0] - a[2] / 2, b[0] - b[2] / 2)
    height = min(a[1] + a[3] / 2, b[1] + b[3] / 2) - max(a[1] - a[3] / 2, b[1] - b[3] / 2)
    shared = max(width, 0) * max(height, 0)
    return float(shared / (a[2] * a[3] + b[2] * b[3] - shared))


def kept(boxes: Any, scores: Any, overlap: float, least: float, *, per_class: bool) -> list[int]:
    chosen: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: -max(scores[i])):
        rivals = [j for j in chosen if not per_class or np.argmax(scores[i]) == np.argmax(scores[j])]
        if max(scores[i]) >= least and all(iou(boxes[i], boxes[j]) <= overlap for j in rivals):
            chosen.append(i)
    return chosen


@pytest.mark.parametrize("per_class", [True, False])
@pytest.mark.parametrize("double", [True, False])
def test_the_most_confident_of_overlapping_boxes_stay(tmp_path: Path, per_class: bool, double: bool) -> None:
    model = load(write_package(tmp_path / "p.mlpackage", suppression(per_class=per_class, double=double)))
    boxes, scores = boxes_and_scores(60, seed=5)
    for given in ({}, {"iouThreshold": 0.2}, {"confidenceThreshold": 0.9}, {"iouThreshold": np.array([1.0])}):
        overlap = float(np.ravel(given.get("iouThreshold", 0.5))[0])
        rows = kept(boxes, scores, overlap, float(given.get("confidenceThreshold", 0.25)), per_class=per_class)
        result = model.predict({"boxes": boxes, "scores": scores, **given})
        assert {value.dtype for value in result.values()} == {np.dtype(np.float64 if double else np.float32)}
        assert np.array_equal(result["confidence"], scores[rows])
        assert np.array_equal(result["coordinates"], boxes[rows])
    assert list(result) == ["confidence", "coordinates"]
    assert model.predict({"boxes": boxes, "scores": scores * 0})["confidence"].shape == (0, 3)
    assert model.predict({"boxes": boxes[:0], "scores": scores[:0]})["coordinates"].shape == (0, 4)


@pytest.mark.parametrize(("rows", "count"), [(7, 7), (2, 2), ((6, 10), 6), ((0, 3), 3), ((0, -1), 4)])
def test_rows_that_a_package_asks_for(tmp_path: Path, rows: Any, count: int) -> None:
    model = load(write_package(tmp_path / "p.mlpackage", suppression(rows=rows)))
    boxes = np.array([[i, 0, 0.5, 0.5] for i in range(4)], np.float32)  # none touches another
    scores = np.array([[0.3, 0, 0], [0, 0.6, 0], [0.9, 0, 0], [0.5, 0.4, 0]], np.float32)
    result = model.predict({"boxes": boxes, "scores": scores})
    order, filled = [2, 1, 3, 0][:count], np.zeros((max(0, count - 4), 4))
    assert result["coordinates"].tolist() == [*boxes[order].tolist(), *filled.tolist()]
    assert result["confidence"].tolist() == [*scores[order].tolist(), *filled[:, :3].tolist()]


@pytest.mark.parametrize("labels", [("leaf", "stem", "fruit"), (3, 1, 2), ()])
def test_labels_and_what_inspection_sees(tmp_path: Path, labels: Any) -> None:
    model = load(write_package(tmp_path / "p.mlpackage", suppression(labels=labels)))
    assert model.class_labels == (labels or None)
    (placement,) = model.placements
    assert (placement.operation, placement.executor) == (model.ops[0], "reference")
    assert (model.function.opset.ios, model.executor.name) == ("iOS16", "reference")
    boxes, scores = boxes_and_scores(3, seed=1)
    traced = model.trace({"boxes": boxes, "scores": scores})
    assert sorted(traced) == ["boxes", "confidence", "coordinates", "scores"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"boxes": np.zeros((2, 4))}, "input 'scores' is missing; inputs: 'scores'"),
        ({"iou": 1}, "no input is called 'iou'; inputs: 'scores' .*, 'confidenceThreshold' .double."),
        ({"iouThreshold": 1.5}, "input 'iouThreshold' must be 0…1, got 1.5"),
        ({"iouThreshold": float("nan")}, "input 'iouThreshold' must be 0…1, got nan"),
        ({"confidenceThreshold": -1}, "input 'confidenceThreshold' must be at least 0, got -1"),
        ({"confidenceThreshold": "high"}, "input 'confidenceThreshold' must be a number, got 'high'"),
        ({"confidenceThreshold": [1, 2]}, "input 'confidenceThreshold' must be a number, got 2"),
        (
            {"boxes": np.zeros((3, 4))},
            r"must be \[boxes, classes\] and 'boxes' \[boxes, 4\], got \[2, 3\] and \[3, 4\]",
        ),
        ({"scores": "many"}, "input 'scores' must be numbers"),
    ],
)
def test_inputs_that_make_no_sense(tmp_path: Path, inputs: Any, message: str) -> None:
    model = load(write_package(tmp_path / "p.mlpackage", suppression()))
    given = {"boxes": np.zeros((2, 4)), "scores": np.zeros((2, 3)), **inputs}
    if "is missing" in message:
        del given["scores"]
    with pytest.raises(UsageError, match=message):
        model.predict(given)


def test_too_many_boxes_to_compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kewcore.runtime.boxes.PAIRS_LIMIT", 100)
    model = load(write_package(tmp_path / "p.mlpackage", suppression()))
    boxes, scores = boxes_and_scores(50, seed=2)
    with pytest.raises(PackageError, match="suppression among 50 boxes compares more than 100 pairs") as caught:
        model.predict({"boxes": boxes, "scores": scores, "iouThreshold": 1})
    assert caught.value.hint == "raise the confidence threshold"


def broken(case: str) -> Any:
    model = suppression(labels=("a", "b"), rows=5 if case == "labels" else ())
    message, description = model.nonMaximumSuppression, model.description
    if case == "input":
        message.confidenceInputFeatureName = "p"
    elif case == "output":
        del description.output[1]
    elif case == "kind":
        description.input[1].type.doubleType.SetInParent()
    elif case == "overlap":
        message.iouThreshold = 2
    elif case == "confidence":
        message.confidenceThreshold = float("nan")
    elif case == "rows":
        description.output[0].type.multiArrayType.shapeRange.sizeRanges.add(lowerBound=2**25, upperBound=-1)
    return model


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (
            "input",
            "the description lacks input 'p'\n  - input 'scores' of the description is none of the suppression's",
        ),
        ("output", "the description lacks output 'coordinates'"),
        ("kind", "input 'boxes' must be of kind multiArray, it is double"),
        ("overlap", "the threshold of overlap must be 0…1, got 2"),
        ("confidence", "the threshold of confidence must be at least 0, got nan"),
        ("rows", "output 'confidence' asks for 33554432 rows, more than 1048576"),
        ("labels", "'confidence' has 3 columns, but there are 2 class labels"),
    ],
)
def test_a_suppression_that_is_not_sound(tmp_path: Path, case: str, message: str) -> None:
    with pytest.raises(PackageError, match=f"is not a valid nonMaximumSuppression, .*:\n  - {message}"):
        load(write_package(tmp_path / "p.mlpackage", broken(case)))
