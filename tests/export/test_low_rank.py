"""Weights of low rank: the best product by Eckart and Young, and packages whose two operations stand for one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_networks import CLASS_NAMES, repeating_network, small_network

from kewcore.runtime import load
from kewcore_export.compressed_program import compress_program, write_program
from kewcore_export.compression import FormChoice, choose_forms
from kewcore_export.conversion import converted
from kewcore_export.forms import parse_form
from kewcore_export.keras_graph import classifier_graph
from kewcore_export.low_rank import Ranks, factors, input_factors, largest_useful_rank
from kewcore_export.program import StoredConstant
from kewcore_export.targets import TARGETS


@pytest.mark.unit
@given(st.integers(0, 2**32 - 1), st.sampled_from([(6, 20), (20, 6), (7, 3, 2, 3), (5, 5)]), st.integers(1, 5))
def test_factors_are_the_truncated_singular_value_decomposition(seed: int, shape: tuple[int, ...], rank: int) -> None:
    weight = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    first, second = factors(weight, rank)
    assert first.shape == (rank, *shape[1:])
    assert second.shape == (shape[0], rank)
    matrix = weight.reshape(shape[0], -1)
    left, values, right = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    best = (left[:, :rank] * values[:rank]) @ right[:rank]
    assert second @ first.reshape(rank, -1) == pytest.approx(best, abs=1e-4)


@pytest.mark.unit
def test_a_weight_of_that_rank_is_kept() -> None:
    generator = np.random.default_rng(3)
    weight = (generator.standard_normal((9, 2)) @ generator.standard_normal((2, 30))).astype(np.float32)
    first, second = factors(weight, 4)
    assert second @ first == pytest.approx(weight, abs=1e-4)


@pytest.mark.unit
@pytest.mark.parametrize("shape", [(12, 40), (40, 12)])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_weights_that_repeat_themselves_have_factors_of_usual_size(shape: tuple[int, int], scale: float) -> None:
    # Pairs of equal rows and of equal columns: half of the singular values are zero, but for rounding.
    half = np.random.default_rng(8).standard_normal((shape[0] // 2, shape[1] // 2))
    weight = (scale * np.repeat(np.repeat(half, 2, axis=0), 2, axis=1)).astype(np.float32)
    first, second = factors(weight, 12)
    largest = np.sqrt(np.linalg.svd(weight, compute_uv=False)[0])  # no element of either factor is larger
    assert max(np.abs(first).max(), np.abs(second).max()) <= 1.001 * largest
    assert second @ first == pytest.approx(weight, rel=1e-4, abs=1e-4 * scale)


@pytest.mark.unit
def test_a_weight_of_zeros_has_factors_of_zeros() -> None:
    first, second = factors(np.zeros((6, 20), np.float32), 3)
    assert np.all(second @ first == 0)
    assert np.isfinite(first).all()
    assert np.isfinite(second).all()


@pytest.mark.unit
@pytest.mark.parametrize(
    ("op_type", "shape", "axis", "groups", "rank"),
    [
        ("conv", (96, 48, 3, 3), 0, 1, 78),  # 96 * 432 = 41,472 weights; 78 * (96 + 432) = 41,184
        ("linear", (10, 10), 0, 1, 4),
        ("conv", (96, 48, 3, 3), 0, 2, 0),
        ("conv_transpose", (96, 48, 3, 3), 1, 1, 0),
        ("conv", (96,), None, 1, 0),
        ("linear", (1, 10), 0, 1, 0),
    ],
)
def test_ranks_that_save_something(
    op_type: str, shape: tuple[int, ...], axis: int | None, groups: int, rank: int
) -> None:
    constant = StoredConstant("w", 0, shape, "y", op_type, "weight", axis, groups)
    assert largest_useful_rank(constant) == rank


@pytest.mark.unit
def test_input_ranks_leave_what_reaches_the_weight() -> None:
    # Inputs that are mixtures of three channels: three mixtures are enough, whatever the weight.
    generator = np.random.default_rng(5)
    mixing = generator.standard_normal((3, 7))
    inputs = generator.standard_normal((200, 3)) @ mixing
    weight = generator.standard_normal((6, 7, 2, 2)).astype(np.float32)
    mix, first, second = input_factors(weight, Ranks(6, 3), inputs.T @ inputs / len(inputs))
    assert (mix.shape, first.shape, second.shape) == ((3, 7, 1, 1), (6, 3, 2, 2), (6, 6))
    product = np.einsum("or,rmhw,mc->ochw", second, first, mix[..., 0, 0])
    assert np.einsum("nc,ochw->nohw", inputs, product) == pytest.approx(
        np.einsum("nc,ochw->nohw", inputs, weight), abs=1e-3
    )
    # What is mixed has a mean square of 1, so that one step size suits all mixtures.
    assert np.square(inputs @ mix[..., 0, 0].T).mean(axis=0) == pytest.approx(np.ones(3), rel=1e-3)


@pytest.mark.unit
def test_without_a_moment_input_channels_are_cut_as_tucker_does() -> None:
    weight = np.random.default_rng(6).standard_normal((5, 4, 3, 3)).astype(np.float32)
    mix, first, second = input_factors(weight, Ranks(5, 2), None)
    product = np.einsum("or,rmhw,mc->ochw", second, first, mix[..., 0, 0])
    unfolded = weight.transpose(1, 0, 2, 3).reshape(4, -1)
    left, _, _ = np.linalg.svd(unfolded)
    best = left[:, :2] @ left[:, :2].T @ unfolded
    assert product.transpose(1, 0, 2, 3).reshape(4, -1) == pytest.approx(best, abs=1e-4)


@pytest.mark.unit
def test_a_weight_of_several_operations_is_not_factorised() -> None:
    constant = StoredConstant("w", 0, (96, 96), "y", "linear", "weight", 0, readers=2)
    assert largest_useful_rank(constant) == 0


@pytest.mark.parity
def test_a_layer_that_is_called_twice_keeps_its_weight(tmp_path: Path) -> None:
    form, target = parse_form("rank-3-int8"), TARGETS["iOS18"]
    assert form is not None
    with converted(classifier_graph(repeating_network()), CLASS_NAMES, target) as found:
        program = found.by_float_bits[16]
        compressed = compress_program(program, found.float32, choose_forms(program.constants, form), target)
        write_program(compressed, tmp_path / "shared.mlpackage")
    (shared,) = (plan for plan in compressed.plans if plan.constant.shape == (7, 7, 3, 3))
    assert (shared.constant.readers, str(shared.form)) == (2, "int8")
    assert shared.reason == "2 operations read it; factors take the place of one"
    assert any(plan.constant.name.endswith("_first") for plan in compressed.plans)
    answers = load(tmp_path / "shared.mlpackage").predict({"image": np.zeros((40, 36), np.uint8)})["classLabel_probs"]
    assert sum(answers.values()) == pytest.approx(1, abs=1e-2)


@pytest.mark.parity
@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("rank-4x1-int8", "rank-4x1-int8"),
        (
            "rank-5x1-int8",
            "so few mixtures of its input channels leave a rank of 4 at most",
        ),  # a kernel of 2 x 2 has four values
        ("rank-9x2-int8", "so few mixtures of its input channels leave a rank of 8 at most"),
    ],
)
def test_few_mixtures_have_no_high_rank(name: str, found: str, narrow: Any, tmp_path: Path) -> None:
    form, target = parse_form(name), TARGETS["iOS18"]
    assert form is not None
    program = narrow.by_float_bits[16]
    choices = {one.name: FormChoice(form) for one in program.constants}
    compressed = compress_program(program, narrow.float32, choices, target)
    plans = [plan for plan in compressed.plans if plan.constant.shape[0] == 24]
    assert any(found in plan.reason for plan in plans)
    write_program(compressed, tmp_path / "narrow.mlpackage")
    load(tmp_path / "narrow.mlpackage")


@pytest.fixture(scope="module")
def narrow() -> Any:
    """A network whose second convolution has more output channels than a channel of its kernel has values."""
    import keras
    from keras import layers

    image = keras.Input((12, 12, 1))
    value = layers.Conv2D(16, 3, activation="relu")(layers.Rescaling(1 / 255)(image))
    value = layers.GlobalAveragePooling2D()(layers.Conv2D(24, 2, activation="relu")(value))
    model = keras.Model(image, layers.Dense(len(CLASS_NAMES), activation="softmax")(value))
    with converted(classifier_graph(model), CLASS_NAMES, TARGETS["iOS18"]) as conversion:
        yield conversion


@pytest.fixture(scope="module")
def conversion() -> Any:
    with converted(classifier_graph(small_network()), CLASS_NAMES, TARGETS["iOS18"]) as found:
        yield found


@pytest.mark.parity
@pytest.mark.parametrize("name", ["rank-40-fp16", "rank-6-int8", "rank-6-palette-6", "rank-6-palette-8-vector-2"])
def test_packages_of_low_rank_give_what_the_product_gives(name: str, conversion: Any, tmp_path: Path) -> None:
    form, target = parse_form(name), TARGETS["iOS18"]
    assert form is not None
    program = conversion.by_float_bits[16]
    compressed = compress_program(program, conversion.float32, choose_forms(program.constants, form), target)
    (cut,) = (plan for plan in compressed.plans if plan.constant.name.endswith("_first"))
    origin = cut.constant.name.removesuffix("_first")
    (other,) = (plan for plan in compressed.plans if plan.constant.name.endswith("_second"))
    assert str(cut.form) == str(form.factor)
    assert str(other.form) == (str(form.factor) if form.bits >= 8 and form.vector == 1 else "int8")
    assert cut.constant.shape[0] == form.rank
    write_program(compressed, tmp_path / "cut.mlpackage")
    image = np.random.default_rng(4).integers(0, 256, (40, 36)).astype(np.uint8)
    model = load(tmp_path / "cut.mlpackage", "reference")
    values = model.trace({"image": image})
    product = values[f"{origin}_second"].reshape(96, form.rank) @ values[f"{origin}_first"].reshape(form.rank, -1)
    best = factors(conversion.float32[origin], form.rank)
    wanted = best[1] @ best[0].reshape(form.rank, -1)
    assert np.linalg.norm(product - wanted) < 0.2 * np.linalg.norm(wanted)
    # The operation that took the whole weight, computed by hand from what the package says of its two factors.
    operation = next(op for op in model.ops if op.outputs[0].name == cut.constant.consumer)
    given_value = values[str(operation.inputs["x"][0])].reshape(-1).astype(np.float64)
    outer = next(op for op in model.ops if cut.constant.consumer in op.reads)
    bias = values[str(outer.inputs["bias"][0])].reshape(-1).astype(np.float64)
    result = values[outer.outputs[0].name].reshape(-1)
    assert result == pytest.approx(product.astype(np.float64) @ given_value + bias, abs=2e-2, rel=1e-2)
    fast = load(tmp_path / "cut.mlpackage").predict({"image": image})["classLabel_probs"]
    slow = model.predict({"image": image})["classLabel_probs"]
    assert list(fast.values()) == pytest.approx(list(slow.values()), abs=2e-3)
