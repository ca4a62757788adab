"""Recipes: what the built-in one says, and how a wrong one is answered."""

from pathlib import Path

import pytest

from kewcore.errors import UsageError
from kewcore.recipes import load_recipe

pytestmark = pytest.mark.unit
KEWCNN = Path(__file__).parents[1] / "kewcore" / "recipes" / "kewcnn.toml"


def test_kewcnn_holds_the_published_schedule() -> None:
    recipe = load_recipe("kewcnn")
    assert recipe.data.classes == ("flower", "fruit", "leaf", "plant_tag", "stem", "whole_plant")
    assert (recipe.data.height, recipe.data.width) == (500, 500)
    assert (recipe.data.test_fraction, recipe.data.split_seed) == (0.3, 42)
    schedule = recipe.training
    assert (schedule.epochs, schedule.batch_size, schedule.patience) == (35, 32, 10)
    assert (schedule.learning_rate, schedule.decay_rate, schedule.decay_steps) == (1e-3, 0.88, 1350)
    changes = schedule.augmentation
    assert (changes.horizontal_flip, changes.rotation, changes.translation, changes.zoom) == (True, 0.08, 0.08, 0.05)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = 35", "epochs = 0", "'epochs' must be a whole number from 1, got 0"),
        ("epochs = 35", "epoch = 35", r"\[training\] has unknown keys \['epoch'\]"),
        ("epochs = 35", "", r"\[training\] lacks \['epochs'\]"),
        ("rotation = 0.08", "rotation = 1.5", "'rotation' must be from 0 up to 1, got 1.5"),
        ("learning_rate = 1e-3", "learning_rate = -1", "'learning_rate' must be a number above 0, got -1"),
        ('resize = "centre-crop"', 'resize = "squash"', "must be one of fit, fill, centre-crop, got 'squash'"),
        ("learning_rate = 1e-3", "learning_rate = nan", "'learning_rate' must be a number above 0, got nan"),
        ("learning_rate = 1e-3", "learning_rate = inf", "'learning_rate' must be a number above 0, got inf"),
        ("horizontal_flip = true", 'horizontal_flip = "no"', "'horizontal_flip' must be true or false, got 'no'"),
        ('"balanced"', '"heavy"', "'class_weights' must be one of balanced, published, none, got 'heavy'"),
        ('name = "kewcnn"', 'name = "../kewcnn"', r"'name' names files and must not be .* got '\.\./kewcnn'"),
        ('"flower", ', '"leaf", ', "data.classes must be at least two different names"),
        ('"flower", ', '"a/b", ', "data.classes must be a list of names that folders can have"),
        ('title = "KewCNN"', "title = 3", "'title' must be a text, got 3"),
        ("[data]", "[data", "is not valid TOML"),
        ("[model]", "model = 3\n[modell]", "unknown keys"),
    ],
)
def test_a_wrong_recipe_is_answered_by_key_and_file(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(KEWCNN.read_text().replace(old, new, 1))
    with pytest.raises(UsageError, match=message) as caught:
        load_recipe(str(path))
    assert str(path) in caught.value.message + "".join(getattr(caught.value, "__notes__", ()))


def test_a_missing_recipe_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read recipe .*: No such file"):
        load_recipe(str(tmp_path / "none.toml"))
