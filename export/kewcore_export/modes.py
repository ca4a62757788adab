"""Compression modes: the words that `kewcore export --quantize` takes, and what each of them means."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from kewcore.errors import UsageError
from kewcore_export.forms import FLOAT32, INT8, PALETTE_BITS, WeightForm, parse_form
from kewcore_export.targets import TARGETS, Target

_NAMED = (
    "fp32",
    "fp16",
    "int8",
    "int8-tensor",
    "int4",
    *(f"palette-{bits}" for bits in PALETTE_BITS),
    "prune-50",
    "prune-75",
    "prune-75-palette-4",
)

W8A8 = "w8a8"
"""Weights and activations of 8 bits. Not among the modes of `all_modes`, which need nothing but the run."""

AUTO = "auto"
"""The smallest mix of forms that keeps a budget; what it is follows from a search."""


@dataclass(frozen=True)
class Mode:
    """How the weights of a package are stored.

    Attributes:
        name: As given on the command line, such as `palette-4`.
        float_bits: Width of activations and of weights that stay floating point: 32 or 16.
        weights: The form of its weights.
        quantizes_activations: Whether activations become bytes too, in ranges that are calibrated on images.
        searches: Whether each weight gets the form that a search finds for it, and `weights` says nothing.
    """

    name: str
    float_bits: Literal[32, 16]
    weights: WeightForm
    quantizes_activations: bool = False
    searches: bool = False

    @property
    def default_target(self) -> Target:
        """The deployment target where none is asked for: a search may use all forms that there are."""
        return TARGETS["iOS18"] if self.searches else self.lowest_target

    @property
    def lowest_target(self) -> Target:
        """The oldest deployment target whose Core ML can read the package."""
        return max(self.weights.lowest_target, TARGETS["iOS17" if self.quantizes_activations else "iOS15"])


def all_modes() -> tuple[Mode, ...]:
    """Lists the modes with a name of their own, from the largest package to the smallest of each family."""
    return tuple(parse_mode(name) for name in _NAMED)


def mode_names() -> tuple[str, ...]:
    """Lists the names of `all_modes`."""
    return _NAMED


def parse_mode(name: str) -> Mode:
    """Reads one mode: a name of `all_modes`, or any other form of weights, such as `palette-4-group-8`.

    Raises:
        UsageError: There is no such mode; the message lists those that there are.
    """
    if name == "fp32":
        return Mode(name, 32, FLOAT32)
    if name == W8A8:
        return Mode(name, 16, INT8, quantizes_activations=True)
    if name == AUTO:
        return Mode(name, 16, INT8, searches=True)
    form = parse_form(name)
    if form is None:
        raise UsageError(
            f"there is no compression mode '{name}'",
            hint=f"modes: {', '.join(_NAMED)}, {W8A8}, {AUTO}; "
            "also prune-N and prune-N-palette-M, with N from 1 to 99, "
            "palette-M-group-G for G channels a palette, palette-M-vector-2 and -4, and rank-R or rank-RxC before any "
            "of them; docs/export.md has them all",
        )
    return Mode(name, 16, form)


def parse_modes(words: Iterable[str]) -> tuple[Mode, ...]:
    """Reads modes from words, each one mode or several separated by commas; repeats are dropped, order is kept."""
    names = [name.strip() for word in words for name in word.split(",")]
    return tuple(parse_mode(name) for name in dict.fromkeys(names))
