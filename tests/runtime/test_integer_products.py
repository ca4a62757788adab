"""Quantised activations times quantised weights: the integers that plain loops give, near what floats give."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Const, Op, build
from numpy.typing import NDArray

from kewcore.runtime import load, onnx_executor
from kewcore.runtime.integer_kernels import integer_products
from kewcore.runtime.onnx_file import onnx_model

pytestmark = pytest.mark.runtime

Array = NDArray[Any]
HALF_STEP = 2.0**-11
"""Largest relative error of rounding to fp16."""


@pytest.fixture(params=["portable", "mixed"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "mixed" and integer_products() != "mixed":
        pytest.skip("signed and unsigned bytes multiply inexactly on this processor")
    monkeypatch.setattr(onnx_executor, "integer_products", lambda: request.param)
    return str(request.param)


def activation(kind: str, zero_point: int | None, scale: float, shape: tuple[int, ...], dtype: str) -> list[Op]:
    """`x` to bytes `q` and back to `d`."""
    steps: dict[str, Any] = {"scale": number(scale, dtype)}
    if zero_point is not None:
        steps["zero_point"] = Const(np.array(zero_point, kind))
    quantize = {"input": "x", "output_dtype": f"'{kind}'", **steps}
    return [
        Op("quantize", quantize, {"q": (kind, shape)}),
        Op("dequantize", {"input": "q", **steps}, {"d": (dtype, shape)}),
    ]


def number(value: Any, dtype: str) -> Const:
    return Const(np.array(value, np.float16 if dtype == "fp16" else np.float32))


def weight_op(form: str, data: Array, zero: Array, scale: Array, axis: int, dtype: str) -> tuple[Op, str]:
    """Makes the weight `w`, and says for which opset."""
    kind = "affine" if form.startswith("affine") else "blocks"
    if kind == "affine":
        arguments = {"quantized_data": Const(data), "zero_point": Const(zero), "axis": Const(axis)}
        arguments["scale"] = number(scale, dtype)
        return Op("constexpr_affine_dequantize", arguments, {"w": (dtype, data.shape)}), "CoreML7"
    along = [-1 if i == axis else 1 for i in range(data.ndim)]
    arguments = {"data": Const(data), "scale": number(scale.reshape(along), dtype)}
    if zero.any():
        arguments["offset"] = Const(zero.reshape(along))
    return Op("constexpr_blockwise_shift_scale", arguments, {"w": (dtype, data.shape)}), "CoreML8"


def steps_of(x: Array, scale: float, zero_point: int, kind: str) -> NDArray[np.int64]:
    """The integers that stand for `x`, less the zero point."""
    info = np.iinfo(kind)
    return np.array([min(max(round(v / scale) + zero_point, info.min), info.max) - zero_point for v in x.flat]).reshape(
        x.shape
    )


def settled(sums: Array, scale: Array, bias: Array, dtype: str) -> Array:
    """Integer sums, scaled and with the bias, as the program's type has them."""
    result = sums.astype(np.float32) * scale.astype(np.float32) + bias.astype(np.float32)
    return result.astype(np.float16).astype(np.float32) if dtype == "fp16" else result


def kinds(package: Path) -> list[str]:
    import onnx

    return [node.op_type for node in onnx.load_from_string(onnx_model(package)).graph.node]


