"""Rounding to fp16 with care, against rounding to the nearest."""

import numpy as np
import pytest

from kewcore_export.quantizers.rounding import round_to_fp16

pytestmark = pytest.mark.unit


def weight(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).normal(0, 0.1, shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(48, 1, 5, 5), (96, 48, 3, 3), (320, 900)])
def test_values_go_to_a_neighbour_and_seldom_past_it(shape: tuple[int, ...]) -> None:
    exact = weight(*shape)
    stored = round_to_fp16(exact, 0).values
    assert stored.dtype == np.float16
    down = np.nextafter(stored, np.float16(-np.inf)).astype(np.float32)
    up = np.nextafter(stored, np.float16(np.inf)).astype(np.float32)
    assert np.mean((down < exact) & (exact < up)) > 0.95
    two_down = np.nextafter(np.nextafter(stored, np.float16(-np.inf)), np.float16(-np.inf)).astype(np.float32)
    two_up = np.nextafter(np.nextafter(stored, np.float16(np.inf)), np.float16(np.inf)).astype(np.float32)
    assert ((two_down < exact) & (exact < two_up)).all()


def test_sums_of_kernels_and_channels_are_kept_far_better_than_by_nearest_rounding() -> None:
    exact = weight(48, 16, 5, 5)
    nearest, ours = exact.astype(np.float16), round_to_fp16(exact, 0).values

    def errors(stored: np.ndarray, axes: tuple[int, ...]) -> float:
        return float(np.abs((stored.astype(np.float64) - exact).sum(axis=axes)).mean())

    assert errors(ours, (2, 3)) < 0.25 * errors(nearest, (2, 3))
    assert errors(ours, (1, 2, 3)) < 0.25 * errors(nearest, (1, 2, 3))
    noise = [np.square(stored.astype(np.float64) - exact).sum() for stored in (nearest, ours)]
    assert noise[1] < 1.5 * noise[0]


def test_values_that_fp16_holds_stay() -> None:
    exact = weight(8, 4, 3, 3).astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(round_to_fp16(exact, 0).values, exact)
