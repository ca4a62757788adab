"""kewcore's own kernels against plain sums in float64, for every form that a node of theirs takes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kewcore.errors import PackageError
from kewcore.runtime.lowering.graph import IR_VERSION, ONNX_OPSET
from kewcore.runtime.lowering.kernel_transforms import along_rows, both_ways
from kewcore.runtime.lowering.neighbours import DOMAIN
from kewcore.runtime.native import NOT_CHOSEN, kernel_library, kernels
from kewcore.runtime.onnx_executor import run_session, session_of

pytestmark = [
    pytest.mark.runtime,
    pytest.mark.skipif(kernel_library() is None, reason="no kernels were built for this processor"),
]
Floats = NDArray[np.float32]
PADS = ("pad_top", "pad_left", "pad_bottom", "pad_right")


def run_node(kind: str, inputs: list[NDArray[Any]], result: type = np.float32, **attributes: Any) -> NDArray[Any]:
    """Runs one node on two threads."""
    from onnx import helper

    names = [f"x{index}" for index in range(len(inputs))]
    node = helper.make_node(kind, names, ["y"], domain=DOMAIN, **attributes)
    described = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in zip(names, inputs, strict=True)
    ]
    described_result = helper.make_tensor_value_info("y", helper.np_dtype_to_tensor_dtype(np.dtype(result)), None)
    opsets = [helper.make_opsetid("", ONNX_OPSET), helper.make_opsetid(DOMAIN, 1)]
    graph = helper.make_graph([node], "one_node", described, [described_result])
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION).SerializeToString()
    (y,) = run_session(session_of(model, threads=2, spinning=False), dict(zip(names, inputs, strict=True)))
    return np.asarray(y)


def run_conv(
    kind: str, x: Floats, kernel: Floats, bias: Floats, pads: tuple[int, ...], pool: int, slope: float, **other: Any
) -> Floats:
    transformed = (both_ways if kind == "WinogradConv" else along_rows)(kernel)
    settings = {"channels_first": 0, "input_scale": 0.0, **other, "pool": pool, "slope": slope}
    return run_node(kind, [x, transformed, kernel, bias], **dict(zip(PADS, pads, strict=True)), **settings)


def sums(x: Floats, kernel: Floats, bias: Floats, pads: tuple[int, ...], pool: int) -> NDArray[np.float64]:
    """What comes before rounding and activation, NHWC: sums of products, pooled, and the bias."""
    k = len(kernel)
    top, left, bottom, right = pads
    padded = np.pad(x.astype(np.float64), ((0, 0), (top, bottom), (left, right), (0, 0)))
    height, width = padded.shape[1] - k + 1, padded.shape[2] - k + 1
    total = np.zeros((len(x), height, width, kernel.shape[3]))
    with np.errstate(invalid="ignore"):
        for i in range(k):
            for j in range(k):
                window = padded[:, i : i + height, j : j + width, :, None]
                total += (window * kernel[i, j].astype(np.float64)).sum(3)
    height, width = height // pool, width // pool
    windows = total[:, : height * pool, : width * pool].reshape(len(x), height, pool, width, pool, -1)
    return np.asarray(windows.max((2, 4)) + bias)


def half(values: Any) -> Floats:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(values, np.float32).astype(np.float16).astype(np.float32)


def check(y: Floats, exact: NDArray[np.float64], slope: float) -> None:
    """Each value is the rounded one or its neighbour, and few are the neighbour."""
    rounded = half(exact)
    expected = half(np.where(rounded < 0, rounded * np.float32(slope), rounded))
    assert y.shape == expected.shape
    step = np.spacing(np.maximum(np.abs(exact), 2.0**-5).astype(np.float16)).astype(np.float32)
    assert (np.abs(y - expected) <= step).all()
    assert np.mean(y != expected) < 0.01


def case(seed: int, shape: tuple[int, int, int, int], k: int, c_out: int) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(seed)
    kernel = rng.standard_normal((k, k, shape[3], c_out)) / (k * shape[3] ** 0.5)
    x, bias = half(rng.standard_normal(shape)), half(rng.standard_normal(c_out))
    return x, half(kernel), bias


@pytest.mark.parametrize("pool", [1, 2, 4])
@pytest.mark.parametrize(
    ("shape", "c_out", "pads"),
    [
        ((1, 8, 8, 16), 16, (1, 1, 1, 1)),
        ((2, 13, 31, 16), 48, (1, 1, 1, 1)),
        ((1, 21, 6, 48), 32, (0, 0, 0, 0)),
        ((3, 9, 10, 32), 80, (2, 0, 1, 3)),
        ((1, 33, 30, 96), 192, (1, 1, 1, 1)),
        ((1, 7, 9, 256), 64, (0, 1, 2, 1)),
    ],
)
def test_winograd(shape: tuple[int, int, int, int], c_out: int, pads: tuple[int, ...], pool: int) -> None:
    x, kernel, bias = case(pool, shape, 3, c_out)
    y = run_conv("WinogradConv", x, kernel, bias, pads, pool, 0.1)
    check(y, sums(x, kernel, bias, pads, pool), 0.1)


@pytest.mark.parametrize("pool", [1, 2, 4])
@pytest.mark.parametrize(
    ("shape", "c_out", "pads"),
    [
        ((1, 12, 12, 1), 16, (2, 2, 2, 2)),
        ((2, 37, 41, 1), 48, (2, 2, 2, 2)),
        ((1, 9, 605, 1), 32, (2, 2, 2, 2)),
        ((1, 40, 17, 3), 64, (0, 0, 0, 0)),
        ((2, 18, 23, 4), 16, (4, 1, 0, 3)),
    ],
)
@pytest.mark.parametrize("channels_first", [0, 1])
def test_shallow(
    shape: tuple[int, int, int, int], c_out: int, pads: tuple[int, ...], pool: int, channels_first: int
) -> None:
    x, kernel, bias = case(pool, shape, 5, c_out)
    given = np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if channels_first else x
    y = run_conv("ShallowConv", given, kernel, bias, pads, pool, 0.0, channels_first=channels_first)
    check(y, sums(x, kernel, bias, pads, pool), 0.0)


def test_an_image_is_rounded_scaled_and_rounded() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 30, 50, 1)).astype(np.float32)
    _, kernel, bias = case(0, (1, 1, 1, 1), 5, 16)
    scale = np.float32(np.float16(1 / 255))
    y = run_conv("ShallowConv", image, kernel, bias, (2, 2, 2, 2), 4, 0.1, input_scale=float(scale))
    check(y, sums(half(image * scale), kernel, bias, (2, 2, 2, 2), 4), 0.1)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e20])
@pytest.mark.parametrize(("kind", "channels", "k"), [("WinogradConv", 16, 3), ("ShallowConv", 1, 5)])
def test_values_that_would_spread_stay_where_plain_sums_have_them(
    kind: str, channels: int, k: int, value: float
) -> None:
    x, kernel, bias = case(3, (1, 24, 26, channels), k, 16)
    x[0, 11, 9, 0] = value
    pads = (k // 2,) * 4
    y = run_conv(kind, x, kernel, bias, pads, 1, 1.0)
    expected = half(sums(x, kernel, bias, pads, 1))
    near = np.zeros(y.shape, bool)
    near[0, 11 - k // 2 : 12 + k // 2, 9 - k // 2 : 10 + k // 2] = True
    assert np.array_equal(np.isnan(y), np.isnan(expected))
    assert not np.isfinite(y[near]).any()
    assert np.array_equal(y[near], expected[near], equal_nan=True)
    check(y[~near], sums(x, kernel, bias, pads, 1)[~near], 1.0)


def test_one_large_value_is_not_seen_where_it_has_no_part() -> None:
    x, kernel, bias = case(5, (1, 16, 16, 64), 3, 64)
    x[0, 8, 9, 3] = 60000
    y = run_conv("WinogradConv", x, kernel, bias, (1, 1, 1, 1), 1, 1.0)
    check(y, sums(x, kernel, bias, (1, 1, 1, 1), 1), 1.0)


def test_many_channels() -> None:
    """The transformed kernel has more elements than an axis had room for once."""
    x, kernel, bias = case(6, (1, 4, 4, 704), 3, 704)
    y = run_conv("WinogradConv", x, kernel, bias, (1, 1, 1, 1), 2, 1.0)
    check(y, sums(x, kernel, bias, (1, 1, 1, 1), 2), 1.0)


@pytest.mark.parametrize(("images", "inputs", "outputs"), [(1, 43, 7), (1, 4096, 8), (3, 5000, 37), (9, 2064, 16)])
def test_half_gemm(images: int, inputs: int, outputs: int) -> None:
    rng = np.random.default_rng(inputs)
    x = rng.standard_normal((images, inputs)).astype(np.float32)
    weight = rng.standard_normal((outputs, inputs)).astype(np.float16)
    bias = rng.standard_normal(outputs).astype(np.float32)
    exact = x.astype(np.float64) @ weight.astype(np.float64).T + bias
    tolerance = 1e-6 * np.abs(x).astype(np.float64) @ np.abs(weight).astype(np.float64).T + 1e-6
    assert (np.abs(run_node("HalfGemm", [x, weight, bias]) - exact) <= tolerance).all()


def test_half_gemm_takes_every_fp16() -> None:
    """Subnormal and infinite weights too."""
    bits = np.arange(65536, dtype=np.uint16).view(np.float16)
    weight = bits[np.isfinite(bits)][None]
    picked = np.zeros((4, weight.size), np.float32)
    picked[range(4), [1, 1023, 1024, -1]] = 1
    y = run_node("HalfGemm", [picked, weight, np.zeros(1, np.float32)])
    assert np.array_equal(y[:, 0], weight[0, [1, 1023, 1024, -1]].astype(np.float32))
    infinite = np.array([[np.inf, 1]], np.float16)
    assert run_node("HalfGemm", [np.ones((1, 2), np.float32), infinite, np.zeros(1, np.float32)]) == np.inf


X, KERNEL, BIAS = case(0, (1, 12, 12, 16), 3, 16)
PLAIN = {**dict.fromkeys(PADS, 1), "pool": 1, "slope": 1.0, "input_scale": 0.0, "channels_first": 0}


@pytest.mark.parametrize(
    ("inputs", "attributes", "message"),
    [
        ([X, both_ways(KERNEL)[:-1], KERNEL, BIAS], {}, "the kernel's parts do not fit"),
        ([X, both_ways(KERNEL), KERNEL, BIAS[:-1]], {}, "the kernel's parts do not fit"),
        ([X[..., :8], both_ways(KERNEL), KERNEL, BIAS], {}, "the kernel's parts do not fit"),
        ([X[0], both_ways(KERNEL), KERNEL, BIAS], {}, "the wrong number of axes"),
        ([X[:0], both_ways(KERNEL), KERNEL, BIAS], {}, "an axis of no elements"),
        ([X[:, :3], both_ways(KERNEL), KERNEL, BIAS], {"pool": 4}, "the input is smaller than the kernel and the pool"),
        ([X, both_ways(KERNEL), KERNEL, BIAS], {"input_scale": 1.0}, "WinogradConv takes NHWC, unscaled"),
        ([X, both_ways(KERNEL), KERNEL, BIAS], {"channels_first": 1}, "the kernel's parts do not fit"),
    ],
)
def test_a_node_that_does_not_fit_is_refused(inputs: list[Floats], attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(PackageError, match=message):
        run_node("WinogradConv", [np.ascontiguousarray(array) for array in inputs], **{**PLAIN, **attributes})


@pytest.mark.parametrize(("attribute", "value"), [("pool", 3), ("pad_top", 5), ("pad_right", -1)])
def test_settings_that_no_kernel_has_are_refused(attribute: str, value: int) -> None:
    from kewcore.errors import UnsupportedError

    with pytest.raises(UnsupportedError, match=r"kewcore: (pools|padding) of"):
        run_node("WinogradConv", [X, both_ways(KERNEL), KERNEL, BIAS], **{**PLAIN, attribute: value})


@pytest.mark.slow
@pytest.mark.parametrize("narrower", ["avx512", "avx2"])
def test_narrower_vectors_compute_the_same(narrower: str) -> None:
    """This file once more with other kernels than those that were taken."""
    sets = ("vnni", "avx512", "avx2")
    if sets.index(kernels()[0] or "") >= sets.index(narrower):
        pytest.skip(f"{narrower} or less was what the other tests ran with")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", "not narrower"]
    done = subprocess.run(
        command, env={**os.environ, "KEWCORE_KERNELS": narrower}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_the_environment_turns_the_kernels_off(tmp_path: Path) -> None:
    script = "from kewcore.runtime.native import kernel_library, kernels; print(kernel_library() is None, *kernels())"
    for value, found in (
        ("none", f"True None {NOT_CHOSEN}"),
        ("avx2", "False avx2 AVX2"),
        ("sse", f"True None {NOT_CHOSEN}"),
    ):
        environment = {**os.environ, "KEWCORE_KERNELS": value}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == found
