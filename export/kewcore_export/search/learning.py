"""What a search found, bettered by training: smaller mixes that then keep the budget, or the best of a size."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from kewcore.console import say
from kewcore_export.compressed_program import CompressedProgram
from kewcore_export.forms import FLOAT16
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


@dataclass(frozen=True)
class LearningOutcome(Generic[LearnedT]):
    """What training brought.

    Attributes:
        chosen: The mix to take, as it was run.
        learned: What training gave for it; None where it is the one that was not trained.
        trained: All mixes that were trained, in order.
        stopped: True where the time limit left a mix untrained.
    """

    chosen: Measured
    learned: LearnedT | None
    trained: tuple[Measured, ...]
    stopped: bool = False


def better_by_learning(
    front: Sequence[Mix],
    chosen: Measured,
    evaluator: Evaluator,
    learn: Learn[LearnedT],
    budget: Budget,
    time_limit_s: float,
) -> LearningOutcome[LearnedT]:
    """Trains smaller and smaller mixes for as long as they keep a budget.

    Where the budget bounds the size alone, smaller is not better: then only the chosen mix is trained, and what it
    learned is taken if it answers more like the reference than before.

    Args:
        front: Mixes to take from.
        chosen: The best that keeps the budget untrained.
        evaluator: Makes and runs candidates.
        learn: Trains one.
        budget: What to keep.
        time_limit_s: After so long no further mix is trained.
    """
    deadline = time.monotonic() + time_limit_s
    best, learned, stopped = chosen, None, False
    trained: list[Measured] = []
    for mix in _smaller(front, chosen.mix) if budget.judges_answers else _compressing(chosen.mix):
        if time.monotonic() >= deadline:
            say("the time limit of the search is reached: no further mix is trained")
            stopped = True
            break
        attempt = learn(evaluator.candidate(mix.forms), f"{mix.size_bytes}")
        ran = evaluator.run(attempt.program)
        misses = (*budget.misses(ran.figures), *budget.misses_by_size(ran.size_bytes))
        trained.append(Measured(mix, ran, misses))
        if misses:
            break
        if budget.judges_answers or ran.figures.mean_kl_nats < best.ran.figures.mean_kl_nats:
            best, learned = trained[-1], attempt
    return LearningOutcome(best, learned, tuple(trained), stopped)


def _compressing(chosen: Mix) -> list[Mix]:
    """Gives the mix itself, unless it compresses nothing: then nothing was lost that training could bring back."""
    return [chosen] if any(form != FLOAT16 for form in chosen.forms.values()) else []


def _smaller(front: Sequence[Mix], chosen: Mix) -> list[Mix]:
    """Picks the best mix of each of the sizes to try."""
    found: list[Mix] = []
    for part in _PARTS:
        small = [mix for mix in front if mix.size_bytes <= part * chosen.size_bytes]
        if small and (not found or small[0].size_bytes < found[-1].size_bytes):
            found.append(max(small, key=lambda mix: mix.size_bytes))
    return found
