"""Where kewcore's own kernels stand in for ONNX Runtime's, and that answers stay where they were."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Body, Const, Op, build

from kewcore.runtime import load
from kewcore.runtime import onnx_executor as onnx_executor_module
from kewcore.runtime.lowering import native_convolutions, native_products
from kewcore.runtime.native import kernel_library
from kewcore.runtime.onnx_file import onnx_model

pytestmark = [
    pytest.mark.runtime,
    pytest.mark.skipif(kernel_library() is None, reason="no kernels were built for this processor"),
]
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_convolutions, "_LEAST_PRODUCTS", 1)
    monkeypatch.setattr(native_convolutions, "_LEAST_TILES", 1)
    monkeypatch.setattr(native_products, "_LEAST_WEIGHTS", 1)


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Kinds of the nodes of the session that was started last."""
    kinds: list[str] = []
    original = onnx_executor_module.prune

    def watched(builder: Any, outputs: Any) -> None:
        original(builder, outputs)
        kinds[:] = [node.op_type for node in builder.nodes]

    monkeypatch.setattr(onnx_executor_module, "prune", watched)
    return kinds


def const(array: Any, dtype: str = "fp16") -> Const:
    return Const(np.asarray(array, np.float16 if dtype == "fp16" else np.float32))


def conv(x: str, name: str, c_in: int, c_out: int, k: int, size: int, dtype: str = "fp16", **changed: Any) -> Op:
    pad = k // 2
    inputs = {
        "x": x,
        "weight": const(RNG.standard_normal((c_out, c_in, k, k)) / (k * c_in**0.5), dtype),
        "bias": const(RNG.standard_normal(c_out), dtype),
        "pad_type": "'custom'",
        "pad": Const(np.full(4, pad, np.int32)),
        "strides": Const(np.ones(2, np.int32)),
        "dilations": Const(np.ones(2, np.int32)),
        "groups": Const(1),
        **changed,
    }
    return Op("conv", inputs, {name: (dtype, (1, c_out, size, size))})


def pool(x: str, name: str, channels: int, window: int, step: int, size: int, dtype: str = "fp16") -> Op:
    inputs = {"x": x, "kernel_sizes": Const(np.full(2, window, np.int32)), "pad_type": "'valid'"}
    inputs |= {"strides": Const(np.full(2, step, np.int32)), "ceil_mode": Const(False)}
    return Op("max_pool", inputs, {name: (dtype, (1, channels, size, size))})


def leaky(x: str, name: str, channels: int, size: int, dtype: str = "fp16") -> Op:
    return Op("leaky_relu", {"x": x, "alpha": const(0.1, dtype)}, {name: (dtype, (1, channels, size, size))})


def agree(package: Path, x: np.ndarray[Any, Any], least_snr_db: float = 55) -> None:
    """The fast executor's outputs against the reference executor's."""
    ours, reference = (load(package, executor).predict({"x": x}) for executor in ("onnx", "reference"))
    for name, expected in reference.items():
        noise = np.sum((ours[name].astype(np.float64) - expected) ** 2)
        assert 10 * np.log10(np.sum(expected.astype(np.float64) ** 2) / (noise + 1e-30)) > least_snr_db
        assert ours[name].dtype == expected.dtype
        assert ours[name].shape == expected.shape


def image(c: int, size: int) -> np.ndarray[Any, Any]:
    return RNG.standard_normal((1, c, size, size)).astype(np.float16)


