"""Lists whose elements are numbers: the row of sizes is empty, and a package has it all the same."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Op, build

from kewcore.runtime import load

pytestmark = pytest.mark.runtime
SCALARS = ("list fp32", ())


@pytest.mark.parametrize("executor", ["reference", "onnx"])
def test_a_list_of_numbers(tmp_path: Path, executor: Any) -> None:
    made = {"elem_shape": (), "init_length": np.int32(3), "dynamic_length": False, "dtype": "'fp32'"}
    ops = [
        Op("make_list", made, {"empty": SCALARS}),
        Op("reduce_sum", {"x": "x", "axes": np.array([0], np.int32), "keep_dims": False}, {"sum": ("fp32", ())}),
        Op("list_write", {"ls": "empty", "index": np.int32(1), "value": "sum"}, {"written": SCALARS}),
        Op("list_gather", {"ls": "written", "indices": np.array([2, 1], np.int32)}, {"y": ("fp32", (2,))}),
        Op("list_length", {"ls": "written"}, {"n": ("int32", ())}),
    ]
    model = load(build(tmp_path / "p.mlpackage", ops, {"x": ("fp32", (2,))}, ["y", "n"]), executor)
    result = model.predict({"x": np.array([2, 5], np.float32)})
    assert result["y"].tolist() == [0, 7]
    assert result["n"].tolist() == [3]
