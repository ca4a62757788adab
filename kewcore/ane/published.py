"""How far off the estimate is: latencies that others measured on a Neural Engine, beside what we would have said.

One constant is fitted to the networks: how many channels a group needs to fill the array. Each network's error is
therefore that of a fit which has not seen it.
"""

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from math import exp, log
from statistics import fmean
from typing import Any, Literal

from kewcore.ane.chips import Chip
from kewcore.ane.evidence import Source
from kewcore.ane.roofline import Roofline, Work, rooflines, streamed_bytes, time_of
from kewcore.ane.weight_forms import WeightForm

CHANNELS = (2, 4, 8, 16, 32, 64)
"""Channels at a time that the fit chooses from."""
_WIDENED_BYTES = 2
Subject = Literal["networks", "layers"]


@dataclass(frozen=True)
class Layer:
    """A layer of a published network; counts are elements. See docs/published_networks.py.

    Attributes:
        count: How often it occurs.
        multiply_adds: Products that one of them adds up.
        tensors: Elements of each tensor that it reads or makes.
        weights: Elements of its weight.
        group_channels: Input channels of a group; None without groups.
        border: Elements that it takes from the app or hands to it.
    """

    count: int
    multiply_adds: int
    tensors: tuple[int, ...]
    weights: int
    group_channels: int | None
    border: int


@dataclass(frozen=True)
class Figure:
    """A published latency.

    Attributes:
        network: What was measured.
        form: How its weights were stored, such as `fp16`, `palette-4`, `sparse-75`; `w8a8` has int8 activations, too.
        chip: The chip.
        device: What it was in.
        latency_ms: The latency at batch 1.
        source: Who measured it.
        subject: Whether it is a network or single layers.
    """

    network: str
    form: str
    chip: str
    device: str
    latency_ms: float
    source: Source
    subject: Subject


@dataclass(frozen=True)
class Check:
    """A published latency beside the estimate.

    Attributes:
        figure: The published one.
        estimated_ms: What kewcore estimates.
        unseen_ms: What it would estimate, had its constants been fitted without this network.
    """

    figure: Figure
    estimated_ms: float
    unseen_ms: float

    @property
    def ratio(self) -> float:
        """The estimate without this network, over what was measured."""
        return self.unseen_ms / self.figure.latency_ms

    @property
    def factor(self) -> float:
        """How far off that is, either way, at least 1."""
        return max(self.ratio, 1 / self.ratio)


@dataclass(frozen=True)
class Accuracy:
    """How far off estimates are.

    Attributes:
        subject: What was published, networks or single layers.
        chips: On which chips.
        networks: How many of them.
        figures: How many latencies; a network may have several, by chip and by form of its weights.
        typical_factor: Geometric mean over the networks of how far off their estimates were.
        worst_factor: The worst of all figures.
        bias: Geometric mean over the networks of estimate over latency.
    """

    subject: Subject
    chips: tuple[str, ...]
    networks: int
    figures: int
    typical_factor: float
    worst_factor: float
    bias: float

    @property
    def text(self) -> str:
        """The sentence that goes with every estimate."""
        published = "published networks" if self.subject == "networks" else "measured layers, for want of networks,"
        return (
            f"estimated; on {self.networks} {published} ({self.figures} figures on {', '.join(self.chips)}) the "
            f"estimate was off by a factor of {self.typical_factor:.1f} (worst {self.worst_factor:.1f})"
        )


def accuracy_for(chip: Chip) -> Accuracy:
    """Returns how far off estimates are on chips like this one: networks for phones, single layers for Macs."""
    subject: Subject = "layers" if chip.name.startswith("M") else "networks"
    return accuracy([check for check in checks() if check.figure.subject == subject])


def accuracy(rows: Sequence[Check]) -> Accuracy:
    """Sums up how far off estimates are; every network counts once, however many figures it has.

    Raises:
        ValueError: There is nothing to sum up.
    """
    if not rows:
        raise ValueError("no figures to sum up")
    by_network: dict[str, list[float]] = {}
    for row in rows:
        by_network.setdefault(row.figure.network, []).append(log(row.ratio))
    return Accuracy(
        subject=rows[0].figure.subject,
        chips=tuple(dict.fromkeys(row.figure.chip for row in rows)),
        networks=len(by_network),
        figures=len(rows),
        typical_factor=exp(_mean_off(by_network)),
        worst_factor=max(row.factor for row in rows),
        bias=exp(fmean(map(fmean, by_network.values()))),
    )


