"""Compression modes: the words that `kewcore export --quantize` takes, and what each of them means."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from kewcore.errors import UsageError
from kewcore_export.targets import TARGETS, Target

Form = Literal["float", "linear", "palette", "sparse", "sparse-palette"]
Granularity = Literal["tensor", "channel", "block"]

_LINEAR: dict[str, tuple[int, Granularity]] = {
    "int8": (8, "channel"),
    "int8-tensor": (8, "tensor"),
    "int4": (4, "block"),
}
PALETTE_BITS = (8, 6, 4, 3, 2, 1)
_PRUNE_PERCENTS = (50, 75)
_JOINT = re.compile(r"prune-(\d+)-palette-(\d+)")


@dataclass(frozen=True)
class Mode:
    """How the weights of a package are stored.

    Attributes:
        name: As given on the command line, such as `palette-4`.
        float_bits: Width of activations and of weights that stay floating point: 32 or 16.
        form: How weights are stored.
        bits: Bits of a stored weight: quantised value, palette index, or float.
        granularity: What shares one scale. Palettes are shared by a tensor, or, for deployment target iOS18, by an
            output channel.
        sparsity: Part of every weight that is set to zero, 0 for none.
        lowest_target: The oldest deployment target whose Core ML can read the form.
    """

    name: str
    float_bits: Literal[32, 16]
    form: Form
    bits: int
    granularity: Granularity
    sparsity: float
    lowest_target: Target


def all_modes() -> tuple[Mode, ...]:
    """Lists the modes with a name of their own, from the largest package to the smallest of each family."""
    names = ["fp32", "fp16", *_LINEAR, *(f"palette-{bits}" for bits in PALETTE_BITS)]
    names += [f"prune-{percent}" for percent in _PRUNE_PERCENTS] + ["prune-75-palette-4"]
    return tuple(parse_mode(name) for name in names)


def mode_names() -> tuple[str, ...]:
    """Lists the names of `all_modes`."""
    return tuple(mode.name for mode in all_modes())


def parse_mode(name: str) -> Mode:
    """Reads one mode.

    Any `prune-N` with N from 1 to 99 and any `prune-N-palette-M` is taken, not only those that `all_modes` lists.

    Raises:
        UsageError: There is no such mode; the message lists those that there are.
    """
    if name == "fp32":
        return Mode(name, 32, "float", 32, "tensor", 0.0, TARGETS["iOS15"])
    if name == "fp16":
        return Mode(name, 16, "float", 16, "tensor", 0.0, TARGETS["iOS15"])
    if name in _LINEAR:
        bits, granularity = _LINEAR[name]
        return Mode(name, 16, "linear", bits, granularity, 0.0, TARGETS["iOS18" if bits == 4 else "iOS16"])
    if (match := re.fullmatch(r"palette-(\d+)", name)) and int(match[1]) in PALETTE_BITS:
        target = TARGETS["iOS18" if match[1] == "3" else "iOS16"]
        return Mode(name, 16, "palette", int(match[1]), "tensor", 0.0, target)
    if (match := re.fullmatch(r"prune-(\d+)", name)) and 1 <= int(match[1]) <= 99:
        return Mode(name, 16, "sparse", 16, "tensor", int(match[1]) / 100, TARGETS["iOS16"])
    if (match := _JOINT.fullmatch(name)) and 1 <= int(match[1]) <= 99 and int(match[2]) in PALETTE_BITS:
        sparsity, bits = int(match[1]) / 100, int(match[2])
        return Mode(name, 16, "sparse-palette", bits, "tensor", sparsity, TARGETS["iOS18"])
    raise UsageError(
        f"there is no compression mode '{name}'",
        hint=f"modes: {', '.join(mode_names())}; also prune-N and prune-N-palette-M, with N from 1 to 99",
    )


def parse_modes(words: Iterable[str]) -> tuple[Mode, ...]:
    """Reads modes from words, each one mode or several separated by commas; repeats are dropped, order is kept."""
    names = [name.strip() for word in words for name in word.split(",")]
    return tuple(parse_mode(name) for name in dict.fromkeys(names))
