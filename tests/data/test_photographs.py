"""Real photographs, where they are at hand: the folder named by KEWCORE_SHARED, or `shared` beside the checkout."""

import os
from pathlib import Path

import numpy as np
import pytest

from kewcore.data.dataset import open_dataset
from kewcore.data.images import read_image
from kewcore.data.pixels import load_pixels
from kewcore.recipes import load_recipe

pytestmark = [pytest.mark.unit, pytest.mark.slow]

SHARED = Path(os.environ.get("KEWCORE_SHARED", Path(__file__).parents[3] / "shared"))


@pytest.fixture
def photos():
    folder = SHARED / "data" / "kew-photos"
    if not folder.is_dir():
        pytest.skip(f"no photographs at '{folder}'; name their folder with KEWCORE_SHARED")
    return folder


def test_a_plain_folder_of_photographs(photos, tmp_path):
    recipe = load_recipe("kewcnn").data
    dataset = open_dataset(photos, recipe)
    counts = {part: len(items) for part, items in dataset.splits.items()}
    files = [path for path in photos.rglob("*") if path.is_file()]
    assert sum(counts.values()) == len(files) - len(dataset.skipped)
    assert counts["test"] == pytest.approx(0.3 * sum(counts.values()), abs=6)
    assert not dataset.stand_in
    items = dataset.splits["test"][::40]
    pixels = load_pixels(items, recipe, cache=tmp_path)
    assert pixels.images.shape == (len(items), 500, 500)
    assert pixels.images.std(axis=(1, 2)).min() > 3


def test_every_thumbnail_of_kew_mnist():
    folder = SHARED / "data" / "kew-thumbs"
    if not folder.is_dir():
        pytest.skip(f"no thumbnails at '{folder}'; name their folder with KEWCORE_SHARED")
    paths = sorted(path for path in folder.rglob("*") if path.suffix in {".png", ".jpg"})
    assert len(paths) == 58
    for path in paths:
        pixels = read_image(path, height=100, width=100, policy="centre-crop")
        assert pixels.std() > 10
        assert np.ptp(pixels) > 100
