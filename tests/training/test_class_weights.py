"""Class weights against their formula and the recipe's table."""

import numpy as np
import pytest

from kewcore.errors import UsageError
from kewcore.recipes import load_recipe
from kewcore.training.class_weights import class_weights

pytestmark = pytest.mark.unit
NAMES = ("a", "b")


def test_balanced_gives_every_class_the_same_total() -> None:
    labels = np.array([0, 0, 0, 1])
    weights = class_weights("balanced", labels, NAMES, {})
    np.testing.assert_allclose(weights, [4 / (2 * 3), 4 / (2 * 1)])
    totals = np.bincount(labels) * weights
    assert totals[0] == pytest.approx(totals[1])


def test_none_is_one() -> None:
    assert class_weights("none", np.array([0]), NAMES, {}).tolist() == [1.0, 1.0]


def test_published_weights_of_kewcnn() -> None:
    recipe = load_recipe("kewcnn")
    names = recipe.data.classes
    assert names is not None
    weights = class_weights("published", np.arange(6), names, recipe.training.published_class_weights)
    np.testing.assert_allclose(weights, [2.1, 0.74, 0.36, 2.5, 1.7, 0.64], rtol=1e-6)


def test_published_needs_every_class() -> None:
    with pytest.raises(UsageError, match="publishes no class weights for b"):
        class_weights("published", np.array([0, 1]), NAMES, {"a": 1.0})


def test_balanced_needs_an_image_of_every_class() -> None:
    with pytest.raises(UsageError, match="none of: b"):
        class_weights("balanced", np.array([0]), NAMES, {})
