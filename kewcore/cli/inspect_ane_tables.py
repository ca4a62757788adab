"""The tables of `kewcore inspect --ane`."""

import shutil
import sys
import textwrap
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from kewcore.cli.output import human_size, print_table
from kewcore.console import printable

if TYPE_CHECKING:
    from kewcore.ane.activation_ranges import ValueRange
    from kewcore.ane.calls import Call
    from kewcore.ane.compute_plan import Comparison, ComputePlan
    from kewcore.ane.residency import Residency
    from kewcore.ane.wording import ChipGroup

_SHOWN_SEGMENTS = 12
_WIDEST = 120
_PLANNED_NAME = 24
_SHORTEST_NAME = 18
"""Names of operations go where there is no room for so many characters; operations have numbers too."""


def print_residency(package: Path, report: "Residency") -> None:
    """Prints operations, what rules say, shares and segments."""
    _print_operations(package, report)
    _print_statements(report)
    _print_summary(report)
    _print_segments(report)


def _print_operations(package: Path, report: "Residency") -> None:
    from kewcore.ane.wording import chip_groups, count_text, verdict_text

    groups = chip_groups(report)
    rows = [
        (
            str(call.number),
            call.type,
            result_text(call),
            count_text(call.multiply_adds),
            *(verdict_text(group.report.judgements[call.number - 1]) for group in groups),
        )
        for call in report.calls
    ]
    columns = ("#", "operation", "result", "multiply-adds", *(group.label for group in groups))
    room = room_for(columns, rows)
    if room >= _SHORTEST_NAME:
        names = [_elided(call.operation.name, room) for call in report.calls]
        columns = (*columns[:2], "name", *columns[2:])
        rows = [(*row[:2], name, *row[2:]) for name, row in zip(names, rows, strict=True)]
    words = [index for index, column in enumerate(columns) if column not in {"#", "multiply-adds"}]
    print_table(f"{package}: what the Neural Engine can run, by rules", columns, rows, left=words)
    note(
        "on, off or ? (unclear) with the number of the rule; - is outside any compute unit: the casts between the "
        "app's fp32 and the network's fp16, labels and dictionaries. Rules are no placement: only Core ML's plan is."
    )


def _print_statements(report: "Residency") -> None:
    from kewcore.ane.rules import Effect
    from kewcore.ane.wording import names_text, numbers_text, statements

    sections: tuple[tuple[str, tuple[Effect, ...]], ...] = (
        ("Why operations are off the engine, or unclear", (Effect.OFF, Effect.UNCLEAR)),
        ("Remarks on speed, memory and numbers", (Effect.REMARK,)),
    )
    for title, effects in sections:
        found = statements(report, effects)
        if found:
            print(title)
        for rule, rows in groupby(found, key=lambda one: one.rule):
            print(_folded(f"  rule {rule.number}, {rule.title} ({rule.mark.value}; {rule.source})"))
            for row in rows:
                chips = f" ({names_text(row.chips)})" if row.chips else ""
                print(_folded(f"    {numbers_text(row.operations)}: {row.text}{chips}"))
        if found:
            print()


def _print_summary(report: "Residency") -> None:
    from kewcore.ane.residency import Verdict
    from kewcore.ane.wording import chip_groups

    rows = [
        (
            group.label,
            *(str(group.report.count(verdict)) for verdict in (Verdict.ON, Verdict.OFF, Verdict.UNKNOWN)),
            percent(group.report.resident_ops),
            percent(group.report.resident_multiply_adds),
            str(len(group.report.segments)),
            human_size(sum(segment.received_bytes for segment in group.report.segments)),
        )
        for group in chip_groups(report)
    ]
    columns = ("chips", "on", "off", "unclear", "ops", "multiply-adds", "segments", "crossing")
    print_table("On the Neural Engine", columns, rows)
    if report.open_loops:
        note(
            f"The rounds of these loops are not known, their multiply-adds count once: {', '.join(report.open_loops)}."
        )


def _print_segments(report: "Residency") -> None:
    from kewcore.ane.residency import DISPATCH_MARK, DISPATCH_MS, DISPATCH_SOURCE
    from kewcore.ane.wording import chip_groups

    groups = [group for group in chip_groups(report) if group.report.switches]
    for group in groups:
        rows = _segment_rows(group)
        title = f"Segments on {group.label}: {group.report.switches} switches"
        print_table(title, ("segment", "where", "operations", "multiply-adds", "takes over"), rows, left=(1, 2))
        left_out = len(group.report.segments) - len(rows)
        if left_out:
            note(f"… and {left_out} more; --json has all")
    if groups:
        cost = f"{DISPATCH_MS} ms on M1 ({DISPATCH_MARK.value}; {DISPATCH_SOURCE})"
        note(f"The least number of segments that the data flow allows. Each dispatch to the engine costs about {cost}.")


def _segment_rows(group: "ChipGroup") -> list[tuple[str, ...]]:
    from kewcore.ane.wording import count_text, numbers_text

    return [
        (
            str(place),
            "engine" if segment.on_engine else "elsewhere",
            numbers_text([call.number for call in segment.calls]),
            count_text(segment.multiply_adds),
            human_size(segment.received_bytes) if segment.received else "",
        )
        for place, segment in enumerate(group.report.segments[:_SHOWN_SEGMENTS], start=1)
    ]


