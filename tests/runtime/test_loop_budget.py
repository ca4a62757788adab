"""What a round of a loop costs is what it runs: its condition, its body, and the blocks in both."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Body, Op, build

from kewcore.errors import PackageError
from kewcore.runtime import load

pytestmark = pytest.mark.runtime
F32, I32, BOOL = "fp32", "int32", "bool"
EXECUTORS = ("reference", "onnx")
TWO, FOUR = (F32, (2,)), (F32, (4,))


def relus(first: str, stem: str) -> list[Op]:
    """Fifty operations in a row; the last gives `<stem>49`."""
    names = [first, *(f"{stem}{number}" for number in range(50))]
    return [Op("relu", {"x": a}, {b: TWO}) for a, b in pairwise(names)]


def loop(in_condition: list[Op], in_body: list[Op], result: str = "v") -> list[Op]:
    """Counts to ten; `c` and `v` are the second variable in condition and body."""
    condition = [*in_condition, Op("less", {"x": "i", "y": np.int32(10)}, {"go": (BOOL, ())})]
    body = [*in_body, Op("add", {"x": "n", "y": np.int32(1)}, {"m": (I32, ())})]
    blocks = (
        Body({"i": (I32, ()), "c": TWO}, condition, ["go"]),
        Body({"n": (I32, ()), "v": TWO}, body, ["m", result]),
    )
    return [Op("while_loop", {"loop_vars": (np.int32(0), "x")}, {"count": (I32, ()), "y": TWO}, blocks=blocks)]


def choice(operations: list[Op], result: str, shape: tuple[str, tuple[int, ...]] = TWO) -> Op:
    """Both branches do the same, under other names."""
    other = [Op("relu", {"x": "v"}, {"other": shape})]
    blocks = (Body({}, operations, [result]), Body({}, other, ["other"]))
    return Op("cond", {"pred": np.bool_(True)}, {"d": shape}, blocks=blocks)


HEAVY = {
    "condition": lambda: loop(relus("c", "r"), []),
    "body": lambda: loop([], relus("v", "r"), "r49"),
    "choice in the body": lambda: loop([], [choice(relus("v", "r"), "r49")], "d"),
}


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("where", HEAVY)
def test_every_block_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, executor: Any) -> None:
    """Ten rounds of 50 operations: at a budget of 400 they are stopped, at one of 700 they are not."""
    package = build(tmp_path / "p.mlpackage", HEAVY[where](), {"x": TWO}, ["y"])
    inputs = {"x": np.array([2, -3], np.float32)}
    for budget in (400, 700):
        monkeypatch.setattr("kewcore.runtime.evaluation.LOOP_BUDGET", budget)
        monkeypatch.setattr("kewcore.runtime.lowering.ops.control_flow.LOOP_BUDGET", budget)
        model = load(package, executor)
        if executor == "onnx":
            assert "onnx" in {placement.executor for placement in model.placements}
        if budget == 400:
            with pytest.raises(PackageError, match="the loops of this prediction do more than"):
                model.predict(inputs)
        else:
            expected = [2, -3] if where == "condition" else [2, 0]
            assert model.predict(inputs)["y"].tolist() == expected


def test_a_loop_that_does_nothing_ends_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kewcore.runtime.evaluation.LOOP_BUDGET", 500)
    monkeypatch.setattr("kewcore.runtime.lowering.ops.control_flow.LOOP_BUDGET", 500)
    true = Op("const", {}, {"yes": (BOOL, ())}, {"val": np.bool_(True)})
    blocks = (Body({"c": TWO}, [true], ["yes"]), Body({"v": TWO}, [], ["v"]))
    ops = [Op("while_loop", {"loop_vars": ("x",)}, {"y": TWO}, blocks=blocks)]
    for executor in EXECUTORS:
        package = build(tmp_path / f"{executor}.mlpackage", ops, {"x": TWO}, ["y"])
        with pytest.raises(PackageError, match="the loops of this prediction do more than"):
            load(package, executor).predict({"x": np.ones(2, np.float32)})


DOUBLE = Op("concat", {"values": ("v", "v"), "axis": 0, "interleave": False}, {"e": TWO})
REPEAT = Op("tile", {"x": "c", "reps": np.array([1 << 20], np.int32)}, {"t": TWO})
RESHAPE = Op("reshape", {"x": "v", "shape": np.array([3], np.int32)}, {"s": (F32, (3,))})
GROWING = {
    "doubles in a choice": lambda: loop([], [choice([DOUBLE], "e")], "d"),
    "repeats in the condition": lambda: loop([REPEAT], []),
    "does not fit": lambda: loop([], [RESHAPE]),
}


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("what", GROWING)
def test_what_could_grow_stays_with_the_reference_executor(tmp_path: Path, what: str, executor: Any) -> None:
    model = load(build(tmp_path / "p.mlpackage", GROWING[what](), {"x": TWO}, ["y"]), executor)
    assert {placement.executor for placement in model.placements} == {"reference"}
    with pytest.raises(PackageError, match=r"is declared as tensor<fp32, \[2\]>, got|failed: "):
        model.predict({"x": np.ones(2, np.float32)})
