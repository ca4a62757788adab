"""Inputs whose sizes vary: ranges, open ranges, lists of shapes, image sizes, defaults; at several sizes, in NumPy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Op, model_message, write_package

from kewcore.errors import PackageError, UsageError
from kewcore.quiet import silenced_stderr
from kewcore.runtime import load

# coremltools leaves a temporary folder to the garbage collector, which reports that from wherever it runs.
pytestmark = [
    pytest.mark.runtime,
    pytest.mark.filterwarnings("ignore:.*finalize object:pytest.PytestUnraisableExceptionWarning"),
]
EXECUTORS = ("reference", "onnx")
KERNEL = np.random.default_rng(8).standard_normal((4, 3, 3, 3)).astype(np.float32) / 5

with silenced_stderr():
    import coremltools as ct
    from coremltools.converters.mil import Builder as mb  # noqa: N813
    from coremltools.converters.mil.mil import get_new_symbol


def saved(path: Path, program: Any, inputs: list[Any], *, half: bool = False, unbounded: int | None = None) -> Path:
    """Converts and saves; coremltools 9 writes no open range, packages of earlier ones have them."""
    precision = ct.precision.FLOAT16 if half else ct.precision.FLOAT32
    options = {"compute_precision": precision, "minimum_deployment_target": ct.target.iOS16}
    with silenced_stderr():
        model = ct.convert(program, inputs=inputs, **options)
        if unbounded is not None:
            spec = model.get_spec()
            spec.description.input[0].type.multiArrayType.shapeRange.sizeRanges[unbounded].upperBound = -1
            model = ct.models.MLModel(spec, weights_dir=model.weights_dir, skip_model_load=True)
        model.save(str(path))
    return path


def pooled_program() -> Any:
    """Appends the mean over time, weighted by softmax, and lays rows out by the number of steps computed there."""

    @mb.program(input_specs=[mb.TensorSpec(shape=(1, get_new_symbol(), 8))])
    def program(x: Any) -> Any:
        weights = mb.softmax(x=mb.matmul(x=x, y=x, transpose_y=True), axis=-1)
        mean = mb.reduce_mean(x=mb.matmul(x=weights, y=x), axes=[1], keep_dims=True)
        rows = mb.transpose(x=mb.concat(values=[x, mean], axis=1), perm=[0, 2, 1])
        steps = mb.slice_by_index(x=mb.shape(x=x), begin=[1], end=[2])
        shape = mb.concat(values=[np.array([8], np.int32), mb.add(x=steps, y=1)], axis=0)
        return mb.reshape(x=rows, shape=shape, name="y")

    return program


def pooled(x: Any) -> Any:
    weights = np.exp(x @ x.transpose(0, 2, 1))
    weights /= weights.sum(axis=-1, keepdims=True)
    mean = (weights @ x).mean(axis=1, keepdims=True)
    return np.concatenate([x, mean], axis=1).transpose(0, 2, 1).reshape(8, -1)


LENGTHS = {
    "range": ((1, ct.RangeDim(2, 6, default=3), 8), (2, 3, 6), (1, 7), r"\[1, 2…6, 8\]"),
    "open": ((1, ct.RangeDim(2, 6, default=3), 8), (2, 7, 300), (1,), r"\[1, 2…, 8\]"),
    "list": (
        ct.EnumeratedShapes([[1, 2, 8], [1, 5, 8]], default=[1, 2, 8]),
        (2, 5),
        (3,),
        r"\[1, 2, 8\] or \[1, 5, 8\]",
    ),
}


@pytest.mark.parametrize("case", LENGTHS)
def test_sequences_of_any_length_that_is_allowed(tmp_path: Path, case: str) -> None:
    shape, allowed, refused, wanted = LENGTHS[case]
    inputs = [ct.TensorType(name="x", shape=shape)]
    path = saved(tmp_path / "p.mlpackage", pooled_program(), inputs, unbounded=1 if case == "open" else None)
    rng = np.random.default_rng(9)
    for executor in EXECUTORS:
        model = load(path, executor)
        assert {p.executor for p in model.placements} == {executor}
        for length in allowed:
            x = rng.standard_normal((1, length, 8)).astype(np.float32) / 2
            np.testing.assert_allclose(model.predict({"x": x})["y"], pooled(x), rtol=1e-4, atol=1e-5)
        for length in refused:
            text = rf"input 'x' must have shape {wanted}, got \[1, {length}, 8\]"
            with pytest.raises(UsageError, match=text):
                model.predict({"x": np.zeros((1, length, 8))})
        with pytest.raises(UsageError, match=rf"must have shape {wanted}, got \[2, 8\]"):
            model.predict({"x": np.zeros((2, 8))})


def convolved(image: Any) -> Any:
    """A convolution that keeps the size, a maximum over 2x2, and each pixel twice in both directions."""
    planes = np.moveaxis(image.astype(np.float32), -1, 0) / 255
    height, width = planes.shape[1:]
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)))
    result = np.zeros((4, height, width), np.float32)
    for y in range(height):
        for x in range(width):
            result[:, y, x] = np.tensordot(KERNEL, padded[:, y : y + 3, x : x + 3], 3)
    halves = result[:, : height // 2 * 2, : width // 2 * 2].reshape(4, height // 2, 2, width // 2, 2).max(axis=(2, 4))
    return halves.repeat(2, axis=1).repeat(2, axis=2)[None]


SIZES = {
    "range": (
        ct.Shape((1, 3, ct.RangeDim(2, 9, default=4), ct.RangeDim(3, 12, default=4))),
        ((2, 3), (9, 12), (4, 7)),
        r"2…9x3…12",
    ),
    "list": (ct.EnumeratedShapes([[1, 3, 4, 4], [1, 3, 6, 8]], default=[1, 3, 4, 4]), ((4, 4), (6, 8)), "4x4 or 6x8"),
}


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("case", SIZES)
def test_images_of_any_size_that_is_allowed(tmp_path: Path, case: str, half: bool) -> None:
    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 3, get_new_symbol(), get_new_symbol()))])
    def program(x: Any) -> Any:
        x = mb.conv(x=x, weight=KERNEL, pad_type="same")
        x = mb.max_pool(x=x, kernel_sizes=[2, 2], strides=[2, 2], pad_type="valid")
        return mb.upsample_nearest_neighbor(x=x, scale_factor_height=2.0, scale_factor_width=2.0, name="y")

    shape, allowed, wanted = SIZES[case]
    inputs = [ct.ImageType(name="x", shape=shape, scale=1 / 255, color_layout=ct.colorlayout.RGB)]
    path = saved(tmp_path / "p.mlpackage", program, inputs, half=half)
    rng = np.random.default_rng(10)
    for executor in EXECUTORS:
        model = load(path, executor)
        for size in allowed:
            image = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
            result = model.predict({"x": image})["y"]
            np.testing.assert_allclose(result, convolved(image), rtol=0, atol=6e-3 if half else 1e-5)
        with pytest.raises(UsageError, match=rf"takes images of {wanted} \(height x width\), got 10x4"):
            model.predict({"x": np.zeros((10, 4, 3), np.uint8)})


@pytest.mark.parametrize("executor", EXECUTORS)
def test_inputs_with_a_default(tmp_path: Path, executor: Any) -> None:
    @mb.program(input_specs=[mb.TensorSpec(shape=(get_new_symbol(),)), mb.TensorSpec(shape=(1,))])
    def program(x: Any, shift: Any) -> Any:
        return mb.add(x=x, y=shift, name="y")

    length = ct.RangeDim(1, 5, default=2)
    inputs = [
        ct.TensorType(name="x", shape=(length,), default_value=np.full(2, 3, np.float32)),
        ct.TensorType(name="shift", shape=(1,), default_value=np.array([0.25], np.float32)),
    ]
    model = load(saved(tmp_path / "p.mlpackage", program, inputs), executor)
    assert model.predict({})["y"].tolist() == [3.25, 3.25]
    assert model.predict({"x": [1, 2, 3]})["y"].tolist() == [1.25, 2.25, 3.25]
    assert model.predict({"x": [1, 2, 3], "shift": [-1]})["y"].tolist() == [0, 1, 2]
    with pytest.raises(UsageError, match=r"input 'x' must have shape \[1…5\], got \[6\]"):
        model.predict({"x": np.zeros(6)})


def optional_input(default: float | None, bounds: tuple[int, int] | None) -> Any:
    """Takes `x` of any length; its description has no default shape."""
    model = model_message([Op("relu", {"x": "x"}, {"y": ("fp32", (None,))})], {"x": ("fp32", (None,))}, ["y"])
    feature = model.description.input[0].type
    feature.isOptional = True
    del feature.multiArrayType.shape[:]
    if default is not None:
        feature.multiArrayType.floatDefaultValue = default
    if bounds is not None:
        feature.multiArrayType.shapeRange.sizeRanges.add(lowerBound=bounds[0], upperBound=bounds[1])
    return model


def test_a_default_without_a_shape_fills_the_smallest(tmp_path: Path) -> None:
    model = load(write_package(tmp_path / "p.mlpackage", optional_input(1.5, (3, 8))))
    assert model.predict({})["y"].tolist() == [1.5, 1.5, 1.5]
    with pytest.raises(UsageError, match="input 'x' is missing"):
        load(write_package(tmp_path / "q.mlpackage", optional_input(None, (3, 8)))).predict({})
    message = optional_input(1.5, (3 << 29, -1))
    message.description.input[0].type.multiArrayType.dataType = 65552  # fp16, where the program has fp32
    huge = load(write_package(tmp_path / "r.mlpackage", message))
    with pytest.raises(PackageError, match=r"input 'x' of default shape \[1610612736\] would take too much memory"):
        huge.predict({})


def test_a_description_that_allows_more_than_the_program(tmp_path: Path) -> None:
    model = model_message([Op("relu", {"x": "x"}, {"y": ("fp32", (2,))})], {"x": ("fp32", (2,))}, ["y"])
    model.description.input[0].type.multiArrayType.shapeRange.sizeRanges.add(lowerBound=1, upperBound=3)
    loaded = load(write_package(tmp_path / "p.mlpackage", model))
    assert loaded.predict({"x": [1, -1]})["y"].tolist() == [1, 0]
    with pytest.raises(
        PackageError, match=r"input 'x' may have shape \[3\], but the program takes tensor<fp32, \[2\]>"
    ):
        loaded.predict({"x": [1, 2, 3]})
