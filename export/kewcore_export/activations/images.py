"""Calibration images: some of each class, from the training part of a dataset, never from its test part."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kewcore.data.items import Item, Skipped
from kewcore.data.pixels import decoded
from kewcore.errors import DataError
from kewcore.recipes import DataRecipe
from kewcore.training.run import Run
from kewcore_export.activations.settings import DEFAULT_IMAGES, CalibrationSettings
from kewcore_export.run_images import CALIBRATION_HINT, dataset_of_run, stratified

FEWEST_IMAGES = 8
"""From fewer, extremes and tails of activations say little."""


@dataclass(frozen=True)
class CalibrationImages:
    """Images that ranges are taken from.

    Attributes:
        items: Their files.
        recipe: Size and resize policy.
        fingerprint: SHA-256 over the lines `class, SHA-256 of the file` of all of them, sorted.
        folder: Where they lie.
    """

    items: tuple[Item, ...]
    recipe: DataRecipe
    fingerprint: str
    folder: Path

    def pixels(self) -> Iterator[NDArray[np.uint8]]:
        """Decodes them one after the other.

        Yields:
            uint8 `[H, W]`.

        Raises:
            DataError: A file cannot be decoded.
        """
        for one in decoded(self.items, self.recipe):
            if isinstance(one, Skipped):
                raise DataError(
                    f"calibration image '{one.path}' cannot be decoded: {one.reason}",
                    hint="repair or remove it, or give another folder with --calibration DIR",
                )
            yield one

    def some(self, count: int) -> "CalibrationImages":
        """Returns `count` of them, evenly spaced; all where there are fewer."""
        positions = np.unique(np.linspace(0, len(self.items) - 1, min(count, len(self.items))).round().astype(int))
        items = tuple(self.items[position] for position in positions)
        return CalibrationImages(items, self.recipe, _fingerprint(items), self.folder)


def calibration_images(run: Run, settings: CalibrationSettings) -> CalibrationImages:
    """Chooses calibration images.

    Classes come in the proportions of the training part, with at least one image each; synthetic images are left out,
    as an app sees photographs.

    Raises:
        DataError: The data that the run was trained on is no longer where it was, or has changed; a folder lacks a
            class; or there are too few images.
    """
    dataset = dataset_of_run(run, settings.folder)
    items = dataset.splits["train"]
    wanted = min(DEFAULT_IMAGES, len(items)) if settings.images is None else settings.images
    classes = len(dataset.class_names)
    least = max(FEWEST_IMAGES, classes)
    if wanted < least or len(items) < wanted:
        raise DataError(
            f"calibration takes at least {least} images, one of each class, and at most the {len(items)} of the "
            f"training part of '{dataset.root}'; asked for {wanted}",
            hint="change --calibration-images, or " + CALIBRATION_HINT,
        )
    chosen = stratified([item.class_index for item in items], classes, wanted, settings.seed)
    taken = tuple(items[index] for index in chosen)
    return CalibrationImages(taken, run.data, _fingerprint(taken), dataset.root)


def _fingerprint(items: Sequence[Item]) -> str:
    lines = sorted(f"{item.class_index}\t{item.sha256}\n" for item in items)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
