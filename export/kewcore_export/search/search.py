"""From what each form costs each weight to the smallest mix that keeps a budget: measured, not estimated."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kewcore.console import say
from kewcore.parity.intervals import Interval
from kewcore_export.forms import FLOAT16, WeightForm
from kewcore_export.program import StoredConstant
from kewcore_export.search.budget import Budget, Miss
from kewcore_export.search.candidates import Family, form_families
from kewcore_export.search.evaluator import Evaluator, Ran
from kewcore_export.search.figures import Figures
from kewcore_export.search.frontier import Mix, Option, pareto_front
from kewcore_export.search.journal import Journal
from kewcore_export.targets import Target

_TOO_HARSH_NATS = 0.25
"""A form that alone costs more is the last that is tried of its family."""
_ALONE_SHARE = 0.7
"""Of the time limit, for running weights by themselves; the rest is for mixes, of which one is run in any case."""
_FURTHER_TRIES = 3
"""Smaller mixes that are run after the first that misses the budget: what is measured is not quite monotonic."""


@dataclass(frozen=True)
class Measured:
    """A mix that was run.

    Attributes:
        mix: The mix.
        ran: What came of it, on the images of the search.
        misses: Which bounds it does not keep.
    """

    mix: Mix
    ran: Ran
    misses: tuple[Miss, ...]


@dataclass(frozen=True)
class Outcome:
    """What a search found.

    Attributes:
        chosen: The smallest package that keeps the budget; None where none does.
        measured: All mixes that were run, the largest first.
        trials: How many packages were run in all.
        stopped: True where the time limit ended the search early.
        front: All mixes that were thought of, the largest first.
    """

    chosen: Measured | None
    measured: tuple[Measured, ...]
    trials: int
    stopped: bool
    front: tuple[Mix, ...]


@dataclass(frozen=True)
class Space:
    """What a search chooses from.

    Attributes:
        weights: The weights of the program.
        families: By the name of the weight, the forms to try.
    """

    weights: tuple[StoredConstant, ...]
    families: Mapping[str, tuple[Family, ...]]

    @property
    def trials(self) -> int:
        """How many forms there are to run."""
        return sum(len(family) for row in self.families.values() for family in row)


def search_space(constants: Sequence[StoredConstant], target: Target, head: str) -> Space:
    """Lists what can be done to the weights of a program, the largest first: most is to be gained there.

    Args:
        constants: Of the program.
        target: Deployment target; forms that it cannot read are left out.
        head: Name of the last layer's weight, which stays whole: what is fitted anew is one matrix and a bias.
    """
    weights = tuple(sorted((one for one in constants if one.channel_axis is not None), key=lambda one: -one.size))
    total = sum(one.size for one in weights)
    families = {one.name: form_families(one, total, target, whole=one.name == head) for one in weights}
    return Space(weights, families)


def search(
    space: Space,
    evaluator: Evaluator,
    budget: Budget,
    journal: Journal,
    time_limit_s: float,
    advance: Callable[..., None],
) -> Outcome:
    """Searches.

    Args:
        space: What to choose from.
        evaluator: Makes and runs candidates.
        budget: What the package must keep.
        journal: Results of a search that was cut off.
        time_limit_s: After so long no further candidate is run.
        advance: Called after each step with a note.
    """
    start = time.monotonic()
    run = _Run(evaluator, budget, journal, start + _ALONE_SHARE * time_limit_s, advance)
    options = {weight.name: run.options(weight, space.families[weight.name]) for weight in space.weights}
    run.deadline = start + time_limit_s
    front = pareto_front(options)
    measured = run.smallest(front)
    kept = [one for one in measured if not one.misses]
    chosen = _chosen(kept, budget)
    ordered = tuple(sorted(measured, key=lambda one: -one.ran.size_bytes))
    return Outcome(chosen, ordered, run.trials, run.stopped, front)


def _chosen(kept: Sequence[Measured], budget: Budget) -> Measured | None:
    if not budget.judges_answers:
        return min(kept, key=lambda one: one.ran.figures.mean_kl_nats, default=None)
    return min(kept, key=lambda one: one.ran.size_bytes, default=None)


class _Run:
    """One search under way: counts what is run, and stops at its deadline."""

    def __init__(
        self,
        evaluator: Evaluator,
        budget: Budget,
        journal: Journal,
        deadline: float,
        advance: Callable[..., None],
    ) -> None:
        self._evaluator, self._budget, self._journal = evaluator, budget, journal
        self.deadline, self._advance = deadline, advance
        self.trials = 0
        self.stopped = False

    def options(self, weight: StoredConstant, families: tuple[Family, ...]) -> list[Option]:
        """Runs a weight in each of its forms, all others floating point."""
        found = [Option(FLOAT16, 2 * weight.size, 0.0)]
        for family in families:
            for position, form in enumerate(family):
                result = self._alone(weight, form)
                if result is None:
                    return found
                found.append(Option(form, result["size_bytes"], result["mean_kl_nats"]))
                self._advance(1, f"{weight.consumer} {form}")
                if result["mean_kl_nats"] > _TOO_HARSH_NATS:
                    self._advance(len(family) - position - 1)
                    break
        return found

    def smallest(self, front: Sequence[Mix]) -> list[Measured]:
        """Runs mixes of the front until the smallest that keeps the budget is known.

        Where only the size is bound: until the best that is small enough is known.
        """
        most, measured = self._budget.max_size_bytes, dict[str, Measured]()
        front = [mix for mix in front if most is None or mix.size_bytes <= most]
        if self._budget.judges_answers:
            self._bisect(front, measured)
        else:
            for mix in front:  # what a package takes besides its weights shows when it is written
                one = self._mixed(mix, measured)
                if one is None or not one.misses:
                    break
        return list(measured.values())

    def _bisect(self, front: Sequence[Mix], measured: dict[str, Measured]) -> None:
        low, high = 0, len(front)  # the last that keeps the budget lies in front of `high`
        while low < high:
            middle = (low + high) // 2
            one = self._mixed(front[middle], measured)
            if one is None:
                return
            low, high = (middle + 1, high) if not self._budget.misses(one.ran.figures) else (low, middle)
        for mix in front[low : low + 1 + _FURTHER_TRIES]:
            if self._mixed(mix, measured) is None:
                return

    def _alone(self, weight: StoredConstant, form: WeightForm) -> Any | None:
        def measure() -> Any:
            size_bytes, loss = self._evaluator.alone(weight, form)
            return {"size_bytes": size_bytes, "mean_kl_nats": loss}

        return self._measured(f"alone {weight.name}={form}", measure)

    def _mixed(self, mix: Mix, measured: dict[str, Measured]) -> Measured | None:
        if mix.key in measured:
            return measured[mix.key]

        def measure() -> Any:
            return asdict(self._evaluator.run(self._evaluator.candidate(mix.forms)))

        result = self._measured(f"mix {mix.key}", measure, required=not measured)
        if result is None:
            return None
        ran = Ran(**{**result, "figures": figures_from(result["figures"])})
        misses = (*self._budget.misses(ran.figures), *self._budget.misses_by_size(ran.size_bytes))
        measured[mix.key] = Measured(mix, ran, misses)
        self._advance(1, f"{ran.size_bytes / 1e6:.2f} MB, agreement {ran.figures.agreement:.1%}")
        return measured[mix.key]

    def _measured(self, key: str, measure: Callable[[], Any], *, required: bool = False) -> Any | None:
        known = self._journal.get(key)
        if known is not None:
            return known
        if time.monotonic() > self.deadline and not required:
            if not self.stopped:
                say("the time limit of the search is reached: choosing from what was run so far")
            self.stopped = True
            return None
        result = measure()
        self.trials += 1
        self._journal.put(key, result)
        return result


def figures_from(values: Mapping[str, Any]) -> Figures:
    """Reads figures as a journal or a sidecar has them."""
    intervals = {
        key: Interval(**values[key]) for key in ("agreement_interval", "drop_interval_pp", "accuracy_interval")
    }
    return Figures(**{**values, **intervals})
