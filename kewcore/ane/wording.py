"""How a residency report is told: chips that are judged alike together, and each statement once with its operations."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kewcore.ane.residency import ChipReport, Judgement, Residency, Verdict
from kewcore.ane.rules import Effect, Rule


@dataclass(frozen=True)
class ChipGroup:
    """Chips on which every operation is judged alike.

    Attributes:
        label: Their names, such as `A13 … M3`.
        report: That of the first of them; on-chip memory, and so remarks on it, may differ.
    """

    label: str
    report: ChipReport


@dataclass(frozen=True)
class Statement:
    """What one rule says, once for all operations and chips that it says the same of.

    Attributes:
        rule: The rule.
        text: What it says.
        operations: Numbers of the operations in the report, from 1.
        chips: Names of the chips; empty for all of the report's.
    """

    rule: Rule
    text: str
    operations: tuple[int, ...]
    chips: tuple[str, ...]


def chip_groups(report: Residency) -> tuple[ChipGroup, ...]:
    """Puts neighbouring chips together that give the same verdicts by the same rules."""
    rows: list[list[ChipReport]] = []
    for one in report.chips:
        if rows and _decided(rows[-1][0]) == _decided(one):
            rows[-1].append(one)
        else:
            rows.append([one])
    return tuple(ChipGroup(names_text([one.chip.name for one in row]), row[0]) for row in rows)


def names_text(names: Sequence[str]) -> str:
    """Writes a row of chips: `A13, M1` for two, `A13 … M3` for more."""
    return ", ".join(names) if len(names) < 3 else f"{names[0]} … {names[-1]}"


def statements(report: Residency, effects: Iterable[Effect]) -> tuple[Statement, ...]:
    """Gathers what rules of some effects say, in the order of the rules' numbers."""
    said: dict[tuple[int, str, str], tuple[Rule, dict[int, list[str]]]] = {}
    wanted = frozenset(effects)
    for one in report.chips:
        for number, judgement in enumerate(one.judgements, start=1):
            for finding in judgement.findings:
                if finding.rule.effect in wanted:
                    key = (finding.rule.number, finding.rule.title, finding.text)
                    by_operation = said.setdefault(key, (finding.rule, {}))[1]
                    by_operation.setdefault(number, []).append(one.chip.name)
    found = []
    for (_, _, text), (rule, by_operation) in said.items():
        by_chips: dict[tuple[str, ...], list[int]] = {}
        for number, chips in by_operation.items():
            by_chips.setdefault(tuple(chips), []).append(number)
        for chips_row, numbers in by_chips.items():
            everywhere = len(chips_row) == len(report.chips)
            found.append(Statement(rule, text, tuple(sorted(numbers)), () if everywhere else chips_row))
    return tuple(sorted(found, key=lambda one: (one.rule.number, one.rule.title, one.operations)))


def numbers_text(numbers: Sequence[int]) -> str:
    """Writes sorted numbers with their runs drawn together: `1-3, 7`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def verdict_text(judgement: Judgement) -> str:
    """Writes a verdict with the number of its rule: `on`, `off 12`, `? 3`, `-` outside any compute unit."""
    word = {Verdict.ON: "on", Verdict.OFF: "off", Verdict.UNKNOWN: "?", Verdict.OUTSIDE: "-"}[judgement.verdict]
    return word if judgement.rule is None else f"{word} {judgement.rule}"


def count_text(count: int) -> str:
    """Writes a large number with three digits and a unit: `300 M`, `13.8 M`; nothing for 0."""
    size, unit = float(count), ""
    for larger in ("k", "M", "G", "T"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    digits = f"{size:.0f}" if not unit or size >= 100 else f"{size:.1f}"
    return f"{digits} {unit}".strip() if count else ""


def _decided(report: ChipReport) -> list[tuple[Verdict, int | None]]:
    return [(judgement.verdict, judgement.rule) for judgement in report.judgements]