def print_activations(report: "Residency", rows: "Sequence[ValueRange]", files: Sequence[Path]) -> None:
    """Prints what fp16 does to activations; columns without an entry are named and left out."""
    from kewcore.ane.activation_ranges import (
        PRECISE_FROM,
        PRECISE_MARK,
        PRECISE_SOURCE,
        PRECISE_TO,
        largest_sliced,
    )
    from kewcore.ane.speed_rules import LARGEST_SLICED, SLICE_RULE

    numbers = {output.name: call.number for call in report.calls for output in call.operation.outputs}
    shares = {
        "overflow": [_part(row.overflow) for row in rows],
        "to zero": [_part(row.underflow) for row in rows],
        "subnormal": [_part(row.subnormal) for row in rows],
        "saturated": [_part(row.saturated) for row in rows],
        "rule 20": [_part(row.imprecise) for row in rows],
    }
    shown = {column: cells for column, cells in shares.items() if any(cells)}
    facts = [(str(numbers[row.name]), row.dtype, f"{row.largest:.4g}") for row in rows]
    cells = [(*fact, *(column[place] for column in shown.values())) for place, fact in enumerate(facts)]
    room = max(room_for(("#", "type", "largest", *shown), cells), _SHORTEST_NAME)
    cells = [(row[0], _elided(one.name, room), *row[1:]) for one, row in zip(rows, cells, strict=True)]
    images = "1 image" if len(files) == 1 else f"{len(files)} images"
    title = f"Activations on {images} of {files[0].parent}"
    print_table(title, ("#", "value", "type", "largest", *shown), cells, left=(1, 2))
    absent = ", ".join(column for column in shares if column not in shown)
    note(
        "Shares of the elements; to zero, subnormal and rule 20 of those other than 0. Rule 20: values are said to "
        f"lose precision outside {PRECISE_FROM:g} … {PRECISE_TO:g} ({PRECISE_MARK.value}; {PRECISE_SOURCE})."
        + (f" Nowhere: {absent}." if absent else "")
    )
    sliced = largest_sliced(report, rows)
    if sliced is not None:
        side = "within" if sliced <= LARGEST_SLICED else "beyond"
        note(f"Slices of the last axis (rule {SLICE_RULE}) read values up to {sliced:.4g}, {side} {LARGEST_SLICED}.")


def print_plan(plan: "ComputePlan", chip: str, compared: "Sequence[Comparison]") -> None:
    """Prints Core ML's plan beside the verdicts on one chip."""
    rows = [
        (
            "!=" if row.differs else "",
            _elided(row.call.operation.name, _PLANNED_NAME),
            row.verdict.value,
            (row.planned.preferred or "no word") if row.planned else "not in the plan",
            ", ".join(row.planned.supported) if row.planned else "",
            "" if row.planned is None or row.planned.cost_weight is None else f"{row.planned.cost_weight:.3f}",
        )
        for row in compared
    ]
    columns = ("", "operation", f"rules, {chip}", "Core ML prefers", "could run on", "weight")
    print_table(f"Core ML's compute plan on {printable(plan.device) or 'a device'}", columns, rows, left=5)
    differing, left_out = sum(row.differs for row in compared), sum(row.is_left_out for row in compared)
    note(f"Differences (!=): {differing}. Could run on the engine, and Core ML prefers another unit: {left_out}.")


def note(text: str) -> None:
    """Prints a remark below a table, folded to the terminal."""
    print(_folded(text), end="\n\n")


def _folded(text: str) -> str:
    """Folds a line to the terminal, its later lines a little further in."""
    indent = len(text) - len(text.lstrip())
    width = min(_terminal_width() or _WIDEST, _WIDEST)
    return textwrap.fill(printable(text), width, subsequent_indent=" " * (indent + 2 if indent else 0))


def _terminal_width() -> int | None:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def result_text(call: "Call") -> str:
    """Writes the shape of the first result, with its type where that is not fp16."""
    for type_ in call.results:
        shape = "x".join("?" if size is None else str(size) for size in type_.shape or ())
        return shape if type_.dtype.value == "fp16" else f"{shape} {type_.dtype.value}".strip()
    return ""


def room_for(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Returns how wide a further column of a table may be; in a file there is room for any name."""
    terminal = _terminal_width()
    if terminal is None:
        return sys.maxsize
    widest = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    return terminal - sum(widest) - 3 * (len(columns) + 1)


def _elided(name: str, width: int) -> str:
    """Shortens a name in its middle."""
    if len(name) <= width:
        return name
    tail = width // 3
    return f"{name[: width - tail - 1]}…{name[-tail:]}"


def _part(share: float) -> str:
    """Writes a small share so that one that is not 0 does not look so."""
    if share == 0:
        return ""
    return f"{100 * share:.2f} %" if share >= 1e-4 else f"{share * 1e6:.3g} ppm"


def percent(share: float) -> str:
    """Writes a share, cut off rather than rounded: nothing short of all is 100 %."""
    return f"{int(share * 1000) / 10:.1f} %"
