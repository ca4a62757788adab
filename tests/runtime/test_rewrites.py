"""Pooling before an increasing activation changes no bit, and happens only where it may."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Op, build

from kewcore.runtime import load
from kewcore.runtime.lowering.rewrites import pool_before_activation
from kewcore.runtime.spec.package import read_package

pytestmark = pytest.mark.runtime
SHAPE = (1, 2, 6, 6)
POOL = {"kernel_sizes": np.array([2, 2], np.int32), "strides": np.array([2, 2], np.int32), "pad_type": "'valid'"}


def program(path: Path, activation: str, arguments: Any, *, read_twice: bool = False) -> Path:
    ops = [
        Op("cast", {"x": "x", "dtype": "'fp16'"}, {"h": ("fp16", SHAPE)}),
        Op(activation, {"x": "h", **arguments}, {"a": ("fp16", SHAPE)}),
        Op("max_pool", {"x": "a", **POOL}, {"y": ("fp16", (1, 2, 3, 3))}),
    ]
    return build(path, ops, {"x": ("fp32", SHAPE)}, ["y", "a"] if read_twice else ["y"])


def order(path: Path) -> list[str]:
    function = pool_before_activation(read_package(path).program.functions["main"])
    return [operation.type for operation in function.body.operations][1:]


@pytest.mark.parametrize(
    ("activation", "arguments"),
    [
        ("relu", {}),
        ("leaky_relu", {"alpha": np.float16(0.1)}),
        ("elu", {"alpha": np.float16(0.5)}),
        ("sigmoid_hard", {"alpha": np.float16(0.2), "beta": np.float16(0.5)}),
        ("clip", {"alpha": np.float16(-1), "beta": np.float16(1)}),
    ],
)
def test_an_increasing_activation_goes_behind_the_pool(tmp_path: Path, activation: str, arguments: Any) -> None:
    path = program(tmp_path / "p.mlpackage", activation, arguments)
    assert order(path) == ["max_pool", activation]
    x = np.random.default_rng(12).standard_normal(SHAPE).astype(np.float32) * 3
    fast, reference = load(path, "onnx").predict({"x": x})["y"], load(path, "reference").predict({"x": x})["y"]
    if activation == "elu":
        np.testing.assert_allclose(fast, reference, atol=2**-11)
    else:
        assert np.array_equal(fast, reference)


@pytest.mark.parametrize(("activation", "alpha"), [("leaky_relu", -0.1), ("elu", -0.5)])
def test_a_negative_slope_stays(tmp_path: Path, activation: str, alpha: float) -> None:
    path = program(tmp_path / "p.mlpackage", activation, {"alpha": np.float16(alpha)})
    assert order(path) == [activation, "max_pool"]


def test_silu_is_not_increasing(tmp_path: Path) -> None:
    assert order(program(tmp_path / "p.mlpackage", "silu", {})) == ["silu", "max_pool"]


def test_a_value_that_is_read_elsewhere_stays(tmp_path: Path) -> None:
    path = program(tmp_path / "p.mlpackage", "relu", {}, read_twice=True)
    assert order(path) == ["relu", "max_pool"]
    x = np.random.default_rng(13).standard_normal(SHAPE).astype(np.float32)
    fast, reference = load(path, "onnx").predict({"x": x}), load(path, "reference").predict({"x": x})
    assert all(np.array_equal(fast[name], reference[name]) for name in ("y", "a"))


def test_the_function_that_was_handed_over_is_not_changed(tmp_path: Path) -> None:
    function = read_package(program(tmp_path / "p.mlpackage", "relu", {})).program.functions["main"]
    before = function.body.operations
    pool_before_activation(function)
    assert function.body.operations is before
    assert [operation.type for operation in before] == ["cast", "relu", "max_pool"]


def test_an_activation_goes_behind_a_row_of_pools(tmp_path: Path) -> None:
    steps = {**POOL, "kernel_sizes": np.ones(2, np.int32), "strides": np.ones(2, np.int32)}
    ops = [
        Op("relu", {"x": "x"}, {"a": ("fp32", SHAPE)}),
        *(Op("max_pool", {"x": source, **steps}, {name: ("fp32", SHAPE)}) for source, name in ("ab", "bc", "cy")),
    ]
    path = build(tmp_path / "p.mlpackage", ops, {"x": ("fp32", SHAPE)}, ["y"])
    function = pool_before_activation(read_package(path).program.functions["main"])
    assert [operation.type for operation in function.body.operations] == ["max_pool"] * 3 + ["relu"]
    x = np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)
    assert np.array_equal(load(path, "onnx").predict({"x": x})["y"], np.maximum(x, 0))


@pytest.mark.parametrize(("kernel", "pad", "swapped"), [(3, 1, True), (2, 1, True), (1, 2, False), (2, 2, False)])
def test_a_window_of_padding_alone_does_not_reach_the_activation(
    tmp_path: Path, kernel: int, pad: int, swapped: bool
) -> None:
    """The largest of no element is -inf; relu would make 0 of it."""
    size = 6 + 2 * pad - kernel + 1
    pool = {
        "kernel_sizes": np.array([kernel] * 2, np.int32),
        "strides": np.ones(2, np.int32),
        "pad_type": "'custom'",
        "pad": np.array([pad] * 4, np.int32),
    }
    ops = [
        Op("relu", {"x": "x"}, {"a": ("fp32", SHAPE)}),
        Op("max_pool", {"x": "a", **pool}, {"y": ("fp32", (1, 2, size, size))}),
    ]
    path = build(tmp_path / "p.mlpackage", ops, {"x": ("fp32", SHAPE)}, ["y"])
    function = pool_before_activation(read_package(path).program.functions["main"])
    assert (function.body.operations[0].type == "max_pool") == swapped
    for executor in ("reference", "onnx"):
        given = load(path, executor).predict({"x": -np.ones(SHAPE, np.float32)})["y"]
        assert given[0, 0, 0, 0] == (0 if swapped else -np.inf)
        assert given[0, 0, size // 2, size // 2] == 0


@pytest.mark.parametrize(("ceil_mode", "swapped"), [(False, True), (True, False)])
def test_windows_that_reach_beyond_the_end_stay(tmp_path: Path, ceil_mode: bool, swapped: bool) -> None:
    ops = [
        Op("relu", {"x": "x"}, {"a": ("fp32", SHAPE)}),
        Op("max_pool", {"x": "a", **POOL, "ceil_mode": ceil_mode}, {"y": ("fp32", (1, 2, 3, 3))}),
    ]
    path = build(tmp_path / "p.mlpackage", ops, {"x": ("fp32", SHAPE)}, ["y"])
    function = pool_before_activation(read_package(path).program.functions["main"])
    assert (function.body.operations[0].type == "max_pool") == swapped
