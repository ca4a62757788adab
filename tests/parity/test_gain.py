"""A gain beside the gain that it came from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kewcore.parity.gain import compare_gains

pytestmark = pytest.mark.unit


def right(text: str) -> np.ndarray:
    return np.array([letter == "1" for letter in text])


def test_the_change_is_that_of_the_accuracies() -> None:
    # References 1/5 -> 4/5; copies 2/5 -> 3/5: a gain of 60 points became one of 20.
    found = compare_gains(right("10000"), right("11110"), right("11000"), right("01110"))
    assert found.change_pp == pytest.approx(20 - 60)
    assert found.interval_pp.low <= found.change_pp <= found.interval_pp.high
    assert found.interval_pp.level == 0.95


def test_no_difference_on_few_images_is_no_guarantee_and_on_many_nearly_one() -> None:
    few = compare_gains(right("10"), right("11"), right("10"), right("11"))
    assert few.change_pp == 0
    assert few.interval_pp.low < -10
    many = compare_gains(*(np.tile(right(text), 1000) for text in ("10", "11", "10", "11")))
    assert -0.2 < many.interval_pp.low < 0 < many.interval_pp.high < 0.2


def test_a_surely_lost_gain_has_an_interval_below_zero() -> None:
    found = compare_gains(
        right("0000000000" * 20), right("1111100000" * 20), right("0000000000" * 20), right("1100000000" * 20)
    )
    assert found.change_pp == pytest.approx(-30)
    # Normal approximation: 30 +- 1.96 * sqrt(0.3 * 0.7 / 200) points.
    assert found.interval_pp.low == pytest.approx(-36.4, abs=1.2)
    assert found.interval_pp.high == pytest.approx(-23.6, abs=1.2)


@given(st.lists(st.tuples(*[st.booleans()] * 4), min_size=1, max_size=40))
def test_exchanging_before_and_after_turns_the_sign(rows: list[tuple[bool, bool, bool, bool]]) -> None:
    a, b, c, d = (np.array(column) for column in zip(*rows, strict=True))
    assert compare_gains(a, b, c, d).change_pp == pytest.approx(-compare_gains(b, a, d, c).change_pp)
