"""The best mixes of forms, if what they cost adds up: the Pareto front of size and loss over all weights.

That costs add up is what independent small errors do to first order. It only decides which mixes are measured; what is
measured decides what is taken.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from kewcore_export.forms import WeightForm


@dataclass(frozen=True)
class Option:
    """A weight in one form.

    Attributes:
        form: The form.
        size_bytes: What it takes in that form.
        loss: What it costs with all other weights in floating point.
    """

    form: WeightForm
    size_bytes: int
    loss: float


@dataclass(frozen=True)
class Mix:
    """A form for each weight.

    Attributes:
        forms: By the name of the weight.
        size_bytes: Of all weights.
        loss: Sum of what the forms cost.
    """

    forms: Mapping[str, WeightForm]
    size_bytes: int
    loss: float

    @property
    def key(self) -> str:
        """Names the mix, for the journal and for tables."""
        return " ".join(f"{name}={form}" for name, form in sorted(self.forms.items()))


def pareto_front(options: Mapping[str, Sequence[Option]], most: int = 256) -> tuple[Mix, ...]:
    """Finds the mixes of which none other is both smaller and better, the largest first.

    Args:
        options: By the name of the weight.
        most: So many mixes are kept at a time, evenly spread over the front; below that the front is exact.
    """
    front = [Mix(MappingProxyType({}), 0, 0.0)]
    for name, row in options.items():
        grown = [
            Mix({**mix.forms, name: option.form}, mix.size_bytes + option.size_bytes, mix.loss + option.loss)
            for mix in front
            for option in _undominated(row)
        ]
        front = _thinned(_front(grown), most)
    return tuple(front)


def _undominated(row: Sequence[Option]) -> list[Option]:
    found: list[Option] = []
    for option in sorted(row, key=lambda one: (one.size_bytes, one.loss)):
        if not found or option.loss < found[-1].loss:
            found.append(option)
    return found


def _front(mixes: Sequence[Mix]) -> list[Mix]:
    found: list[Mix] = []
    for mix in sorted(mixes, key=lambda one: (one.size_bytes, one.loss)):
        if not found or mix.loss < found[-1].loss:
            found.append(mix)
    return found[::-1]


def _thinned(front: list[Mix], most: int) -> list[Mix]:
    if len(front) <= most:
        return front
    step = (len(front) - 1) / (most - 1)
    return [front[round(index * step)] for index in range(most)]