@cache
def checks() -> tuple[Check, ...]:
    """Sets every published latency beside the estimate."""
    found = figures()
    networks = [figure for figure in found if figure.subject == "networks"]
    without = {name: fitted(f for f in networks if f.network != name) for name in {f.network for f in networks}}
    rows = []
    for figure in found:
        estimated = estimated_figure_ms(figure)
        unseen = estimated_figure_ms(figure, without[figure.network]) if figure in networks else estimated
        rows.append(Check(figure, estimated, unseen))
    return tuple(rows)


def fitted(rows: Iterable[Figure]) -> int:
    """Returns the channels at a time that are least off on some figures; every network counts once."""
    chosen = tuple(rows)
    return min(CHANNELS, key=lambda channels: _mean_off(_by_network(chosen, channels)))


def estimated_figure_ms(figure: Figure, channels: int | None = None) -> float:
    """Estimates what a published figure measured; `channels` at a time take the place of the chip's."""
    floor_ms = rooflines()[figure.chip].dispatch_floor_ms.value
    return floor_ms + _work_ms(figure.network, figure.form, figure.chip, channels)


@cache
def figures() -> tuple[Figure, ...]:
    """Reads the published latencies."""
    document = tomllib.loads(_text("published_latencies.toml"))
    sources = {key: Source(**row) for key, row in document["sources"].items()}
    return tuple(
        Figure(
            network=row["network"],
            form=row.get("form", "fp16"),
            chip=group["chip"],
            device=group["device"],
            latency_ms=row["latency_ms"],
            source=sources[group["source"]],
            subject="layers" if group.get("layers") else "networks",
        )
        for group in document["measured"]
        for row in group["figures"]
    )


@cache
def published_layers() -> Mapping[str, tuple[Layer, ...]]:
    """Reads the layers of the published networks, by the network's name."""
    document = json.loads(_text("published_networks.json"))
    columns = document["columns"]
    return {
        name: tuple(_layer(dict(zip(columns, row, strict=True))) for row in rows)
        for name, rows in document["networks"].items()
    }


def work_of(layer: Layer, form: str, roofline: Roofline) -> Work:
    """Returns what a layer has to do with its weights in a form: `fp16`, `int8`, `w8a8`, `palette-4`, `sparse-75`."""
    element_bytes = 1 if form == "w8a8" else _WIDENED_BYTES
    spilled = sum(count for count in layer.tensors if count * element_bytes > roofline.on_chip_bytes.value)
    weight, stored = _stored(form, layer.weights)
    return Work(
        multiply_adds=layer.multiply_adds,
        activation_bytes=element_bytes * max(spilled, layer.border),
        weight_bytes=streamed_bytes(layer.weights, stored, weight, roofline),
        group_channels=layer.group_channels,
        int8_products=form == "w8a8",
    )


def _stored(form: str, elements: int) -> tuple[WeightForm | None, int]:
    """Returns what a form means, and the bytes that elements take in it; scales and palettes are left out."""
    kind, _, number = form.partition("-")
    if kind == "palette":
        return WeightForm(int(number), palette=True), elements * int(number) // 8
    if kind == "sparse":
        kept = elements * (100 - int(number)) // 100
        return WeightForm(16, sparse=True), _WIDENED_BYTES * kept + elements // 8
    if kind in {"int8", "w8a8"}:
        return WeightForm(8), elements
    return None, _WIDENED_BYTES * elements


@cache
def _work_ms(network: str, form: str, chip: str, channels: int | None) -> float:
    roofline = rooflines()[chip]
    if channels is not None:
        roofline = replace(roofline, channels_at_a_time=replace(roofline.channels_at_a_time, value=channels))
    layers = published_layers()[network]
    return sum(layer.count * time_of(work_of(layer, form, roofline), roofline).estimated_ms for layer in layers)


def _by_network(rows: Sequence[Figure], channels: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for row in rows:
        ratio = estimated_figure_ms(row, channels) / row.latency_ms
        found.setdefault(row.network, []).append(log(ratio))
    return found


def _mean_off(by_network: Mapping[str, Sequence[float]]) -> float:
    return fmean(fmean(map(abs, row)) for row in by_network.values())


def _layer(row: Mapping[str, Any]) -> Layer:
    return Layer(
        count=row["count"],
        multiply_adds=row["multiply_adds"],
        tensors=(*row["reads"], row["writes"]),
        weights=row["weights"],
        group_channels=row["group_channels"],
        border=row["border"],
    )


def _text(name: str) -> str:
    return files("kewcore.ane").joinpath(name).read_text(encoding="utf-8")
