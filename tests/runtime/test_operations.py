"""Operations in both executors against expectations computed another way: element by element, or by plain loops."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Const, Op, build

from kewcore.runtime import load

pytestmark = pytest.mark.runtime
EXECUTORS = ("reference", "onnx")
X = np.array([[-3.5, -1.0, -0.25, 0.0], [0.25, 0.5, 1.0, 6.5]], np.float32)
POSITIVE = np.array([[0.25, 0.5, 1.0], [1.5, 2.0, 9.0]], np.float32)


def run(folder: Path, kind: str, arguments: dict[str, Any], x: np.ndarray, shape: Any, executor: Any) -> np.ndarray:
    op = Op(kind, {"x": "x", **arguments}, {"y": ("fp32", shape)})
    package = build(folder / f"{executor}.mlpackage", [op], {"x": ("fp32", x.shape)}, ["y"])
    result: np.ndarray = load(package, executor).predict({"x": x})["y"]
    return result


def sigmoid(v: float) -> float:
    return 1 / (1 + math.exp(-v))


ELEMENTWISE: list[tuple[str, dict[str, Any], Callable[[float], float]]] = [
    ("relu", {}, lambda v: max(v, 0)),
    ("relu6", {}, lambda v: min(max(v, 0), 6)),
    ("leaky_relu", {"alpha": 0.1}, lambda v: v if v >= 0 else 0.1 * v),
    ("clamped_relu", {"alpha": 0.1, "beta": 0.75}, lambda v: min(0.75, v if v >= 0 else 0.1 * v)),
    ("thresholded_relu", {"alpha": 0.5}, lambda v: v if v >= 0.5 else 0),
    ("elu", {"alpha": 0.7}, lambda v: v if v >= 0 else 0.7 * (math.exp(v) - 1)),
    ("sigmoid", {}, sigmoid),
    ("sigmoid_hard", {"alpha": 0.2, "beta": 0.5}, lambda v: min(max(0.2 * v + 0.5, 0), 1)),
    ("silu", {}, lambda v: v * sigmoid(v)),
    ("gelu", {}, lambda v: 0.5 * v * (1 + math.erf(v / math.sqrt(2)))),
    (
        "gelu",
        {"mode": "'TANH_APPROXIMATION'"},
        lambda v: 0.5 * v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))),
    ),
    ("gelu", {"mode": "'SIGMOID_APPROXIMATION'"}, lambda v: v * sigmoid(1.702 * v)),
    ("softplus", {}, lambda v: math.log(1 + math.exp(v))),
    ("softsign", {}, lambda v: v / (1 + abs(v))),
    ("scaled_tanh", {"alpha": 1.5, "beta": 0.5}, lambda v: 1.5 * math.tanh(0.5 * v)),
    ("linear_activation", {"alpha": 2.0, "beta": -1.0}, lambda v: 2 * v - 1),
    ("clip", {"alpha": -1.0, "beta": 0.75}, lambda v: min(max(v, -1), 0.75)),
    ("threshold", {"alpha": 0.3}, lambda v: max(v, 0.3)),
    ("abs", {}, abs),
    ("atan", {}, math.atan),
    ("ceil", {}, math.ceil),
    ("cos", {}, math.cos),
    ("cosh", {}, math.cosh),
    ("erf", {}, math.erf),
    ("exp", {}, math.exp),
    ("exp2", {}, lambda v: 2.0**v),
    ("floor", {}, math.floor),
    ("round", {}, round),
    ("sign", {}, lambda v: math.copysign(1, v) if v else 0),
    ("sin", {}, math.sin),
    ("sinh", {}, math.sinh),
    ("square", {}, lambda v: v * v),
    ("tan", {}, math.tan),
    ("tanh", {}, math.tanh),
    ("identity", {}, lambda v: v),
    ("add", {"y": 2.5}, lambda v: v + 2.5),
    ("sub", {"y": 2.5}, lambda v: v - 2.5),
    ("mul", {"y": 2.5}, lambda v: v * 2.5),
    ("real_div", {"y": 2.5}, lambda v: v / 2.5),
    ("floor_div", {"y": 0.75}, lambda v: math.floor(v / 0.75)),
    ("mod", {"y": 0.75}, lambda v: v - 0.75 * math.floor(v / 0.75)),
    ("maximum", {"y": 0.3}, lambda v: max(v, 0.3)),
    ("minimum", {"y": 0.3}, lambda v: min(v, 0.3)),
]
ON_POSITIVE: list[tuple[str, dict[str, Any], Callable[[float], float]]] = [
    ("sqrt", {}, math.sqrt),
    ("rsqrt", {"epsilon": 0.01}, lambda v: 1 / math.sqrt(v + 0.01)),
    ("log", {"epsilon": 0.01}, lambda v: math.log(v + 0.01)),
    ("log", {}, math.log),
    ("inverse", {"epsilon": 0.01}, lambda v: 1 / (v + 0.01)),
    ("pow", {"y": 1.5}, lambda v: v**1.5),
]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("kind", "arguments", "formula", "x"),
    [(*row, X) for row in ELEMENTWISE] + [(*row, POSITIVE) for row in ON_POSITIVE],
)
def test_elementwise(
    tmp_path: Path, kind: str, arguments: Any, formula: Callable[[float], float], x: np.ndarray, executor: str
) -> None:
    expected = [[formula(float(v)) for v in row] for row in x]
    np.testing.assert_allclose(run(tmp_path, kind, arguments, x, x.shape, executor), expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("kind", "reduce"),
    [
        ("reduce_sum", math.fsum),
        ("reduce_mean", lambda row: math.fsum(row) / len(row)),
        ("reduce_max", max),
        ("reduce_min", min),
        ("reduce_prod", math.prod),
        ("reduce_l1_norm", lambda row: sum(map(abs, row))),
        ("reduce_l2_norm", lambda row: math.sqrt(sum(v * v for v in row))),
        ("reduce_sum_square", lambda row: sum(v * v for v in row)),
        ("reduce_log_sum", lambda row: math.log(sum(row))),
        ("reduce_log_sum_exp", lambda row: math.log(sum(map(math.exp, row)))),
    ],
)
@pytest.mark.parametrize("keep_dims", [False, True])
def test_reductions(
    tmp_path: Path, kind: str, reduce: Callable[[list[float]], float], keep_dims: bool, executor: str
) -> None:
    x = POSITIVE if kind == "reduce_log_sum" else X
    arguments = {"axes": np.array([1], np.int32), "keep_dims": keep_dims}
    expected = np.array([reduce([float(v) for v in row]) for row in x])
    shape = (2, 1) if keep_dims else (2,)
    result = run(tmp_path, kind, arguments, x, shape, executor)
    np.testing.assert_allclose(result, expected.reshape(shape), rtol=2e-6)


GRID = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("kind", "arguments", "expected"),
    [
        ("reshape", {"shape": ints(4, 6)}, [list(range(6 * i, 6 * i + 6)) for i in range(4)]),
        (
            "reshape",
            {"shape": ints(0, -1, 2)},
            [[[12 * i + 2 * j, 12 * i + 2 * j + 1] for j in range(6)] for i in (0, 1)],
        ),
        (
            "transpose",
            {"perm": ints(2, 0, 1)},
            [[[12 * i + 4 * j + k for j in range(3)] for i in (0, 1)] for k in range(4)],
        ),
        ("flatten2d", {"axis": 2}, [list(range(4 * i, 4 * i + 4)) for i in range(6)]),
        (
            "reverse",
            {"axes": ints(0, 2)},
            [[[12 * (1 - i) + 4 * j + 3 - k for k in range(4)] for j in range(3)] for i in (0, 1)],
        ),
        ("slice_by_size", {"begin": ints(1, 0, 2), "size": ints(1, 2, -1)}, [[[14, 15], [18, 19]]]),
        (
            "slice_by_index",
            {
                "begin": ints(-1, 0, 3),
                "end": ints(0, 2, 0),
                "stride": ints(1, 1, -2),
                "squeeze_mask": np.array([True, False, False]),
                "end_mask": np.array([False, False, True]),
            },
            [[15, 13], [19, 17]],
        ),
        (
            "tile",
            {"reps": ints(1, 1, 2)},
            [[[12 * i + 4 * j + k % 4 for k in range(8)] for j in range(3)] for i in (0, 1)],
        ),
        (
            "pad",
            {"pad": ints(0, 0, 1, 2), "constant_val": -1.0},
            [[[-1, *(12 * i + 4 * j + k for k in range(4)), -1, -1] for j in range(3)] for i in (0, 1)],
        ),
        (
            "pad",
            {"pad": ints(2, 1), "mode": "'reflect'"},
            [[[12 * i + 4 * j + k for k in (2, 1, 0, 1, 2, 3, 2)] for j in range(3)] for i in (0, 1)],
        ),
        (
            "pad",
            {"pad": ints(2, 1), "mode": "'replicate'"},
            [[[12 * i + 4 * j + k for k in (0, 0, 0, 1, 2, 3, 3)] for j in range(3)] for i in (0, 1)],
        ),
    ],
)
def test_elements_move(tmp_path: Path, kind: str, arguments: Any, expected: Any, executor: str) -> None:
    wanted = np.array(expected, np.float32)
    assert np.array_equal(run(tmp_path, kind, arguments, GRID, wanted.shape, executor), wanted)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_joining_and_splitting(tmp_path: Path, executor: Any) -> None:
    ops = [
        Op("split", {"x": "x", "axis": 1, "split_sizes": ints(1, 2)}, {"a": ("fp32", (2, 1)), "b": ("fp32", (2, 2))}),
        Op("concat", {"values": ("b", "a"), "axis": 1}, {"c": ("fp32", (2, 3))}),
        Op("stack", {"values": ("x", "c"), "axis": 0}, {"s": ("fp32", (2, 2, 3))}),
        Op("concat", {"values": ("x", "c"), "axis": 0, "interleave": True}, {"i": ("fp32", (4, 3))}),
        Op("expand_dims", {"x": "x", "axes": ints(0, -1)}, {"e": ("fp32", (1, 2, 3, 1))}),
        Op("squeeze", {"x": "e"}, {"q": ("fp32", (2, 3))}),
        Op("matmul", {"x": "x", "y": "c", "transpose_y": True}, {"m": ("fp32", (2, 2))}),
    ]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp32", (2, 3))}, ["c", "s", "i", "q", "m"])
    out = load(package, executor).predict({"x": [[1, 2, 3], [4, 5, 6]]})
    assert out["c"].tolist() == [[2, 3, 1], [5, 6, 4]]
    assert out["s"].tolist() == [[[1, 2, 3], [4, 5, 6]], [[2, 3, 1], [5, 6, 4]]]
    assert out["i"].tolist() == [[1, 2, 3], [2, 3, 1], [4, 5, 6], [5, 6, 4]]
    assert out["q"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert out["m"].tolist() == [[2 + 6 + 3, 5 + 12 + 12], [8 + 15 + 6, 20 + 30 + 24]]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("kind", "arguments", "expected"),
    [
        # The grid points for two elements that become five are listed at coremltools' upsample_bilinear.
        ("upsample_bilinear", {"scale_factor_width": 2.5, "align_corners": False}, [0, 0.1, 0.5, 0.9, 1]),
        ("upsample_bilinear", {"scale_factor_width": 2.5, "align_corners": True}, [0, 0.25, 0.5, 0.75, 1]),
        (
            "upsample_bilinear",
            {"scale_factor_width": 2.5, "align_corners": False, "half_pixel_centers": False},
            [0, 0.4, 0.8, 1, 1],
        ),
        ("resize_bilinear", {"sampling_mode": "'DEFAULT'"}, [0, 0.4, 0.8, 1, 1]),
        ("resize_bilinear", {"sampling_mode": "'STRICT_ALIGN_CORNERS'"}, [0, 0.25, 0.5, 0.75, 1]),
        ("resize_bilinear", {"sampling_mode": "'UNALIGN_CORNERS'"}, [0, 0.1, 0.5, 0.9, 1]),
        ("resize_bilinear", {"sampling_mode": "'OFFSET_CORNERS'"}, [0.1, 0.3, 0.5, 0.7, 0.9]),
        ("resize_nearest_neighbor", {}, [0, 0, 0, 1, 1]),
        ("upsample_nearest_neighbor", {"scale_factor_width": 3}, [0, 0, 0, 1, 1, 1]),
    ],
)
def test_resizing(tmp_path: Path, kind: str, arguments: Any, expected: list[float], executor: str) -> None:
    if kind.startswith("resize"):
        arguments = {**arguments, "target_size_height": 1, "target_size_width": 5}
    x = np.array([0, 1], np.float32).reshape(1, 1, 1, 2)
    result = run(tmp_path, kind, arguments, x, (1, 1, 1, len(expected)), executor)
    np.testing.assert_allclose(result.reshape(-1), expected, atol=1e-6)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_normalisations(tmp_path: Path, executor: Any) -> None:
    rng = np.random.default_rng(7)
    x = rng.standard_normal((2, 3, 4, 5)).astype(np.float32)
    gamma, beta, mean = (rng.standard_normal(3).astype(np.float32) for _ in range(3))
    variance = rng.uniform(0.5, 2, 3).astype(np.float32)
    shared = {"gamma": gamma, "beta": beta, "epsilon": 0.01}
    result = run(tmp_path, "batch_norm", {**shared, "mean": mean, "variance": variance}, x, x.shape, executor)
    for c in range(3):
        expected = (x[:, c] - mean[c]) / math.sqrt(variance[c] + 0.01) * gamma[c] + beta[c]
        np.testing.assert_allclose(result[:, c], expected, rtol=1e-4, atol=1e-5)
    result = run(tmp_path / "i", "instance_norm", shared, x, x.shape, executor)
    for n, c in itertools.product(range(2), range(3)):
        plane = x[n, c].astype(np.float64)
        expected = (plane - plane.mean()) / math.sqrt(plane.var() + 0.01) * gamma[c] + beta[c]
        np.testing.assert_allclose(result[n, c], expected, rtol=1e-4, atol=1e-5)
    result = run(tmp_path / "l", "layer_norm", {"axes": ints(3), "epsilon": 0.01}, x, x.shape, executor)
    for index in itertools.product(range(2), range(3), range(4)):
        row = x[index].astype(np.float64)
        np.testing.assert_allclose(
            result[index], (row - row.mean()) / math.sqrt(row.var() + 0.01), rtol=1e-4, atol=1e-5
        )
    result = run(tmp_path / "2", "l2_norm", {"epsilon": 0.01}, x, x.shape, executor)
    for n in range(2):
        length = math.sqrt(sum(float(v) ** 2 for v in x[n].reshape(-1)) + 0.01)
        np.testing.assert_allclose(result[n], x[n] / length, rtol=1e-5)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("size", "spatial"),
    [(1, (3, 2)), (2, (3, 2)), (3, (3,)), (3, (3, 2, 2)), (5, (3, 2)), (9, (3, 2)), (2**31 - 1, (3, 2))],
)
def test_local_response_norm(tmp_path: Path, size: int, spatial: Any, executor: Any) -> None:
    x = np.random.default_rng(1).standard_normal((2, 4, *spatial)).astype(np.float32)
    arguments = {"size": size, "alpha": 0.5, "beta": 0.6, "k": 1.5}
    result = run(tmp_path, "local_response_norm", arguments, x, x.shape, executor)
    for c in range(4):
        around = range(max(0, c - size // 2), min(4, c + (size - 1) // 2 + 1))
        total = sum(x[:, other].astype(np.float64) ** 2 for other in around)
        np.testing.assert_allclose(result[:, c], x[:, c] / (1.5 + 0.5 / size * total) ** 0.6, rtol=1e-5)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_softmax_and_linear(tmp_path: Path, executor: Any) -> None:
    result = run(tmp_path, "softmax", {"axis": -1}, X * 100, X.shape, executor)
    for row, wanted in zip(result, X * 100, strict=True):
        total = sum(math.exp(float(v) - float(max(wanted))) for v in wanted)
        np.testing.assert_allclose(row, [math.exp(float(v) - float(max(wanted))) / total for v in wanted], atol=1e-6)
    weight = np.arange(12, dtype=np.float32).reshape(3, 4)
    result = run(tmp_path / "l", "linear", {"weight": weight, "bias": np.ones(3, np.float32)}, X, (2, 3), executor)
    expected = [[1 + sum(float(a) * float(b) for a, b in zip(row, w, strict=True)) for w in weight] for row in X]
    np.testing.assert_allclose(result, expected, rtol=1e-5)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_constant_matrix_of_another_type(tmp_path: Path, executor: Any) -> None:
    half = np.array([[1.5], [-2], [0.25], [4]], np.float16)
    op = Op("matmul", {"x": half.T, "y": "x"}, {"y": ("fp32", (1, 2))})
    package = build(tmp_path / "p.mlpackage", [op], {"x": ("fp32", (4, 2))}, ["y"], opset="CoreML7")
    expected = [[sum(float(a) * float(b) for a, b in zip(half[:, 0], column, strict=True)) for column in X]]
    np.testing.assert_allclose(load(package, executor).predict({"x": X.T})["y"], expected, rtol=1e-6)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_prelu_takes_one_slope_a_channel(tmp_path: Path, executor: Any) -> None:
    x = np.full((1, 2, 1, 3), -2, np.float32)
    result = run(tmp_path, "prelu", {"alpha": np.array([0.5, 0.25], np.float32)}, x, x.shape, executor)
    assert result.reshape(2, 3).tolist() == [[-1] * 3, [-0.5] * 3]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_softplus_takes_two_parameters_a_channel(tmp_path: Path, executor: Any) -> None:
    x = np.array([-3, 0.5], np.float32).reshape(1, 2, 1, 1)
    arguments = {"alpha": np.array([2, 3], np.float32), "beta": np.array([0.5, 4], np.float32)}
    result = run(tmp_path, "softplus_parametric", arguments, x, x.shape, executor)
    expected = [2 * math.log(1 + math.exp(0.5 * -3)), 3 * math.log(1 + math.exp(4 * 0.5))]
    np.testing.assert_allclose(result.reshape(2), expected, rtol=1e-6)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_l2_pool_takes_roots_of_sums_of_squares(tmp_path: Path, executor: Any) -> None:
    x = np.array([[3, 4, 0], [0, 0, 5], [8, 6, 12]], np.float32).reshape(1, 1, 3, 3)
    arguments = {"kernel_sizes": ints(2, 2), "strides": ints(1, 1), "pad_type": "'valid'"}
    result = run(tmp_path, "l2_pool", arguments, x, (1, 1, 2, 2), executor)
    expected = [math.sqrt(9 + 16), math.sqrt(16 + 25), math.sqrt(64 + 36), math.sqrt(25 + 36 + 144)]
    np.testing.assert_allclose(result.reshape(4), expected, rtol=1e-6)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_weights_that_are_stored_in_fp16_are_widened(tmp_path: Path, executor: Any) -> None:
    stored = np.array([0.1, -2, 65504], np.float16)
    source = Const(stored.tobytes(), "fp16", (3,))
    widen = Op("constexpr_cast", {}, {"w": ("fp32", (3,))}, {"source_val": source, "output_dtype": "fp32"})
    add = Op("add", {"x": "x", "y": "w"}, {"y": ("fp32", (3,))})
    package = build(tmp_path / "p.mlpackage", [widen, add], {"x": ("fp32", (3,))}, ["y"], opset="CoreML6")
    result = load(package, executor).predict({"x": np.ones(3, np.float32)})["y"]
    np.testing.assert_array_equal(result, stored.astype(np.float32) + 1)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_comparisons_casts_and_selection(tmp_path: Path, executor: Any) -> None:
    ops = [
        Op("greater_equal", {"x": "x", "y": 0.25}, {"g": ("bool", (2, 4))}),
        Op("not_equal", {"x": "x", "y": 0.5}, {"n": ("bool", (2, 4))}),
        Op("logical_and", {"x": "g", "y": "n"}, {"a": ("bool", (2, 4))}),
        Op("logical_not", {"x": "a"}, {"o": ("bool", (2, 4))}),
        Op("select", {"cond": "o", "a": 7.0, "b": "x"}, {"s": ("fp32", (2, 4))}),
        Op("cast", {"x": "x", "dtype": "'int32'"}, {"i": ("int32", (2, 4))}),
        Op("cast", {"x": "a", "dtype": "'fp32'"}, {"f": ("fp32", (2, 4))}),
        Op("reduce_argmax", {"x": "x", "axis": 1}, {"m": ("int32", (2,))}),
        Op("reduce_argmin", {"x": "s", "axis": 0}, {"k": ("int32", (4,))}),
    ]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp32", (2, 4))}, ["s", "i", "f", "m", "k"])
    out = load(package, executor).predict({"x": X})
    assert out["s"].tolist() == [[7, 7, 7, 7], [0.25, 7, 1, 6.5]]
    assert out["i"].tolist() == [[-3, -1, 0, 0], [0, 0, 1, 6]]
    assert out["f"].tolist() == [[0, 0, 0, 0], [1, 0, 1, 1]]
    assert out["m"].tolist() == [3, 3]
    assert out["k"].tolist() == [1, 0, 1, 1]
    assert out["i"].dtype == np.int32


@pytest.mark.parametrize("executor", EXECUTORS)
def test_quantize_and_back(tmp_path: Path, executor: Any) -> None:
    quantized = {"input": "x", "scale": 0.5, "zero_point": np.int8(3), "output_dtype": "'int8'"}
    ops = [
        Op("quantize", quantized, {"q": ("int8", (6,))}),
        Op("dequantize", {"input": "q", "scale": 0.5, "zero_point": np.int8(3)}, {"d": ("fp32", (6,))}),
    ]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp32", (6,))}, ["d"])
    model = load(package, executor)
    x = [0.25, 0.75, -0.3, 100, -100, 1]
    # Halves round to even: 0.25 / 0.5 = 0.5 → 0 and 0.75 / 0.5 = 1.5 → 2; ends saturate at 127 and -128.
    assert model.trace({"x": x})["q"].tolist() == [3, 5, 2, 127, -128, 5]
    assert model.predict({"x": x})["d"].tolist() == [0, 1, -0.5, 62, -65.5, 1]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_fp16_typed_values_are_rounded(tmp_path: Path, executor: Any) -> None:
    ops = [
        Op("cast", {"x": "x", "dtype": "'fp16'"}, {"h": ("fp16", (3,))}),
        Op("mul", {"x": "h", "y": np.float16(1.1)}, {"m": ("fp16", (3,))}),
        Op("cast", {"x": "m", "dtype": "'fp32'"}, {"y": ("fp32", (3,))}),
    ]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp32", (3,))}, ["y"])
    x = np.array([0.1, 2049, 70000], np.float32)
    with np.errstate(over="ignore"):
        halves = x.astype(np.float16)
        expected = (halves.astype(np.float64) * float(np.float16(1.1))).astype(np.float16).astype(np.float32)
    assert load(package, executor).predict({"x": x})["y"].tolist() == expected.tolist()
    unrounded = load(package, executor, precision="fp32").predict({"x": x})["y"]
    np.testing.assert_allclose(unrounded, x * np.float32(np.float16(1.1)), rtol=1e-6)
