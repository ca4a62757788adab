"""Vector palettes: the nearest entry by brute force, their size, and the package that Core ML's op makes of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kewcore_export.constexpr import decompressed
from kewcore_export.quantizers.compressed import stored_bits
from kewcore_export.quantizers.palette import quantize_palette
from kewcore_export.quantizers.vector_palette import quantize_vector_palette

pytestmark = pytest.mark.unit


@given(st.integers(0, 2**32 - 1), st.sampled_from([(8, 3, 1, 1), (4, 5), (12, 2, 3, 3)]), st.sampled_from([2, 4]))
def test_every_vector_has_its_nearest_entry(seed: int, shape: tuple[int, ...], vector: int) -> None:
    weight = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    compressed = quantize_vector_palette(weight, 3, vector, 0)
    palette = compressed.palette.reshape(-1, vector).astype(np.float64)
    for block in range(shape[0] // vector):
        part = weight[block * vector : (block + 1) * vector].reshape(vector, -1).T
        distances = np.square(part[:, None] - palette[None]).sum(axis=2)
        chosen = compressed.indices[block].reshape(-1)
        assert distances[np.arange(len(part)), chosen] == pytest.approx(distances.min(axis=1), abs=1e-5)


def test_entries_of_few_distinct_vectors_are_exact() -> None:
    entries = np.array([[1, 2], [-3, 4], [0.5, -0.25]], np.float32)
    weight = entries[np.random.default_rng(1).integers(3, size=(10, 6))].transpose(1, 2, 0).reshape(12, 10)
    compressed = quantize_vector_palette(weight, 2, 2, 0)
    (restored,) = decompressed(
        "constexpr_lut_to_dense",
        {"indices": compressed.indices, "lut": compressed.palette, "vector_axis": np.int32(0)},
    )
    assert np.array_equal(restored, weight)
    assert compressed.shape == weight.shape
    assert stored_bits(compressed) == 60 * 2 + 4 * 2 * 16


def test_vectors_beat_scalars_of_the_same_size() -> None:
    weight = np.random.default_rng(2).standard_normal((64, 512)).astype(np.float32)

    def error(restored: np.ndarray) -> float:
        return float(np.square(restored.astype(np.float32) - weight).mean())

    scalar = quantize_palette(weight, 2, (1, 1), 0)
    vector = quantize_vector_palette(weight, 8, 4, 0)
    (by_vector,) = decompressed(
        "constexpr_lut_to_dense", {"indices": vector.indices, "lut": vector.palette, "vector_axis": np.int32(0)}
    )
    # Four values in 8 bits against four times 2 bits: Gersho & Gray give 0.1 dB and more for Gaussian values.
    assert error(by_vector) < error(scalar.palette.ravel()[scalar.indices])
