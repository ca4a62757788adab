"""Folders of images as datasets: which file is in which part and class, and the fingerprint of it all.

Three layouts are read; docs/data.md shows them. `DIR/{train,val,test}/<class>/*`, the same with label files
`DIR/{train,test}_labels.csv`, and a plain `DIR/<class>/*` that is split here. `DIR/synthetic/<class>/*` may come
with any of them. Hidden files and the droppings of file managers are passed over; every other file is an image.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from kewcore.console import say
from kewcore.data.checks import copies_within, hashed, leaks_between, undecodable
from kewcore.data.items import SPLITS as SPLITS
from kewcore.data.items import Item as Item
from kewcore.data.items import Skipped as Skipped
from kewcore.data.items import Split as Split
from kewcore.data.items import listed, without
from kewcore.data.layout import Found, find_images
from kewcore.data.marker import is_stand_in
from kewcore.data.split import stratified_split
from kewcore.errors import DataError
from kewcore.recipes import DataRecipe


@dataclass(frozen=True)
class Dataset:
    """The files of a folder, by split.

    Attributes:
        root: The folder.
        class_names: Labels; an item's `class_index` points into them.
        splits: Items of `train`, `val`, `test` and `synthetic` (extra training images; may be empty).
        fingerprint: SHA-256 over the lines `split, path below root, class, SHA-256 of the file`, joined by tabs.
        skipped: Files left out: bad ones under `skip_bad`, and further copies of a file in a folder that is split here.
        stand_in: True when the folder is the built-in sample set, whose figures say nothing about real photographs.
    """

    root: Path
    class_names: tuple[str, ...]
    splits: Mapping[Split, tuple[Item, ...]]
    fingerprint: str
    skipped: tuple[Skipped, ...]
    stand_in: bool


def open_dataset(
    root: Path, recipe_data: DataRecipe, *, synthetic: Path | None = None, skip_bad: bool = False
) -> Dataset:
    """Finds, hashes and splits the images of a folder; pixels are decoded later, by `kewcore.data.pixels`.

    Where `val/` is missing it is taken from `train/`, stratified and seeded by the recipe; a plain folder is split
    into test, validation and training part in the same way. Copies of a file in a folder that is split here are left
    out but for the first, so that no copy can end up on the other side.

    Args:
        root: The folder.
        recipe_data: Classes, fractions and the seed of the split.
        synthetic: A folder of extra training images, `<class>/*` or a dataset with a `synthetic/`, that takes the
            place of `root/synthetic`.
        skip_bad: Leave out files that are surely bad (empty, unreadable, not an image, several frames, too large),
            images that are in two classes, and training copies of validation or test images, and list them in
            `skipped`, rather than stop.

    Raises:
        DataError: The folder is missing or of another layout; a class is missing, unknown or empty; label file and
            folder disagree; without `skip_bad`, any file is bad or on two sides. Every offender is listed.
    """
    found = find_images(root, recipe_data, synthetic)
    names = found.class_names
    items, offending = hashed(found.items)
    skipped = list(offending)
    if found.carve:
        torn, copies = copies_within(items["train"], names)
        items["train"] = without(items["train"], torn + copies)
        if copies:
            say(f"left out {len(copies)} further copies of images before splitting")
        offending, skipped = offending + torn, skipped + torn + copies
    leaks = leaks_between(items)
    items = {part: without(items[part], leaks) for part in SPLITS}
    if (offending or leaks) and not skip_bad:
        raise _unusable(root, found, offending + leaks, recipe_data)
    for part in found.carve:
        fraction = recipe_data.test_fraction if part == "test" else recipe_data.val_fraction
        labels = [item.class_index for item in items["train"]]
        kept, taken = stratified_split(labels, names, fraction, recipe_data.split_seed, part=part)
        items[part] = tuple(items["train"][i] for i in taken)
        items["train"] = tuple(items["train"][i] for i in kept)
    _check_no_class_is_empty(root, names, items)
    return Dataset(
        root=root,
        class_names=names,
        splits=MappingProxyType(items),
        fingerprint=_fingerprint(found, items),
        skipped=tuple(skipped + leaks),
        stand_in=is_stand_in(root),
    )


def _unusable(root: Path, found: Found, offending: list[Skipped], recipe_data: DataRecipe) -> DataError:
    """Decodes the other files too, to list damage behind the headers: worth the time, as the command stops anyway."""
    known = {one.path for one in offending}
    rest = [item for items in found.items.values() for item in items if item.path not in known]
    every = offending + undecodable(rest, recipe_data)
    return DataError(
        f"{len(every)} files in '{root}' cannot be used:{listed(f'{one.path}: {one.reason}' for one in every)}",
        hint="repair or remove them, or leave them out with --skip-bad",
    )


def _check_no_class_is_empty(root: Path, names: tuple[str, ...], items: Mapping[Split, tuple[Item, ...]]) -> None:
    measured: tuple[Split, ...] = ("train", "val", "test")
    empty = [
        f"{part}/{name}"
        for part in measured
        for index, name in enumerate(names)
        if all(item.class_index != index for item in items[part])
    ]
    if empty:
        raise DataError(f"dataset '{root}' has no usable image in:{listed(empty)}")


def _fingerprint(found: Found, items: Mapping[Split, tuple[Item, ...]]) -> str:
    lines = sorted(
        f"{part}\t{found.relative(item.path).as_posix()}\t{found.class_names[item.class_index]}\t{item.sha256}\n"
        for part in SPLITS
        for item in items[part]
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()
