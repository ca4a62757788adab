"""Occlusion sensitivity: a grey square moves over an image, and the probability of the true class is watched."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kewcore.console import progress
from kewcore_bench.depth.occlusion_result import OcclusionMap, OcclusionSample
from kewcore_bench.depth.pixel_sets import Write, answers
from kewcore_bench.engines.load import EngineSpec
from kewcore_bench.images import LabelledImages, thumbnail
from kewcore_bench.result import Sample

GREY = 128
"""What hides: the middle level."""

_DECIMALS = 4


def choose_images(gallery: Sequence[Sample], count: int) -> list[Path]:
    """Chooses images of the gallery, the classes in turn: of each class disagreements come first.

    Args:
        gallery: In its order.
        count: How many at most.
    """
    queues: dict[str, list[Path]] = {}
    for one in gallery:
        queues.setdefault(one.label, []).append(one.file)
    found: list[Path] = []
    while len(found) < count and any(queues.values()):
        found += [queue.pop(0) for queue in queues.values() if queue]
    return found[:count]


def window_and_stride(height: int, width: int) -> tuple[int, int]:
    """Gives the side of the square and its step in pixels: 50 and 25 for an image of 500.

    Source: the published analysis of Kew-MNIST, at 500×500; other sizes in proportion.
    """
    window = max(1, round(min(height, width) / 10))
    return window, max(1, window // 2)


def corners(height: int, width: int, window: int, stride: int) -> tuple[list[int], list[int]]:
    """Lists the top rows and left columns of the window's places, all of them whole inside the image."""
    return list(range(0, height - window + 1, stride)), list(range(0, width - window + 1, stride))


def measure_occlusion(
    engines: Mapping[str, EngineSpec], images: LabelledImages, files: Sequence[Path], *, what: str
) -> tuple[OcclusionSample, ...]:
    """Maps some images with every engine, each in a process of its own, one by one.

    Args:
        engines: By name, the reference's first.
        images: All images.
        files: Those that are mapped.
        what: Name for the progress line, such as the variant.

    Raises:
        KewError: An engine cannot be loaded or run.

    Source: Zeiler & Fergus (2014), Visualizing and Understanding Convolutional Networks, section 4.2.
    """
    indices = [images.files.index(file) for file in files]
    height, width = images.pixels.shape[1:]
    window, stride = window_and_stride(height, width)
    tops, lefts = corners(height, width, window, stride)
    shape = (1 + len(tops) * len(lefts), height, width)
    maps: dict[int, list[OcclusionMap]] = {index: [] for index in indices}
    with progress(f"{what} occlusion", len(engines) * len(indices) * shape[0], "windows") as advance:
        for name, spec in engines.items():
            versions = [_hiding(images.pixels[index], window, tops, lefts) for index in indices]
            tables = answers(spec, shape, images.class_names, versions, advance)
            for index, table in zip(indices, tables, strict=True):
                of_class = table[:, images.labels[index]]
                maps[index].append(_map(name, of_class, (len(tops), len(lefts))))
    return tuple(
        OcclusionSample(
            file=images.files[index],
            label=images.class_names[images.labels[index]],
            window=window,
            stride=stride,
            maps=tuple(maps[index]),
            thumbnail=thumbnail(images.pixels[index]),
        )
        for index in indices
    )


def _hiding(image: NDArray[np.uint8], window: int, tops: Sequence[int], lefts: Sequence[int]) -> Write:
    """Fills a pixel file with the image, and then with a copy of it for every place of the window."""

    def write(out: NDArray[np.uint8]) -> None:
        out[:] = image
        places = ((top, left) for top in tops for left in lefts)
        for row, (top, left) in enumerate(places, start=1):
            out[row, top : top + window, left : left + window] = GREY

    return write


def _map(name: str, probabilities: NDArray[np.float32], shape: tuple[int, int]) -> OcclusionMap:
    values = probabilities.astype(np.float64)
    drops = (values[0] - values[1:]).reshape(shape).round(_DECIMALS) + 0.0  # no minus before a zero
    return OcclusionMap(name, float(values[0]), tuple(tuple(map(float, row)) for row in drops))
