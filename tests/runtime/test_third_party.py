"""Packages that other people made: both executors agree, and where there is a golden output, it matches."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kewcore.errors import PackageError
from kewcore.runtime import Model, load
from kewcore.runtime.inspection import op_counts, weight_reports
from kewcore.runtime.package import FeatureKind

pytestmark = pytest.mark.runtime

# Largest difference over the largest magnitude. Both executors round fp16-typed values alike, but sum in different
# orders; a sum at the border of two fp16 numbers (2^-11 apart) can fall either way, and deep networks carry it on.
AGREEING = {
    "asd_audio_encoder": 1e-3,
    "basic_pitch_nmp_fp32": 1e-4,
    "ironmill_mnist_base": 1e-5,
    "mnist_mlp_classifier": 1e-3,
    "mobilefacenet_fp16": 4e-3,
    "pose_cnn1d": 1e-3,
    "pose_lstm": 1e-3,
    "screendoc_mobilenetv3": 2e-3,
    "situp_conv1d": 1e-3,
    "speech_emotion_lstm": 1e-3,
    "yolo11n_pal8": 4e-3,
}

STAYING = {"classify"}
"""What the fast executor leaves to the reference executor."""


def open_package(folder: Path, executor: Any) -> Model:
    (path,) = folder.glob("*.mlpackage")
    return load(path, executor)


def random_inputs(model: Model) -> dict[str, Any]:
    rng = np.random.default_rng(10)
    types = {named.name: named.type for named in model.function.inputs}
    inputs = {}
    for feature in model.inputs:
        if feature.kind is FeatureKind.IMAGE:
            channels = () if feature.colour_space == "GRAYSCALE" else (3,)
            inputs[feature.name] = rng.integers(0, 256, (*feature.shape, *channels)).astype(np.uint8)
        else:
            inputs[feature.name] = rng.standard_normal(feature.shape or types[feature.name].shape).astype(np.float32)
    return inputs


@pytest.mark.parametrize("name", AGREEING)
def test_both_executors_agree(third_party: Path, name: str) -> None:
    reference, fast = (open_package(third_party / name, executor) for executor in ("reference", "onnx"))
    inputs = random_inputs(reference)
    expected, result = reference.predict(inputs), fast.predict(inputs)
    assert {p.operation.type for p in fast.placements if p.executor == "reference"} <= STAYING
    for key, wanted in expected.items():
        if isinstance(wanted, np.ndarray):
            assert result[key].dtype == wanted.dtype
            scale = float(np.abs(wanted.astype(np.float64)).max())
            np.testing.assert_allclose(result[key], wanted, rtol=0, atol=AGREEING[name] * scale)
        elif isinstance(wanted, dict):
            assert max(abs(wanted[label] - result[key][label]) for label in wanted) < AGREEING[name]
        else:
            assert wanted == result[key]


@pytest.mark.slow
def test_a_deep_network_agrees(third_party: Path) -> None:
    # 119 convolutions deep, rounding to fp16 alone moves the output by 4 % of its largest value, so what is compared
    # here is the arithmetic without it; the output itself is fp16.
    (path,) = (third_party / "u2netp_saliency").glob("*.mlpackage")
    reference, fast = (load(path, executor, precision="fp32") for executor in ("reference", "onnx"))
    inputs = random_inputs(reference)
    (expected,), (result,) = reference.predict(inputs).values(), fast.predict(inputs).values()
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-3 * float(expected.max()))


@pytest.mark.parametrize("executor", ["reference", "onnx"])
def test_golden_output_of_another_runtime(third_party: Path, executor: str) -> None:
    folder = third_party / "basic_pitch_nmp_fp32"
    golden = np.load(folder / "golden.npz")
    result = open_package(folder, executor).predict({"input_2": golden["in_input_2"]})
    for name, value in result.items():
        np.testing.assert_allclose(value, golden[f"out_{name}"], rtol=0, atol=1e-4)


def test_labels_that_are_numbers(third_party: Path) -> None:
    model = open_package(third_party / "mnist_mlp_classifier", "auto")
    assert model.class_labels == tuple(range(10))
    result = model.predict(random_inputs(model))
    assert isinstance(result["Prediction"], int)
    assert list(result["Prediction_probs"]) == list(range(10))
    assert result["Prediction"] == max(result["Prediction_probs"], key=result["Prediction_probs"].get)


def test_a_malformed_package_says_where(third_party: Path) -> None:
    text = "op 'Parameter193' (constexpr_lut_to_dense): input 'indices': tensor<uint8, [2560]> takes 2560 bytes, the"
    with pytest.raises(PackageError, match=re.escape(text)):
        open_package(third_party / "ironmill_mnist_pal", "auto")


def photograph_of_a_face() -> Image.Image:
    """The portrait that ships with matplotlib, twice: large, and small in the corner."""
    import matplotlib

    file = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    canvas = Image.new("RGB", (640, 640))
    with Image.open(file) as portrait:
        canvas.paste(portrait.resize((512, 600)), (50, 20))
        canvas.paste(portrait.resize((120, 140)), (510, 100))
    return canvas


def test_a_detector_finds_the_same_faces_in_both_executors(third_party: Path) -> None:
    reference, fast = (
        open_package(third_party / "yolo11n_face_pal8_nms_pipeline", executor) for executor in ("reference", "onnx")
    )
    assert (fast.class_labels, fast.executor.name) == (("face",), "onnx")
    assert {p.operation.type for p in fast.placements if p.executor == "reference"} == {"nonMaximumSuppression"}
    image = photograph_of_a_face()
    expected, result = reference.predict({"image": image}), fast.predict({"image": image})
    assert expected["coordinates"].shape == (2, 4)
    for name in ("confidence", "coordinates"):
        np.testing.assert_allclose(result[name], expected[name], rtol=0, atol=4e-3)
    # Where the faces are in the picture, by eye: x and y of the centres as fractions of its size.
    np.testing.assert_allclose(result["coordinates"][:, :2], [[0.49, 0.39], [0.89, 0.24]], atol=0.02)
    everything = fast.predict({"image": image, "iouThreshold": 1.0, "confidenceThreshold": 0.2})["confidence"]
    raw = fast.trace({"image": image})["model0/var_1142_1"]
    assert len(everything) == (raw >= 0.2).sum() > 10


def test_inspection_looks_into_loops(third_party: Path) -> None:
    model = open_package(third_party / "pose_lstm", "auto")
    counts = {row.type: row.count for row in op_counts(model)}
    assert {kind: counts[kind] for kind in ("cast", "sigmoid", "matmul", "while_loop")} == {
        "cast": 9,
        "sigmoid": 3,
        "matmul": 2,
        "while_loop": 1,
    }
    assert len(weight_reports(model.function)) == 8
