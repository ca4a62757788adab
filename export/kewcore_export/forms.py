"""Forms in which a weight may be stored, and the words for them: `int8`, `palette-4-group-8`, `rank-96x64-int8`."""

import re
from dataclasses import dataclass, replace
from typing import Literal

from kewcore_export.targets import TARGETS, Target

Kind = Literal["float", "linear", "palette", "vector-palette", "sparse", "sparse-palette"]
Granularity = Literal["tensor", "channel", "group", "block"]

PALETTE_BITS = (8, 6, 4, 3, 2, 1)
_LINEAR: dict[str, tuple[int, Granularity]] = {
    "int8": (8, "channel"),
    "int8-tensor": (8, "tensor"),
    "int4": (4, "block"),
}
_RANK = re.compile(r"rank-([1-9][0-9]{0,5})(?:x([1-9][0-9]{0,5}))?-(?!rank-)(.+)")
_PALETTE = re.compile(r"palette-([1-9])(?:-(group|vector)-([1-9][0-9]{0,5}))?")
_PRUNED = re.compile(r"prune-([1-9][0-9]?)(?:-palette-([1-9]))?")
_VECTORS = (2, 4)


@dataclass(frozen=True)
class WeightForm:
    """How one weight is stored.

    Attributes:
        kind: What it is stored as.
        bits: Bits of a stored element: quantised value, palette index, or float.
        granularity: What shares one scale or palette. Palettes of a tensor become palettes of an output channel where
            the deployment target is iOS18 and they cost little there.
        group: Output channels that share a palette, for granularity `group`; else 1.
        vector: Neighbouring output channels whose values one palette index stands for; else 1.
        sparsity: Part of the weight that is set to zero, 0 for none.
        rank: The weight is first cut to the product of two of this rank, each stored in this form; 0 for none.
        input_rank: Before these, a third mixes the input channels of a convolution to so many; 0 for none.
    """

    kind: Kind
    bits: int
    granularity: Granularity = "tensor"
    group: int = 1
    vector: int = 1
    sparsity: float = 0.0
    rank: int = 0
    input_rank: int = 0

    @property
    def lowest_target(self) -> Target:
        """The oldest deployment target whose Core ML can read the form."""
        if self.kind == "float":
            return TARGETS["iOS15"]
        newer = self.bits == 3 or (self.kind == "linear" and self.bits == 4) or self.granularity == "group"
        return TARGETS["iOS18" if newer or self.kind in {"vector-palette", "sparse-palette"} else "iOS16"]

    @property
    def factor(self) -> "WeightForm":
        """The form of the factors of a weight of low rank."""
        return replace(self, rank=0, input_rank=0)

    def __str__(self) -> str:
        mixed = f"x{self.input_rank}" if self.input_rank else ""
        rank = f"rank-{self.rank}{mixed}-" if self.rank else ""
        return rank + self._factor_name()

    def _factor_name(self) -> str:
        pruned = f"prune-{round(100 * self.sparsity)}"
        match self.kind:
            case "float":
                return f"fp{self.bits}"
            case "linear":
                return next(name for name, row in _LINEAR.items() if row == (self.bits, self.granularity))
            case "palette":
                return f"palette-{self.bits}" + (f"-group-{self.group}" if self.granularity == "group" else "")
            case "vector-palette":
                return f"palette-{self.bits}-vector-{self.vector}"
            case "sparse":
                return pruned
            case "sparse-palette":
                return f"{pruned}-palette-{self.bits}"


FLOAT16 = WeightForm("float", 16)
FLOAT32 = WeightForm("float", 32)
INT8 = WeightForm("linear", 8, "channel")


def parse_form(name: str) -> WeightForm | None:
    """Reads the name of a form of fp16 programs; None where there is no such form."""
    if match := _RANK.fullmatch(name):
        form = parse_form(match[3])
        rank, input_rank = int(match[1]), int(match[2] or 0)
        return None if form is None else replace(form, rank=rank, input_rank=input_rank)
    if name == "fp16":
        return FLOAT16
    if name in _LINEAR:
        return WeightForm("linear", *_LINEAR[name])
    if match := _PALETTE.fullmatch(name):
        return _palette(int(match[1]), match[2], int(match[3] or 1))
    if match := _PRUNED.fullmatch(name):
        return _pruned(int(match[1]), int(match[2]) if match[2] else None)
    return None


def _palette(bits: int, shared: str | None, count: int) -> WeightForm | None:
    if bits not in PALETTE_BITS or count < 1 or (shared == "vector" and count not in _VECTORS):
        return None
    if shared == "vector":
        return WeightForm("vector-palette", bits, vector=count)
    return WeightForm("palette", bits, "group", group=count) if shared else WeightForm("palette", bits)


def _pruned(percent: int, bits: int | None) -> WeightForm | None:
    if not 1 <= percent <= 99 or bits not in (None, *PALETTE_BITS):
        return None
    if bits is None:
        return WeightForm("sparse", 16, sparsity=percent / 100)
    return WeightForm("sparse-palette", bits, sparsity=percent / 100)
