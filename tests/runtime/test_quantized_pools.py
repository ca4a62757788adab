"""Max-pools before the quantisation in front of them: every bit as without, and only where that is so."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Const, Op, build

from kewcore.runtime import load
from kewcore.runtime.onnx_file import onnx_model

pytestmark = pytest.mark.runtime

SHAPE, POOLED = (1, 2, 8, 8), (1, 2, 4, 4)


def package(
    path: Path,
    *,
    scale: Any = 0.25,
    pad_type: str = "valid",
    ceil_mode: bool = False,
    outputs: tuple[str, ...] = ("y",),
) -> Path:
    """ReLU, quantize, dequantize, max-pool of 2x2."""
    steps: dict[str, Any] = {"scale": Const(np.array(scale, np.float16)), "zero_point": Const(np.int8(-100))}
    if np.ndim(scale):
        steps |= {"axis": Const(1), "zero_point": Const(np.full(2, -100, np.int8))}
    pool: dict[str, Any] = {"x": "d", "kernel_sizes": Const(np.full(2, 2, np.int32)), "pad_type": f"'{pad_type}'"}
    pool |= {"strides": Const(np.full(2, 2, np.int32)), "ceil_mode": Const(ceil_mode)}
    if pad_type == "custom":
        pool["pad"] = Const(np.zeros(4, np.int32))
    ops = [
        Op("relu", {"x": "x"}, {"r": ("fp16", SHAPE)}),
        Op("quantize", {"input": "r", "output_dtype": "'int8'", **steps}, {"q": ("int8", SHAPE)}),
        Op("dequantize", {"input": "q", **steps}, {"d": ("fp16", SHAPE)}),
        Op("max_pool", pool, {"y": ("fp16", POOLED)}),
    ]
    return build(path, ops, {"x": ("fp16", SHAPE)}, outputs)


def first_kind(path: Path) -> str:
    import onnx

    kinds = [node.op_type for node in onnx.load_from_string(onnx_model(path)).graph.node]
    return min(("MaxPool", "QuantizeLinear"), key=kinds.index)


@pytest.mark.parametrize("pad_type", ["valid", "same"])
def test_every_bit_is_kept(tmp_path: Path, pad_type: str) -> None:
    path = package(tmp_path / "p.mlpackage", pad_type=pad_type)
    assert first_kind(path) == "MaxPool"
    x = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float16) * 40  # beyond the largest byte, too
    model = load(path, "onnx")
    given = model.predict({"x": x})["y"]
    assert np.array_equal(given, load(path, "reference").predict({"x": x})["y"])
    assert np.array_equal(given, model.trace({"x": x})["y"])
    wanted = np.clip(np.round(np.maximum(x, 0).astype(np.float32) / 0.25), -28, 227) / 4
    assert given.tolist() == wanted.reshape(1, 2, 4, 2, 4, 2).max((3, 5)).tolist()


@pytest.mark.parametrize(
    "options",
    [{"scale": -0.25}, {"scale": [0.25, 0.5]}, {"pad_type": "custom"}, {"ceil_mode": True}, {"outputs": ("y", "d")}],
    ids=["decreasing", "a scale for each channel", "padding of its own", "windows that hang over", "read elsewhere"],
)
def test_other_pools_stay(tmp_path: Path, options: dict[str, Any]) -> None:
    assert first_kind(package(tmp_path / "p.mlpackage", **options)) == "QuantizeLinear"
