"""Files that must not be used: bad ones, copies of one another, and copies on both sides of a measurement."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from kewcore.data.images import check_header, quiet_decoders
from kewcore.data.items import SPLITS, Item, Skipped, Split
from kewcore.data.pixels import decoded
from kewcore.recipes import DataRecipe


def hashed(found: Mapping[Split, tuple[Item, ...]]) -> tuple[dict[Split, tuple[Item, ...]], list[Skipped]]:
    """Reads every file once: its SHA-256, or why it is surely bad."""

    def look(item: Item) -> Item | Skipped:
        if not _is_utf_8(item.path):
            return Skipped(item.path, "its name is not valid UTF-8, so label files and fingerprints cannot hold it")
        try:
            content = item.path.read_bytes()
        except OSError as error:
            return Skipped(item.path, f"cannot be read: {error.strerror}")
        reason = check_header(content)
        return Skipped(item.path, reason) if reason else replace(item, sha256=hashlib.sha256(content).hexdigest())

    items: dict[Split, tuple[Item, ...]] = {}
    bad: list[Skipped] = []
    with quiet_decoders(), ThreadPoolExecutor() as pool:
        for part in SPLITS:
            looks = list(pool.map(look, found.get(part, ())))
            items[part] = tuple(one for one in looks if isinstance(one, Item))
            bad += [one for one in looks if isinstance(one, Skipped)]
    return items, bad


def _is_utf_8(path: Path) -> bool:
    # Python keeps other bytes of a name as lone surrogates, which UTF-8 cannot encode.
    return not any("\ud800" <= letter <= "\udfff" for letter in str(path))


def undecodable(items: Sequence[Item], recipe_data: DataRecipe) -> list[Skipped]:
    """Decodes files and keeps nothing but the reasons why some cannot be."""
    return [one for one in decoded(items, recipe_data) if isinstance(one, Skipped)]


def copies_within(items: Sequence[Item], class_names: Sequence[str]) -> tuple[list[Skipped], list[Skipped]]:
    """Finds files of the same content among hashed items.

    Returns:
        All files of images that are in more than one class, whose label cannot be known; and every further copy, after
        the first, of other images.
    """
    groups: dict[str | None, list[Item]] = defaultdict(list)
    for item in items:
        groups[item.sha256].append(item)
    torn: list[Skipped] = []
    copies: list[Skipped] = []
    for group in groups.values():
        if len({item.class_index for item in group}) > 1:
            where = ", ".join(f"{item.path} ({class_names[item.class_index]})" for item in group)
            torn += [Skipped(item.path, f"the same image is in more than one class: {where}") for item in group]
        else:
            copies += [Skipped(item.path, f"copy of {group[0].path}") for item in group[1:]]
    return torn, copies


def leaks_between(items: Mapping[Split, tuple[Item, ...]]) -> list[Skipped]:
    """Finds hashed files of the same content on both sides of a measurement: the copy that is further from the test.

    Test images may not be in any other part, and validation images not in what is trained on.
    """
    held: dict[str | None, Item] = {}
    leaks: list[Skipped] = []
    order: tuple[Split, ...] = ("test", "val", "train", "synthetic")
    for part in order:
        leaks += [
            Skipped(item.path, f"the same image as {held[item.sha256].path}")
            for item in items[part]
            if item.sha256 in held
        ]
        if part in {"test", "val"}:
            held |= {item.sha256: item for item in items[part] if item.sha256 not in held}
    return leaks
