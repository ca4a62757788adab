"""Trainable forms: they begin as the untrained package, end as what is stored, and their gradients are those of the
formulas, or of differences where these are exact."""

from collections.abc import Callable

import numpy as np
import pytest

from kewcore_export.finetune.forms import trainable
from kewcore_export.finetune.linear_form import LinearForm
from kewcore_export.finetune.palette_form import PaletteForm, VectorPaletteForm
from kewcore_export.finetune.parameters import FloatForm, TrainableForm
from kewcore_export.quantizers.blocks import from_rows, spread, to_rows
from kewcore_export.quantizers.compressed import (
    LinearWeight,
    PaletteWeight,
    RoundedWeight,
    SparsePaletteWeight,
    SparseWeight,
    StoredWeight,
    VectorPaletteWeight,
)
from kewcore_export.quantizers.linear import quantize_linear
from kewcore_export.quantizers.palette import quantize_palette, quantize_sparse_palette
from kewcore_export.quantizers.rounding import round_to_fp16
from kewcore_export.quantizers.sparse import magnitude_mask, prune
from kewcore_export.quantizers.vector_palette import quantize_vector_palette

pytestmark = pytest.mark.parity

SHAPE = (8, 6, 3, 3)
WEIGHT = (np.random.default_rng(3).standard_normal(SHAPE) * 0.05).astype(np.float32)
CHANNELS, TENSOR, GROUPS = (8, 1, 1, 1), (1, 1, 1, 1), (4, 1, 1, 1)
MASK = magnitude_mask(WEIGHT, 0.75)
STORED: dict[str, Callable[[], StoredWeight]] = {
    "fp16": lambda: round_to_fp16(WEIGHT, 0),
    "int8": lambda: quantize_linear(WEIGHT, 8, CHANNELS, 0),
    "int4 in blocks": lambda: quantize_linear(WEIGHT, 4, (8, 2, 1, 1), 0),
    "palette-4": lambda: quantize_palette(WEIGHT, 4, TENSOR, 0),
    "palette-2 of groups": lambda: quantize_palette(WEIGHT, 2, GROUPS, 0),
    "palette-8 with repeats": lambda: quantize_palette(WEIGHT.round(2), 8, CHANNELS, 0),
    "vectors": lambda: quantize_vector_palette(WEIGHT, 4, 2, 0),
    "vectors along inputs": lambda: quantize_vector_palette(WEIGHT, 4, 2, 1),
    "sparse": lambda: prune(WEIGHT, MASK),
    "sparse palette": lambda: quantize_sparse_palette(WEIGHT, MASK, 4, TENSOR),
}


def decoded(weight: StoredWeight) -> np.ndarray:
    """What a weight decompresses to, element by element."""
    match weight:
        case RoundedWeight(values):
            return values
        case LinearWeight(values, scale, _):
            return (values.astype(np.float16) * spread(scale, values.shape)).astype(np.float16)
        case PaletteWeight(indices, palette, _):
            blocks = palette.shape[:-1]
            rows = zip(palette.reshape(-1, palette.shape[-1]), to_rows(indices, blocks), strict=True)
            return from_rows(np.stack([entries[row] for entries, row in rows]), indices.shape, blocks)
        case VectorPaletteWeight(indices, palette, _, axis):
            vectors = palette.reshape(palette.shape[-2:])[indices]
            return np.concatenate(
                [
                    np.stack(list(np.moveaxis(part, -1, 0)), axis)
                    for part in np.split(vectors, indices.shape[axis], axis)
                ],
                axis,
            ).reshape(weight.shape)
        case SparseWeight(mask, values):
            dense = np.zeros(mask.shape, np.float16)
            dense[mask] = values
            return dense
        case SparsePaletteWeight(mask, indices, palette, bits):
            full = np.zeros(mask.shape, np.uint8)
            full[mask] = indices
            return np.where(mask, decoded(PaletteWeight(full, palette, bits)), np.float16(0))


def dense(form: TrainableForm, variables: tuple[np.ndarray, ...]) -> np.ndarray:
    import tensorflow as tf

    return np.asarray(form.dense([tf.constant(one) for one in variables]))


def gradients(form: TrainableForm, variables: tuple[np.ndarray, ...], gradient: np.ndarray) -> list[np.ndarray]:
    import tensorflow as tf

    found = form.gradients([tf.constant(one) for one in variables], tf.constant(gradient))
    return [np.asarray(one) for one in found]


@pytest.mark.parametrize("name", STORED)
def test_a_form_begins_with_what_is_stored(name: str) -> None:
    weight = STORED[name]()
    form = trainable(weight, WEIGHT)
    np.testing.assert_array_equal(dense(form, form.initial), decoded(weight).astype(np.float32))
    np.testing.assert_array_equal(decoded(form.stored(form.initial)), decoded(weight))


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("seed", range(3))
def test_what_is_stored_decodes_to_what_the_network_saw(name: str, seed: int) -> None:
    weight = STORED[name]()
    form, generator = trainable(weight, WEIGHT), np.random.default_rng(seed)
    moved = tuple(one + generator.normal(0, 0.02, one.shape).astype(np.float32) for one in form.initial)
    stored = form.stored(moved)
    np.testing.assert_array_equal(dense(form, moved), decoded(stored).astype(np.float32))
    assert type(stored) is type(weight)
    assert not np.array_equal(decoded(stored), decoded(weight))


