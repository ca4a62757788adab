"""Plans as data, and beside our verdicts."""

import json
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from mlbuilder import Op
from one_op import program

from kewcore.ane.calls import calls_of
from kewcore.ane.chips import parse_chip
from kewcore.ane.compute_plan import Comparison, ComputePlan, PlannedOp, as_json, compare, read_plan
from kewcore.ane.core_ml_plan import core_ml_plan, planned_ops
from kewcore.ane.residency import judge
from kewcore.errors import DataError

pytestmark = pytest.mark.unit
F16 = "fp16"
ANE = "neural_engine"
NAN = float("nan")


def planned(name: str, preferred: str | None, *supported: str) -> PlannedOp:
    return PlannedOp(name, "relu", preferred, supported, 0.25)


def compared(path: Path, *ops: PlannedOp) -> tuple[Comparison, ...]:
    """Sets a plan beside relu (on the engine), mod (off it) and relu again."""
    made = [
        Op("relu", {"x": "x"}, {"a": (F16, (32,))}),
        Op("mod", {"x": "a", "y": "x"}, {"b": (F16, (32,))}),
        Op("relu", {"x": "b"}, {"y": (F16, (32,))}),
    ]
    calls = calls_of(program(path, made, {"x": (F16, (32,))}, ["y"]))
    chip = parse_chip("M2")
    return compare(calls, tuple(judge(call, chip) for call in calls), ComputePlan("a device", "M2", ops))


def test_agreement_and_difference(tmp_path: Path) -> None:
    plan = (planned("a", "cpu", "cpu", "gpu"), planned("b", ANE, "cpu", ANE), planned("y", "gpu", "gpu", ANE))
    rows = compared(tmp_path, *plan)
    assert [row.differs for row in rows] == [True, True, False]
    assert [row.is_left_out for row in rows] == [False, False, True]


def test_operations_that_the_plan_does_not_have(tmp_path: Path) -> None:
    first, second, third = compared(tmp_path, planned("a", None), planned("mod_b", "cpu", "cpu"))
    assert (first.differs, first.is_left_out) == (False, False)
    assert second.planned is not None  # by the operation's own name
    assert not second.differs
    assert (third.planned, third.differs, third.is_left_out) == (None, False, False)


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    plan = ComputePlan("iPhone 15", "A16", (planned("a", ANE, "cpu", ANE), PlannedOp("b", "conv", None, (), None)))
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(as_json(plan)))
    assert read_plan(path) == plan


GOOD: dict[str, Any] = {"schema_version": 1, "kind": "compute_plan", "operations": []}
ROW: dict[str, Any] = {"name": "a", "type": "relu", "preferred": "cpu", "supported": ["cpu"], "cost_weight": 0.5}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is not a compute plan: expected an object with kind 'compute_plan'"),
        ({**GOOD, "kind": "residency"}, "is not a compute plan: expected an object with kind 'compute_plan'"),
        ({**GOOD, "schema_version": 2}, "has schema_version 2, expected 1"),
        ({**GOOD, "operations": {}}, "'operations' must be a list, got dict"),
        ({**GOOD, "device": 5}, "'device' must be a str, got int"),
        ({**GOOD, "operations": [5]}, "operations[0] must be an object, got int"),
        ({**GOOD, "operations": [{**ROW, "name": None}]}, "'name' must be a str, got NoneType"),
        ({**GOOD, "operations": [{**ROW, "preferred": "tpu"}]}, "operations[0] names the unit 'tpu'; known: cpu, gpu,"),
        ({**GOOD, "operations": [{**ROW, "supported": "cpu"}]}, "operations[0].supported must be a list"),
        ({**GOOD, "operations": [{**ROW, "supported": [[]]}]}, "operations[0] names the unit []"),
        ({**GOOD, "operations": [{**ROW, "cost_weight": 2}]}, "operations[0].cost_weight must be in 0…1, got 2"),
        ({**GOOD, "operations": [{**ROW, "cost_weight": True}]}, "operations[0].cost_weight must be in 0…1, got True"),
        ({**GOOD, "operations": [{**ROW, "cost_weight": NAN}]}, "operations[0].cost_weight must be in 0…1, got nan"),
    ],
)  # fmt: skip
def test_files_that_are_no_plan(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_plan(path)
    assert str(path) in str(caught.value)
    assert caught.value.hint == "docs/ane.md has the form"


def test_a_plan_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read: No such file"):
        read_plan(tmp_path / "none.json")


@pytest.mark.skipif(sys.platform == "darwin", reason="Core ML answers on a Mac")
def test_off_a_mac_nothing_is_asked() -> None:
    assert core_ml_plan(Path("none.mlpackage"), "main") is None


def test_a_package_that_is_too_new_for_this_mac(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Core ML refuses to compile it; only its refusal is played here, the rest of coremltools is the real one."""
    from coremltools.models import utils

    def refused(model: str, destination_path: str) -> str:
        raise RuntimeError(f'Error compiling model: "{model} needs a newer Core ML".\n')

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setitem(sys.modules, "coremltools.libcoremlpython", ModuleType("libcoremlpython"))
    monkeypatch.setattr(utils, "compile_model", refused)
    assert core_ml_plan(Path("new.mlpackage"), "main") is None
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "compute plan" in line]
    assert line.endswith('is left out: Error compiling model: "new.mlpackage needs a newer Core ML".')


@pytest.mark.skipif(sys.platform == "darwin", reason="coremltools has its bridge on a Mac")
def test_coremltools_without_its_bridge(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert core_ml_plan(Path("none.mlpackage"), "main") is None
    assert "left out: coremltools, or its bridge to Core ML, is not installed" in capsys.readouterr().err


class MLCPUComputeDevice: ...


class MLNeuralEngineComputeDevice: ...


def test_the_plan_of_coremltools_is_read() -> None:
    # The classes are those of coremltools 9.0, which can be made on a Mac only.
    def operation(name: str, kind: str, *blocks: Any) -> Any:
        return SimpleNamespace(operator_name=kind, outputs=[SimpleNamespace(name=name)], blocks=list(blocks))

    inner = SimpleNamespace(operations=[operation("c", "ios17.add")])
    rows = [operation("w", "const"), operation("a", "ios17.conv"), operation("b", "while_loop", inner)]
    function = SimpleNamespace(block=SimpleNamespace(operations=rows))
    cpu, engine = MLCPUComputeDevice(), MLNeuralEngineComputeDevice()
    usage = SimpleNamespace(preferred_compute_device=engine, supported_compute_devices=[cpu, engine])

    def device_usage(asked: Any) -> Any:
        return usage if asked is rows[1] else None

    def estimated_cost(asked: Any) -> Any:
        return SimpleNamespace(weight=1) if asked is rows[1] else None

    plan = SimpleNamespace(
        model_structure=SimpleNamespace(program=SimpleNamespace(functions={"main": function})),
        get_compute_device_usage_for_mlprogram_operation=device_usage,
        get_estimated_cost_for_mlprogram_operation=estimated_cost,
    )
    assert list(planned_ops(plan, "main")) == [
        PlannedOp("a", "conv", "neural_engine", ("cpu", "neural_engine"), 1.0),
        PlannedOp("b", "while_loop", None, (), None),
        PlannedOp("c", "add", None, (), None),
    ]
    assert list(planned_ops(plan, "other")) == []
    plan.model_structure.program = None
    assert list(planned_ops(plan, "main")) == []
