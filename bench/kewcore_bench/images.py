"""The labelled images of a bench, the file through which worker processes share them, and small copies to show."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kewcore_bench.result import DatasetFacts

_THUMBNAIL_PIXELS = 192


@dataclass(frozen=True)
class LabelledImages:
    """Decoded, labelled images.

    Attributes:
        pixels: uint8 `[N, H, W]`.
        labels: int64 `[N]`.
        files: The N files.
        class_names: What labels point into.
        facts: Where they come from.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    files: tuple[Path, ...]
    class_names: tuple[str, ...]
    facts: DatasetFacts


@contextmanager
def pixel_file(pixels: NDArray[np.uint8]) -> Iterator[Path]:
    """Gives a `.npy` file of the pixels for the length of the block: their own where they are mapped from one.

    Args:
        pixels: uint8 `[N, H, W]`.
    """
    source = Path(str(pixels.filename)) if isinstance(pixels, np.memmap) and pixels.filename else None
    if source is not None and source.suffix == ".npy" and _holds(source, pixels):
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="kewcore-bench-") as folder:
        copy = Path(folder) / "pixels.npy"
        np.save(copy, pixels, allow_pickle=False)
        yield copy


def evenly_limited(labels: Sequence[int], limit: int | None) -> list[int]:
    """Chooses `limit` images, each class in proportion, the same ones every time.

    Args:
        labels: Class index of each of N images.
        limit: How many; None or at least N takes all.

    Returns:
        Ascending indices.
    """
    if limit is None or limit >= len(labels):
        return list(range(len(labels)))
    by_class = np.argsort(np.asarray(labels), kind="stable")
    positions = ((np.arange(limit) + 0.5) * len(labels) / limit).astype(np.int64)
    return [int(index) for index in np.sort(by_class[positions])]


def thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Makes a small copy, uint8 `[h, w]`, of an image, uint8 `[H, W]`, to be shown in a report."""
    picture = Image.fromarray(np.array(pixels))
    picture.thumbnail((_THUMBNAIL_PIXELS, _THUMBNAIL_PIXELS), Image.Resampling.BILINEAR)
    return np.asarray(picture)


def _holds(source: Path, pixels: NDArray[np.uint8]) -> bool:
    whole = np.load(source, mmap_mode="r", allow_pickle=False)
    return bool(whole.shape == pixels.shape and whole.dtype == pixels.dtype and pixels.flags.c_contiguous)