def test_values_pass_their_gradient_straight_through() -> None:
    gradient = np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)
    form = FloatForm(WEIGHT.astype(np.float16))
    np.testing.assert_array_equal(gradients(form, form.initial, gradient)[0], gradient)


def test_the_gradient_of_a_scale_is_that_of_lsq() -> None:
    form = trainable(quantize_linear(WEIGHT, 4, CHANNELS, 0), WEIGHT)
    assert isinstance(form, LinearForm)
    gradient = np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)
    growth = np.linspace(-0.4, 0.4, 8, dtype=np.float32).reshape(CHANNELS)
    latent = form.initial[0] * 1.5
    by_latent, by_growth = gradients(form, (latent, growth), gradient)
    # Element by element, as the paper has it: n - v inside, ±Q where it is clipped; and d(scale)/d(growth) = scale.
    expected = np.zeros(8)
    for place in np.ndindex(*SHAPE):
        scale = np.float64(
            np.float16(np.float32(form.weight.scale[place[0], 0, 0, 0]) * np.exp(growth[place[0], 0, 0, 0]))
        )
        v = float(latent[place]) / scale
        clipped = abs(v) > 7
        expected[place[0]] += float(gradient[place]) * scale * (np.sign(v) * 7 if clipped else np.rint(v) - v)
        assert by_latent[place] == (0 if clipped else gradient[place])
    np.testing.assert_allclose(by_growth.ravel(), expected, rtol=1e-4, atol=1e-5)


def test_the_gradient_of_a_scale_is_its_difference_where_integers_stay() -> None:
    # A scale that doubles with values that double too: the difference of the loss is exact, and what rounding adds to
    # the formula, n - v, is n - v in it as well.
    weight = LinearWeight(np.array([[3, -2], [1, 0]], np.int8), np.array([[0.5]], np.float16), 8)
    form = LinearForm(weight, np.array([[1.5, -1.0], [0.5, 0.0]], np.float32))
    gradient = np.array([[1.0, 2.0], [-1.0, 3.0]], np.float32)
    latent, growth = form.initial
    doubled = (latent * 2, growth + np.float32(np.log(2)))
    change = float((gradient * (dense(form, doubled) - dense(form, (latent, growth)))).sum())
    by_latent, by_growth = gradients(form, (latent, growth), gradient)
    # d = scale * n: twice the scale adds the loss itself, of which each half comes from one of the two variables.
    assert float((by_latent * latent).sum()) + float(by_growth.sum()) == pytest.approx(change)


@pytest.mark.parametrize("blocks", [TENSOR, GROUPS])
def test_the_gradient_of_an_entry_is_its_difference(blocks: tuple[int, ...]) -> None:
    form = trainable(quantize_palette(WEIGHT, 2, blocks, 0), WEIGHT)
    assert isinstance(form, PaletteForm)
    gradient = np.random.default_rng(1).integers(-8, 9, SHAPE).astype(np.float32)
    latent, palette = form.initial
    latent = to_rows(dense(form, form.initial), blocks)  # on the entries: no small change of these makes them move
    palette = palette[:, ::-1].copy()  # in any order
    _, by_palette = gradients(form, (latent, palette), gradient)
    for place in np.ndindex(*palette.shape):
        step = np.float32(2.0**-11) * (1 if abs(palette[place]) < 0.06 else 2)
        moved = palette.copy()
        moved[place] += step
        exact = np.float32(np.float16(moved[place])) - palette[place]
        change = (gradient * (dense(form, (latent, moved)) - dense(form, (latent, palette)))).sum(dtype=np.float64)
        assert by_palette[place] == pytest.approx(change / exact, rel=1e-4)


@pytest.mark.parametrize("axis", [0, 1])
def test_the_gradient_of_a_vector_is_its_difference(axis: int) -> None:
    form = trainable(quantize_vector_palette(WEIGHT, 2, 2, axis), WEIGHT)
    assert isinstance(form, VectorPaletteForm)
    gradient = np.random.default_rng(1).integers(-8, 9, SHAPE).astype(np.float32)
    (palette,) = form.initial
    (by_palette,) = gradients(form, (palette,), gradient)
    for place in np.ndindex(*palette.shape):
        moved = palette.copy()
        moved[place] += np.float32(2.0**-9)
        exact = np.float32(np.float16(moved[place])) - palette[place]
        change = (gradient * (dense(form, (moved,)) - dense(form, (palette,)))).sum(dtype=np.float64)
        assert by_palette[place] == pytest.approx(change / exact, rel=1e-4)


@pytest.mark.parametrize("name", ["sparse", "sparse palette"])
def test_what_is_pruned_stays_zero_and_learns_nothing(name: str) -> None:
    form = trainable(STORED[name](), WEIGHT)
    gradient = np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)
    by_latent = gradients(form, form.initial, gradient)[0].reshape(SHAPE)
    np.testing.assert_array_equal(by_latent, np.where(MASK, gradient, 0))
    moved = tuple(one + np.float32(0.3) for one in form.initial)
    np.testing.assert_array_equal(dense(form, moved) == 0, ~MASK)
    weight = form.stored(moved)
    assert isinstance(weight, SparseWeight | SparsePaletteWeight)
    np.testing.assert_array_equal(weight.mask, MASK)
