"""Convolutions that cover their input run as matrix products, with the same answers; others stay convolutions."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Const, Op, build

from kewcore.runtime import load
from kewcore.runtime.onnx_file import onnx_model

pytestmark = pytest.mark.runtime


def convolution(path: Path, kernel: np.ndarray, sizes: tuple[int, ...], **changed: Any) -> Path:
    """A convolution of two maps of three channels; what `changed` says differs from a plain one with a bias."""
    rank, units = len(sizes), len(kernel)
    pad = changed.pop("pad", [0] * (2 * rank))
    conv = {"x": "x", "weight": Const(kernel), "bias": Const(np.arange(units, dtype=np.float32))}
    conv |= {"pad_type": "'custom'", "pad": Const(np.array(pad, np.int32)), "groups": Const(changed.pop("groups", 1))}
    conv |= {name: Const(np.array(changed.pop(name, [1] * rank), np.int32)) for name in ("strides", "dilations")}
    spatial = [n + pad[2 * i] + pad[2 * i + 1] - kernel.shape[2 + i] + 1 for i, n in enumerate(sizes)]
    return build(
        path, [Op("conv", conv, {"y": ("fp32", (2, units, *spatial))})], {"x": ("fp32", (2, 3, *sizes))}, ["y"]
    )


def kinds(package: Path) -> set[str]:
    import onnx

    return {node.op_type for node in onnx.load_from_string(onnx_model(package)).graph.node}


@pytest.mark.parametrize("sizes", [(1, 1), (5, 4), (7,), (2, 3, 2)])
def test_one_position_is_a_matrix_product(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(len(sizes))
    kernel = rng.standard_normal((4, 3, *sizes)).astype(np.float32)
    x = rng.standard_normal((2, 3, *sizes)).astype(np.float32)
    package = convolution(tmp_path / "p.mlpackage", kernel, sizes)
    assert "Gemm" in kinds(package)
    assert "Conv" not in kinds(package)
    expected = x.reshape(2, -1) @ kernel.reshape(4, -1).T + np.arange(4)
    answer = load(package, "onnx").predict({"x": x})["y"]
    assert answer.shape == (2, 4, *[1] * len(sizes))
    np.testing.assert_allclose(answer.reshape(2, 4), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("sizes", "shape", "changed"),
    [
        ((5, 4), (4, 3, 5, 3), {}),
        ((5, 4), (4, 3, 5, 4), {"pad": [1, 0, 0, 0]}),
        ((5, 4), (6, 1, 5, 4), {"groups": 3}),
    ],
)
def test_several_positions_and_groups_stay_convolutions(
    tmp_path: Path, sizes: tuple[int, ...], shape: tuple[int, ...], changed: dict[str, Any]
) -> None:
    rng = np.random.default_rng(0)
    package = convolution(tmp_path / "p.mlpackage", rng.standard_normal(shape).astype(np.float32), sizes, **changed)
    assert "Conv" in kinds(package)
    x = {"x": rng.standard_normal((2, 3, *sizes)).astype(np.float32)}
    answers = [load(package, executor).predict(x)["y"] for executor in ("onnx", "reference")]
    np.testing.assert_allclose(*answers, atol=1e-5)