def test_a_network_of_three_blocks(tmp_path: Path, nodes: list[str]) -> None:
    """Scaled image, shallow block, two deep blocks, dense layer: as KewCNN, with no transposition left between them."""
    weight = RNG.standard_normal((10, 32 * 3 * 3)) / 17
    ops = [
        Op("mul", {"x": "x", "y": const(1 / 255)}, {"scaled": ("fp16", (1, 1, 48, 48))}),
        conv("scaled", "c1", 1, 16, 5, 48),
        leaky("c1", "l1", 16, 48),
        pool("l1", "p1", 16, 4, 4, 12),
        conv("p1", "c2", 16, 32, 3, 12),
        Op("relu", {"x": "c2"}, {"l2": ("fp16", (1, 32, 12, 12))}),
        pool("l2", "p2", 32, 2, 2, 6),
        conv("p2", "c3", 32, 32, 3, 6),
        pool("c3", "p3", 32, 2, 2, 3),
        Op("reshape", {"x": "p3", "shape": Const(np.array([1, 288], np.int32))}, {"flat": ("fp16", (1, 288))}),
        Op("linear", {"x": "flat", "weight": const(weight), "bias": const(np.ones(10))}, {"y": ("fp16", (1, 10))}),
    ]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp16", (1, 1, 48, 48))}, ["y"])
    agree(package, RNG.integers(0, 256, (1, 1, 48, 48)).astype(np.float16))
    ours = [kind for kind in nodes if kind in {"ShallowConv", "WinogradConv", "HalfGemm"}]
    assert ours == ["ShallowConv", "WinogradConv", "WinogradConv", "HalfGemm"]
    assert not {"Conv", "MaxPool", "LeakyRelu", "Relu", "Mul", "Transpose", "Gemm"} & set(nodes)


@pytest.mark.parametrize("c_in", [16, 32])
def test_what_is_read_elsewhere_stays(tmp_path: Path, nodes: list[str], c_in: int) -> None:
    """The sums before the activation are an output of their own, so that the kernel ends with them."""
    ops = [conv("x", "c", c_in, 16, 3, 8), leaky("c", "y", 16, 8)]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp16", (1, c_in, 8, 8))}, ["c", "y"])
    agree(package, image(c_in, 8))
    assert "WinogradConv" in nodes
    assert "LeakyRelu" in nodes


def test_what_a_block_reads_stays(tmp_path: Path, nodes: list[str]) -> None:
    shape = (1, 16, 8, 8)
    branches = [
        Body({}, [Op("mul", {"x": "c", "y": const(factor)}, {name: ("fp16", shape)})], [name])
        for name, factor in (("doubled", 2), ("halved", 0.5))
    ]
    ops = [
        conv("x", "c", 16, 16, 3, 8),
        leaky("c", "l", 16, 8),
        Op("greater", {"x": "p", "y": const(0)}, {"positive": ("bool", (1,))}),
        Op("squeeze", {"x": "positive", "axes": Const(np.array([0], np.int32))}, {"taken": ("bool", ())}),
        Op("cond", {"pred": "taken"}, {"b": ("fp16", shape)}, blocks=branches),
        Op("add", {"x": "l", "y": "b"}, {"y": ("fp16", shape)}),
    ]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp16", shape), "p": ("fp16", (1,))}, ["y"])
    x = image(16, 8)
    for sign in (1, -1):
        given = {"x": x, "p": np.array([sign], np.float16)}
        ours, reference = (load(package, executor).predict(given)["y"] for executor in ("onnx", "reference"))
        np.testing.assert_allclose(ours.astype(np.float32), reference.astype(np.float32), rtol=3e-3, atol=3e-3)
    assert {"WinogradConv", "If", "LeakyRelu"} <= set(nodes)


def test_two_readers_of_one_image(tmp_path: Path, nodes: list[str]) -> None:
    ops = [
        conv("x", "a", 16, 16, 3, 8),
        conv("a", "b", 16, 16, 3, 8),
        conv("a", "c", 16, 16, 3, 8),
        Op("add", {"x": "b", "y": "c"}, {"d": ("fp16", (1, 16, 8, 8))}),
        Op("add", {"x": "d", "y": "a"}, {"y": ("fp16", (1, 16, 8, 8))}),
    ]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp16", (1, 16, 8, 8))}, ["y"])
    agree(package, image(16, 8))
    assert nodes.count("WinogradConv") == 3


