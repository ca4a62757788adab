"""ROC curves that a result carries: true to the area, few points, from corner to corner."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kewcore.errors import DataError
from kewcore.parity.classification import roc_auc
from kewcore.parity.roc import roc_curves

pytestmark = pytest.mark.unit


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(6, 400), st.floats(0, 4))
def test_curves_keep_the_area_and_run_from_corner_to_corner(seed: int, images: int, skill: float) -> None:
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % 3
    scores = rng.random((images, 3)) + skill * np.eye(3)[labels] * rng.random((images, 1))
    probabilities = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    curves = roc_curves(labels, probabilities, ("a", "b", "c"))
    assert [one.name for one in curves] == ["a", "b", "c"]
    for index, one in enumerate(curves):
        x, y = np.array(one.false_positive_rate), np.array(one.true_positive_rate)
        assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
        assert (np.diff(x) >= 0).all()
        assert (np.diff(y) >= 0).all()
        area = float(((y[1:] + y[:-1]) / 2 * np.diff(x)).sum())
        assert area == pytest.approx(roc_auc(labels == index, probabilities[:, index]), abs=1.5e-3)


def test_a_class_without_an_image_has_no_curve() -> None:
    table = np.array([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1]], np.float32)
    curves = roc_curves(np.array([0, 1]), table, ("a", "b", "c"))
    assert [(one.name, one.false_positive_rate, one.true_positive_rate) for one in curves] == [
        ("a", (0.0, 0.0, 1.0), (0.0, 1.0, 1.0)),
        ("b", (0.0, 0.0, 1.0), (0.0, 1.0, 1.0)),
    ]
    assert roc_curves(np.array([1, 1]), table[:, :2] / table[:, :2].sum(axis=1, keepdims=True), ("a", "b")) == ()
    with pytest.raises(DataError):
        roc_curves(np.array([0]), table, ("a", "b", "c"))