def weights(form: str, shape: tuple[int, ...], axis: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Bytes, zero points and scales; every form has bytes at the ends of its range."""
    kind = "uint8" if "unsigned" in form else "int8"
    info = np.iinfo(kind)
    data = rng.integers(info.min, info.max + 1, shape).astype(kind)
    data.flat[0], data.flat[1] = info.min, info.max
    channels = () if form.endswith("tensor") else (shape[axis],)
    zero = np.full(channels, {"uint8": 131, "int8": 0}[kind], kind)
    if "uneven" in form:  # other zero points in every channel, whose steps still fit into bytes
        data = np.clip(data, -100, 100).astype(kind)
        zero = rng.integers(-20, 20, channels).astype(kind)
    scale = rng.integers(1, 64, channels) / 1024  # exact in fp16
    return data, zero, np.asarray(scale)


FORMS = ["affine int8", "affine int8 tensor", "affine unsigned", "affine uneven", "blocks int8", "blocks unsigned"]
ACTIVATIONS = [("int8", None), ("int8", -7), ("uint8", 128), ("uint8", 3)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("kind", "zero_point"), ACTIVATIONS)
@pytest.mark.parametrize("dtype", ["fp16", "fp32"])
def test_convolutions_are_sums_of_integers(
    tmp_path: Path, way: str, form: str, kind: str, zero_point: int | None, dtype: str
) -> None:
    rng = np.random.default_rng(3)
    data, zero, scale = weights(form, (5, 8, 3, 3), 0, rng)
    bias = rng.integers(-8, 8, 5) / 4
    weight, opset = weight_op(form, data, zero, scale, 0, dtype)
    shape, x_scale = (1, 8, 6, 7), 1 / 32
    conv = {"x": "d", "weight": "w", "bias": number(bias, dtype), "pad_type": "'custom'", "groups": Const(1)}
    conv |= {"pad": Const(np.array([1, 2, 0, 1], np.int32)), "strides": Const(np.array([2, 1], np.int32))}
    conv |= {"dilations": Const(np.array([1, 2], np.int32))}
    ops = [*activation(kind, zero_point, x_scale, shape, dtype), weight, Op("conv", conv, {"y": (dtype, (1, 5, 4, 4))})]
    package = build(tmp_path / "p.mlpackage", ops, {"x": (dtype, shape)}, ["y"], opset)
    assert "ConvInteger" in kinds(package)
    assert "DequantizeLinear" not in kinds(package)

    x = (rng.standard_normal(shape) * 3).astype(np.float16).astype(np.float32)
    xs = np.pad(steps_of(x, x_scale, zero_point or 0, kind), ((0, 0), (0, 0), (1, 2), (0, 1)))
    ws = data.astype(np.int64) - zero.astype(np.int64).reshape(-1, *[1] * 3 * min(zero.ndim, 1))
    sums = np.zeros((1, 5, 4, 4), np.int64)
    magnitudes = np.zeros(sums.shape)
    for o, row, column in product(range(5), range(4), range(4)):
        window = xs[0, :, 2 * row : 2 * row + 3, column : column + 5 : 2]
        sums[0, o, row, column] = (window * ws[o]).sum()
        magnitudes[0, o, row, column] = np.abs(window * ws[o]).sum()
    factor = np.broadcast_to(np.float32(x_scale) * scale.astype(np.float32), (5,)).reshape(1, 5, 1, 1)
    wanted = settled(sums, factor, bias.reshape(1, 5, 1, 1), dtype)
    given = load(package, "onnx").predict({"x": x})["y"]
    assert np.array_equal(given, wanted)
    assert_near_reference(package, x, given, magnitudes * factor, dtype)


def assert_near_reference(package: Path, x: Array, given: Array, magnitudes: Array, dtype: str) -> None:
    """Both factors of every product may be rounded to fp16, and the result: each by half a step at most."""
    reference = load(package, "reference").predict({"x": x})["y"]
    halves = 1.0 if dtype == "fp16" else 0.0
    bound = magnitudes * (2.01 * HALF_STEP * halves + 2e-6) + 2 * HALF_STEP * halves * np.abs(given) + 1e-6
    assert (np.abs(given - reference) <= bound).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("kind", "zero_point"), ACTIVATIONS)
@pytest.mark.parametrize("operation", ["linear", "matmul", "matmul transposed"])
@pytest.mark.parametrize("rows", [1, 5])
def test_products_are_sums_of_integers(
    tmp_path: Path, way: str, form: str, kind: str, zero_point: int | None, operation: str, rows: int
) -> None:
    rng = np.random.default_rng(4)
    axis = 1 if operation == "matmul" else 0
    data, zero, scale = weights(form, (70, 6) if axis else (6, 70), axis, rng)
    weight, opset = weight_op(form, data, zero, scale, axis, "fp16")
    shape, x_scale, bias = (rows, 70), 1 / 32, np.zeros(6)
    if operation == "linear":
        bias = rng.integers(-8, 8, 6) / 4
        arguments = {"x": "d", "weight": "w", "bias": number(bias, "fp16")}
    else:
        arguments = {"x": "d", "y": "w", "transpose_x": Const(False), "transpose_y": Const(not axis)}
    ops = [*activation(kind, zero_point, x_scale, shape, "fp16"), weight]
    ops.append(Op(operation.split()[0], arguments, {"y": ("fp16", (rows, 6))}))
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp16", shape)}, ["y"], opset)
    assert "MatMulInteger" in kinds(package)

    x = (rng.standard_normal(shape) * 3).astype(np.float16).astype(np.float32)
    xs = steps_of(x, x_scale, zero_point or 0, kind)
    ws = (data if not axis else data.T).astype(np.int64) - zero.astype(np.int64).reshape(-1, *[1] * min(zero.ndim, 1))
    sums = np.array([[sum(int(a) * int(b) for a, b in zip(row, w, strict=True)) for w in ws] for row in xs])
    factor = np.broadcast_to(np.float32(x_scale) * scale.astype(np.float32), (6,))
    given = load(package, "onnx").predict({"x": x})["y"]
    assert np.array_equal(given, settled(sums, factor, bias, "fp16"))
    assert_near_reference(package, x, given, (np.abs(xs) @ np.abs(ws.T)) * factor, "fp16")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("kind", "zero_point"), ACTIVATIONS)
def test_kernels_that_cover_their_input_are_products(
    tmp_path: Path, way: str, form: str, kind: str, zero_point: int | None
) -> None:
    rng = np.random.default_rng(5)
    data, zero, scale = weights(form, (6, 5, 2, 7), 0, rng)
    bias, shape, x_scale = rng.integers(-8, 8, 6) / 4, (2, 5, 2, 7), 1 / 32
    weight, opset = weight_op(form, data, zero, scale, 0, "fp16")
    conv = {"x": "d", "weight": "w", "bias": number(bias, "fp16"), "pad_type": "'valid'"}
    ops = [
        *activation(kind, zero_point, x_scale, shape, "fp16"),
        weight,
        Op("conv", conv, {"y": ("fp16", (2, 6, 1, 1))}),
    ]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp16", shape)}, ["y"], opset)
    assert "MatMulInteger" in kinds(package)
    assert "ConvInteger" not in kinds(package)

    x = (rng.standard_normal(shape) * 3).astype(np.float16).astype(np.float32)
    xs = steps_of(x, x_scale, zero_point or 0, kind)
    ws = data.astype(np.int64) - zero.astype(np.int64).reshape(-1, *[1] * 3 * min(zero.ndim, 1))
    sums = np.array([[(one * w).sum() for w in ws] for one in xs]).reshape(2, 6, 1, 1)
    factor = np.broadcast_to(np.float32(x_scale) * scale.astype(np.float32), (6,)).reshape(1, 6, 1, 1)
    given = load(package, "onnx").predict({"x": x})["y"]
    assert np.array_equal(given, settled(sums, factor, bias.reshape(1, 6, 1, 1), "fp16"))


def linear_package(path: Path, terms: int, scale: Any, data: Array, kind: str = "int8", zero_point: int = 0) -> Path:
    weight, opset = weight_op("affine", data, np.zeros((), np.int8), np.array(0.0625), 0, "fp32")
    steps = {"input": "x", "scale": scale, "zero_point": Const(np.array(zero_point, kind))}
    linear = {"x": "d", "weight": "w", "bias": Const(np.zeros(len(data), np.float32))}
    ops = [
        Op("quantize", {**steps, "output_dtype": f"'{kind}'"}, {"q": (kind, (1, terms))}),
        Op("dequantize", {**steps, "input": "q"}, {"d": ("fp32", (1, terms))}),
        weight,
        Op("linear", linear, {"y": ("fp32", (1, len(data)))}),
    ]
    return build(path, ops, {"x": ("fp32", (1, terms))}, ["y"], opset)


def test_the_largest_bytes_do_not_saturate(tmp_path: Path, way: str) -> None:
    """Pairs of 255·127 leave 16 bits; the sum of 40,000 of them stays within 32."""
    terms = 40_000
    data = np.full((2, terms), 127, np.int8)
    data[1] = -128
    package = linear_package(tmp_path / "p.mlpackage", terms, Const(np.float32(1)), data, "uint8")
    assert "MatMulInteger" in kinds(package)
    given = load(package, "onnx").predict({"x": np.full((1, terms), 255, np.float32)})["y"]
    assert np.array_equal(given, np.float32([[255 * 127 * terms / 16, -255 * 128 * terms / 16]]))


def test_sums_that_may_leave_32_bits_stay_floats(tmp_path: Path) -> None:
    terms = 70_000
    data = np.full((1, terms), 127, np.int8)
    package = linear_package(tmp_path / "p.mlpackage", terms, Const(np.float32(1)), data, "uint8")
    assert "MatMulInteger" not in kinds(package)


def test_one_scale_for_each_column_of_the_activation_stays_float(tmp_path: Path) -> None:
    scale = {"scale": Const(np.full(8, 0.5, np.float32)), "axis": Const(1)}
    weight, opset = weight_op("affine", np.ones((2, 8), np.int8), np.zeros((), np.int8), np.array(1.0), 0, "fp32")
    ops = [
        Op("quantize", {"input": "x", "output_dtype": "'int8'", **scale}, {"q": ("int8", (1, 8))}),
        Op("dequantize", {"input": "q", **scale}, {"d": ("fp32", (1, 8))}),
        weight,
        Op("linear", {"x": "d", "weight": "w", "bias": Const(np.zeros(2, np.float32))}, {"y": ("fp32", (1, 2))}),
    ]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp32", (1, 8))}, ["y"], opset)
    assert "MatMulInteger" not in kinds(package)
    assert load(package, "onnx").predict({"x": np.arange(8, dtype=np.float32)[None]})["y"].tolist() == [[28, 28]]


def test_bytes_from_elsewhere_change_their_sign(tmp_path: Path, way: str) -> None:
    """The activation comes from another operation on bytes, not from `quantize` itself."""
    data = np.array([[1, -2, 3, -4]], np.int8)
    weight, opset = weight_op("affine", data, np.zeros((), np.int8), np.array(1.0), 0, "fp32")
    scale = {"scale": Const(np.float32(1))}
    ops = [
        Op("quantize", {"input": "x", "output_dtype": "'int8'", **scale}, {"q": ("int8", (2, 2))}),
        Op("reshape", {"x": "q", "shape": Const(np.array([1, 4], np.int32))}, {"r": ("int8", (1, 4))}),
        Op("dequantize", {"input": "r", **scale}, {"d": ("fp32", (1, 4))}),
        weight,
        Op("linear", {"x": "d", "weight": "w", "bias": Const(np.zeros(1, np.float32))}, {"y": ("fp32", (1, 1))}),
    ]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp32", (2, 2))}, ["y"], opset)
    assert "MatMulInteger" in kinds(package)
    x = np.array([[-128, 127], [-1, 5]], np.float32)
    assert load(package, "onnx").predict({"x": x})["y"].tolist() == [[-128 - 254 - 3 - 20]]


def test_a_trace_and_fp32_keep_the_floats(tmp_path: Path) -> None:
    data = np.arange(-4, 4, dtype=np.int8)[None]
    package = linear_package(tmp_path / "p.mlpackage", 8, Const(np.float32(0.5)), data)
    x = np.arange(8, dtype=np.float32)[None]
    model = load(package, "onnx")
    traced = model.trace({"x": x})
    assert traced["d"].tolist() == x.tolist()
    assert traced["y"].tolist() == model.predict({"x": x})["y"].tolist() == [[0.0625 * float((x[0] * data[0]).sum())]]
    assert {row.executor for row in model.placements} == {"onnx"}
    import onnx

    floats = onnx.load_from_string(onnx_model(package, precision="fp32"))
    assert "MatMulInteger" not in [node.op_type for node in floats.graph.node]


@pytest.mark.parametrize(("rank", "groups"), [(1, 1), (1, 4), (2, 2), (3, 1)])
def test_other_ranks_and_groups_pad_with_the_zero_point(tmp_path: Path, way: str, rank: int, groups: int) -> None:
    """With powers of two for scales, floats hold every sum exactly: both executors give the same."""
    rng = np.random.default_rng(rank)
    shape, result = (2, 64 * groups, *[5] * rank), (2, 8 * groups, *[5] * rank)
    data = rng.integers(-128, 128, (8 * groups, 64, *[3] * rank)).astype(np.int8)
    weight, opset = weight_op("blocks", data, np.zeros((), np.int8), np.array(0.25), 0, "fp32")
    weight = Op(
        weight.type, {**weight.inputs, "scale": Const(np.full([1] * data.ndim, 0.25, np.float32))}, weight.outputs
    )
    ones = Const(np.ones(rank, np.int32))
    conv = {"x": "d", "weight": "w", "pad_type": "'same'", "groups": Const(groups), "strides": ones, "dilations": ones}
    conv["pad"] = Const(np.zeros(2 * rank, np.int32))
    ops = [*activation("int8", -100, 0.5, shape, "fp32"), weight, Op("conv", conv, {"y": ("fp32", result)})]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp32", shape)}, ["y"], opset)
    assert "ConvInteger" in kinds(package)
    x = (rng.standard_normal(shape) * 40).astype(np.float32)
    given = load(package, "onnx").predict({"x": x})["y"]
    assert np.array_equal(given, load(package, "reference").predict({"x": x})["y"])
