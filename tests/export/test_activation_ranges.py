"""Histograms of activations, and the ranges that follow from them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kewcore.parity.snr import LEAST_SNR_DB
from kewcore_export.activations.calibration import calibrated_ranges
from kewcore_export.activations.cost import Noise
from kewcore_export.activations.histogram import Distribution, Histogram, united
from kewcore_export.activations.placement import Placement
from kewcore_export.activations.ranges import (
    METHODS,
    ActivationRange,
    Method,
    chosen_range,
    clipped_part,
    exact_range,
    signal_to_noise_db,
)
from kewcore_export.activations.record import recorded_db

pytestmark = pytest.mark.unit


def counted(*images: np.ndarray) -> Distribution:
    histogram = Histogram()
    for image in images:
        histogram.add(image.astype(np.float16))
    return histogram.distribution()


@given(st.lists(st.floats(-60000, 60000, width=16), min_size=1, max_size=60), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_a_histogram_counts_every_value(values: list[float], parts: int) -> None:
    array = np.array(values, np.float16)
    found = counted(*np.array_split(array, min(parts, array.size)))
    distinct, counts = np.unique(array.astype(np.float64) + 0.0, return_counts=True)
    assert np.array_equal(found.values, distinct)
    assert np.array_equal(found.counts, counts)
    assert (found.low, found.high) == (min(values), max(values))


def test_united_histograms_are_those_of_all_elements() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.standard_normal((2, 3, 50)).astype(np.float16)
    together = united((counted(*first), counted(*second)))
    whole = counted(*np.concatenate([first, second], axis=1))
    assert np.array_equal(together.values, whole.values)
    assert np.array_equal(together.counts, whole.counts)
    assert together.per_image == whole.per_image


def squared_error(values: np.ndarray, low: float, high: float) -> float:
    """Quantises in a plain way: 256 levels, one of which is 0."""
    scale = np.float16((high - low) / 255).astype(np.float64)
    zero = np.clip(round(-128 - low / scale), -128, 127)
    steps = np.clip(np.round(values / scale) + zero, -128, 127)
    return float((((steps - zero) * scale - values) ** 2).sum())


def test_least_squares_beats_every_range_of_a_plain_grid() -> None:
    values = np.random.default_rng(3).standard_t(3, 20000).astype(np.float16).astype(np.float64)
    values = np.where(values > 0, values, 0.1 * values)
    found = chosen_range(counted(values), "mse", symmetric=False)
    assert found is not None
    error = float(((found.quantized(values) - values) ** 2).sum())
    grid = [squared_error(values, values.min() * a, values.max() * b)
            for a in np.linspace(0.1, 1, 19) for b in np.linspace(0.1, 1, 19)]  # fmt: skip
    assert error <= min(grid) * 1.03
    assert error < squared_error(values, values.min(), values.max())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("symmetric", [False, True])
def test_every_range_has_zero_on_a_level(method: str, symmetric: bool) -> None:
    images = [np.random.default_rng(seed).gamma(2, 1 + seed / 10, 3000) - 0.4 for seed in range(12)]
    found = chosen_range(counted(*images), method, symmetric=symmetric)  # type: ignore[arg-type]
    assert found is not None
    assert found.quantized(np.zeros(1))[0] == 0
    assert np.float16(found.scale) == found.scale
    assert -128 <= found.zero_point <= 127
    if symmetric:
        assert found.zero_point == 0
    whole = np.concatenate(images).astype(np.float16)
    low, high = {
        "min-max": (whole.min(), whole.max()),
        "moving-average": (np.mean([i.min() for i in images]), np.mean([i.max() for i in images])),
        "percentile": (np.sort(whole)[3], np.sort(whole)[-4]),
    }.get(method, (found.low, found.high))
    step = found.scale
    assert found.high == pytest.approx(high, abs=1.5 * step)
    if not symmetric:
        assert found.low == pytest.approx(low, abs=1.5 * step)


def test_an_image_keeps_every_byte() -> None:
    pixels = np.arange(256)
    scaled = (pixels.astype(np.float16) * np.float16(1 / 255)).astype(np.float64)
    found = exact_range(0.0, 255 * float(np.float16(1 / 255)))
    assert found is not None
    assert (found.dtype, found.zero_point) == ("uint8", 0)
    assert np.array_equal(np.rint(scaled / found.scale), pixels)
    assert exact_range(0.0, 255.0) == ActivationRange(1.0, 0, "uint8")


def test_an_image_around_zero_has_no_level_for_zero() -> None:
    assert exact_range(-1.0, 1.0) is None
    assert exact_range(0.0, 0.0) is None


def test_ranges_of_nothing() -> None:
    assert chosen_range(counted(np.zeros(5)), "mse", symmetric=False) is None
    assert chosen_range(counted(np.full(5, 1e-5)), "min-max", symmetric=False) is None


@pytest.mark.parametrize(
    ("values", "method", "reason"),
    [
        (np.zeros(5), "mse", "zero on all calibration images"),
        (np.full(5, 1e-5), "mse", "at most 1e-05: fp16 has no scale"),
        (
            np.append(np.zeros(10**5), 5.0),
            "percentile",
            "next to zero but for a few values, up to 5: 'percentile' finds no range",
        ),
    ],
)
def test_it_is_said_why_there_is_no_range(values: np.ndarray, method: Method, reason: str) -> None:
    placed = Placement(operations=(), groups=(("a", "b"),), measured=frozenset({"a"}), exact={})
    found = calibrated_ranges(placed, {"a": counted(values)}, method, symmetric=False)
    assert found.unusable == {"a": reason, "b": reason}


def test_noise_alone_is_not_recorded_as_exact() -> None:
    assert [recorded_db(ratio) for ratio in (np.inf, 31.234, -3.0)] == [None, 31.23, -3.0]
    nothing, step = counted(np.zeros(9)), ActivationRange(1.0, 0, "int8")
    assert recorded_db(signal_to_noise_db(nothing, step)) is None
    assert recorded_db(Noise(signal=0.0, noise=1.0).snr_db) == LEAST_SNR_DB


@pytest.mark.parametrize("value", [3.5, -0.25])
def test_a_constant_activation_is_kept(value: float) -> None:
    distribution = counted(np.full(50, value))
    found = chosen_range(distribution, "mse", symmetric=False)
    assert found is not None
    assert signal_to_noise_db(distribution, found) > 60


def test_noise_and_clipping_are_those_of_the_elements() -> None:
    values = np.array([0, 0.5, 1, 2, 300], np.float64)
    step = ActivationRange(1.0, -128, "int8")
    distribution = counted(values)
    noise = (0.5 - round(0.5)) ** 2 + (300 - 255) ** 2
    assert signal_to_noise_db(distribution, step) == pytest.approx(10 * np.log10((values**2).sum() / noise))
    assert clipped_part(distribution, step) == pytest.approx(1 / 5)
