"""Core ML's compute plan as plain data, and what it says beside our rules.

A plan comes from the Mac at hand (`core_ml_plan`) or from a JSON file that was made on a device; docs/ane.md has the
schema.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kewcore.ane.calls import Call
from kewcore.ane.residency import Judgement, Verdict
from kewcore.errors import DataError

SCHEMA_VERSION = 1
KIND = "compute_plan"
ENGINE = "neural_engine"
UNITS = ("cpu", "gpu", ENGINE)
_LARGEST_FILE_BYTES = 64 << 20
_HINT = "docs/ane.md has the form"


@dataclass(frozen=True)
class PlannedOp:
    """What Core ML plans for one operation.

    Attributes:
        name: Name of the operation's first result, which is how Core ML knows operations.
        type: MIL's name of the operation, with or without the opset before it, as in `ios16.conv`.
        preferred: `cpu`, `gpu` or `neural_engine`; None where Core ML says nothing.
        supported: Units that could run it.
        cost_weight: Core ML's own estimate of its part in the whole, 0…1; None where it gives none.
    """

    name: str
    type: str
    preferred: str | None
    supported: tuple[str, ...]
    cost_weight: float | None


@dataclass(frozen=True)
class ComputePlan:
    """A plan of a whole network.

    Attributes:
        device: What it was made on, in words; empty where that is not known.
        chip: Its chip, such as `M2`; empty where that is not known.
        ops: What is planned.
    """

    device: str
    chip: str
    ops: tuple[PlannedOp, ...]


@dataclass(frozen=True)
class Comparison:
    """One operation in both eyes.

    Attributes:
        call: The operation.
        verdict: What our rules say.
        planned: What Core ML plans; None where the plan does not have it: Core ML may have fused or removed it.
    """

    call: Call
    verdict: Verdict
    planned: PlannedOp | None

    @property
    def differs(self) -> bool:
        """Whether rules and plan contradict each other on what the engine can run; what is unknown cannot."""
        if self.planned is None or self.planned.preferred is None or self.verdict not in {Verdict.ON, Verdict.OFF}:
            return False
        return (ENGINE in {self.planned.preferred, *self.planned.supported}) != (self.verdict is Verdict.ON)

    @property
    def is_left_out(self) -> bool:
        """Whether Core ML could run it on the engine and prefers another unit."""
        planned = self.planned
        return planned is not None and ENGINE in planned.supported and planned.preferred not in {None, ENGINE}


def compare(calls: tuple[Call, ...], judgements: tuple[Judgement, ...], plan: ComputePlan) -> tuple[Comparison, ...]:
    """Sets a plan beside the judgements on one chip, operation by operation."""
    by_name = {planned.name: planned for planned in plan.ops}
    return tuple(
        Comparison(call, judgement.verdict, _planned(call, by_name))
        for call, judgement in zip(calls, judgements, strict=True)
    )


def _planned(call: Call, by_name: Mapping[str, PlannedOp]) -> PlannedOp | None:
    names = (*(output.name for output in call.operation.outputs), call.operation.name)
    return next((by_name[name] for name in names if name in by_name), None)


def read_plan(path: Path) -> ComputePlan:
    """Reads a plan that was made elsewhere.

    Raises:
        DataError: The file cannot be read, or is no plan of a form that this version knows.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise DataError(f"'{path}' is larger than any compute plan: {path.stat().st_size} bytes", hint=_HINT)
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"'{path}' is not JSON: {error}", hint=_HINT) from error
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise DataError(f"'{path}' is not a compute plan: expected an object with kind '{KIND}'", hint=_HINT)
    if found.get("schema_version") != SCHEMA_VERSION:
        version = found.get("schema_version")
        raise DataError(f"'{path}' has schema_version {version!r}, expected {SCHEMA_VERSION}", hint=_HINT)
    rows = _member(path, found, "operations", list)
    ops = tuple(_planned_op(path, number, row) for number, row in enumerate(rows))
    return ComputePlan(_text(path, found, "device"), _text(path, found, "chip"), ops)


def as_json(plan: ComputePlan) -> dict[str, Any]:
    """Returns what `read_plan` reads."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "device": plan.device,
        "chip": plan.chip,
        "operations": [
            {
                "name": op.name,
                "type": op.type,
                "preferred": op.preferred,
                "supported": list(op.supported),
                "cost_weight": op.cost_weight,
            }
            for op in plan.ops
        ],
    }


def _planned_op(path: Path, number: int, row: Any) -> PlannedOp:
    if not isinstance(row, dict):
        raise DataError(f"'{path}': operations[{number}] must be an object, got {type(row).__name__}", hint=_HINT)
    preferred, supported = row.get("preferred"), row.get("supported", [])
    if not isinstance(supported, list):
        raise DataError(f"'{path}': operations[{number}].supported must be a list", hint=_HINT)
    for unit in (*supported, *(() if preferred is None else (preferred,))):
        if unit not in UNITS:
            raise DataError(
                f"'{path}': operations[{number}] names the unit {unit!r}; known: {', '.join(UNITS)}", hint=_HINT
            )
    weight = row.get("cost_weight")
    is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
    if weight is not None and not (is_number and 0 <= weight <= 1):
        raise DataError(f"'{path}': operations[{number}].cost_weight must be in 0…1, got {weight!r}", hint=_HINT)
    return PlannedOp(
        name=_member(path, row, "name", str),
        type=_member(path, row, "type", str),
        preferred=preferred,
        supported=tuple(supported),
        cost_weight=None if weight is None else float(weight),
    )


def _text(path: Path, holder: Mapping[str, Any], key: str) -> str:
    return str(_member(path, {key: "", **holder}, key, str))


def _member(path: Path, holder: Mapping[str, Any], key: str, kind: type) -> Any:
    value = holder.get(key)
    if not isinstance(value, kind):
        raise DataError(f"'{path}': '{key}' must be a {kind.__name__}, got {type(value).__name__}", hint=_HINT)
    return value
