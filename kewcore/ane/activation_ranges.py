"""What fp16 does to the values that real inputs give: measured on traces, rounded and unrounded."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.ane.evidence import HOLLANCE, Mark
from kewcore.ane.residency import Residency
from kewcore.ane.speed_rules import SLICE_RULE
from kewcore.runtime.evaluation import is_constant
from kewcore.runtime.model import Model
from kewcore.runtime.program import DataType, TensorType

FP16_LARGEST = 65504.0
FP16_SMALLEST_NORMAL = 2.0**-14
FP16_SMALLEST = 2.0**-24
"""Steps of fp16. Source: IEEE 754-2019, binary16."""
PRECISE_FROM, PRECISE_TO = 1e-4, 1e2
"""Magnitudes outside of which values are said to lose precision. Rule 20, see `PRECISE_MARK` and `PRECISE_SOURCE`."""
PRECISE_MARK, PRECISE_SOURCE = Mark.RUMOUR, HOLLANCE

_HELD = {DataType.FLOAT16, DataType.INT8, DataType.UINT8}


@dataclass(frozen=True)
class ValueRange:
    """One value of a program over all inputs that were run.

    Attributes:
        name: Name of the value.
        made_by: Name of the operation that makes it.
        dtype: Its element type.
        elements: How many were looked at.
        largest: Largest finite magnitude, not rounded.
        overflow: Share of elements that fp16 cannot hold: beyond 65504 unrounded, or infinite or no number rounded.
        underflow: Share of the elements other than 0 that fp16 rounds to 0.
        subnormal: Share of the elements other than 0 that fp16 holds with fewer digits, below 2^-14.
        saturated: Share of elements at an end of the type's range.
        imprecise: Share of the elements other than 0 outside of `PRECISE_FROM` … `PRECISE_TO`.
    """

    name: str
    made_by: str
    dtype: str
    elements: int
    largest: float
    overflow: float
    underflow: float
    subnormal: float
    saturated: float
    imprecise: float


@dataclass(frozen=True)
class _Counts:
    """Elements by what happens to them; counts of several inputs add up."""

    elements: int = 0
    non_zero: int = 0
    largest: float = 0.0
    beyond: int = 0
    not_finite: int = 0
    vanished: int = 0
    subnormal: int = 0
    saturated: int = 0
    imprecise: int = 0

    def with_other(self, other: "_Counts") -> "_Counts":
        return _Counts(
            self.elements + other.elements,
            self.non_zero + other.non_zero,
            max(self.largest, other.largest),
            self.beyond + other.beyond,
            self.not_finite + other.not_finite,
            self.vanished + other.vanished,
            self.subnormal + other.subnormal,
            self.saturated + other.saturated,
            self.imprecise + other.imprecise,
        )


def activation_ranges(
    typed: Model, unrounded: Model, inputs: Iterable[Mapping[str, Any]], advance: Callable[[], Any] = lambda: None
) -> tuple[ValueRange, ...]:
    """Runs inputs and looks at every fp16 and byte value outside loops.

    Args:
        typed: A package, loaded with `precision="typed"`.
        unrounded: The same, loaded with `precision="fp32"`: what fp16 loses is seen against it.
        inputs: Features by name, as `Model.predict` takes them.
        advance: Called after each input.

    Returns:
        One row a value, in the order of the program.
    """
    makers = _makers(typed)
    counts = dict.fromkeys(makers, _Counts())
    for features in inputs:
        rounded = typed.trace(features)
        counts = {name: row.with_other(_rounded(rounded[name])) for name, row in counts.items()}
        del rounded  # two traces of a large network at a time would take twice the memory
        exact = unrounded.trace(features)
        counts = {name: row.with_other(_exact(exact[name])) for name, row in counts.items()}
        del exact
        advance()
    return tuple(_row(name, *makers[name], counts[name]) for name in makers)


def largest_sliced(report: Residency, rows: Sequence[ValueRange]) -> float | None:
    """Returns the largest magnitude that the slices of rule 24 read; None where there are none on the report's chips.

    Args:
        report: Of the program that the rows were measured on.
        rows: As `activation_ranges` gives them.
    """
    largest = {row.name: row.largest for row in rows}
    sliced = [
        largest[name]
        for one in report.chips
        for call, judgement in zip(report.calls, one.judgements, strict=True)
        if any(finding.rule.number == SLICE_RULE for finding in judgement.findings)
        for name in call.read
        if name in largest
    ]
    return max(sliced, default=None)


def _makers(model: Model) -> dict[str, tuple[str, str]]:
    """Names of the values to look at, with who makes each and its type."""
    return {
        output.name: (operation.name, output.type.dtype.value)
        for operation in model.function.body.operations
        if not is_constant(operation)
        for output in operation.outputs
        if isinstance(output.type, TensorType) and output.type.dtype in _HELD
    }


def _rounded(value: NDArray[Any]) -> _Counts:
    if value.dtype.kind != "f":
        ends = np.iinfo(value.dtype)
        return _Counts(saturated=int(np.count_nonzero((value == ends.min) | (value == ends.max))))
    magnitude = np.abs(value)
    return _Counts(
        not_finite=int(np.count_nonzero(~np.isfinite(value))),
        saturated=int(np.count_nonzero(magnitude >= np.float16(FP16_LARGEST))),
    )


def _exact(value: NDArray[Any]) -> _Counts:
    magnitude = np.abs(value.astype(np.float32, copy=False))
    finite = magnitude[np.isfinite(magnitude)]
    if value.dtype.kind != "f":
        return _Counts(elements=value.size, non_zero=np.count_nonzero(value), largest=float(finite.max(initial=0)))
    some = magnitude > 0
    # Half of the smallest number is a tie, which rounds to the even neighbour: zero.
    vanished = some & (magnitude <= FP16_SMALLEST / 2)
    return _Counts(
        elements=value.size,
        non_zero=int(np.count_nonzero(some)),
        largest=float(finite.max(initial=0)),
        beyond=int(np.count_nonzero(~(magnitude <= FP16_LARGEST))),
        vanished=int(np.count_nonzero(vanished)),
        subnormal=int(np.count_nonzero(some & (magnitude < FP16_SMALLEST_NORMAL) & ~vanished)),
        imprecise=int(np.count_nonzero(some & ((magnitude < PRECISE_FROM) | (magnitude > PRECISE_TO)))),
    )


def _row(name: str, made_by: str, dtype: str, counts: _Counts) -> ValueRange:
    elements, non_zero = max(counts.elements, 1), max(counts.non_zero, 1)
    return ValueRange(
        name=name,
        made_by=made_by,
        dtype=dtype,
        elements=counts.elements,
        largest=counts.largest,
        overflow=max(counts.beyond, counts.not_finite) / elements,
        underflow=counts.vanished / non_zero,
        subnormal=counts.subnormal / non_zero,
        saturated=counts.saturated / elements,
        imprecise=counts.imprecise / non_zero,
    )
