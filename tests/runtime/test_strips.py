"""Large convolutions in strips: every bit as without, whatever the sizes; and only where that is allowed."""

from pathlib import Path

import numpy as np
import pytest
from mlbuilder import Const, Op, build

from kewcore.runtime import load
from kewcore.runtime.lowering import strips
from kewcore.runtime.onnx_file import onnx_model

pytestmark = pytest.mark.runtime


def conv_and_pool(path: Path, height: int, kernel: int, window: int, pad: list[int], stride: int, step: int) -> Path:
    """A convolution of one channel to three over `height` rows of seven, then a max-pool."""
    rng = np.random.default_rng(height)
    weight = rng.standard_normal((3, 1, kernel, kernel)).astype(np.float32)
    rows = (height + pad[0] + pad[1] - kernel) // stride + 1
    columns = (7 + pad[2] + pad[3] - kernel) // stride + 1
    conv = {"x": "x", "weight": Const(weight), "bias": Const(np.array([0.5, -0.5, 0], np.float32))}
    conv |= {"pad_type": "'custom'", "pad": Const(np.array(pad, np.int32)), "dilations": Const(np.ones(2, np.int32))}
    conv |= {"strides": Const(np.full(2, stride, np.int32)), "groups": Const(1)}
    pool = {"x": "c", "kernel_sizes": Const(np.full(2, window, np.int32)), "pad_type": "'valid'"}
    pool |= {"strides": Const(np.full(2, step, np.int32)), "ceil_mode": Const(False)}
    pooled = ((rows - window) // step + 1, (columns - window) // step + 1)
    ops = [
        Op("conv", conv, {"c": ("fp32", (1, 3, rows, columns))}),
        Op("max_pool", pool, {"y": ("fp32", (1, 3, *pooled))}),
    ]
    return build(path, ops, {"x": ("fp32", (1, 1, height, 7))}, ["y"])


def kinds(package: Path) -> list[str]:
    import onnx

    return [node.op_type for node in onnx.load_from_string(onnx_model(package)).graph.node]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "_LARGE_BYTES", 1)
    monkeypatch.setattr(strips, "_STRIP_BYTES", 300)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("height", [12, 23, 40])
@pytest.mark.parametrize(
    ("kernel", "pad"), [(3, [1, 1, 1, 1]), (5, [2, 2, 2, 2]), (3, [0, 2, 1, 0]), (1, [0, 0, 0, 0])]
)
@pytest.mark.parametrize("window", [1, 2, 3])
def test_every_bit_is_kept(tmp_path: Path, height: int, kernel: int, pad: list[int], window: int) -> None:
    package = conv_and_pool(tmp_path / "p.mlpackage", height, kernel, window, pad, 1, window)
    assert kinds(package).count("Conv") > 1
    x = np.random.default_rng(0).standard_normal((1, 1, height, 7)).astype(np.float32)
    model = load(package, "onnx")
    whole = model.trace({"x": x})["y"]  # a trace has no rewrites
    assert np.array_equal(model.predict({"x": x})["y"], whole)
    np.testing.assert_allclose(whole, load(package, "reference").predict({"x": x})["y"], atol=1e-5)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("stride", "window", "step"), [(2, 2, 2), (1, 3, 2)])
def test_rows_that_are_shared_or_skipped_are_left_alone(tmp_path: Path, stride: int, window: int, step: int) -> None:
    package = conv_and_pool(tmp_path / "p.mlpackage", 24, 3, window, [1, 1, 1, 1], stride, step)
    assert kinds(package).count("Conv") == 1


def test_small_convolutions_are_left_alone(tmp_path: Path) -> None:
    package = conv_and_pool(tmp_path / "p.mlpackage", 24, 3, 2, [1, 1, 1, 1], 1, 2)
    assert kinds(package).count("Conv") == 1
