"""`kewcore onnx`: what is written passes onnx.checker and answers as the package does, in plain ONNX Runtime."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Const, Op, build, model_message, write_package

from kewcore.errors import CheckFailedError
from kewcore.runtime import load
from kewcore.runtime.onnx_file import agreement_with_reference, onnx_model

pytestmark = pytest.mark.cli
F4 = ("fp32", (2, 2))


def kewcore(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kewcore", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def sum_package(path: Path) -> Path:
    """y = relu(x + 1) of a tensor whose rows are open, 3 by default."""
    ops = [
        Op("add", {"x": "x", "y": Const(np.float32(1))}, {"s": ("fp32", (None, 2))}),
        Op("relu", {"x": "s"}, {"y": ("fp32", (None, 2))}),
    ]
    model = model_message(ops, {"x": ("fp32", (None, 2))}, ["y"])
    array = model.description.input[0].type.multiArrayType
    array.shape[:] = [3, 2]
    array.shapeRange.sizeRanges.add(lowerBound=2, upperBound=5)
    array.shapeRange.sizeRanges.add(lowerBound=2, upperBound=2)
    return write_package(path, model)


def test_the_command_writes_a_model_that_answers_alike(tmp_path: Path) -> None:
    import onnx
    import onnxruntime

    package = sum_package(tmp_path / "sum.mlpackage")
    ended = kewcore("onnx", str(package), "--json", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    assert result["file"]["path"] == str(tmp_path / "sum.onnx")
    assert result["outputs"] == [{"name": "y", "largest_difference": 0.0, "snr_db": None}]
    onnx.checker.check_model(onnx.load(tmp_path / "sum.onnx"), full_check=True)
    session = onnxruntime.InferenceSession(tmp_path / "sum.onnx")
    for rows in (2, 5):
        x = np.linspace(-3, 3, 2 * rows, dtype=np.float32).reshape(rows, 2)
        (given,) = session.run(None, {"x": x})
        assert given.tolist() == np.maximum(x + 1, 0).tolist()
        assert given.tolist() == load(package, "reference").predict({"x": x})["y"].tolist()


def test_a_file_is_not_written_over_unasked(tmp_path: Path) -> None:
    package = sum_package(tmp_path / "sum.mlpackage")
    (tmp_path / "sum.onnx").write_text("mine")
    ended = kewcore("onnx", str(package), cwd=tmp_path)
    assert ended.returncode == 10
    assert f"error: '{tmp_path / 'sum.onnx'}' is there already" in ended.stderr
    assert (tmp_path / "sum.onnx").read_text() == "mine"
    assert kewcore("onnx", str(package), "--force", cwd=tmp_path).returncode == 0
    folder = kewcore("onnx", str(package), "--out", str(tmp_path), cwd=tmp_path)
    assert "it is a folder, expected the name of a file" in folder.stderr


@pytest.mark.parametrize("labels", [["leaf", "stem"], [7, 9]])
def test_a_classifier_gives_its_label(tmp_path: Path, labels: list[Any]) -> None:
    import onnxruntime

    ops = [
        Op("softmax", {"x": "x", "axis": Const(-1)}, {"p": ("fp32", (1, 2))}),
        Op("classify", {"probabilities": "p", "classes": labels}, {"label": ("string", ()), "probs": ("fp32", (2,))}),
    ]
    model = model_message(ops, {"x": ("fp32", (1, 2))}, ["label", "probs"])
    key = "stringKeyType" if isinstance(labels[0], str) else "int64KeyType"
    kind = "stringType" if isinstance(labels[0], str) else "int64Type"
    for feature, member in zip(model.description.output, (kind, "dictionaryType"), strict=True):
        feature.type.Clear()
        getattr(feature.type, member).SetInParent()
    getattr(model.description.output[1].type.dictionaryType, key).SetInParent()
    content = onnx_model(write_package(tmp_path / "c.mlpackage", model))
    session = onnxruntime.InferenceSession(content)
    probs, label = session.run(None, {"x": np.array([[0, 1]], np.float32)})
    assert [output.name for output in session.get_outputs()] == ["probs", "label"]
    assert (label if isinstance(label, str) else label.item()) == labels[1]
    assert probs.tolist()[0] == pytest.approx([1 / (1 + np.e), np.e / (1 + np.e)])


def test_a_wrong_model_is_found_out(tmp_path: Path) -> None:
    right = sum_package(tmp_path / "right.mlpackage")
    op = Op("sub", {"x": Const(np.float32(1)), "y": "x"}, {"y": F4})
    wrong = onnx_model(build(tmp_path / "wrong.mlpackage", [op], {"x": F4}, ["y"]))
    same_shape = build(tmp_path / "p.mlpackage", [Op("relu", {"x": "x"}, {"y": F4})], {"x": F4}, ["y"])
    with pytest.raises(CheckFailedError, match=r"output 'y' of the ONNX model is .* dB from the package's, expected"):
        agreement_with_reference(same_shape, wrong)
    (row,) = agreement_with_reference(right, onnx_model(right))
    assert (row.name, row.largest_difference, row.finite_snr_db) == ("y", 0.0, None)
