"""Figures of one classifier, against pencil and paper and against definitions counted out in plain Python."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kewcore.errors import DataError
from kewcore.parity.calibration import expected_calibration_error, reliability
from kewcore.parity.classification import evaluate, roc_auc

pytestmark = pytest.mark.unit

# Six images of classes a, a, a, b, b, c; the classifier says a, a, b, b, b, a.
LABELS = np.array([0, 0, 0, 1, 1, 2])
PROBABILITIES = np.array(
    [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.1, 0.9, 0.0], [0.3, 0.5, 0.2], [0.5, 0.2, 0.3]], np.float32
)


def test_a_small_table_worked_out_by_hand() -> None:
    found = evaluate(LABELS, PROBABILITIES, ("a", "b", "c"))
    assert found.n == 6
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.confusion == ((2, 1, 0), (0, 2, 0), (1, 0, 0))
    a, b, c = found.per_class
    assert (a.name, a.support, a.precision, a.recall, a.f1) == ("a", 3, *map(pytest.approx, (2 / 3, 2 / 3, 2 / 3)))
    assert (b.support, b.precision, b.recall, b.f1) == (2, *map(pytest.approx, (2 / 3, 1, 0.8)))
    assert (c.support, c.precision, c.recall, c.f1) == (1, 0, 0, 0)
    assert found.macro.f1 == pytest.approx((2 / 3 + 0.8 + 0) / 3)
    assert found.weighted.precision == pytest.approx((3 * 2 / 3 + 2 * 2 / 3) / 6)
    assert found.log_loss_nats == pytest.approx(
        -(math.log(0.8) + math.log(0.6) + math.log(0.2) + math.log(0.9) + math.log(0.5) + math.log(0.3)) / 6, rel=1e-6
    )


def test_calibration_error_by_hand() -> None:
    # Confidences 0.8 r, 0.6 r, 0.7 w, 0.9 r, 0.5 r, 0.5 w: each bin of width 1/15 holds one, but 0.5 holds two.
    found = reliability(LABELS, PROBABILITIES)
    assert [one.count for one in found if one.count] == [2, 1, 1, 1, 1]
    expected = (2 * abs(0.5 - 0.5) + abs(1 - 0.6) + abs(0 - 0.7) + abs(1 - 0.8) + abs(1 - 0.9)) / 6
    assert expected_calibration_error(found) == pytest.approx(expected, abs=1e-6)


def test_a_class_that_does_not_occur_has_no_area_and_does_not_pull_down_the_macro_average() -> None:
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.1, 0.9, 0], [0.2, 0.8, 0]], np.float32)
    found = evaluate(labels, probabilities, ("a", "b", "c"))
    assert [one.roc_auc for one in found.per_class] == [1.0, 1.0, None]
    assert found.roc_auc_macro == 1.0
    assert found.macro.f1 == 1.0
    assert evaluate(labels[:2], probabilities[:2], ("a", "b", "c")).roc_auc_macro is None


def pairs_won(positive: list[bool], scores: list[float]) -> float:
    """The area under the curve is the chance that a positive outranks a negative, ties counting half."""
    won = [
        1.0 if p > n else 0.5 if p == n else 0.0
        for p, yes in zip(scores, positive, strict=True)
        if yes
        for n, other in zip(scores, positive, strict=True)
        if not other
    ]
    return sum(won) / len(won)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30))
def test_roc_auc_is_the_chance_that_a_positive_outranks_a_negative(pairs: list[tuple[bool, int]]) -> None:
    positive, scores = [yes for yes, _ in pairs], [float(score) for _, score in pairs]
    found = roc_auc(np.array(positive), np.array(scores))
    if all(positive) or not any(positive):
        assert found is None
    else:
        assert found == pytest.approx(pairs_won(positive, scores))


@given(st.integers(1, 60), st.integers(2, 7), st.integers(0, 2**32 - 1))
def test_identities_that_hold_for_any_classifier(images: int, classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(classes), images)
    labels = rng.integers(0, classes, images)
    found = evaluate(labels, probabilities, [str(index) for index in range(classes)])
    right = sum(int(row.argmax()) == label for row, label in zip(probabilities, labels, strict=True))
    assert found.accuracy == pytest.approx(right / images)
    assert found.weighted.recall == pytest.approx(found.accuracy)
    assert sum(map(sum, found.confusion)) == images
    assert [sum(row) for row in found.confusion] == [one.support for one in found.per_class]
    assert 0 <= found.expected_calibration_error <= 1
    assert found.accuracy_interval.low <= found.accuracy <= found.accuracy_interval.high
    assert sum(one.count for one in found.reliability) == images


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0], [[0.5, 0.5, 0.0]], "probabilities have 3 columns for 2 class names"),
        ([0, 1], [[0.5, 0.5]], r"1 rows of probabilities need labels of shape \(1,\), got \(2,\)"),
        ([2], [[0.5, 0.5]], "labels must be from 0 to 1, got 2 to 2"),
        ([0], [[np.nan, 0.5]], "hold NaN or infinity in 1 of 1 rows, first in row 0"),
        ([0], [[2.0, -1.0]], "must be from 0 to 1 with rows that sum to 1; row 0 sums to 1, smallest -1"),
        ([0], [[3.0, 4.0]], "row 0 sums to 7"),
        ([], np.zeros((0, 2)), r"must have shape \[images, classes\] with at least one of each, got \(0, 2\)"),
    ],
)
def test_what_is_not_a_table_of_probabilities_is_refused(labels: object, probabilities: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        evaluate(np.array(labels, np.int64), np.array(probabilities, np.float32), ("a", "b"))
