"""What a rule is, and all of them: each looks at one operation and one chip, and says something or nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from kewcore.ane.calls import Call
from kewcore.ane.chips import Chip
from kewcore.ane.evidence import Mark, Source

Check = Callable[[Call, Chip], str | None]
"""Gives what is wrong, with the number that came and the one that is allowed; None where all is well."""


class Effect(Enum):
    """What it means for an operation that a rule speaks."""

    OFF = "off"
    UNCLEAR = "unclear"
    REMARK = "remark"


@dataclass(frozen=True)
class Rule:
    """One statement on what the engine takes.

    Attributes:
        number: As in docs/ane.md; rules that say more than one thing share a number.
        title: In a few words.
        effect: What it means that `check` found something.
        mark: How sure the statement is.
        source: Who made it.
        check: Looks at one operation.
    """

    number: int
    title: str
    effect: Effect
    mark: Mark
    source: Source
    check: Check


@dataclass(frozen=True)
class Finding:
    """What a rule said of one operation."""

    rule: Rule
    text: str


def findings_of(call: Call, chip: Chip, rules: tuple[Rule, ...]) -> tuple[Finding, ...]:
    """Asks every rule about an operation, in their order."""
    return tuple(Finding(rule, text) for rule in rules if (text := rule.check(call, chip)) is not None)
