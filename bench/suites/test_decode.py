"""Decode and resize: from JPEG files to greyscale pixels of the size that KewCNN takes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture

from kewcore.data.images import read_image
from kewcore.data.items import Item
from kewcore.data.pixels import load_pixels
from kewcore.recipes import load_recipe

PHOTOGRAPHS, HEIGHT, WIDTH = 32, 960, 1280


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Smooth colours with some noise, as JPEG files of the size of a small photograph."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    paths = []
    for number in range(PHOTOGRAPHS):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).resize((WIDTH, HEIGHT))
        noisy = np.asarray(coarse, np.float32) + rng.normal(0, 6, (HEIGHT, WIDTH, 3))
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(paths[-1], quality=90)
    return paths


@pytest.mark.parametrize("policy", ["centre-crop", "fit", "fill"])
def test_decode_one(benchmark: BenchmarkFixture, photographs: list[Path], policy: str) -> None:
    pixels = benchmark(read_image, photographs[0], height=500, width=500, policy=policy)
    assert pixels.shape == (500, 500)


def test_decode_many(benchmark: BenchmarkFixture, photographs: list[Path]) -> None:
    items = [Item(path, 0) for path in photographs]
    pixels = benchmark.pedantic(load_pixels, args=(items, load_recipe("kewcnn").data), rounds=5, warmup_rounds=1)
    assert pixels.images.shape == (PHOTOGRAPHS, 500, 500)
