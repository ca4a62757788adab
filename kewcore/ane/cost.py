"""The cost estimate: how long a package would take on a chip's engine, operation by operation, and what bounds it.

A roofline for each piece of work, and a dispatch for each segment on the engine. What runs elsewhere has no estimate:
the total is then that of the engine's part. Every figure is estimated, and `Estimate.accuracy` says how far off such
estimates were on published networks.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from kewcore.ane.calls import Call
from kewcore.ane.chips import Chip
from kewcore.ane.fusion import Group, groups_of
from kewcore.ane.published import Accuracy, accuracy_for
from kewcore.ane.residency import ChipReport, Residency, residency
from kewcore.ane.roofline import Bound, Roofline, Time, Work, roofline_of, time_of
from kewcore.ane.segments import Segment
from kewcore.ane.weight_forms import weight_form
from kewcore.ane.weight_traffic import weight_bytes
from kewcore.errors import UsageError
from kewcore.runtime.model import Model

_INT8_BITS = 8


@dataclass(frozen=True)
class OperationCost:
    """What one operation would cost.

    Attributes:
        number: Its place in the report, from 1.
        work: What it has to do; None where it does not run on the engine, and where it is part of another one.
        time: How long that takes, estimated; None as `work`.
        part_of: Number of the operation that it is computed together with; None where it is computed by itself.
    """

    number: int
    work: Work | None
    time: Time | None
    part_of: int | None = None

    @property
    def estimated_ms(self) -> float | None:
        """Time of its own; 0 where it is part of another operation; None where nothing is known."""
        if self.part_of is not None:
            return 0.0
        return None if self.time is None else self.time.estimated_ms

    @property
    def bound(self) -> Bound | None:
        """What holds it back; None where it is not estimated by itself."""
        return None if self.time is None else self.time.bound


@dataclass(frozen=True)
class SegmentCost:
    """What one run of operations on the engine would cost.

    Attributes:
        numbers: Its operations.
        dispatch_ms: What it costs to start, estimated.
        work_ms: The sum of its operations, estimated.
    """

    numbers: tuple[int, ...]
    dispatch_ms: float
    work_ms: float

    @property
    def estimated_ms(self) -> float:
        """Both together."""
        return self.dispatch_ms + self.work_ms


@dataclass(frozen=True)
class Estimate:
    """What a package would cost on one chip.

    Attributes:
        chip: Name of the chip.
        operations: One for each of the report's calls.
        segments: Those on the engine.
        elsewhere: Segments that run elsewhere, or may; they have no estimate.
        accuracy: How far off such estimates were.
    """

    chip: str
    operations: tuple[OperationCost, ...]
    segments: tuple[SegmentCost, ...]
    elsewhere: int
    accuracy: Accuracy

    @property
    def estimated_ms(self) -> float:
        """Latency of one prediction: of its segments on the engine; all of it where `is_complete`."""
        return sum(segment.estimated_ms for segment in self.segments)

    @property
    def is_complete(self) -> bool:
        """Whether all of the package runs on the engine; otherwise the total is that of its part there."""
        return self.elsewhere == 0

    @property
    def by_bound(self) -> Mapping[Bound, float]:
        """Estimated milliseconds by what is waited for."""
        times = [operation.time for operation in self.operations if operation.time is not None]
        waited = {bound: sum(time.estimated_ms for time in times if time.bound is bound) for bound in Bound}
        return waited | {Bound.DISPATCH: sum(segment.dispatch_ms for segment in self.segments)}

    @property
    def bound(self) -> Bound:
        """What most of the time is waited for."""
        return max(self.by_bound, key=lambda bound: self.by_bound[bound])


def estimate_for(source: Model | Residency, chip: Chip) -> Estimate:
    """Estimates how long a package takes on one chip.

    Args:
        source: The package, of which `load(path, "reference")` is enough, or a report on it.
        chip: The chip; one of the report's.

    Raises:
        UsageError: The report has no such chip.
    """
    report = source if isinstance(source, Residency) else residency(source, [chip])
    on_chip = next((one for one in report.chips if one.chip == chip), None)
    if on_chip is None:
        had = ", ".join(one.chip.name for one in report.chips)
        raise UsageError(f"the report is on {had}, not on {chip}", hint="make a report on this chip, or give the model")
    return estimate(report, on_chip)


def estimate(report: Residency, on_chip: ChipReport) -> Estimate:
    """Estimates how long a package takes on one of the chips that it was judged for."""
    roofline = roofline_of(on_chip.chip)
    costs: dict[int, OperationCost] = {}
    segments = []
    for segment in on_chip.segments:
        if segment.on_engine:
            rows = _segment_costs(segment, report, roofline)
            costs.update((row.number, row) for row in rows)
            work_ms = sum(row.estimated_ms or 0.0 for row in rows)
            numbers = tuple(call.number for call in segment.calls)
            segments.append(SegmentCost(numbers, roofline.dispatch_floor_ms.value, work_ms))
    return Estimate(
        chip=on_chip.chip.name,
        operations=tuple(costs.get(call.number, OperationCost(call.number, None, None)) for call in report.calls),
        segments=tuple(segments),
        elsewhere=sum(not segment.on_engine for segment in on_chip.segments),
        accuracy=accuracy_for(on_chip.chip),
    )


def _segment_costs(segment: Segment, report: Residency, roofline: Roofline) -> list[OperationCost]:
    rows = []
    for group in groups_of(segment.calls, report.calls):
        work = _work(group, roofline)
        rows.append(OperationCost(group.head.number, work, time_of(work, roofline)))
        rows += [OperationCost(call.number, None, None, part_of=group.head.number) for call in group.followers]
    return rows


def _work(group: Group, roofline: Roofline) -> Work:
    head = group.head
    on_chip_bytes = roofline.on_chip_bytes.value
    crossing = sum(t.moved_bytes for t in group.tensors if t.leaves or t.size_bytes > on_chip_bytes)
    return Work(
        multiply_adds=head.multiply_adds,
        activation_bytes=crossing if head.rounds is None else crossing * head.rounds,
        weight_bytes=sum(weight_bytes(call, roofline) for call in (head, *group.followers)),
        group_channels=_group_channels(head),
        int8_products=_has_int8_products(head),
    )


def _group_channels(call: Call) -> int | None:
    """Returns the input channels of a group of a convolution; None where it has one group."""
    if call.type != "conv" or int(call.constant("groups", 1)) == 1:
        return None
    weight = call.shape("weight")
    return weight[1] if weight is not None and len(weight) > 1 else None


def _has_int8_products(call: Call) -> bool:
    """Whether both factors are bytes: an int8 weight, and activations behind a dequantize."""
    form, x = weight_form(call), call.maker("x")
    return (
        form is not None and form.bits == _INT8_BITS and not form.palette and x is not None and x.type == "dequantize"
    )