@pytest.mark.parametrize(
    ("changed", "c_in", "c_out", "k"),
    [
        ({"strides": Const(np.full(2, 2, np.int32))}, 16, 16, 3),
        ({"dilations": Const(np.full(2, 2, np.int32)), "pad": Const(np.full(4, 2, np.int32))}, 16, 16, 3),
        ({}, 16, 24, 3),
        ({}, 8, 16, 3),
        ({}, 8, 16, 5),
        ({}, 16, 16, 1),
        ({"pad": Const(np.array([1, 1, 6, 6], np.int32))}, 16, 16, 3),
    ],
)
def test_forms_that_no_kernel_has_stay(
    tmp_path: Path, nodes: list[str], changed: dict[str, Any], c_in: int, c_out: int, k: int
) -> None:
    size = 4 if "strides" in changed else 8
    operation = conv("x", "y", c_in, c_out, k, size, **changed)
    if "pad" in changed and "dilations" not in changed:
        operation = Op("conv", operation.inputs, {"y": ("fp16", (1, c_out, 8, 18))})
    package = build(tmp_path / "p.mlpackage", [operation], {"x": ("fp16", (1, c_in, 8, 8))}, ["y"])
    agree(package, image(c_in, 8))
    assert "Conv" in nodes
    assert not {"WinogradConv", "ShallowConv"} & set(nodes)


def test_groups_stay(tmp_path: Path, nodes: list[str]) -> None:
    operation = conv("x", "y", 16, 32, 3, 8, groups=Const(2))
    package = build(tmp_path / "p.mlpackage", [operation], {"x": ("fp16", (1, 32, 8, 8))}, ["y"])
    agree(package, image(32, 8))
    assert "Conv" in nodes


@pytest.mark.parametrize(("window", "step"), [(3, 3), (2, 1), (4, 2), (8, 8)])
def test_pools_that_no_kernel_has_come_behind(tmp_path: Path, nodes: list[str], window: int, step: int) -> None:
    size = (16 - window) // step + 1
    ops = [conv("x", "c", 16, 16, 3, 16), pool("c", "y", 16, window, step, size)]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp16", (1, 16, 16, 16))}, ["y"])
    agree(package, image(16, 16))
    assert "MaxPool" in nodes


def test_float32_values_are_plain_sums(tmp_path: Path, nodes: list[str]) -> None:
    ops = [conv("x", "c", 16, 16, 3, 8, "fp32"), leaky("c", "y", 16, 8, "fp32")]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp32", (1, 16, 8, 8))}, ["y"])
    agree(package, image(16, 8).astype(np.float32), least_snr_db=110)
    assert "Conv" in nodes


def test_unrounded_values_are_plain_sums(tmp_path: Path, nodes: list[str]) -> None:
    package = build(tmp_path / "p.mlpackage", [conv("x", "y", 16, 16, 3, 8)], {"x": ("fp16", (1, 16, 8, 8))}, ["y"])
    load(package, "onnx", precision="fp32").predict({"x": image(16, 8)})
    assert "Conv" in nodes


def test_a_trace_and_a_file_have_onnx_nodes_only(tmp_path: Path, nodes: list[str]) -> None:
    import onnx

    package = build(tmp_path / "p.mlpackage", [conv("x", "y", 16, 16, 3, 8)], {"x": ("fp16", (1, 16, 8, 8))}, ["y"])
    written = onnx.load_from_string(onnx_model(package))
    assert not any(node.domain for node in written.graph.node)
    model = load(package, "onnx")
    assert "WinogradConv" in nodes
    x = image(16, 8)
    traced = model.trace({"x": x})["y"]
    assert "Conv" in nodes
    np.testing.assert_allclose(traced, load(package, "reference").predict({"x": x})["y"], rtol=2e-3, atol=2e-3)


def test_without_the_library_answers_differ_by_rounding_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ops = [conv("x", "c", 16, 32, 3, 20), leaky("c", "l", 32, 20), pool("l", "y", 32, 4, 4, 5)]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp16", (1, 16, 20, 20))}, ["y"])
    x = image(16, 20)
    with_kernels = load(package, "onnx").predict({"x": x})["y"].astype(np.float32)
    monkeypatch.setattr(onnx_executor_module, "kernel_library", lambda: None)
    without = load(package, "onnx").predict({"x": x})["y"].astype(np.float32)
    assert np.mean(with_kernels != without) < 0.02
    np.testing.assert_allclose(with_kernels, without, rtol=2e-3, atol=2e-4)


