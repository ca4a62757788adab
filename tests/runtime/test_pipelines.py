"""Pipelines: features handed from part to part, and what is said where parts do not fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import SPACES, Const, Op, classifier_message, model_message, write_package

from kewcore.errors import KewError, PackageError, UnsupportedError, UsageError
from kewcore.runtime import PackageClassifier, load, patch_coremltools, to_onnx
from kewcore.runtime.inspection import op_counts, weight_reports
from kewcore.runtime.loading import with_executor
from kewcore.runtime.spec.messages import model_class

pytestmark = [
    pytest.mark.runtime,
    # coremltools leaves a temporary folder to the garbage collector, which reports that from wherever it runs.
    pytest.mark.filterwarnings("ignore:.*finalize object:pytest.PytestUnraisableExceptionWarning"),
]
F4 = ("fp32", (4,))
H4 = ("fp16", (4,))
COLOURS = ("fp32", (1, 3, 2, 3))
EXECUTORS = ("reference", "onnx")


def doubling(taken: str, given: str, type_: Any = F4) -> Any:
    return model_message([Op("add", {"x": taken, "y": taken}, {given: type_})], {taken: type_}, [given])


def adding(taken: tuple[str, str], given: str) -> Any:
    return model_message([Op("add", {"x": taken[0], "y": taken[1]}, {given: F4})], dict.fromkeys(taken, F4), [given])


def pipeline(
    parts: dict[str, Any], inputs: list[tuple[Any, str]], outputs: list[tuple[Any, str]], kind: str = "pipeline"
) -> Any:
    """Makes a pipeline whose inputs and outputs are described as in the models beside their names."""
    model = model_class()(specificationVersion=9)
    message = model.pipeline if kind == "pipeline" else getattr(model, kind).pipeline
    message.names.extend(parts)
    for part in parts.values():
        message.models.add().CopyFrom(part)
    for giver, name in inputs:
        model.description.input.append(next(f for f in giver.description.input if f.name == name))
    for giver, name in outputs:
        model.description.output.append(next(f for f in giver.description.output if f.name == name))
    return model


def as_image(features: Any, space: str) -> None:
    image = features[0].type.imageType
    image.width, image.height, image.colorSpace = 3, 2, SPACES[space]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_arrays_are_handed_on_by_name(tmp_path: Path, executor: Any) -> None:
    first, second = doubling("x", "twice", H4), adding(("twice", "x"), "y")
    second.description.input[0].type.multiArrayType.dataType = 65568
    made = pipeline({"a": first, "b": second}, [(first, "x")], [(second, "y"), (first, "twice")])
    model = load(write_package(tmp_path / "p.mlpackage", made), executor)
    x = np.array([1, -2, 0.1, 1e-3], np.float32)
    half = x.astype(np.float16)
    result = model.predict({"x": x})
    assert {name: value.dtype for name, value in result.items()} == {"y": np.float32, "twice": np.float32}
    assert np.array_equal(result["twice"], (half + half).astype(np.float32))
    assert np.array_equal(result["y"], (half + half).astype(np.float32) + x)
    for other in EXECUTORS:
        again = with_executor(model, other)
        assert {p.executor for p in again.placements} == {other}
        assert np.array_equal(again.predict({"x": x})["y"], result["y"])
    traced = model.trace({"x": x})
    assert sorted(traced) == ["a/twice", "a/x", "b/twice", "b/x", "b/y"]
    assert np.array_equal(traced["b/y"], result["y"])
    assert [p.operation.name for p in model.placements] == ["a/add_twice", "b/add_y"]
    assert [(row.type, row.count) for row in op_counts(model)] == [("add", 2)]
    assert (model.ops, weight_reports(model.function), model.class_labels) == (
        tuple(p.operation for p in model.placements),
        (),
        None,
    )
    with pytest.raises(UsageError, match=r"input 'x' is missing; inputs: 'x' \(multiArray fp16 4\)"):
        model.predict({})
    with pytest.raises(UsageError, match="no input is called 'twice'; inputs: 'x'"):
        model.predict({"x": x, "twice": x})
    with pytest.raises(UsageError, match=r"must have shape \[4\], got \[3\]") as caught:
        model.predict({"x": x[:3]})
    assert caught.value.__notes__ == ["in part 'a' of the pipeline"]
    with pytest.raises(UsageError, match="has no states"):
        model.make_state()


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(("given", "taken"), [("RGB", "RGB"), ("BGR", "BGR")])
def test_images_are_handed_on_as_pixels(tmp_path: Path, executor: Any, given: str, taken: str) -> None:
    first, second = doubling("x", "image", COLOURS), doubling("image", "y", COLOURS)
    as_image(first.description.input, "RGB")
    as_image(first.description.output, given)
    as_image(second.description.input, taken)
    made = pipeline({"a": first, "b": second}, [(first, "x")], [(second, "y")])
    model = load(write_package(tmp_path / "p.mlpackage", made), executor)
    pixels = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 10
    planes = np.moveaxis(np.minimum(pixels.astype(float) * 2, 255), -1, 0) * 2  # cut off on the way
    # A part that gives BGR has its own idea of what its first plane is; its neighbour shares it.
    assert np.array_equal(model.predict({"x": pixels})["y"][0], planes)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_classifier_behind_another_model(tmp_path: Path, executor: Any) -> None:
    first, second = doubling("photo", "x", ("fp32", (1, 1, 2, 2))), classifier_message()
    for features in (first.description.input, first.description.output):
        image = features[0].type.imageType
        image.width, image.height, image.colorSpace = 2, 2, SPACES["GRAYSCALE"]
    made = pipeline(
        {"a": first, "b": second}, [(first, "photo")], [(second, "label"), (second, "probs")], "pipelineClassifier"
    )
    path = write_package(tmp_path / "p.mlpackage", made)
    model = load(path, executor)
    assert model.class_labels == ("dark", "light")
    result = model.predict({"photo": np.full((2, 2), 100, np.uint8)})
    assert result["label"] == "light"
    assert result["probs"]["light"] == pytest.approx(1 / (1 + np.exp(-2 * 200 / 255)), abs=1e-6)
    answers = PackageClassifier(path, executor).probabilities(np.full((1, 2, 2), 100, np.uint8))
    assert answers.tolist() == [[pytest.approx(p) for p in result["probs"].values()]]


@pytest.mark.parametrize(
    ("limit", "value", "expected"),
    [
        ("WORK_LIMIT", 100, r"a prediction would take 1\.3e\+02 multiply-adds, 1\.2e\+01 of them op 'add_v1' \(add\)"),
        ("MEMORY_LIMIT_BYTES", 170, "its weights would take 176 bytes, more than the limit of 170"),
    ],
)
def test_the_parts_together_keep_the_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, expected: str
) -> None:
    """Eleven sums, each with a weight: 12 elements moved and 16 bytes a part; nothing is started."""
    weight = {"y": np.ones(4, np.float32)}
    parts = {}
    for number in range(11):
        row = {f"v{number + 1}": ("fp32", (4,))}
        op = Op("add", {"x": f"v{number}", **weight}, row)
        parts[f"p{number}"] = model_message([op], {f"v{number}": ("fp32", (4,))}, [f"v{number + 1}"])
    last = parts["p10"]
    path = write_package(tmp_path / "p.mlpackage", pipeline(parts, [(parts["p0"], "v0")], [(last, "v11")]))
    assert load(path).predict({"v0": np.zeros(4)})["v11"].tolist() == [11] * 4
    monkeypatch.setattr(f"kewcore.runtime.costs.{limit}", value)
    monkeypatch.setattr("kewcore.runtime.loading._executor", None)
    with pytest.raises(PackageError, match=f"is not a valid pipeline, 1 problem:\n  - {expected}"):
        load(path)


@pytest.mark.parametrize("kind", ["pipeline", "pipelineRegressor"])
def test_pipelines_in_pipelines(tmp_path: Path, kind: str) -> None:
    made = doubling("v0", "v1")
    for depth in range(1, 10):
        last = doubling(f"v{depth}", f"v{depth + 1}")
        made = pipeline({"inner": made, "last": last}, [(made, "v0")], [(last, f"v{depth + 1}")], kind)
        path = write_package(tmp_path / f"{depth}.mlpackage", made)
        if depth <= 8:
            result = load(path).predict({"v0": np.ones(4)})
            assert result[f"v{depth + 1}"].tolist() == [2.0 ** (depth + 1)] * 4
    with pytest.raises(PackageError, match="pipelines are nested more than 8 deep"):
        load(path)


def test_an_optional_input_of_a_part(tmp_path: Path) -> None:
    first, second = doubling("x", "twice"), adding(("twice", "shift"), "y")
    shift = second.description.input[1].type
    shift.isOptional, shift.multiArrayType.floatDefaultValue = True, 0.5
    made = pipeline({"a": first, "b": second}, [(first, "x"), (second, "shift")], [(second, "y")])
    model = load(write_package(tmp_path / "p.mlpackage", made))
    assert model.predict({"x": np.ones(4)})["y"].tolist() == [2.5] * 4
    assert model.predict({"x": np.ones(4), "shift": np.ones(4)})["y"].tolist() == [3] * 4


def test_a_part_of_another_kind_is_named(tmp_path: Path) -> None:
    other = model_class().FromString(b"\x08\x04\xa2\x1f\x00")  # field 500 of Model, neuralNetwork
    nothing = model_class()(specificationVersion=9)
    first = doubling("x", "y")
    made = pipeline({"a": first, "old": other, "inner": pipeline({"z": nothing}, [], [])}, [(first, "x")], [])
    text = (
        "holds a model of kind 'neuralNetwork' as part 'old' of its pipeline; "
        "holds a model of kind 'nothing' as part 'z' of its pipeline; kewcore runs ML Programs and pipelines of them"
    )
    with pytest.raises(UnsupportedError, match=text):
        load(write_package(tmp_path / "p.mlpackage", made))


def mismatched() -> dict[str, tuple[Any, str]]:
    first, second, wide = doubling("x", "y"), doubling("y", "z"), doubling("y", "z", ("fp32", (5,)))
    pictured = doubling("x", "y", COLOURS)
    as_image(pictured.description.output, "RGB")
    stateful = doubling("y", "z")
    stateful.description.state.add(name="s").type.stateType.arrayType.dataType = 65568
    return {
        "unknown": (
            pipeline({"a": second}, [], [(second, "z")]),
            "part 'a' takes 'y', which neither the pipeline nor a part before it gives",
        ),
        "later": (
            pipeline({"b": second, "a": first}, [(first, "x")], [(second, "z")]),
            "part 'b' takes 'y', which neither the pipeline nor a part before it gives",
        ),
        "shape": (
            pipeline({"a": first, "b": wide}, [(first, "x")], [(wide, "z")]),
            r"part 'b' takes 'y' as multiArray fp32 5, but part 'a' has it as multiArray fp32 4",
        ),
        "kind": (
            pipeline({"a": pictured, "b": second}, [(pictured, "x")], [(second, "z")]),
            "part 'b' takes 'y' as multiArray fp32 4, but part 'a' has it as image RGB 2x3",
        ),
        "output": (
            pipeline({"a": first}, [(first, "x")], [(second, "z")]),
            "the pipeline gives 'z', which none of its parts does",
        ),
        "output kind": (
            pipeline({"a": first}, [(first, "x")], [(pictured, "y")]),
            "the pipeline gives 'y' as image RGB 2x3, but part 'a' has it as multiArray fp32 4",
        ),
        "states": (
            pipeline({"a": first, "b": stateful}, [(first, "x")], [(second, "z")]),
            "part 'b' has states, which parts of pipelines cannot have",
        ),
    }


@pytest.mark.parametrize("case", mismatched())
def test_parts_that_do_not_fit(tmp_path: Path, case: str) -> None:
    made, text = mismatched()[case]
    with pytest.raises(PackageError, match=rf"is not a valid pipeline, 1 problem:\n  - {text}$"):
        load(write_package(tmp_path / "p.mlpackage", made))


def test_names_that_do_not_fit(tmp_path: Path) -> None:
    first = doubling("x", "y")
    made = pipeline({"a": first}, [(first, "x")], [(first, "y")])
    made.pipeline.names.append("b")
    with pytest.raises(PackageError, match=r"the pipeline has 1 models and names \['a', 'b'\]; each needs its own"):
        load(write_package(tmp_path / "n.mlpackage", made))
    with pytest.raises(PackageError, match="the pipeline has no models"):
        load(write_package(tmp_path / "e.mlpackage", pipeline({}, [(first, "x")], [])))
    del made.pipeline.names[:]
    model = load(write_package(tmp_path / "m.mlpackage", made))
    assert [operation.name for operation in model.ops] == ["model0/add_y"]


def test_a_broken_part_is_named(tmp_path: Path) -> None:
    op = Op("add", {"x": "x", "y": Const(np.zeros(3, np.float32))}, {"y": F4})
    broken = model_message([op], {"x": F4}, ["y"])
    made = pipeline({"a": broken}, [(broken, "x")], [(broken, "y")])
    with pytest.raises(PackageError, match="is not a valid program, 1 problem") as caught:
        load(write_package(tmp_path / "p.mlpackage", made))
    assert caught.value.__notes__ == ["in part 'a' of the pipeline"]
    broken.mlProgram.functions["main"].opset = "CoreML99"
    made = pipeline({"a": broken}, [(broken, "x")], [(broken, "y")])
    with pytest.raises(KewError, match="CoreML99") as caught_too:
        load(write_package(tmp_path / "q.mlpackage", made))
    assert caught_too.value.__notes__[-1] == "in part 'a' of the pipeline"


def test_what_a_pipeline_is_not(tmp_path: Path) -> None:
    first = doubling("x", "y")
    path = write_package(tmp_path / "p.mlpackage", pipeline({"a": first}, [(first, "x")], [(first, "y")]))
    with pytest.raises(UsageError, match="has no function 'second'; functions: main"):
        load(path, function_name="second")
    with pytest.raises(UnsupportedError, match="holds a model of kind 'pipeline', which is not one ML Program"):
        to_onnx(path, tmp_path / "p.onnx")


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_pipeline_that_coremltools_makes(executor: Any) -> None:
    import coremltools as ct
    from coremltools.converters.mil import Builder as mb  # noqa: N813

    from kewcore.quiet import silenced_stderr

    rng = np.random.default_rng(4)
    weights = [rng.standard_normal((8, 8)).astype(np.float32) for _ in range(2)]

    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 8))])
    def first(x: Any) -> Any:
        return mb.linear(x=x, weight=weights[0], name="hidden")

    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 8))])
    def second(hidden: Any) -> Any:
        return mb.linear(x=mb.relu(x=hidden), weight=weights[1], name="y")

    take_back = patch_coremltools(executor)
    try:
        with silenced_stderr():
            options = {"compute_precision": ct.precision.FLOAT32, "minimum_deployment_target": ct.target.iOS16}
            parts = [ct.convert(program, **options) for program in (first, second)]
            model = ct.utils.make_pipeline(*parts)
        x = rng.standard_normal((1, 8)).astype(np.float32)
        expected = np.maximum(x @ weights[0].T, 0) @ weights[1].T
        np.testing.assert_allclose(model.predict({"x": x})["y"], expected, rtol=1e-5, atol=1e-5)
        inside = model.__proxy__.model
        assert [row.name for row in weight_reports(inside.function)] == ["model0/hidden_weight_0", "model1/y_weight_0"]
    finally:
        take_back()
