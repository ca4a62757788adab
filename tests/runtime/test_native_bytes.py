"""Kernels of bytes against plain loops over integers, and the nodes that they stand in for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Const, Op, build
from numpy.typing import NDArray
from test_native_kernels import PADS, half, run_node

from kewcore.errors import PackageError, UnsupportedError
from kewcore.runtime import load
from kewcore.runtime import onnx_executor as onnx_executor_module
from kewcore.runtime.lowering import native_convolutions
from kewcore.runtime.native import kernels

pytestmark = [
    pytest.mark.runtime,
    pytest.mark.skipif(kernels()[0] != "vnni", reason="this processor has no products of bytes, four at a time"),
]
Array = NDArray[Any]
SETTINGS = {**dict.fromkeys(PADS, 1), "pool": 1, "kernel": 3, "zero_point": 128, "out_zero_point": 128}
SCALES = {"slope": 1.0, "input_scale": 0.0, "image_scale": 1.0, "out_scale": 1.0}


def packed(weight: Array) -> Array:
    """`[c_out, c_in, k, k]` as the kernels read it: the kernel's elements by four, for sixteen channels at a time."""
    c_out, c_in = weight.shape[:2]
    if c_in > 1:
        return np.ascontiguousarray(weight.transpose(0, 2, 3, 1).reshape(c_out // 16, 16, -1, 4).swapaxes(1, 2))
    fours = np.zeros((c_out, 7, 4), np.int8)
    fours[:, :5], fours[:, 5], fours[:, 6, 0] = weight[:, 0, :, :4], weight[:, 0, :4, 4], weight[:, 0, 4, 4]
    return np.ascontiguousarray(fours.reshape(-1, 16, 7, 4).swapaxes(1, 2))


def integer_sums(steps: Array, weight: Array, pads: tuple[int, ...], pool: int) -> Array:
    """Sums of products, pooled: steps `[n, h, w, c]` less the zero point, `[n, h, w, c_out]`."""
    k = weight.shape[2]
    top, left, bottom, right = pads
    padded = np.pad(steps.astype(np.int64), ((0, 0), (top, bottom), (left, right), (0, 0)))
    height, width = padded.shape[1] - k + 1, padded.shape[2] - k + 1
    total = np.zeros((len(steps), height, width, len(weight)), np.int64)
    for i in range(k):
        for j in range(k):
            total += padded[:, i : i + height, j : j + width] @ weight[:, :, i, j].T.astype(np.int64)
    height, width = height // pool, width // pool
    windows = total[:, : height * pool, : width * pool].reshape(len(steps), height, pool, width, pool, -1)
    return np.asarray(windows.max((2, 4)))


def finished(total: Array, scale: Array, bias: Array, slope: float) -> Array:
    rounded = half(total.astype(np.float32) * scale + bias)
    return half(np.where(rounded < 0, rounded * np.float32(slope), rounded))


def quantized(value: Array, scale: float, zero_point: int) -> Array:
    return np.clip(np.rint(value / np.float32(scale)) + zero_point, 0, 255).astype(np.uint8)


def channels(rng: np.random.Generator, weight: Array, zero_point: int) -> list[Array]:
    """Packed weight, scale, bias and offset."""
    scale = (rng.random(len(weight)) / 1000 + 1e-4).astype(np.float32)
    bias = rng.standard_normal(len(weight)).astype(np.float32)
    offset = zero_point * weight.reshape(len(weight), -1).sum(1, dtype=np.int64)
    return [packed(weight), scale, bias, offset.astype(np.int32)]


@pytest.mark.parametrize("pool", [1, 2, 4])
@pytest.mark.parametrize(
    ("shape", "c_out", "pads", "zero_point"),
    [
        ((1, 8, 8, 4), 16, (1, 1, 1, 1), 128),
        ((2, 13, 31, 16), 48, (1, 1, 1, 1), 0),
        ((1, 9, 21, 48), 96, (0, 0, 0, 0), 255),
        ((1, 10, 7, 12), 80, (2, 0, 1, 3), 3),
        ((3, 6, 6, 96), 32, (1, 1, 1, 1), 131),
    ],
)
def test_convolutions(
    shape: tuple[int, int, int, int], c_out: int, pads: tuple[int, ...], zero_point: int, pool: int
) -> None:
    rng = np.random.default_rng(c_out)
    x = rng.integers(0, 256, shape).astype(np.uint8)
    weight = rng.integers(-128, 128, (c_out, shape[3], 3, 3)).astype(np.int8)
    weight.flat[:2] = -128, 127
    inputs = [x, *channels(rng, weight, zero_point)]
    settings = {**SETTINGS, **SCALES, **dict(zip(PADS, pads, strict=True)), "pool": pool, "slope": 0.1}
    settings |= {"zero_point": zero_point, "out_scale": 0.05, "out_zero_point": 100}
    total = integer_sums(x.astype(np.int64) - zero_point, weight, pads, pool)
    value = finished(total, inputs[2], inputs[3], 0.1)
    assert np.array_equal(run_node("ByteConvToFloat", inputs, **settings), value)
    assert np.array_equal(run_node("ByteConv", inputs, result=np.uint8, **settings), quantized(value, 0.05, 100))


@pytest.mark.parametrize("pool", [1, 2, 4])
@pytest.mark.parametrize(
    ("height", "width", "pads"), [(9, 9, (2, 2, 2, 2)), (21, 70, (2, 2, 2, 2)), (12, 37, (0, 4, 1, 0))]
)
def test_images(height: int, width: int, pads: tuple[int, ...], pool: int) -> None:
    rng = np.random.default_rng(width)
    image = rng.integers(0, 256, (2, 1, height, width)).astype(np.float32)
    weight = rng.integers(-128, 128, (32, 1, 5, 5)).astype(np.int8)
    inputs = [image, *channels(rng, weight, 7)]
    scale = float(np.float16(1 / 255))
    settings = {**SETTINGS, **SCALES, **dict(zip(PADS, pads, strict=True)), "pool": pool, "kernel": 5, "slope": 0.0}
    settings |= {"zero_point": 7, "input_scale": scale, "image_scale": 0.0041}
    steps = quantized(half(image * np.float32(scale)), 0.0041, 7)[:, 0, :, :, None].astype(np.int64) - 7
    value = finished(integer_sums(steps, weight, pads, pool), inputs[2], inputs[3], 0.0)
    assert np.array_equal(run_node("ByteImageConvToFloat", inputs, **settings), value)
    assert np.array_equal(run_node("ByteImageConv", inputs, result=np.uint8, **settings), quantized(value, 1.0, 128))


@pytest.mark.parametrize(("images", "inputs", "outputs"), [(1, 64, 4), (1, 43, 7), (5, 3000, 10), (4, 200, 3)])
def test_products(images: int, inputs: int, outputs: int) -> None:
    rng = np.random.default_rng(inputs)
    x = rng.integers(0, 256, (images, inputs)).astype(np.uint8)
    weight = rng.integers(-128, 128, (outputs, inputs)).astype(np.int8)
    scale, bias = rng.random(outputs).astype(np.float32), rng.random(outputs).astype(np.float32)
    offset = (9 * weight.sum(1, dtype=np.int64)).astype(np.int32)
    total = (x.astype(np.int64) - 9) @ weight.T.astype(np.int64)
    y = run_node("ByteGemm", [x, weight, scale, bias, offset])
    assert np.array_equal(y, total.astype(np.float32) * scale + bias)


WEIGHT = np.ones((16, 4, 3, 3), np.int8)
PARTS = [np.ones((1, 8, 8, 4), np.uint8), *channels(np.random.default_rng(0), WEIGHT, 128)]


@pytest.mark.parametrize(
    ("index", "part", "message"),
    [
        (0, np.ones((1, 8, 8, 8), np.uint8), "the kernel does not fit the input"),
        (0, np.ones((1, 8, 8, 6), np.uint8), "a multiple of four channels"),
        (0, np.ones((1, 1, 8, 4), np.uint8)[:, :, :0], "an axis of no elements"),
        (1, PARTS[1][:, :, :8], "the kernel does not fit the input"),
        (2, PARTS[2][:8], "differ in length"),
        (4, PARTS[4][:8], "differ in length"),
    ],
)
def test_parts_that_do_not_fit_are_refused(index: int, part: Array, message: str) -> None:
    inputs = [*PARTS[:index], np.ascontiguousarray(part), *PARTS[index + 1 :]]
    with pytest.raises(PackageError, match=message):
        run_node("ByteConvToFloat", inputs, **SETTINGS, **SCALES)


@pytest.mark.parametrize(
    "changed",
    [
        {"zero_point": 256},
        {"out_zero_point": -1},
        {"out_scale": 0.0},
        {"image_scale": np.inf},
        {"pool": 3},
        {"pad_left": 9},
    ],
)
def test_settings_that_no_kernel_has_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError, match="kewcore: "):
        run_node("ByteConvToFloat", PARTS, **{**SETTINGS, **SCALES, **changed})


# Networks.


def const(array: Any) -> Const:
    return Const(np.asarray(array, np.float16))


def quantize(x: str, name: str, kind: str, zero_point: int, scale: float, shape: tuple[int, ...]) -> list[Op]:
    """`x` to bytes `name_q` and back to `name`."""
    steps = {"scale": const(scale), "zero_point": Const(np.array(zero_point, kind))}
    return [
        Op("quantize", {"input": x, "output_dtype": f"'{kind}'", **steps}, {f"{name}_q": (kind, shape)}),
        Op("dequantize", {"input": f"{name}_q", **steps}, {name: ("fp16", shape)}),
    ]


def byte_conv(x: str, name: str, shape: tuple[int, ...], size: int, rng: np.random.Generator) -> list[Op]:
    """A convolution with the bytes of a weight of `shape`, same padding, and a leaky ReLU."""
    data = rng.integers(-127, 128, shape).astype(np.int8)
    affine = {"quantized_data": Const(data), "zero_point": Const(np.zeros(shape[0], np.int8)), "axis": Const(0)}
    affine["scale"] = const(rng.integers(1, 8, shape[0]) / 4096)
    conv = {"x": x, "weight": f"{name}_w", "bias": const(rng.standard_normal(shape[0])), "pad_type": "'same'"}
    conv |= {"strides": Const(np.ones(2, np.int32)), "dilations": Const(np.ones(2, np.int32)), "groups": Const(1)}
    conv["pad"] = Const(np.zeros(4, np.int32))
    result = ("fp16", (1, shape[0], size, size))
    return [
        Op("constexpr_affine_dequantize", affine, {f"{name}_w": ("fp16", shape)}),
        Op("conv", conv, {f"{name}_c": result}),
        Op("leaky_relu", {"x": f"{name}_c", "alpha": const(0.1)}, {name: result}),
    ]


def pool(x: str, name: str, count: int, window: int, size: int) -> Op:
    inputs = {"x": x, "kernel_sizes": Const(np.full(2, window, np.int32)), "pad_type": "'valid'"}
    inputs |= {"strides": Const(np.full(2, window, np.int32)), "ceil_mode": Const(False)}
    return Op("max_pool", inputs, {name: ("fp16", (1, count, size, size))})


def blocks(rng: np.random.Generator, kind: str) -> list[Op]:
    """Image 32x32, convolution of 5x5, pool, two convolutions of 3x3 with a pool between, all of bytes."""
    zero = 128 if kind == "uint8" else -3
    return [
        Op("mul", {"x": "x", "y": const(1 / 255)}, {"scaled": ("fp16", (1, 1, 32, 32))}),
        *quantize("scaled", "a", "uint8", 0, 1 / 255, (1, 1, 32, 32)),
        *byte_conv("a", "b", (16, 1, 5, 5), 32, rng),
        pool("b", "c", 16, 4, 8),
        *quantize("c", "d", kind, zero, 1 / 32, (1, 16, 8, 8)),
        *byte_conv("d", "e", (32, 16, 3, 3), 8, rng),
        pool("e", "f", 32, 2, 4),
        *quantize("f", "g", kind, zero, 1 / 16, (1, 32, 4, 4)),
        *byte_conv("g", "h", (16, 32, 3, 3), 4, rng),
    ]


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Kinds of the nodes of the last session with kernels; no convolution is too small."""
    kinds: list[str] = []
    original = onnx_executor_module.prune

    def watched(builder: Any, outputs: Any) -> None:
        original(builder, outputs)
        if onnx_executor_module.kernel_library() is not None:
            kinds[:] = [node.op_type for node in builder.nodes]

    monkeypatch.setattr(onnx_executor_module, "prune", watched)
    monkeypatch.setattr(native_convolutions, "_LEAST_PRODUCTS", 1)
    return kinds


def answers(package: Path, monkeypatch: pytest.MonkeyPatch, x: Array) -> list[dict[str, Any]]:
    """With kernels of ours and without."""
    ours = load(package, "onnx").predict({"x": x})
    monkeypatch.setattr(onnx_executor_module, "kernel_library", lambda: None)
    return [ours, load(package, "onnx").predict({"x": x})]


@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_a_network_of_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nodes: list[str], kind: str) -> None:
    rng = np.random.default_rng(1)
    data = rng.integers(-127, 128, (8, 256)).astype(np.int8)
    affine = {"quantized_data": Const(data), "zero_point": Const(np.zeros(8, np.int8)), "axis": Const(0)}
    affine["scale"] = const(np.full(8, 1 / 4096))
    ops = [
        *blocks(rng, kind),
        *quantize("h", "i", kind, 5, 1 / 16, (1, 16, 4, 4)),
        Op(
            "constexpr_affine_dequantize",
            {**affine, "quantized_data": Const(data.reshape(8, 16, 4, 4))},
            {"w": ("fp16", (8, 16, 4, 4))},
        ),
        Op(
            "conv",
            {
                "x": "i",
                "weight": "w",
                "bias": const(np.ones(8)),
                "pad_type": "'valid'",
                "groups": Const(1),
                "strides": Const(np.ones(2, np.int32)),
                "dilations": Const(np.ones(2, np.int32)),
                "pad": Const(np.zeros(4, np.int32)),
            },
            {"y": ("fp16", (1, 8, 1, 1))},
        ),
    ]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp16", (1, 1, 32, 32))}, ["y"], "CoreML7")
    x = rng.integers(0, 256, (1, 1, 32, 32)).astype(np.float16)
    ours, plain = answers(package, monkeypatch, x)
    assert [kind for kind in nodes if kind.startswith("Byte")] == ["ByteImageConv", "ByteConv", "ByteConv", "ByteGemm"]
    assert not {"ConvInteger", "MatMulInteger", "Conv", "MaxPool", "QuantizeLinear", "Transpose"} & set(nodes)
    reference = load(package, "reference").predict({"x": x})["y"]
    spread = float(np.ptp(reference))
    assert spread > 1
    np.testing.assert_allclose(ours["y"].astype(np.float32), plain["y"].astype(np.float32), atol=0.02 * spread)
    np.testing.assert_allclose(ours["y"].astype(np.float32), reference.astype(np.float32), atol=0.02 * spread)


def test_bytes_that_others_read_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nodes: list[str]) -> None:
    """Quantised values are an output's too, so that the kernel before them ends with floats."""
    rng = np.random.default_rng(2)
    ops = [*blocks(rng, "int8"), Op("relu", {"x": "g"}, {"r": ("fp16", (1, 32, 4, 4))})]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp16", (1, 1, 32, 32))}, ["h", "r"], "CoreML7")
    x = rng.integers(0, 256, (1, 1, 32, 32)).astype(np.float16)
    ours, plain = answers(package, monkeypatch, x)
    assert [kind for kind in nodes if kind.startswith("Byte")] == [
        "ByteImageConv",
        "ByteConvToFloat",
        "ByteConvToFloat",
    ]
    for name in ("h", "r"):
        noise = np.sum((ours[name].astype(np.float64) - plain[name]) ** 2)
        assert noise < 1e-4 * np.sum(plain[name].astype(np.float64) ** 2)


@pytest.mark.parametrize("channels_", [3, 8])
def test_layers_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nodes: list[str], channels_: int
) -> None:
    """A multiple of four channels is taken from floats that another node made; the same integers either way."""
    rng = np.random.default_rng(3)
    shape = (1, channels_, 9, 11)
    conv = byte_conv("d", "y", (16, channels_, 3, 3), 9, rng)
    conv = [
        Op(
            op.type,
            op.inputs,
            {n: (t, s if len(s) < 4 or n == "y_w" else (1, 16, 9, 11)) for n, (t, s) in op.outputs.items()},
        )
        for op in conv
    ]
    ops = [Op("tanh", {"x": "x"}, {"t": ("fp16", shape)}), *quantize("t", "d", "int8", 4, 1 / 64, shape), *conv]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp16", shape)}, ["y"], "CoreML7")
    ours, plain = answers(package, monkeypatch, rng.standard_normal(shape).astype(np.float16))
    assert ("ByteConvToFloat" in nodes) == (channels_ % 4 == 0)
    assert np.array_equal(ours["y"], plain["y"])


def test_a_scale_that_turns_values_around_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nodes: list[str]
) -> None:
    """The largest sum is the smallest value, so that the pool must come behind the scale."""
    rng = np.random.default_rng(4)
    shape = (1, 16, 8, 8)
    convolution = byte_conv("d", "e", (16, 16, 3, 3), 8, rng)
    weight = convolution[0]
    turned = {**weight.inputs, "scale": const(-rng.integers(1, 8, 16) / 4096)}
    ops = [
        *quantize("x", "d", "uint8", 128, 1 / 32, shape),
        Op(weight.type, turned, weight.outputs),
        *convolution[1:],
        pool("e", "y", 16, 2, 4),
    ]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp16", shape)}, ["y"], "CoreML7")
    ours, plain = answers(package, monkeypatch, rng.standard_normal(shape).astype(np.float16))
    assert "ConvInteger" in nodes
    assert np.array_equal(ours["y"], plain["y"])
