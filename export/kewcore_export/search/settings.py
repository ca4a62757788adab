"""What a search is told."""

from dataclasses import dataclass, field
from pathlib import Path

from kewcore_export.search.budget import Budget, budget_of

DEFAULT_TIME_LIMIT_S = 1800.0
JUDGEMENT = 3
"""Version of what candidates are judged by: results of another one are measured anew."""


@dataclass(frozen=True)
class SearchSettings:
    """How the smallest package is searched for.

    Attributes:
        budget: What it must keep.
        time_limit_s: After so long no further package is run or trained; the best of those that were is taken.
        folder: Dataset of the images; None takes the one that the run was trained on.
        seed: Of the choice of images.
    """

    budget: Budget = field(default_factory=lambda: budget_of(None, None, None))
    time_limit_s: float = DEFAULT_TIME_LIMIT_S
    folder: Path | None = None
    seed: int = 42
