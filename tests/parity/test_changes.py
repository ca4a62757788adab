"""What a package changes: recall by class, calibration, and answers under corruptions."""

import numpy as np
import pytest

from kewcore.errors import DataError
from kewcore.parity.agreement import compare
from kewcore.parity.calibration import calibration_change, expected_calibration_error, reliability
from kewcore.parity.drift import LayerDrift, worst_first
from kewcore.parity.recall import recall_changes
from kewcore.parity.robustness import compare_corrupted

pytestmark = pytest.mark.unit


def test_recall_by_class_by_hand() -> None:
    labels = np.array([0, 0, 0, 0, 2, 2])
    reference = np.array([True, True, True, False, True, False])
    package = np.array([True, False, False, True, True, True])
    first, third = recall_changes(labels, reference, package, ("a", "b", "c"))
    assert (first.name, first.support, first.reference_recall, first.package_recall) == ("a", 4, 0.75, 0.5)
    assert (third.name, third.support, third.reference_recall, third.package_recall) == ("c", 2, 0.5, 1.0)
    assert (first.change_pp, third.change_pp) == (-25.0, 50.0)
    for one in (first, third):
        assert one.change_interval_pp.low < 0 < one.change_interval_pp.high  # So few images prove nothing.


def test_calibration_error_moves_by_what_overconfidence_adds() -> None:
    # 75 % right at a confidence of 0.75 is calibrated; the same answers at 0.95 are off by 0.2.
    labels = np.tile([0, 0, 0, 1], 100)
    reference = np.tile([0.75, 0.25], (400, 1))
    package = np.tile([0.95, 0.05], (400, 1))
    found = calibration_change(labels, reference, package)
    assert found.reference_error == pytest.approx(0, abs=1e-9)
    assert found.package_error == pytest.approx(0.2)
    assert found.change == pytest.approx(0.2)
    # Resamples with d more right answers than 75 % change by 0.2 - 2d, those with fewer by 0.2; d is nearly normal.
    assert found.change_interval.low == pytest.approx(0.2 - 2 * 1.96 * (0.75 * 0.25 / 400) ** 0.5, abs=0.01)
    assert found.change_interval.high == pytest.approx(0.2)


def test_calibration_intervals_are_those_of_resampled_images() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 80)
    reference, package = rng.dirichlet((1, 1, 1), 80), rng.dirichlet((2, 1, 1), 80)
    changes = []
    for _ in range(1500):
        chosen = rng.integers(0, 80, 80)
        errors = [
            expected_calibration_error(reliability(labels[chosen], table[chosen])) for table in (reference, package)
        ]
        changes.append(errors[1] - errors[0])
    low, high = np.quantile(changes, [0.025, 0.975])
    found = calibration_change(labels, reference, package)
    assert found.change_interval.low == pytest.approx(low, abs=0.02)
    assert found.change_interval.high == pytest.approx(high, abs=0.02)
    assert found == calibration_change(labels, reference, package)


def test_equal_classifiers_change_nothing() -> None:
    table = np.random.default_rng(0).dirichlet((1, 1), 50)
    found = compare(table, table, np.zeros(50, np.int64), class_names=("a", "b"))
    assert found.calibration is not None
    assert (found.calibration.change, found.calibration.change_interval.high) == (0, 0)
    assert [one.change_pp for one in found.per_class] == [0]
    assert found.accuracy is not None
    assert found.accuracy.first_interval == found.accuracy.second_interval
    assert compare(table, table, np.zeros(50, np.int64)).per_class == ()
    with pytest.raises(DataError, match="probabilities have 2 columns for 3 class names"):
        compare(table, table, np.zeros(50, np.int64), class_names=("a", "b", "c"))


def test_corrupted_images_are_compared_like_others() -> None:
    labels = np.arange(20) % 2
    reference = np.where(np.arange(2) == labels[:, None], 0.75, 0.25)
    package = reference.copy()
    package[:5] = package[:5, ::-1]
    found = compare_corrupted("blur", 3, "sigma 3 px", reference, package, labels)
    assert (found.corruption, found.strength, found.amount) == ("blur", 3, "sigma 3 px")
    assert (found.accuracy.first_accuracy, found.accuracy.second_accuracy, found.accuracy.drop_pp) == (1.0, 0.75, 25.0)
    assert found.accuracy.mcnemar_p == pytest.approx(2 / 2**5)
    assert (found.top1_agreement, found.max_abs_dp, found.mean_abs_dp) == (0.75, 0.5, 0.125)


def test_layers_are_sorted_by_their_own_noise() -> None:
    def layer(name: str, own: float | None) -> LayerDrift:
        return LayerDrift(name, "Conv2D", (8, 8, 4), None if own is None else f"{name}_v", None, own, own, 0, own)

    found = worst_first([layer("a", 40.0), layer("b", None), layer("c", 12.0), layer("d", float("inf"))])
    assert [one.layer for one in found] == ["c", "a", "d"]
