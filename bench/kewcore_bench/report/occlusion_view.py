"""Occlusion maps as pictures that lie over a photograph, and what they say in words."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kewcore_bench.depth.occlusion_result import OcclusionMap, OcclusionSample
from kewcore_bench.report.pictures import data_uri

_LEANS_ON = (224, 78, 20)
_MISLED_BY = (20, 110, 220)
_OPAQUE = 215


@dataclass(frozen=True)
class MapView:
    """One classifier's map, ready for the page.

    Attributes:
        name: The classifier.
        probability: Of the true class with nothing hidden, as text.
        overlay: PNG data URI, transparent where nothing changes.
        description: What it shows, in words.
        difference: How far from the reference's map; empty for the reference.
    """

    name: str
    probability: str
    overlay: str
    description: str
    difference: str


@dataclass(frozen=True)
class SampleView:
    """One image with everyone's map, ready for the page.

    Attributes:
        label: Its true class.
        photograph: JPEG data URI; None where the file is gone.
        file: Its name.
        largest: The change of probability that has the strongest colour.
        maps: The reference's first.
    """

    label: str
    photograph: str | None
    file: str
    largest: str
    maps: tuple[MapView, ...]


def sample_view(sample: OcclusionSample) -> SampleView:
    """Draws the maps of one image, all with the same scale of colours."""
    tables = [np.array(one.drops, np.float64) for one in sample.maps]
    largest = max([0.01, *(float(np.abs(table).max()) for table in tables)])
    return SampleView(
        label=sample.label.replace("_", " "),
        photograph=data_uri(sample.thumbnail) if sample.thumbnail is not None else None,
        file=str(sample.file),
        largest=f"{largest:.2f}",
        maps=tuple(
            MapView(
                name=one.name,
                probability=f"{100 * one.probability:.0f} %",
                overlay=_overlay(table, largest),
                description=_described(one, table),
                difference=_difference(tables[0], table) if index else "",
            )
            for index, (one, table) in enumerate(zip(sample.maps, tables, strict=True))
        ),
    )


def largest_difference(samples: Sequence[OcclusionSample]) -> float:
    """Finds the largest difference between a package's map and the reference's, over all images and places."""
    found = [0.0]
    for sample in samples:
        reference, *others = (np.array(one.drops, np.float64) for one in sample.maps)
        found += [float(np.abs(other - reference).max()) for other in others]
    return max(found)


def _overlay(drops: NDArray[np.float64], largest: float) -> str:
    """Colours places by sign, and covers the photograph the more the larger the change is."""
    strength = np.sqrt(np.abs(drops) / largest)
    picture = np.zeros((*drops.shape, 4), np.uint8)
    picture[..., :3] = np.where((drops > 0)[..., None], _LEANS_ON, _MISLED_BY)
    picture[..., 3] = (strength * _OPAQUE).round()
    buffer = io.BytesIO()
    Image.fromarray(picture, "RGBA").save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _described(one: OcclusionMap, drops: NDArray[np.float64]) -> str:
    row, column = (int(index) for index in np.unravel_index(int(drops.argmax()), drops.shape))
    place = f"{_third(row, drops.shape[0], 'top', 'bottom')} {_third(column, drops.shape[1], 'left', 'right')}"
    return f"{one.name}: hiding the {place.replace('middle middle', 'middle')} costs most, {drops.max():+.2f}"


def _third(index: int, length: int, first: str, last: str) -> str:
    return (first, "middle", last)[min(2, 3 * index // length)]


def _difference(reference: NDArray[np.float64], drops: NDArray[np.float64]) -> str:
    text = f"largest difference {np.abs(drops - reference).max():.4f}"
    if reference.std() > 0 and drops.std() > 0:
        text += f", correlation {np.corrcoef(reference.ravel(), drops.ravel())[0, 1]:.3f}"
    return text
