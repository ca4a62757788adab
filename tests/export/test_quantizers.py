"""Quantizers against definitions: brute force, closed forms and published values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from kewcore_export.quantizers.balance import balancing_moves, moved
from kewcore_export.quantizers.blocks import block_size, from_rows, spread, to_rows
from kewcore_export.quantizers.compressed import LinearWeight, PaletteWeight
from kewcore_export.quantizers.linear import quantize_linear
from kewcore_export.quantizers.palette import fit_palette, nearest, quantize_palette
from kewcore_export.quantizers.sparse import magnitude_mask

pytestmark = pytest.mark.unit


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def snr_db(exact: np.ndarray, stored: np.ndarray) -> float:
    return float(10 * np.log10((exact**2).sum() / ((stored - exact) ** 2).sum()))


def dense(weight: LinearWeight | PaletteWeight) -> np.ndarray:
    if isinstance(weight, LinearWeight):
        return weight.values * spread(weight.scale.astype(np.float32), weight.values.shape)
    blocks = weight.palette.shape[:-1]
    rows = to_rows(weight.indices, blocks)
    palettes = weight.palette.reshape(len(rows), -1).astype(np.float32)
    return from_rows(np.stack([p[r] for p, r in zip(palettes, rows, strict=True)]), weight.indices.shape, blocks)


@given(st.integers(1, 5000))
def test_blocks_cover_every_axis_without_a_rest(length: int) -> None:
    size = block_size(length, 32)
    assert length % size == 0
    assert 8 <= size <= 64 or size == length


@pytest.mark.parametrize("length, size", [(32, 32), (96, 32), (48, 24), (43200, 32), (37, 37), (1, 1), (100, 25)])
def test_block_sizes_by_hand(length: int, size: int) -> None:
    assert block_size(length, 32) == size


@given(array_shapes(min_dims=1, max_dims=4, max_side=6), st.data())
def test_rows_come_back_as_they_were(shape: tuple[int, ...], data: st.DataObject) -> None:
    blocks = tuple(data.draw(st.sampled_from([d for d in range(1, n + 1) if n % d == 0])) for n in shape)
    array = np.arange(np.prod(shape)).reshape(shape)
    rows = to_rows(array, blocks)
    assert rows.shape == (np.prod(blocks), array.size // np.prod(blocks))
    np.testing.assert_array_equal(from_rows(rows, shape, blocks), array)


def test_eight_bits_of_normal_values_lose_a_twelfth_of_a_squared_step() -> None:
    weight = normal(16, 20_000)
    compressed = quantize_linear(weight, 8, (16, 1), 0)
    # Rounding errors are uniform over a step: step**2 / 12 each.
    noise = (compressed.scale.astype(np.float64) ** 2 / 12).mean()
    expected_db = 10 * np.log10((weight.astype(np.float64) ** 2).mean() / noise)
    # Less what clipping the rarest values adds, in exchange for the finer step.
    assert expected_db - 0.5 < snr_db(weight, dense(compressed)) < expected_db
    assert expected_db > 40


def test_four_bits_in_blocks_follow_changes_of_scale() -> None:
    weight = normal(8, 320) * np.repeat([1, 100], 160).astype(np.float32)
    per_block = dense(quantize_linear(weight, 4, (8, 10), 0))
    per_channel = dense(quantize_linear(weight, 4, (8, 1), 0))
    quiet = slice(0, 160)
    assert snr_db(weight[:, quiet], per_block[:, quiet]) > 15
    assert snr_db(weight[:, quiet], per_channel[:, quiet]) < 3


@pytest.mark.parametrize("bits", [4, 8])
def test_integers_stay_in_the_symmetric_range(bits: int) -> None:
    weight = normal(4, 3000)
    weight[0, 0] = 60
    values = quantize_linear(weight, bits, (4, 1), 0).values
    assert np.abs(values.astype(int)).max() <= 2 ** (bits - 1) - 1


def test_a_channel_of_zeros_stays_zero() -> None:
    weight = normal(3, 50)
    weight[1] = 0
    np.testing.assert_array_equal(dense(quantize_linear(weight, 8, (3, 1), 0))[1], 0)


@pytest.mark.parametrize("levels, ratio_db", [(2, 4.40), (4, 9.30), (8, 14.62), (16, 20.22)])
def test_palettes_of_normal_values_reach_lloyd_and_max(levels: int, ratio_db: float) -> None:
    values = normal(200_000)
    palette = fit_palette(values, levels)
    # Source: J. Max, "Quantizing for minimum distortion", IRE Trans. Inf. Theory 6(1), 1960, Table I.
    assert snr_db(values, palette[nearest(values, palette)].astype(np.float32)) == pytest.approx(ratio_db, abs=0.05)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-50, 50), min_size=1, max_size=9), st.sampled_from([2, 3]))
def test_small_palettes_are_the_best_by_brute_force(numbers: list[int], levels: int) -> None:
    values = np.array(sorted(numbers), np.float32)
    palette = fit_palette(values, levels)
    found = ((values - palette[nearest(values, palette)].astype(np.float32)) ** 2).sum()
    best = min(
        sum(((part - part.mean()) ** 2).sum() for part in np.split(values, cuts) if part.size)
        for cuts in _cuts(len(values), levels)
    )
    assert found <= best + 0.02  # what rounding centroids to fp16 may cost


def _cuts(size: int, levels: int) -> list[list[int]]:
    if levels == 2:
        return [[a] for a in range(size + 1)]
    return [[a, b] for a in range(size + 1) for b in range(a, size + 1)]


def test_few_distinct_values_are_kept_exactly() -> None:
    weight = np.array([[0.5, -1.25], [3.0, 0.5]], np.float32)
    compressed = quantize_palette(weight, 2, (1, 1), 0)
    np.testing.assert_array_equal(dense(compressed), weight)
    np.testing.assert_array_equal(compressed.palette.ravel(), [-1.25, 0.5, 3.0, 3.0])


def test_table_and_search_agree_on_the_nearest_level() -> None:
    values = normal(40_000)
    palette = fit_palette(values, 16)
    half = values.astype(np.float16).astype(np.float32)
    brute = np.abs(half[:, None] - palette.astype(np.float32)).argmin(axis=1)
    by_table = nearest(values, palette)
    by_search = np.concatenate([nearest(part, palette) for part in np.split(values, 8)])
    np.testing.assert_array_equal(by_table, by_search)
    assert (by_table == brute).mean() > 0.9999


def test_rounding_keeps_the_sums_of_kernels_and_channels() -> None:
    weight = normal(6, 4, 3, 3) + 0.3
    compressed = quantize_linear(weight, 8, (6, 1, 1, 1), 0)
    step = compressed.scale.astype(np.float32)
    nearest_level = np.rint(weight / step) * step
    error = dense(compressed) - weight
    plain = nearest_level - weight
    assert (np.abs(error.sum(axis=(1, 2, 3))) <= step.ravel() * 0.51).all()
    assert np.abs(error.sum(axis=(2, 3))).mean() < 0.6 * np.abs(plain.sum(axis=(2, 3))).mean()
    assert np.abs(error).max() <= step.max() * 1.01


def test_moves_by_hand() -> None:
    # Three values were rounded down by 0.4, 0.3 and 0.2 of a step: moving the first alone brings the sum nearest.
    weight = np.array([[1.4, 2.3, 3.2]], np.float32)
    stored = np.floor(weight)
    moves = balancing_moves(weight, stored, stored - 1, stored + 1, 0, (1, 1))
    np.testing.assert_array_equal(moves, [[1, 0, 0]])
    np.testing.assert_array_equal(moved(stored, stored - 1, stored + 1, moves), [[2, 2, 3]])


def test_nothing_moves_beyond_the_outermost_level() -> None:
    weight = np.array([[1.4, 1.4]], np.float32)
    stored = np.ones_like(weight)
    np.testing.assert_array_equal(
        balancing_moves(weight, stored, stored - 1, np.full_like(weight, np.inf), 0, (1, 1)), 0
    )


@given(st.integers(1, 400), st.floats(0, 0.99))
def test_pruning_drops_exactly_as_many_as_asked(size: int, sparsity: float) -> None:
    weight = np.random.default_rng(size).integers(-3, 4, size).astype(np.float32)
    mask = magnitude_mask(weight, sparsity)
    assert (~mask).sum() == round(sparsity * size)
    if mask.any() and (~mask).any():
        assert np.abs(weight[mask]).min() >= np.abs(weight[~mask]).max()


def test_pruning_works_beyond_the_range_of_fp16_indices() -> None:
    # coremltools 9.0 leaves fp16 weights of more than 65,504 elements dense.
    weight = normal(300, 300)
    assert (~magnitude_mask(weight, 0.75)).mean() == 0.75
