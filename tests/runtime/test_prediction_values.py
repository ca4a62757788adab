"""What `predict` takes and gives: images, arrays, labels, and clear words where they do not fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import SPACES, Const, Op, build, classifier_package, model_message, write_package
from PIL import Image

from kewcore.errors import PackageError, UnsupportedError, UsageError
from kewcore.runtime import Model, OnnxClassifier, PackageClassifier, load, to_onnx
from kewcore.runtime.loading import ExecutorChoice
from kewcore.runtime.lowering import registry

pytestmark = pytest.mark.runtime
F4 = ("fp32", (4,))


def image_package(path: Path, space: str, *, output_image: bool = False) -> Path:
    """Doubles an image of 2 rows and 3 columns."""
    channels = 3 if space in {"RGB", "BGR"} else 1
    type_ = ("fp32", (1, channels, 2, 3))
    model = model_message([Op("add", {"x": "x", "y": "x"}, {"y": type_})], {"x": type_}, ["y"])
    for features in (model.description.input, model.description.output):
        if features is model.description.input or output_image:
            image = features[0].type.imageType
            image.width, image.height, image.colorSpace = 3, 2, SPACES[space]
    return write_package(path, model)


PIXELS = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 10


@pytest.mark.parametrize("space", ["RGB", "BGR"])
def test_colour_images(tmp_path: Path, space: str) -> None:
    model = load(image_package(tmp_path / "p.mlpackage", space))
    planes = np.moveaxis(PIXELS, -1, 0) if space == "RGB" else np.moveaxis(PIXELS[..., ::-1], -1, 0)
    for given in (PIXELS, Image.fromarray(PIXELS), Image.fromarray(PIXELS).convert("RGBA")):
        assert np.array_equal(model.predict({"x": given})["y"][0], planes.astype(np.float32) * 2)


def test_greyscale_images(tmp_path: Path) -> None:
    model = load(image_package(tmp_path / "p.mlpackage", "GRAYSCALE"))
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    for given in (grey, grey[..., None], grey[None, None], Image.fromarray(grey)):
        assert np.array_equal(model.predict({"x": given})["y"][0, 0], grey * 2.0)
    # ITU-R 601: 0.299 R + 0.587 G + 0.114 B.
    red = Image.new("RGB", (3, 2), (200, 0, 0))
    assert model.predict({"x": red})["y"][0, 0, 0, 0] == 2 * round(0.299 * 200)


@pytest.mark.parametrize(("space", "mode"), [("RGB", "RGB"), ("BGR", "RGB"), ("GRAYSCALE", "L")])
def test_image_outputs(tmp_path: Path, space: str, mode: str) -> None:
    model = load(image_package(tmp_path / "p.mlpackage", space, output_image=True))
    given = PIXELS if mode == "RGB" else PIXELS[..., 0]
    result = model.predict({"x": given})["y"]
    doubled = np.minimum(given.astype(int) * 2, 255)
    if mode == "RGB":  # coremltools gives colour images with an opaque fourth plane
        doubled = np.concatenate([doubled, np.full((*doubled.shape[:2], 1), 255)], axis=2)
    assert (result.mode, result.size) == ("RGBA" if mode == "RGB" else mode, (3, 2))
    assert np.array_equal(np.asarray(result), doubled)


def test_float_image_output(tmp_path: Path) -> None:
    model = load(image_package(tmp_path / "p.mlpackage", "GRAYSCALE_FLOAT16", output_image=True))
    result = model.predict({"x": Image.fromarray(np.full((2, 3), 0.25, np.float32))})["y"]
    assert result.mode == "F"
    assert np.asarray(result).tolist() == [[0.5] * 3] * 2


@pytest.fixture
def relu(tmp_path: Path) -> Model:
    return load(build(tmp_path / "r.mlpackage", [Op("relu", {"x": "x"}, {"y": F4})], {"x": F4}, ["y"]))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, r"input 'x' is missing; inputs: 'x' \(multiArray fp32 4\)"),
        ({"x": [1, 2, 3, 4], "z": 1}, "no input is called 'z'; inputs: 'x'"),
        ({"x": [1, 2, 3]}, r"input 'x' must have shape \[4\], got \[3\]"),
        ({"x": [None, 1, 2, 3]}, "input 'x' must be numbers of type multiArray fp32 4, got"),
        ({"x": ["1", "2", "3", "4"]}, "input 'x' must be numbers"),
        ({"x": None}, "input 'x' must be numbers of type multiArray fp32 4, got None"),
        ({"x": [1j, 2, 3, 4]}, "input 'x' must be numbers"),
        ({"x": ["a"]}, "input 'x' must be numbers of type multiArray fp32 4, got"),
        ({"x": [[1, 2], [3]]}, "input 'x' must be numbers"),
    ],
)
def test_wrong_arrays(relu: Model, inputs: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        relu.predict(inputs)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e20])
def test_what_no_integer_can_hold_is_refused(tmp_path: Path, value: float) -> None:
    type_ = ("int32", (2,))
    model = load(build(tmp_path / "i.mlpackage", [Op("add", {"x": "x", "y": "x"}, {"y": type_})], {"x": type_}, ["y"]))
    assert model.predict({"x": [2.0, -3.0]})["y"].tolist() == [4, -6]
    with pytest.raises(UsageError, match=r"input 'x' must be numbers of type multiArray int32 2, got \[1.0, "):
        model.predict({"x": [1.0, value]})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((4, 3, 3), np.uint8), r"takes images of 2x3 \(height x width\), got 4x3"),
        (np.zeros((2, 3), np.uint8), r"takes an image RGB 2x3 as \[H, W, 3\], got an array \[2, 3\]"),
        ("photo.png", "must be an image or an array of numbers, got <class 'str'>"),
    ],
)
def test_wrong_images(tmp_path: Path, value: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(image_package(tmp_path / "p.mlpackage", "RGB")).predict({"x": value})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"executor": "gpu"}, "executor must be one of auto, reference, onnx, got 'gpu'"),
        ({"precision": "fp8"}, "precision must be one of typed, fp32, got 'fp8'"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
    ],
)
def test_wrong_options(tmp_path: Path, arguments: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(tmp_path, **arguments)


def test_a_flexible_shape(tmp_path: Path) -> None:
    model = model_message([Op("relu", {"x": "x"}, {"y": ("fp32", (None, 2))})], {"x": ("fp32", (None, 2))}, ["y"])
    sizes = model.description.input[0].type.multiArrayType.shapeRange.sizeRanges
    sizes.add(lowerBound=1, upperBound=3)
    sizes.add(lowerBound=2, upperBound=2)
    package = write_package(tmp_path / "p.mlpackage", model)
    for executor in ("reference", "onnx"):
        loaded = load(package, executor)
        assert loaded.predict({"x": [[-1, 1], [2, -2]]})["y"].tolist() == [[0, 1], [2, 0]]
        with pytest.raises(UsageError, match=r"input 'x' must have shape \[1…3, 2\], got \[4, 2\]"):
            loaded.predict({"x": np.zeros((4, 2))})


@pytest.mark.parametrize("executor", ["reference", "onnx"])
def test_a_classifier_gives_label_and_probabilities(tmp_path: Path, executor: Any) -> None:
    model = load(classifier_package(tmp_path / "c.mlpackage"), executor)
    result = model.predict({"x": np.full((2, 2), 255, np.uint8)})
    light = 1 / (1 + np.exp(-2.0))
    assert result["label"] == "light"
    assert result["probs"] == pytest.approx({"dark": 1 - light, "light": light})
    assert list(result) == ["label", "probs"]
    assert model.class_labels == ("dark", "light")


def test_classifiers_of_packages_and_onnx_files(tmp_path: Path) -> None:
    package = classifier_package(tmp_path / "c.mlpackage")
    pixels = np.array([[[0, 0], [0, 0]], [[255] * 2] * 2, [[10, 20], [30, 40]]], np.uint8)
    means = pixels.reshape(3, -1).mean(axis=1) / 255
    expected = np.stack([1 / (1 + np.exp(2 * means)), 1 / (1 + np.exp(-2 * means))], axis=1)
    written = to_onnx(package, tmp_path / "c.onnx")
    assert written.size_bytes == (tmp_path / "c.onnx").stat().st_size
    for classifier in (
        PackageClassifier(package),
        PackageClassifier(package, "reference", threads=1),
        OnnxClassifier(tmp_path / "c.onnx"),
    ):
        assert classifier.class_names == ("dark", "light")
        assert classifier.image_size == (2, 2)
        result = classifier.probabilities(pixels)
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, expected, atol=1e-6)
        assert classifier.probabilities(pixels[:0]).shape == (0, 2)
        with pytest.raises(UsageError, match=r"pixels must be uint8 \[N, 2, 2\], got float32 \[3, 2, 2\]"):
            classifier.probabilities(pixels.astype(np.float32))  # type: ignore[arg-type]


def test_an_onnx_file_passes_the_checker_and_is_the_same_each_time(tmp_path: Path) -> None:
    import onnx

    package = classifier_package(tmp_path / "c.mlpackage")
    first, second = to_onnx(package, tmp_path / "a.onnx"), to_onnx(package, tmp_path / "b.onnx")
    assert first.sha256 == second.sha256
    model = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [output.name for output in model.graph.output] == ["probs", "label"]


@pytest.fixture
def without_mod(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes one lowering away, so that there is an operation without."""
    registry.lowered_operations()
    monkeypatch.delitem(registry._lowerings, "mod")


