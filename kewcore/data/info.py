"""Describing a dataset: what is in it, in which sizes and formats, and what is wrong with it."""

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from kewcore.data.checks import undecodable
from kewcore.data.dataset import open_dataset
from kewcore.data.items import SPLITS, Item, Skipped, Split, without
from kewcore.data.marker import read_marker
from kewcore.recipes import DataRecipe


@dataclass(frozen=True)
class DatasetInfo:
    """What a dataset holds.

    Attributes:
        root: Its folder.
        class_names: Labels in order.
        counts: Images by part and class.
        sizes: Images by (height, width), the most frequent first.
        formats: Images by file format and pixel mode, such as `JPEG L`.
        size_bytes: Bytes of all image files.
        duplicates: Files whose content is in the same part once more.
        skipped: Files that `train` would refuse, or leave out, and why.
        fingerprint: See `Dataset`.
        marker: What `dataset.json` says, or None.
    """

    root: Path
    class_names: tuple[str, ...]
    counts: Mapping[Split, Mapping[str, int]]
    sizes: Mapping[tuple[int, int], int]
    formats: Mapping[str, int]
    size_bytes: int
    duplicates: int
    skipped: tuple[Skipped, ...]
    fingerprint: str
    marker: Mapping[str, Any] | None


def describe_dataset(root: Path, recipe_data: DataRecipe) -> DatasetInfo:
    """Describes a folder, whose images are all decoded once to find what cannot be.

    Raises:
        DataError: The folder is no dataset; see `open_dataset`.
    """
    dataset = open_dataset(root, recipe_data, skip_bad=True)
    bad = undecodable([item for part in SPLITS for item in dataset.splits[part]], recipe_data)
    splits = {part: without(dataset.splits[part], bad) for part in SPLITS}
    items = [item for part in SPLITS for item in splits[part]]

    def header(item: Item) -> tuple[tuple[int, int], str, int]:
        with Image.open(item.path) as image:
            return (image.height, image.width), f"{image.format} {image.mode}", item.path.stat().st_size

    with ThreadPoolExecutor() as pool:
        headers = list(pool.map(header, items))
    within = {part: [item.sha256 for item in splits[part]] for part in SPLITS}
    return DatasetInfo(
        root=root,
        class_names=dataset.class_names,
        counts={
            part: {
                name: sum(item.class_index == index for item in splits[part])
                for index, name in enumerate(dataset.class_names)
            }
            for part in SPLITS
        },
        sizes=dict(Counter(size for size, _, _ in headers).most_common()),
        formats=dict(Counter(kind for _, kind, _ in headers).most_common()),
        size_bytes=sum(size_bytes for _, _, size_bytes in headers),
        duplicates=sum(len(hashes) - len(set(hashes)) for hashes in within.values()),
        skipped=dataset.skipped + tuple(bad),
        fingerprint=dataset.fingerprint,
        marker=read_marker(root),
    )
