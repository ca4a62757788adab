"""Which forms of the operations that move and make elements the fast executor takes, and why it leaves the others."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Op, build

from kewcore.runtime import load

pytestmark = pytest.mark.runtime
X = ("fp32", (2, 4))
IMAGE = ("fp32", (1, 4, 2, 2))


def ints(*values: Any) -> np.ndarray:
    return np.array(values, np.int32)


def placed(folder: Path, kind: str, arguments: Any, x: Any, outputs: Any, opset: str) -> tuple[str, str]:
    op = Op(kind, arguments, outputs)
    package = build(folder / "p.mlpackage", [op], {"x": x, "i": ("int32", (2,))}, list(outputs), opset)
    (placement,) = load(package, "onnx").placements
    return placement.executor, placement.reason


@pytest.mark.parametrize(
    ("kind", "arguments", "x", "output"),
    [
        ("gather", {"x": "x", "indices": "i"}, X, ("fp32", (2, 4))),
        ("gather", {"x": "x", "indices": "i", "axis": 1, "batch_dims": 1}, X, ("fp32", (2,))),
        ("gather_along_axis", {"x": "i", "indices": "i"}, X, ("int32", (2,))),
        ("gather_nd", {"x": "x", "indices": "i"}, X, ("fp32", ())),
        ("scatter", {"data": "x", "indices": ints(1), "updates": np.ones((1, 4), np.float32)}, X, X),
        ("slice_update", {"x": "x", "update": "x", "begin": ints(0, 0), "end": ints(2, 4)}, X, X),
        ("argsort", {"x": "x"}, X, ("int32", (2, 4))),
        ("shape", {"x": "x"}, X, ("int32", (2,))),
        ("fill_like", {"ref_tensor": "x"}, X, X),
        ("one_hot", {"indices": "i", "one_hot_vector_size": 3}, X, ("int32", (2, 3))),
        ("non_zero", {"x": "x"}, X, ("int32", (None, 2))),
        ("cumsum", {"x": "x"}, X, X),
        ("band_part", {"x": "x", "lower": 0}, X, X),
        ("reverse_sequence", {"x": "x", "lengths": "i", "seq_axis": 1}, X, X),
        ("sliding_windows", {"x": "x", "axis": 1, "size": 2}, X, ("fp32", (2, 3, 2))),
        ("depth_to_space", {"x": "x", "block_size": 2}, IMAGE, ("fp32", (1, 1, 4, 4))),
        ("space_to_depth", {"x": "x", "block_size": 2}, IMAGE, ("fp32", (1, 16, 1, 1))),
        ("pixel_shuffle", {"x": "x", "upscale_factor": 2}, IMAGE, ("fp32", (1, 1, 4, 4))),
        ("pixel_unshuffle", {"x": "x", "downscale_factor": np.uint32(2)}, IMAGE, ("fp32", (1, 16, 1, 1))),
        (
            "space_to_batch",
            {"x": "x", "block_shape": ints(2, 2), "paddings": ints((0, 0), (0, 0))},
            IMAGE,
            ("fp32", (4, 4, 1, 1)),
        ),
        ("einsum", {"values": ("x", "x"), "equation": "'nchw,nwhu->nchu'"}, ("fp32", (1, 2, 2, 2)), None),
        ("reshape", {"x": "x", "shape": "i"}, X, ("fp32", (None, None))),
    ],
)
def test_forms_that_onnx_can_say(tmp_path: Path, kind: str, arguments: Any, x: Any, output: Any) -> None:
    outputs = {"y": output or ("fp32", (1, 2, 2, 2))}
    assert placed(tmp_path, kind, arguments, x, outputs, "CoreML8") == ("onnx", "")


@pytest.mark.parametrize(
    ("kind", "arguments", "output", "reason"),
    [
        (
            "gather",
            {"x": "x", "indices": "i", "validate_indices": True},
            X,
            "validate_indices refuses negative indices, which ONNX takes",
        ),
        (
            "scatter",
            {"data": "x", "indices": "i", "updates": "x"},
            X,
            "indices outside write nothing since iOS 17, and are computed at run time",
        ),
        (
            "scatter_nd",
            {"data": "i", "indices": ints([0], [0]), "updates": "i"},
            ("int32", (2,)),
            "ONNX Runtime writes in parallel, and some indices are equal",
        ),
        ("scatter", {"data": "x", "indices": ints(0, 1), "updates": "x", "mode": "'div'"}, X, "mode 'div'"),
        ("fill", {"shape": "i", "value": 1.0}, ("fp32", (None, None)), "'shape' is computed at run time"),
        ("tile", {"x": "x", "reps": "i"}, ("fp32", (None, None)), "'reps' is computed at run time"),
        (
            "random_uniform",
            {"shape": ints(2, 4)},
            X,
            "ONNX Runtime draws other numbers from the same seed",
        ),
    ],
)
def test_forms_that_mean_something_else_in_onnx(
    tmp_path: Path, kind: str, arguments: Any, output: Any, reason: str
) -> None:
    assert placed(tmp_path, kind, arguments, X, {"y": output}, "CoreML8") == ("reference", reason)


def test_what_nobody_needs_is_not_run(tmp_path: Path) -> None:
    ops = [
        Op("cast", {"x": "x", "dtype": "'int32'"}, {"unused": ("int32", (2, 4))}),
        Op("const", {}, {"y": ("int32", (2,))}, {"val": ints(2, 4)}),
    ]
    model = load(build(tmp_path / "p.mlpackage", ops, {"x": X}, ["y"]), "onnx")
    assert model.predict({"x": np.zeros((2, 4))})["y"].tolist() == [2, 4]
