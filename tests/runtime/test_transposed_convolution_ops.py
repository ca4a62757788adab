"""Transposed and quantised convolutions in both executors against plain loops over every element and tap."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Const, Op, build

from kewcore.errors import PackageError
from kewcore.runtime import load

pytestmark = pytest.mark.runtime
EXECUTORS = ("reference", "onnx")


def ints(values: Any) -> np.ndarray:
    return np.array(values, np.int32)


def plain(x: Any, w: Any, b: Any, strides: Any, dilations: Any, before: Any, sizes: Any, groups: int) -> np.ndarray:
    """Every element adds its kernel, moved by `before`; what falls outside of `sizes` is lost."""
    per_input, per_output = w.shape[0] // groups, w.shape[1]
    y = np.zeros((x.shape[0], per_output * groups, *sizes)) + np.asarray(b).reshape(-1, *(1,) * len(sizes))
    for position in itertools.product(*(range(n) for n in x.shape[2:])):
        for tap in itertools.product(*(range(k) for k in w.shape[2:])):
            target = tuple(
                p * s + t * d - o for p, s, t, d, o in zip(position, strides, tap, dilations, before, strict=True)
            )
            if all(0 <= t < n for t, n in zip(target, sizes, strict=True)):
                for n, c, o in itertools.product(range(x.shape[0]), range(w.shape[0]), range(per_output)):
                    channel = c // per_input * per_output + o
                    y[(n, channel, *target)] += float(x[(n, c, *position)]) * float(w[(c, o, *tap)])
    return y


CASES: list[tuple[dict[str, Any], tuple[int, ...], tuple[int, ...], int, tuple[int, ...], tuple[int, ...]]] = [
    # arguments, input sizes, kernel, groups, what is lost before, result sizes
    ({}, (4, 5), (3, 2), 1, (0, 0), (6, 6)),
    ({"strides": (2, 3), "dilations": (1, 2)}, (3, 2), (2, 3), 2, (0, 0), (6, 8)),
    ({"pad_type": "custom", "pad": (1, 0, 2, 1), "strides": (2, 2)}, (3, 4), (3, 3), 1, (1, 2), (6, 6)),
    # Three elements, stride 2 and kernel 3 make 7; `same` wants 6, and the odd one goes behind.
    ({"pad_type": "same", "strides": (2, 2)}, (3, 2), (3, 5), 2, (0, 1), (6, 4)),
    ({"pad_type": "same_lower", "strides": (2,)}, (3,), (3,), 1, (1,), (6,)),
    # The kernel is shorter than the stride: zeros follow.
    ({"pad_type": "same", "strides": (3,)}, (3,), (2,), 1, (0,), (9,)),
    ({"pad_type": "same", "strides": (2, 2), "shape": (5, 6)}, (3, 3), (3, 3), 1, (1, 0), (5, 6)),
    ({"pad_type": "custom", "pad": (1, 1), "strides": (2,), "shape": (6,)}, (3,), (3,), 1, (1,), (6,)),
    # Beyond a stride behind the last window ONNX has no word for it.
    ({"strides": (2,), "shape": (12,)}, (3,), (3,), 1, (0,), (12,)),
    ({"strides": (2, 1, 1), "dilations": (1, 2, 1)}, (2, 2, 3), (2, 2, 1), 2, (0, 0, 0), (4, 4, 3)),
]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(("given", "sizes", "kernel", "groups", "before", "out"), CASES)
def test_transposed_convolution(
    tmp_path: Path, given: Any, sizes: Any, kernel: Any, groups: int, before: Any, out: Any, executor: Any
) -> None:
    rng, rank = np.random.default_rng(2), len(sizes)
    x = rng.standard_normal((2, 4, *sizes)).astype(np.float32)
    w = rng.standard_normal((4, 3, *kernel)).astype(np.float32)
    b = rng.standard_normal(3 * groups).astype(np.float32)
    strides, dilations = given.get("strides", (1,) * rank), given.get("dilations", (1,) * rank)
    expected = plain(x, w, b, strides, dilations, before, out, groups)
    arguments: dict[str, Any] = {"weight": w, "bias": b, "groups": groups}
    arguments |= {name: ints(given[name]) for name in ("strides", "dilations", "pad") if name in given}
    if "pad_type" in given:
        arguments["pad_type"] = f"'{given['pad_type']}'"
    if "shape" in given:
        arguments["output_shape"] = ints(expected.shape)
    op = Op("conv_transpose", {"x": "x", **arguments}, {"y": ("fp32", expected.shape)})
    model = load(build(tmp_path / "p.mlpackage", [op], {"x": ("fp32", x.shape)}, ["y"]), executor)
    np.testing.assert_allclose(model.predict({"x": x})["y"], expected, rtol=1e-4, atol=1e-5)
    reaches_far = given.get("shape") == (12,)
    assert [p.executor for p in model.placements] == ["reference" if reaches_far else executor]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_sizes_and_weights_that_are_known_at_run_time_only(tmp_path: Path, executor: Any) -> None:
    rng = np.random.default_rng(3)
    x, w = (rng.standard_normal(shape).astype(np.float32) for shape in ((1, 2, 5), (2, 1, 3)))
    op = Op(
        "conv_transpose",
        {"x": "x", "weight": "w", "pad_type": "'same'", "strides": ints([2])},
        {"y": ("fp32", (None, 1, None))},
    )
    inputs = {"x": ("fp32", (None, 2, None)), "w": ("fp32", (2, 1, 3))}
    model = load(build(tmp_path / "p.mlpackage", [op], inputs, ["y"]), executor)
    expected = plain(x, w, [0], (2,), (1,), (0,), (10,), 1)
    np.testing.assert_allclose(model.predict({"x": x, "w": w})["y"], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"weight": np.ones((3, 1, 3), np.float32)}, r"weight\[0\] must equal C_in = 2, got 3"),
        ({"weight": np.ones((2, 1, 3, 3), np.float32)}, "must have the same rank from 3 to 5, got 3 and 4"),
        ({"groups": 3}, "groups must divide C_in = 2, got 3"),
        ({"bias": np.ones(2, np.float32)}, r"bias must have shape \[1\], got \[2\]"),
        ({"output_shape": ints([1, 2, 9])}, r"output_shape must have 3 elements and start with \[1, 1\]"),
        ({"pad_type": "'custom'", "pad": ints([4, 4])}, "nothing is left of 7 elements that lose 4 and 4"),
        ({"pad_type": "'custom'", "pad": ints([1])}, "pad must be 2 numbers from 0 for 1 spatial axes"),
        ({"pad_type": "'full'"}, "pad_type must be valid, same, same_lower or custom, got 'full'"),
        ({"strides": ints([0])}, "strides must be 1 numbers from 1"),
    ],
)
def test_arguments_that_do_not_fit(tmp_path: Path, arguments: dict[str, Any], problem: str) -> None:
    weight = {"weight": np.ones((2, 1, 3), np.float32)}
    op = Op("conv_transpose", {"x": "x", **weight, **arguments}, {"y": ("fp32", (1, 1, 7))})
    with pytest.raises(PackageError, match=problem):
        load(build(tmp_path / "p.mlpackage", [op], {"x": ("fp32", (1, 2, 5))}, ["y"]))


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_full_result_that_is_larger_than_memory(tmp_path: Path, executor: Any) -> None:
    arguments = {"weight": np.ones((1, 1, 3, 3), np.float32), "strides": ints([1 << 20, 1 << 20])}
    arguments["output_shape"] = ints([1, 1, 4, 4])
    op = Op("conv_transpose", {"x": "x", **arguments}, {"y": ("fp32", (1, 1, None, None))})
    inputs = {"x": ("fp32", (1, 1, None, None))}
    model = load(build(tmp_path / "p.mlpackage", [op], inputs, ["y"]), executor)
    with pytest.raises(PackageError, match=r"its full result would take \d+ bytes, more than the limit"):
        model.predict({"x": np.ones((1, 1, 4, 4), np.float32)})


@pytest.mark.parametrize("executor", EXECUTORS)
def test_quantized_weights_are_scaled_and_moved(tmp_path: Path, executor: Any) -> None:
    stored = np.arange(4, dtype=np.uint8).reshape(2, 2, 1)
    arguments = {
        "weight": Const(stored.tobytes(), "uint8", stored.shape),
        "quantization_type": "'linear'",
        "quant_scale": np.array([0.5, 2], np.float32),
        "quant_bias": np.array([-1.0], np.float32),
    }
    op = Op("conv_quantized", {"x": "x", **arguments}, {"y": ("fp32", (1, 2, 3))})
    model = load(build(tmp_path / "p.mlpackage", [op], {"x": ("fp32", (1, 2, 3))}, ["y"]), executor)
    x = np.array([[[1, 2, 3], [4, 5, 6]]], np.float32)
    # Weights: [0, 1] / 2 - 1 and [2, 3] * 2 - 1.
    assert model.predict({"x": x})["y"].tolist() == [[[-3, -4.5, -6], [23, 31, 39]]]
    op = Op("conv_quantized", {"x": "x", **arguments, "quantization_type": "'lut'"}, {"y": ("fp32", (1, 2, 3))})
    model = load(build(tmp_path / "l.mlpackage", [op], {"x": ("fp32", (1, 2, 3))}, ["y"]), executor)
    with pytest.raises(PackageError, match="weights must be linear of 1 to 8 bits, got lut of 8"):
        model.predict({"x": x})
