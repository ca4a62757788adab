"""Images of a search: one part to search on, one to fit to, and one that the search does not see."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kewcore.data.dataset import Dataset
from kewcore.data.items import Item, Split
from kewcore.data.pixels import decoded
from kewcore.errors import DataError
from kewcore.training.run import Run
from kewcore_export.run_images import dataset_of_run, stratified
from kewcore_export.search.evaluator import LabelledImages
from kewcore_export.search.head import FIT_IMAGES

MOST_UNSEEN = 2000
"""More would take memory, and narrow no interval that matters."""
MOST_SEARCHED = 400
"""More would make every trial slow and hardly narrow the intervals that matter."""
FEWEST_SEARCHED = 32

Reference = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True)
class SearchImages:
    """What a search judges, fits and is judged by.

    Attributes:
        searched: Items that candidates are judged on: the validation part.
        fitted: Items of the training part.
        unseen: Items of the test part, that only the chosen package is run on.
        run: The run, for the size and resize policy of images.
    """

    searched: tuple[Item, ...]
    fitted: tuple[Item, ...]
    unseen: tuple[Item, ...]
    run: Run


def search_images(run: Run, folder: Path | None, seed: int) -> SearchImages:
    """Chooses the images of a search from the data that the run was trained on.

    Args:
        run: The run.
        folder: Another dataset of the same classes in place of the one that the run was trained on.
        seed: Of the choice.

    Raises:
        DataError: The data is no longer there or has changed; or the validation part is too small.
    """
    dataset = dataset_of_run(run, folder)
    searched = _drawn(dataset, "val", MOST_SEARCHED, seed)
    if len(searched) < FEWEST_SEARCHED:
        raise DataError(
            f"a search needs {FEWEST_SEARCHED} validation images or more to judge packages on, and '{dataset.root}' "
            f"has {len(searched)}",
            hint="choose a mode by hand, such as --quantize int8",
        )
    fitted, unseen = _drawn(dataset, "train", FIT_IMAGES, seed), _drawn(dataset, "test", MOST_UNSEEN, seed)
    return SearchImages(searched, fitted, unseen, run)


def pixels_of(items: Sequence[Item], run: Run) -> NDArray[np.uint8]:
    """Decodes images.

    Returns:
        uint8 `[N, H, W]`.

    Raises:
        DataError: One cannot be decoded.
    """
    found = []
    for one in decoded(items, run.data):
        if not isinstance(one, np.ndarray):
            raise DataError(
                f"image '{one.path}' cannot be decoded: {one.reason}", hint="repair it, or remove it and train again"
            )
        found.append(one)
    return np.stack(found)


def labelled(items: Sequence[Item], run: Run, reference: Reference, *, mirrored: bool = False) -> LabelledImages:
    """Decodes images, and asks the reference about them.

    Args:
        items: The images.
        run: Their size and resize policy.
        reference: From uint8 `[N, H, W]` to probabilities, float32 `[N, C]`.
        mirrored: Whether to add three more views of each: left to right, upside down, and both. The reference judges
            each view by itself, so that they tell more of how two classifiers differ, whatever it makes of them.
    """
    pixels = pixels_of(items, run)
    labels = np.array([item.class_index for item in items], np.int64)
    views = 1
    if mirrored:
        pixels = np.concatenate([pixels, pixels[:, :, ::-1], pixels[:, ::-1], pixels[:, ::-1, ::-1]])
        views = 4
    return LabelledImages(pixels, np.tile(labels, views), reference(pixels), views)


def _drawn(dataset: Dataset, split: Split, most: int, seed: int) -> tuple[Item, ...]:
    items = dataset.splits[split]
    chosen = stratified([item.class_index for item in items], len(dataset.class_names), min(most, len(items)), seed)
    return tuple(items[index] for index in chosen)
