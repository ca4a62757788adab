"""What a rewrite is, and what it did."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kewcore.ane.chips import Chip
from kewcore.ane.evidence import Mark, Source


@dataclass(frozen=True)
class Rewrite:
    """A graph pass over a MIL program that changes no number, but for the rounding of fp16.

    Attributes:
        name: Its switch on the command line.
        summary: What it does, in a line.
        proof: Why the result is the same in real arithmetic, in a line; the pass's docstring has it in full.
        mark: How sure it is that the engine asks for it.
        source: Who says so.
        by_default: Whether it is applied unless it is switched off.
        apply: The pass. It edits the MIL block that it is handed, for a chip as the oldest one, and returns a line for
            each place that it changed. `rewritten` hands it a copy of the program.
    """

    name: str
    summary: str
    proof: str
    mark: Mark
    source: Source
    by_default: bool
    apply: Callable[[Any, Chip], list[str]]


@dataclass(frozen=True)
class AppliedRewrite:
    """A rewrite that changed a program.

    Attributes:
        name: Of the rewrite.
        places: A line for each place that it changed, such as `dense: [1, 192, 15, 15] x 320 kernels of 15x15`.
    """

    name: str
    places: tuple[str, ...]
