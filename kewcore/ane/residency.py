"""The residency report: for each operation and chip, whether it can run on the Neural Engine, by which rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from kewcore.ane.calls import GLUE, Call, calls_of
from kewcore.ane.chips import Chip
from kewcore.ane.evidence import GUIDE_MATRIX, GUIDE_ROOFLINE, Mark, Source
from kewcore.ane.known_ops import FIRST, RUNNING, RUNNING_FROM, UNCLEAR_BEFORE
from kewcore.ane.placement_rules import PLACEMENT_RULES
from kewcore.ane.rules import Effect, Finding, findings_of
from kewcore.ane.segments import Segment, segments_of
from kewcore.ane.speed_rules import SPEED_RULES
from kewcore.runtime.model import Model
from kewcore.runtime.program import DataType

DISPATCH_MS = 0.23
"""What every dispatch to the M1's engine costs, and so every return from a fallback. Rule 18; see `DISPATCH_SOURCE`."""
DISPATCH_MARK, DISPATCH_SOURCE = Mark.REPORTED, GUIDE_ROOFLINE


class Verdict(Enum):
    """Where an operation runs, as far as rules can tell."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"
    OUTSIDE = "outside"


@dataclass(frozen=True)
class Judgement:
    """What is said of one operation on one chip.

    Attributes:
        verdict: The verdict.
        reason: Why, in a few words; the first finding where rules speak.
        rule: Number of the deciding rule; None where a table of operations decides.
        mark: How sure that is; None where nothing is known.
        source: Who says so; None where nothing is known.
        findings: Everything that rules said, remarks included.
    """

    verdict: Verdict
    reason: str
    rule: int | None
    mark: Mark | None
    source: Source | None
    findings: tuple[Finding, ...]

    @property
    def remarks(self) -> tuple[Finding, ...]:
        """What rules said of speed, memory and numbers."""
        return tuple(finding for finding in self.findings if finding.rule.effect is Effect.REMARK)


@dataclass(frozen=True)
class ChipReport:
    """What is said of a network on one chip.

    Attributes:
        chip: The chip.
        judgements: One for each of the report's calls.
        segments: Where the network leaves the engine; what is unknown counts as off it.
        resident_ops: Share of the operations that run on the engine, those outside any compute unit left out.
        resident_multiply_adds: Share of the multiply-adds that run there; of the operations, if there are none.
    """

    chip: Chip
    judgements: tuple[Judgement, ...]
    segments: tuple[Segment, ...]
    resident_ops: float
    resident_multiply_adds: float

    @property
    def switches(self) -> int:
        """How often the network changes sides."""
        return max(len(self.segments) - 1, 0)

    def count(self, verdict: Verdict) -> int:
        """Returns how many operations have a verdict."""
        return sum(judgement.verdict is verdict for judgement in self.judgements)


@dataclass(frozen=True)
class Residency:
    """The report on a package.

    Attributes:
        calls: Operations of the package's own program, in order.
        chips: One report a chip.
    """

    calls: tuple[Call, ...]
    chips: tuple[ChipReport, ...]

    @property
    def multiply_adds(self) -> int:
        """Products that the whole network adds up."""
        return sum(call.multiply_adds for call in self.calls)

    @property
    def open_loops(self) -> tuple[str, ...]:
        """Names of the loops that multiply, and whose rounds are not known before they run: they count as one round."""
        names = (c.loop.name for c in self.calls if c.loop is not None and c.rounds is None and c.multiply_adds)
        return tuple(dict.fromkeys(names))


def residency(model: Model, chips: Sequence[Chip]) -> Residency:
    """Judges every operation of a package's own program, before any rewrite of our executors, for each chip.

    A rule is not a placement: only Core ML's compute plan on the device tells where an operation runs.
    """
    calls = calls_of(model)
    return Residency(calls, tuple(_chip_report(calls, chip) for chip in chips))


def judge(call: Call, chip: Chip) -> Judgement:
    """Judges one operation on one chip: what is surely off it outweighs what is unclear."""
    if outside := _outside(call):
        remarks = findings_of(call, chip, SPEED_RULES)
        return Judgement(Verdict.OUTSIDE, outside, None, None, None, remarks)
    findings = findings_of(call, chip, (*PLACEMENT_RULES, *SPEED_RULES))
    for effect, verdict in ((Effect.OFF, Verdict.OFF), (Effect.UNCLEAR, Verdict.UNKNOWN)):
        deciding = next((finding for finding in findings if finding.rule.effect is effect), None)
        if deciding is not None:
            rule = deciding.rule
            return Judgement(verdict, deciding.text, rule.number, rule.mark, rule.source, findings)
    since = _running_since(call.type)
    if since is None:
        return Judgement(Verdict.UNKNOWN, "nothing is known of this operation", None, None, None, findings)
    reason = "runs on every chip" if since <= FIRST else f"runs from A{since} on"
    return Judgement(Verdict.ON, reason, None, Mark.REPORTED, GUIDE_MATRIX, findings)


def _outside(call: Call) -> str:
    """Says why an operation is no work of any compute unit; empty where it is."""
    if call.type in GLUE:
        return "Core ML's own glue: labels, dictionaries and boxes"
    if call.type == "cast" and call.loop is None:
        types = {type_.dtype for type_ in call.computed}
        handed_out = call.scope.wanted & {output.name for output in call.operation.outputs}
        if types == {DataType.FLOAT16, DataType.FLOAT32} and (call.scope.given & set(call.read) or handed_out):
            return "Core ML converts between the app's fp32 and the network's fp16 at the border"
    return ""


def _running_since(kind: str) -> int | None:
    """Returns the generation from which an operation runs; None where nothing is known of it."""
    if kind in RUNNING or kind == "slice_by_index":
        return FIRST
    if kind in RUNNING_FROM:
        return RUNNING_FROM[kind]
    return UNCLEAR_BEFORE[kind][0] if kind in UNCLEAR_BEFORE else None


def _chip_report(calls: tuple[Call, ...], chip: Chip) -> ChipReport:
    judgements = tuple(judge(call, chip) for call in calls)
    judged = [
        (call, judgement.verdict is Verdict.ON)
        for call, judgement in zip(calls, judgements, strict=True)
        if judgement.verdict is not Verdict.OUTSIDE
    ]
    everything = sum(call.multiply_adds for call, _ in judged)
    resident = sum(call.multiply_adds for call, on in judged if on)
    share_of_ops = sum(on for _, on in judged) / len(judged) if judged else 1.0
    return ChipReport(
        chip=chip,
        judgements=judgements,
        segments=segments_of([call for call, _ in judged], [on for _, on in judged]),
        resident_ops=share_of_ops,
        resident_multiply_adds=resident / everything if everything else share_of_ops,
    )
