"""The labelled images that a model is judged by: where they lie, how they are decoded, whether they have changed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast, get_args

from kewcore.console import warn
from kewcore.data.dataset import Dataset, Split, open_dataset
from kewcore.data.pixels import load_pixels
from kewcore.data.prepare import Balance
from kewcore.errors import DataError, UsageError
from kewcore.recipes import DataRecipe, ResizePolicy, load_recipe
from kewcore_bench.images import LabelledImages, evenly_limited
from kewcore_bench.result import DatasetFacts


@dataclass(frozen=True)
class ImageSource:
    """What images a model takes, and the dataset that it was trained on.

    Attributes:
        wanted_by: The run, package or file that takes them, for messages.
        data: How they are decoded and split.
        class_names: What labels point into.
        dataset: Folder that the model was trained on; None where that is not known.
        fingerprint: Of that folder at the time; None where that is not known.
    """

    wanted_by: Path
    data: DataRecipe
    class_names: tuple[str, ...]
    dataset: Path | None
    fingerprint: str | None


def data_recipe(recipe: str, class_names: tuple[str, ...], *, height: int, width: int, resize: str) -> DataRecipe:
    """Gives the data part of a recipe with the size and classes of a trained model.

    Args:
        recipe: Name of the recipe; one of the user's own splits a plain folder as KewCNN's does.
        class_names: Labels.
        height: Rows of the model's input.
        width: Columns of it.
        resize: Its resize policy.

    Raises:
        UsageError: There is no such resize policy.
    """
    if resize not in get_args(ResizePolicy):
        raise UsageError(f"unknown resize policy '{resize}'; known: {', '.join(get_args(ResizePolicy))}")
    try:
        base = load_recipe(recipe).data
    except UsageError:
        base = load_recipe("kewcnn").data
    return replace(base, classes=class_names, height=height, width=width, resize=cast(ResizePolicy, resize))


def labelled_images(
    sources: Sequence[ImageSource],
    *,
    data: Path | None,
    split: Split = "test",
    limit: int | None = None,
    cache: Path | None = None,
    skip_bad: bool = False,
) -> LabelledImages:
    """Decodes the images that some models are judged by.

    Args:
        sources: At least one; all must take the same images.
        data: Folder that was asked for, whatever the models were trained on; None takes their own, which must be as
            it was then.
        split: Part of the dataset.
        limit: Most images, each class in proportion.
        cache: Folder for decoded pixels.
        skip_bad: Leave out images that cannot be read.

    Raises:
        UsageError: The models take different images, or no folder is known.
        DataError: The dataset cannot be used, or the folder has changed since training.
    """
    first = sources[0]
    for other in sources[1:]:
        if other.data != first.data or (data is None and other.fingerprint != first.fingerprint):
            raise UsageError(
                f"'{first.wanted_by}' and '{other.wanted_by}' take different images or classes",
                hint="measure them one at a time; where only the dataset differs, give one for both with --data",
            )
    folder = data if data is not None else first.dataset
    if folder is None:
        raise UsageError(f"it is not known what '{first.wanted_by}' was trained on", hint="say --data DIR")
    dataset = open_dataset(folder, first.data, skip_bad=skip_bad)
    if first.fingerprint is not None and dataset.fingerprint != first.fingerprint:
        if data is None:
            raise DataError(
                f"dataset '{folder}' has changed since '{first.wanted_by}' was trained "
                f"(fingerprint {first.fingerprint[:12]}…, now {dataset.fingerprint[:12]}…)",
                hint=f"to measure on it as it is now: --data {folder}",
            )
        warn(
            f"'{folder}' is not what '{first.wanted_by}' was trained on: "
            f"its {split} part may hold images that were learnt from"
        )
    items = dataset.splits[split]
    chosen = evenly_limited([item.class_index for item in items], limit)
    pixels = load_pixels([items[index] for index in chosen], first.data, cache=cache, skip_bad=skip_bad)
    counts = {name: int((pixels.labels == index).sum()) for index, name in enumerate(first.class_names)}
    return LabelledImages(
        pixels=pixels.images,
        labels=pixels.labels,
        files=tuple(item.path for item in pixels.items),
        class_names=first.class_names,
        facts=DatasetFacts(
            path=folder,
            fingerprint=dataset.fingerprint,
            split=split,
            images=len(pixels.labels),
            available=len(items),
            stand_in=dataset.stand_in,
            class_counts=counts,
            class_balance=_class_balance(dataset),
            height=first.data.height,
            width=first.data.width,
            resize=first.data.resize,
        ),
    )


def _class_balance(dataset: Dataset) -> tuple[Balance, ...]:
    counts = [Counter(item.class_index for item in dataset.splits[part]) for part in ("train", "synthetic")]
    return tuple(Balance(name, *(count[index] for count in counts)) for index, name in enumerate(dataset.class_names))
