"""Corruptions do what their names say, by the amount that their strength says, and twice the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kewcore_bench.depth.corruptions import CORRUPTIONS, STRENGTHS, amount_text, corrupt

pytestmark = pytest.mark.unit


def test_noise_has_the_published_deviation() -> None:
    grey = np.full((300, 300), 128, np.uint8)
    found = corrupt(grey, "noise", 1).astype(float) - 128
    assert found.std() == pytest.approx(0.08 * 255, rel=0.02)
    assert found.mean() == pytest.approx(0, abs=0.3)
    assert not np.array_equal(found, corrupt(grey, "noise", 1, index=1).astype(float) - 128)
    assert not np.array_equal(found, corrupt(grey, "noise", 1, seed=1).astype(float) - 128)


def test_brightness_adds_and_stops_at_white() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    expected = np.minimum(np.arange(256) + 128, 255).reshape(16, 16)
    np.testing.assert_array_equal(corrupt(levels, "brightness", 5), expected)


def test_blur_spreads_a_point_by_its_sigma() -> None:
    point = np.zeros((448, 448), np.uint8)
    point[200:248, 200:248] = 255
    found = corrupt(point, "blur", 3).astype(float)  # Sigma 3 px at 224 pixels is 6 px here.
    columns = np.arange(448) - 223.5
    variance = (found.sum(axis=0) * columns**2).sum() / found.sum()
    assert variance == pytest.approx((48**2 - 1) / 12 + 6**2, rel=0.03)  # Variances of box and blur add up.


def test_rotation_turns_about_the_middle_and_mirrors_what_comes_in() -> None:
    rows, columns = np.mgrid[:201, :301]
    spot = 255 * ((rows - 100) ** 2 + (columns - 230) ** 2 < 64)
    found = corrupt(spot.astype(np.uint8), "rotation", 5)
    down, right = np.average(rows, weights=found) - 100, np.average(columns, weights=found) - 150
    assert abs(np.degrees(np.arctan2(down, right))) == pytest.approx(30, abs=0.5)
    assert np.hypot(down, right) == pytest.approx(80, abs=0.5)
    assert (corrupt(np.full((64, 40), 200, np.uint8), "rotation", 5) == 200).all()
    turns = {corrupt(spot.astype(np.uint8), "rotation", 5, index=index)[:100].sum() > 9000 for index in range(12)}
    assert turns == {True, False}


def test_jpeg_of_worse_quality_is_further_away() -> None:
    noisy = np.random.default_rng(0).integers(0, 256, (96, 96)).astype(np.uint8)
    errors = [np.abs(corrupt(noisy, "jpeg", level).astype(int) - noisy).mean() for level in STRENGTHS]
    assert errors == sorted(errors)
    assert errors[0] > 5


def test_amounts_are_written_with_their_units() -> None:
    assert [amount_text(kind, 1, 448, 500) for kind in CORRUPTIONS] == [
        "sigma 2.0 px",
        "std 0.08 of white",
        "+0.1 of white",
        "5 degrees",
        "quality 25",
    ]


@given(
    st.sampled_from(sorted(CORRUPTIONS)),
    st.sampled_from(STRENGTHS),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(0, 2**32),
)
def test_any_size_keeps_its_size_and_type_and_repeats(
    kind: str, strength: int, height: int, width: int, seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
    before = pixels.copy()
    found = corrupt(pixels, kind, strength, seed=seed)
    assert (found.shape, found.dtype) == ((height, width), np.dtype(np.uint8))
    np.testing.assert_array_equal(found, corrupt(pixels, kind, strength, seed=seed))
    np.testing.assert_array_equal(pixels, before)
