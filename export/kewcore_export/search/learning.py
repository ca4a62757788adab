"""Smaller mixes than the search found, which keep the budget once their weights have learned."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from kewcore.console import say
from kewcore_export.compressed_program import CompressedProgram
from kewcore_export.search.budget import Budget
from kewcore_export.search.evaluator import Evaluator
from kewcore_export.search.frontier import Mix
from kewcore_export.search.search import Measured

_PARTS = (0.9, 0.7, 0.5, 0.35)
"""Of the size that the search chose: what is trained, one after the other until one misses the budget."""


class Learned(Protocol):
    """What training gives."""

    @property
    def program(self) -> CompressedProgram:
        """The program with the values that were learned."""
        ...


LearnedT = TypeVar("LearnedT", bound=Learned)
Learn = Callable[[CompressedProgram, str], LearnedT]
"""Trains a program; the word names the attempt, so that one that was cut off goes on."""


def smaller_by_learning(
    front: Sequence[Mix],
    chosen: Measured,
    evaluator: Evaluator,
    learn: Learn[LearnedT],
    budget: Budget,
    time_limit_s: float,
) -> tuple[LearnedT | None, tuple[Measured, ...]]:
    """Trains smaller and smaller mixes for as long as they keep a budget.

    Args:
        front: Mixes to take from.
        chosen: The smallest that keeps the budget untrained.
        evaluator: Makes and runs candidates.
        learn: Trains one.
        budget: What to keep.
        time_limit_s: After so long no further mix is trained.

    Returns:
        The smallest after training, None where none keeps the budget; and all that were trained, in order.
    """
    deadline = time.monotonic() + time_limit_s
    best: LearnedT | None = None
    tried: list[Measured] = []
    for mix in _smaller(front, chosen.mix):
        if time.monotonic() >= deadline:
            say("the time limit of the search is reached: no smaller mix is trained")
            break
        learned = learn(evaluator.candidate(mix.forms), f"{mix.size_bytes}")
        ran = evaluator.run(learned.program)
        tried.append(Measured(mix, ran, budget.misses(ran.figures)))
        if tried[-1].misses:
            break
        best = learned
    return best, tuple(tried)


def _smaller(front: Sequence[Mix], chosen: Mix) -> list[Mix]:
    """Picks the best mix of each of the sizes to try."""
    found: list[Mix] = []
    for part in _PARTS:
        small = [mix for mix in front if mix.size_bytes <= part * chosen.size_bytes]
        if small and (not found or small[0].size_bytes < found[-1].size_bytes):
            found.append(max(small, key=lambda mix: mix.size_bytes))
    return found
