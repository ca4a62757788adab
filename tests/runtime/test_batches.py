"""Several images at a time: the answers that each gets alone, and graphs that mix images left alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Const, Op, build

from kewcore.errors import UsageError
from kewcore.runtime import load, onnx_executor
from kewcore.runtime.model import Model

pytestmark = pytest.mark.runtime
RNG = np.random.default_rng(0)


def ints(*values: int) -> Const:
    return Const(np.array(values, np.int32))


def floats(array: Any) -> Const:
    return Const(np.asarray(array, np.float32))


def takes_batches(model: Model) -> list[bool]:
    executor = model.executor.executor  # type: ignore[attr-defined]
    return [step.batches for step in executor._schedule.steps if hasattr(step, "batches")]


def classifier(path: Path) -> Path:
    """Convolution, pool, a sum with a constant, flattening, a linear layer, softmax."""
    conv = {"x": "x", "weight": floats(RNG.standard_normal((4, 2, 3, 3))), "bias": floats(np.arange(4))}
    conv |= {
        "pad_type": "'same'",
        "pad": ints(0, 0, 0, 0),
        "strides": ints(1, 1),
        "dilations": ints(1, 1),
        "groups": Const(1),
    }
    pool = {
        "x": "a",
        "kernel_sizes": ints(2, 2),
        "strides": ints(2, 2),
        "pad_type": "'valid'",
        "ceil_mode": Const(False),
    }
    linear = {"x": "f", "weight": floats(RNG.standard_normal((3, 64))), "bias": floats([1, 2, 3])}
    ops = [
        Op("conv", conv, {"c": ("fp32", (1, 4, 8, 8))}),
        Op("add", {"x": "c", "y": floats(RNG.standard_normal((1, 4, 1, 1)))}, {"a": ("fp32", (1, 4, 8, 8))}),
        Op("max_pool", pool, {"p": ("fp32", (1, 4, 4, 4))}),
        Op("transpose", {"x": "p", "perm": ints(0, 2, 3, 1)}, {"t": ("fp32", (1, 4, 4, 4))}),
        Op("reshape", {"x": "t", "shape": ints(1, 64)}, {"f": ("fp32", (1, 64))}),
        Op("linear", linear, {"l": ("fp32", (1, 3))}),
        Op("softmax", {"x": "l", "axis": Const(-1)}, {"y": ("fp32", (1, 3))}),
    ]
    return build(path, ops, {"x": ("fp32", (1, 2, 8, 8))}, ["y"])


@pytest.mark.parametrize("executor", ["onnx", "reference"])
@pytest.mark.parametrize("count", [0, 1, 3, onnx_executor.BATCH, 2 * onnx_executor.BATCH + 1])
def test_every_image_gets_its_own_answer(tmp_path: Path, executor: Any, count: int) -> None:
    model = load(classifier(tmp_path / "p.mlpackage"), executor)
    images = [RNG.standard_normal((1, 2, 8, 8)).astype(np.float32) for _ in range(count)]
    if executor == "onnx":
        assert takes_batches(model) == [True]
    found = model.predict_many([{"x": image} for image in images])
    assert len(found) == count
    for image, answer in zip(images, found, strict=True):
        alone = model.predict({"x": image})
        assert alone["y"].shape == answer["y"].shape == (1, 3)
        np.testing.assert_allclose(answer["y"], alone["y"], rtol=1e-5, atol=1e-6)


MIXED = {
    "softmax over images": [Op("softmax", {"x": "x", "axis": Const(0)}, {"y": ("fp32", (1, 6))})],
    "a sum over images": [
        Op("reduce_sum", {"x": "x", "axes": ints(0), "keep_dims": Const(True)}, {"y": ("fp32", (1, 6))})
    ],
    "images that become rows": [Op("reshape", {"x": "x", "shape": ints(2, 3)}, {"y": ("fp32", (2, 3))})],
    "the axis of images gone": [Op("squeeze", {"x": "x", "axes": ints(0)}, {"y": ("fp32", (6,))})],
    "images turned around": [Op("transpose", {"x": "x", "perm": ints(1, 0)}, {"y": ("fp32", (6, 1))})],
    "images as columns": [
        Op("matmul", {"x": floats(np.ones((2, 1))), "y": "x", "transpose_x": Const(False), "transpose_y": Const(False)},
           {"y": ("fp32", (2, 6))})
    ],
    "a constant for each image": [
        Op("add", {"x": "x", "y": floats(np.arange(12).reshape(2, 6))}, {"y": ("fp32", (2, 6))})
    ],
}  # fmt: skip


@pytest.mark.parametrize("ops", MIXED.values(), ids=MIXED)
def test_graphs_that_mix_images_take_one(tmp_path: Path, ops: list[Op]) -> None:
    model = load(build(tmp_path / "p.mlpackage", ops, {"x": ("fp32", (1, 6))}, ["y"]), "onnx")
    assert takes_batches(model) == [False]
    rows = [RNG.standard_normal((1, 6)).astype(np.float32) for _ in range(3)]
    for row, answer in zip(rows, model.predict_many([{"x": row} for row in rows]), strict=True):
        assert np.array_equal(answer["y"], model.predict({"x": row})["y"])


def test_a_package_for_two_images_takes_two(tmp_path: Path) -> None:
    ops = [Op("relu", {"x": "x"}, {"y": ("fp32", (2, 5))})]
    model = load(build(tmp_path / "p.mlpackage", ops, {"x": ("fp32", (2, 5))}, ["y"]), "onnx")
    assert takes_batches(model) == [False]
    assert model.predict_many([{"x": np.ones((2, 5), np.float32)}] * 2)[1]["y"].shape == (2, 5)


def test_an_input_of_the_wrong_shape_is_named(tmp_path: Path) -> None:
    model = load(classifier(tmp_path / "p.mlpackage"), "onnx")
    with pytest.raises(UsageError, match="'x'"):
        model.predict_many([{"x": np.ones((1, 2, 8, 8), np.float32)}, {"x": np.ones((1, 2, 8, 7), np.float32)}])
