"""Verdicts as Markdown for the summary of a GitHub job, or a comment on a pull request."""

from collections.abc import Sequence

from kewcore_bench.gates.judging import Verdict
from kewcore_bench.result import BenchResult
from kewcore_bench.tables import COLUMNS, GATE_COLUMNS, gate_rows, markdown_table, notes, rows, title

MOST_CHARACTERS = 60_000
"""A comment may have 65,536 characters, a job's summary 1 MiB. Source: GitHub's documentation."""


def summary(
    verdicts: Sequence[Verdict],
    result: BenchResult,
    slower: Sequence[str] = (),
    most_characters: int = MOST_CHARACTERS,
) -> str:
    """Writes what became slower and what was missed, then what was held, then the figures of all packages.

    Where that is too long, the last rows are left out and counted, what was missed is not before all else is.

    Args:
        verdicts: On every gate.
        result: What they were held against.
        slower: What became slower since a baseline, in sentences.
        most_characters: Of the text.
    """
    missed = [one for one in verdicts if not one.held]
    held = [one for one in verdicts if one.held]
    ordered = [*missed, *held]
    heading = f"{len(missed)} of {len(verdicts)} gates missed" if missed else f"all {len(verdicts)} gates held"
    if slower:
        heading += f", {len(slower)} slower than in the baseline"
    head = f"## kewcore bench: {heading}\n\n" + "".join(f"- {_plain(one)}\n" for one in slower) + "\n" * bool(slower)
    tail = "\n".join(f"<sub>{_plain(note)}</sub><br>" for note in notes(result)) + "\n"
    for text in (_figures(result) + tail, tail, ""):
        whole = head + markdown_table(GATE_COLUMNS, gate_rows(ordered), left=2) + "\n\n" + text
        if len(whole) <= most_characters:
            return whole
    shown = len(ordered)
    while len(whole) > most_characters and shown:
        shown = shown * 9 // 10
        left_out = f"{len(ordered) - shown} more rows stand in gates.json.\n"
        whole = head + markdown_table(GATE_COLUMNS, gate_rows(ordered[:shown]), left=2) + "\n\n" + left_out
    return whole


def _figures(result: BenchResult) -> str:
    parts = ["<details><summary>Figures of all packages</summary>"]
    for variant in result.variants:
        parts += [f"**{_plain(title(result, variant))}**", markdown_table(COLUMNS, rows(variant))]
    return "\n\n".join([*parts, "</details>"]) + "\n\n"


def _plain(text: str) -> str:
    return text.replace("<", "&lt;")
