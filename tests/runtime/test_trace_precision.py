"""What a trace gives where fp16 rounds: nothing is lost with `precision="fp32"`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Const, Op, build

from kewcore.runtime import load

pytestmark = pytest.mark.runtime


@pytest.fixture
def package(tmp_path: Path) -> Path:
    ops = [
        Op("mul", {"x": "x", "y": Const(np.float16(256))}, {"large": ("fp16", (4,))}),
        Op("mul", {"x": "x", "y": Const(np.float16(2.0**-14))}, {"small": ("fp16", (4,))}),
    ]
    return build(tmp_path / "m.mlpackage", ops, {"x": ("fp16", (4,))}, ["large", "small"])


@pytest.mark.parametrize("executor", ["reference", "onnx"])
def test_a_trace_in_float32_keeps_what_fp16_cannot_hold(package: Path, executor: Any) -> None:
    x = np.array([1024, 1, 2.0**-12, 0], np.float16)
    typed = load(package, executor).trace({"x": x})
    unrounded = load(package, executor, precision="fp32").trace({"x": x})
    assert typed["large"].dtype == typed["small"].dtype == np.float16
    assert np.isposinf(typed["large"][0])
    assert typed["small"][2] == 0
    assert unrounded["large"].dtype == unrounded["small"].dtype == np.float32
    assert unrounded["large"].tolist() == [2.0**18, 256, 2.0**-4, 0]
    assert unrounded["small"].tolist() == [2.0**-4, 2.0**-14, 2.0**-26, 0]
