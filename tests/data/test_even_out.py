"""Drawings that even the classes of photographs out."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kewcore.data.dataset import open_dataset
from kewcore.data.sample.even_out import even_out
from kewcore.errors import StorageError, UsageError
from kewcore.recipes import DataRecipe, load_recipe

pytestmark = pytest.mark.unit


def photographs(root: Path, counts: dict[str, int]) -> None:
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.random.default_rng([*name.encode(), number]).integers(0, 256, (8, 8), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")


def recipe(*classes: str) -> DataRecipe:
    from dataclasses import replace

    return replace(load_recipe("kewcnn").data, classes=classes)


def test_every_class_is_drawn_up_to_the_largest_of_the_training_part(tmp_path: Path) -> None:
    photographs(tmp_path / "photos", {"leaf": 12, "stem": 7})
    dataset = open_dataset(tmp_path / "photos", recipe("leaf", "stem"))
    in_training = Counter(item.class_index for item in dataset.splits["train"])
    found = even_out(dataset, tmp_path / "drawn")
    assert found.counts == {"leaf": 0, "stem": in_training[0] - in_training[1]}
    merged = open_dataset(tmp_path / "photos", recipe("leaf", "stem"), synthetic=tmp_path / "drawn")
    added = Counter(item.class_index for item in merged.splits["synthetic"])
    assert in_training[0] + added[0] == in_training[1] + added[1]
    with Image.open(merged.splits["synthetic"][0].path) as image:
        assert (image.size, image.mode) == ((500, 500), "L")


def test_a_class_that_cannot_be_drawn_is_named(tmp_path: Path) -> None:
    photographs(tmp_path / "photos", {"leaf": 6, "moss": 6})
    dataset = open_dataset(tmp_path / "photos", recipe("leaf", "moss"))
    with pytest.raises(UsageError, match="it cannot draw moss"):
        even_out(dataset, tmp_path / "drawn")
    assert not (tmp_path / "drawn").exists()


def test_a_folder_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    photographs(tmp_path / "photos", {"leaf": 8, "stem": 6})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x.txt").write_text("keep me")
    dataset = open_dataset(tmp_path / "photos", recipe("leaf", "stem"))
    with pytest.raises(StorageError, match="holds files that kewcore did not write"):
        even_out(dataset, tmp_path / "mine")
    assert (tmp_path / "mine" / "x.txt").read_text() == "keep me"