def test_several_threads_share_a_session(tmp_path: Path) -> None:
    ops = [conv("x", "c", 16, 64, 3, 40), conv("c", "y", 64, 32, 3, 40)]
    model = load(build(tmp_path / "p.mlpackage", ops, {"x": ("fp16", (1, 16, 40, 40))}, ["y"]), "onnx", threads=2)
    images = [image(16, 40) for _ in range(12)]
    expected = [model.predict({"x": x})["y"] for x in images]
    with ThreadPoolExecutor(4) as workers:
        found = list(workers.map(lambda x: model.predict({"x": x})["y"], images * 3))
    assert all(np.array_equal(a, b) for a, b in zip(found, expected * 3, strict=True))


def test_relu_of_what_overflows_is_zero(tmp_path: Path, nodes: list[str]) -> None:
    weight = np.zeros((16, 16, 3, 3))
    weight[:8, 0, 1, 1], weight[8:, 0, 1, 1] = -60000, -1
    shape = (1, 16, 8, 8)
    convolution = conv("x", "c", 16, 16, 3, 8, weight=const(weight), bias=const(np.zeros(16)))
    ops = [convolution, Op("relu", {"x": "c"}, {"r": ("fp16", shape)})]
    ops += [Op("inverse", {"x": "r", "epsilon": const(0)}, {"y": ("fp16", shape)})]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp16", shape)}, ["r", "y"])
    found = load(package, "onnx").predict({"x": np.full(shape, 2, np.float16)})
    assert "Relu" not in nodes
    assert (found["r"] == 0).all()
    assert np.isposinf(found["y"]).all()  # not the other sign, which 1 / -0 has


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_weights_that_are_no_numbers_are_plain_sums(tmp_path: Path, nodes: list[str], value: float) -> None:
    weight = np.ones((16, 16, 3, 3))
    weight[0, 0, 0, 0] = value
    operation = conv("x", "y", 16, 16, 3, 8, weight=const(weight))
    package = build(tmp_path / "p.mlpackage", [operation], {"x": ("fp16", (1, 16, 8, 8))}, ["y"])
    x = np.abs(image(16, 8))
    ours, reference = (load(package, executor).predict({"x": x})["y"] for executor in ("onnx", "reference"))
    assert "Conv" in nodes
    inside = np.s_[:, :, 1:-1, 1:-1]  # infinity times the zero of the padding is NaN in one executor only
    assert np.array_equal(np.isfinite(ours[inside]), np.isfinite(reference[inside]))


def test_a_factor_of_more_axes_than_the_image_stays(tmp_path: Path, nodes: list[str]) -> None:
    ops = [
        Op("mul", {"x": "x", "y": const(np.full((1, 1, 1, 1), 0.5))}, {"m": ("fp16", (1, 3, 12, 12))}),
        conv("m", "y", 3, 16, 5, 12),
    ]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp16", (3, 12, 12))}, ["y"])
    agree(package, RNG.standard_normal((3, 12, 12)).astype(np.float16))
    assert {"Mul", "ShallowConv"} <= set(nodes)


def test_no_rows_are_no_rows(tmp_path: Path, nodes: list[str]) -> None:
    linear = {"x": "x", "weight": const(RNG.standard_normal((5, 8))), "bias": const(np.ones(5))}
    operation = Op("linear", linear, {"y": ("fp16", (None, 5))})
    package = build(tmp_path / "p.mlpackage", [operation], {"x": ("fp16", (None, 8))}, ["y"])
    model = load(package, "onnx")
    assert model.predict({"x": np.ones((2, 8), np.float16)})["y"].shape == (2, 5)
    assert model.predict({"x": np.ones((0, 8), np.float16)})["y"].shape == (0, 5)


@pytest.mark.parametrize("own", [True, False])
def test_a_large_constant_that_nothing_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: bool) -> None:
    if not own:
        monkeypatch.setattr(onnx_executor_module, "kernel_library", lambda: None)
    dead = {"x": "x", "weight": const(RNG.standard_normal((64, 1024))), "bias": const(np.ones(64))}
    ops = [
        Op("linear", dead, {"unread": ("fp16", (1, 64))}),
        Op("relu", {"x": "x"}, {"y": ("fp16", (1, 1024))}),
    ]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp16", (1, 1024))}, ["y"])
    assert (load(package, "onnx").predict({"x": np.ones((1, 1024), np.float16)})["y"] == 1).all()
