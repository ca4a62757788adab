"""Small folders of distinct images for tests."""

import io

import numpy as np
from PIL import Image

from kewcore.recipes import DataRecipe

CLASSES = ("flower", "leaf")
RECIPE = DataRecipe(CLASSES, 8, 8, "fill", test_fraction=0.3, val_fraction=0.15, split_seed=42)


def picture(seed, size=(9, 7)):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8))


def content(seed):
    stream = io.BytesIO()
    picture(seed).save(stream, "PNG")
    return stream.getvalue()


def fill(folder, count, first=0):
    folder.mkdir(parents=True)
    for i in range(count):
        (folder / f"{i:03d}.png").write_bytes(content(first + i))


def plain(root, counts, first=0):
    for k, (name, count) in enumerate(counts.items()):
        fill(root / name, count, first + 1000 * k)
    return root


def split(root, parts=("train", "val", "test"), count=4):
    for k, part in enumerate(parts):
        plain(root / part, dict.fromkeys(CLASSES, count), 10_000 * (k + 1))
    return root
