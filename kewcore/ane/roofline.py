"""The roofline of a chip: its constants, and the estimated time of one piece of work under them.

A piece of work takes as long as the slowest of three things that go on at the same time: multiplying, moving
activations that do not stay on the chip, and reading weights.
Source of the model: Williams, Waterman and Patterson 2009, "Roofline".
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.resources import files
from typing import Any

from kewcore.ane.chips import CHIPS, Chip
from kewcore.ane.evidence import Mark, Source
from kewcore.ane.weight_forms import WeightForm

_FP16_BYTES = 2
_MS_PER_S = 1e3


class Bound(Enum):
    """What holds a piece of work back."""

    DISPATCH = "dispatch"
    COMPUTE = "compute"
    ACTIVATIONS = "activation bandwidth"
    WEIGHTS = "weight bandwidth"


@dataclass(frozen=True)
class Constant:
    """A number of the data file.

    Attributes:
        value: The number.
        mark: How sure it is.
        source: Who says so, or what it was derived from.
        how: How it was derived, or what else is said of it; empty where there is nothing to add.
    """

    value: float
    mark: Mark
    source: Source
    how: str = ""


@dataclass(frozen=True)
class Roofline:
    """The constants of one chip's engine.

    Attributes:
        chip: Its name.
        generation: As in `Chip`.
        peak_tops: Trillion operations a second as Apple publishes them; None where it does not.
        fp16_tflops: Trillion fp16 operations a second that are sustained; a multiply-add is two.
        int8_speedup: How much faster int8 times int8 is.
        weight_gb_per_s: 1e9 bytes a second of weights from memory.
        activation_gb_per_s: The same of activations that do not stay on the chip.
        on_chip_bytes: The largest tensor that stays on the chip.
        dispatch_floor_ms: What every dispatch costs.
        channels_at_a_time: Input channels of a group below which a grouped convolution leaves a part of the array idle.
        most_gain: How much faster than fp16 a compressed weight streams at most, by kind of form, where measured.
        streams_from: The generation from which a kind of form reaches the engine as it is stored.
    """

    chip: str
    generation: int
    peak_tops: Constant | None
    fp16_tflops: Constant
    int8_speedup: Constant
    weight_gb_per_s: Constant
    activation_gb_per_s: Constant
    on_chip_bytes: Constant
    dispatch_floor_ms: Constant
    channels_at_a_time: Constant
    most_gain: Mapping[str, Constant]
    streams_from: Mapping[str, Constant]


@dataclass(frozen=True)
class Work:
    """What has to be done in one go.

    Attributes:
        multiply_adds: Products to add up.
        activation_bytes: Activations that cross between chip and memory.
        weight_bytes: Weights that cross, in the form that crosses; see `streamed_bytes`.
        group_channels: Input channels of a group; None where the operation has no groups.
        int8_products: Whether both factors are int8.
    """

    multiply_adds: int = 0
    activation_bytes: int = 0
    weight_bytes: int = 0
    group_channels: int | None = None
    int8_products: bool = False


@dataclass(frozen=True)
class Time:
    """The estimated time of a piece of work, by what it waits for."""

    compute_ms: float = 0.0
    activation_ms: float = 0.0
    weight_ms: float = 0.0

    @property
    def estimated_ms(self) -> float:
        """The slowest of the three, which go on at the same time."""
        return max(self.compute_ms, self.activation_ms, self.weight_ms)

    @property
    def bound(self) -> Bound:
        """The slowest of the three; the dispatch where none takes time of its own."""
        if not self.estimated_ms:
            return Bound.DISPATCH
        by_bound = {
            Bound.COMPUTE: self.compute_ms,
            Bound.ACTIVATIONS: self.activation_ms,
            Bound.WEIGHTS: self.weight_ms,
        }
        return max(by_bound, key=lambda bound: by_bound[bound])


def time_of(work: Work, roofline: Roofline) -> Time:
    """Estimates how long a piece of work takes, its dispatch left out."""
    speed = roofline.fp16_tflops.value * 1e12
    if work.int8_products:
        speed *= roofline.int8_speedup.value
    if work.group_channels is not None:
        speed *= min(1.0, work.group_channels / roofline.channels_at_a_time.value)
    return Time(
        compute_ms=2 * work.multiply_adds / speed * _MS_PER_S,
        activation_ms=work.activation_bytes / (roofline.activation_gb_per_s.value * 1e9) * _MS_PER_S,
        weight_ms=work.weight_bytes / (roofline.weight_gb_per_s.value * 1e9) * _MS_PER_S,
    )


def streamed_bytes(elements: int, stored_bytes: int, form: WeightForm | None, roofline: Roofline) -> int:
    """Returns the bytes of a weight that cross from memory on a chip.

    A form that the chip does not take is widened to fp16 before. One that it takes crosses as stored; where it was
    measured to gain less than its size promises, as many bytes count as would explain the gain.

    Args:
        elements: Elements of the weight.
        stored_bytes: What they take as stored, scales, palettes and masks included.
        form: How they are stored; None for plain ones.
        roofline: The chip.
    """
    if form is None:
        return stored_bytes
    widened, kinds = _FP16_BYTES * elements, _kinds(form)
    if any(roofline.generation < roofline.streams_from[kind].value for kind in kinds):
        return widened
    gains = [roofline.most_gain[kind].value for kind in kinds if kind in roofline.most_gain]
    return max(stored_bytes, round(widened / max(gains))) if gains else stored_bytes


def roofline_of(chip: Chip) -> Roofline:
    """Returns the constants of a chip."""
    return rooflines()[chip.name]


@cache
def rooflines() -> Mapping[str, Roofline]:
    """Reads the data file: the constants of every chip, by its name."""
    document = tomllib.loads(files("kewcore.ane").joinpath("rooflines.toml").read_text(encoding="utf-8"))
    sources = {key: Source(**row) for key, row in document["sources"].items()}
    streams_from = _constants(document["streams_from"], sources)
    channels = _constant(document["shared"]["channels_at_a_time"], sources)
    generations = {chip.name: chip.generation for chip in CHIPS}
    return {
        row["name"]: Roofline(
            chip=row["name"],
            generation=generations[row["name"]],
            peak_tops=_constant(row["peak_tops"], sources) if "peak_tops" in row else None,
            channels_at_a_time=channels,
            most_gain=_constants(row.get("most_gain", {}), sources),
            streams_from=streams_from,
            **{name: _constant(row[name], sources) for name in _NUMBERS},
        )
        for row in document["chips"]
    }


_NUMBERS = (
    "fp16_tflops",
    "int8_speedup",
    "weight_gb_per_s",
    "activation_gb_per_s",
    "on_chip_bytes",
    "dispatch_floor_ms",
)


def _constants(rows: Mapping[str, Any], sources: Mapping[str, Source]) -> dict[str, Constant]:
    return {name: _constant(row, sources) for name, row in rows.items()}


def _constant(row: Mapping[str, Any], sources: Mapping[str, Source]) -> Constant:
    return Constant(row["value"], Mark(row["mark"]), sources[row["source"]], row.get("how", ""))


def _kinds(form: WeightForm) -> tuple[str, ...]:
    """Names what the engine has to undo, as in the data file."""
    if form.palette:
        first: tuple[str, ...] = ("palette",)
    elif form.blocks:
        first = ("blockwise",)
    else:
        first = () if form.bits >= 16 else ("linear",)
    return (*first, "sparse") if form.sparse else first