@pytest.mark.usefixtures("without_mod")
def test_what_cannot_be_one_onnx_graph(tmp_path: Path) -> None:
    op = Op("mod", {"x": "x", "y": Const(np.float32(2))}, {"y": F4})
    package = build(tmp_path / "p.mlpackage", [op], {"x": F4}, ["y"])
    with pytest.raises(
        UnsupportedError, match=r"cannot be written as one ONNX graph:\n  - op 'mod_y' \(mod\): no lowering"
    ):
        to_onnx(package, tmp_path / "p.onnx")
    assert not (tmp_path / "p.onnx").exists()


def test_what_is_no_classifier(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="is not a classifier: its program does not end in 'classify'"):
        PackageClassifier(image_package(tmp_path / "p.mlpackage", "GRAYSCALE"))
    with pytest.raises(PackageError, match="cannot read ONNX file"):
        OnnxClassifier(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no")
    with pytest.raises(UnsupportedError, match="ONNX Runtime refuses"):
        OnnxClassifier(tmp_path / "bad.onnx")
    to_onnx(image_package(tmp_path / "q.mlpackage", "GRAYSCALE"), tmp_path / "q.onnx")
    with pytest.raises(PackageError, match=r"does not name its classes under 'kewcore\.class_names'"):
        OnnxClassifier(tmp_path / "q.onnx")


def test_a_description_that_the_program_does_not_keep(tmp_path: Path) -> None:
    model = model_message([Op("relu", {"x": "x"}, {"y": F4})], {"x": F4}, ["y"])
    image = model.description.input[0].type.imageType
    image.width, image.height, image.colorSpace = 2, 2, SPACES["GRAYSCALE"]
    with pytest.raises(
        PackageError, match="input 'x' is described as image GRAYSCALE 2x2, but the program takes tensor"
    ):
        load(write_package(tmp_path / "i.mlpackage", model)).predict({"x": np.zeros((2, 2))})
    model = model_message([Op("relu", {"x": "x"}, {"y": F4})], {"x": F4}, ["y"])
    image = model.description.output[0].type.imageType
    image.width, image.height, image.colorSpace = 2, 2, SPACES["RGB"]
    text = r"output 'y' is described as image RGB 2x2, but the program gives an array \[4\]"
    with pytest.raises(PackageError, match=text):
        load(write_package(tmp_path / "o.mlpackage", model)).predict({"x": np.zeros(4)})


@pytest.mark.usefixtures("without_mod")
def test_segments_between_executors(tmp_path: Path) -> None:
    ops = [
        Op("relu", {"x": "x"}, {"a": F4}),
        Op("mod", {"x": "a", "y": Const(np.float32(2))}, {"b": F4}),
        Op("add", {"x": "b", "y": "a"}, {"c": F4}),
    ]
    model = load(build(tmp_path / "p.mlpackage", ops, {"x": F4}, ["c", "a"]))
    assert [(p.operation.type, p.executor) for p in model.placements] == [
        ("relu", "onnx"),
        ("mod", "reference"),
        ("add", "onnx"),
    ]
    out = model.predict({"x": [-1, 1, 3, 4.5]})
    assert (out["c"].tolist(), out["a"].tolist()) == ([0, 2, 4, 5], [0, 1, 3, 4.5])
    traced = model.trace({"x": [-1, 1, 3, 4.5]})
    assert {name: traced[name].tolist() for name in "xabc"} == {
        "x": [-1, 1, 3, 4.5],
        "a": [0, 1, 3, 4.5],
        "b": [0, 1, 1, 0.5],
        "c": [0, 2, 4, 5],
    }


@pytest.mark.parametrize(
    ("element", "shape", "message"),
    [
        (1, [1, 3, 2, 2], r"must take one image, tensor\(float\) \[1, 1, H, W\], it takes 'x' \(tensor\(float\) \["),
        (2, [1, 1, 2, 2], r"it takes 'x' \(tensor\(uint8\) \[1, 1, 2, 2\]\)"),
        (1, [1, 1, 2, 2], r"output 'y' gives 4 numbers for 2 classes"),
    ],
)
def test_onnx_files_of_others_that_do_not_fit(tmp_path: Path, element: int, shape: list[int], message: str) -> None:
    from onnx import helper, save

    value = helper.make_tensor_value_info("x", element, shape)
    flat = helper.make_node("Flatten", ["x"], ["y"], axis=0)
    graph = helper.make_graph([flat], "g", [value], [helper.make_tensor_value_info("y", element, None)])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    model.metadata_props.add(key="kewcore.class_names", value='["a", "b"]')
    save(model, tmp_path / "x.onnx")
    with pytest.raises((UnsupportedError, PackageError), match=message):
        OnnxClassifier(tmp_path / "x.onnx").probabilities(np.zeros((1, 2, 2), np.uint8))


@pytest.mark.parametrize("executor", ["reference", "onnx"])
def test_results_belong_to_whoever_asked(tmp_path: Path, executor: ExecutorChoice) -> None:
    """Written over, neither weights in a trace nor a constant that is an output change what comes next."""
    weight = np.arange(4, dtype=np.float32)
    operations = [Op("const", {"val": Const(weight)}, {"w": F4}), Op("add", {"x": "x", "y": "w"}, {"y": F4})]
    model = load(build(tmp_path / "w.mlpackage", operations, {"x": F4}, ["y", "w"]), executor)
    x = np.ones(4, np.float32)
    for results in (model.predict({"x": x}), model.trace({"x": x}), model.predict({"x": x}), model.trace({"x": x})):
        assert results["w"].tolist() == [0, 1, 2, 3]
        assert results["y"].tolist() == [1, 2, 3, 4]
        for array in results.values():
            array[...] = 77
    assert x.tolist() == [1] * 4
