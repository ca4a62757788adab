"""Where pairs go, what shares a range, and programs with pairs, on small programs."""

import numpy as np
import pytest
from small_programs import MAP, POOLED, Step, constants_in, conv, pool, program, values_of

from kewcore.runtime.program import Function
from kewcore_export.activations.chains import chains
from kewcore_export.activations.equalization import multipliers, with_constants
from kewcore_export.activations.pairs import pairs_for, watching, with_pairs
from kewcore_export.activations.placement import placement
from kewcore_export.activations.ranges import ActivationRange
from kewcore_export.activations.small_layers import small_layers

pytestmark = pytest.mark.runtime


def operations(function: Function) -> dict[str, list[str]]:
    return {one.name: [operand.value for operand in one.operands] for one in placement(function).operations}


def groups(function: Function) -> set[frozenset[str]]:
    return {frozenset(group) for group in placement(function).groups}


def test_layers_take_bytes_and_the_head_does_not() -> None:
    function = program(
        [conv("a", "x"), ("relu", {"x": "a"}, "r", MAP), conv("b", "r"), ("softmax", {"x": "b", "axis": -1}, "s", MAP)],
        ["s"],
    )
    assert operations(function) == {"a": ["x"], "b": ["r"]}
    assert groups(function) == {frozenset("x"), frozenset("r")}


def test_a_pool_shares_the_range_of_what_it_passes_on() -> None:
    function = program([conv("a", "x"), pool("p", "a"), conv("b", "p", POOLED)], ["b"])
    assert operations(function) == {"a": ["x"], "p": ["a"], "b": ["p"]}
    assert frozenset("ap") in groups(function)
    assert placement(function).measured == {"x", "p"}


def test_a_pool_before_an_activation_stays_float() -> None:
    steps = [conv("a", "x"), pool("p", "a"), ("relu", {"x": "p"}, "r", POOLED), conv("b", "r", POOLED)]
    function = program(steps, ["b"])
    assert operations(function) == {"a": ["x"], "b": ["r"]}


def test_operands_of_additions_share_a_range() -> None:
    steps = [conv("a", "x"), conv("b", "a"), ("add", {"x": "a", "y": "b"}, "s", MAP), conv("c", "s")]
    function = program(steps, ["c"])
    assert operations(function)["s"] == ["a", "b"]
    assert frozenset("ab") in groups(function)


def test_concatenation_shares_one_range_with_all_its_operands() -> None:
    concat = ("concat", {"values": ("a", "b"), "axis": 1, "interleave": False}, "c", (1, 6, 8, 8))
    steps = [conv("a", "x"), conv("b", "a"), concat, conv("d", "c", MAP, 6)]
    function = program(steps, ["d"])
    assert operations(function)["c"] == ["a", "b"]
    assert frozenset("abc") in groups(function)


def test_what_is_kept_float_drops_what_only_passed_bytes_to_it() -> None:
    function = program([conv("a", "x"), pool("p", "a"), conv("b", "p", POOLED)], ["b"])
    assert [one.name for one in placement(function, frozenset("b")).operations] == ["a"]


def test_pairs_round_what_their_operands_read() -> None:
    steps = [conv("a", "x"), ("relu", {"x": "a"}, "r", MAP), conv("b", "r")]
    function = program(steps, ["b"])
    placed = placement(function, frozenset("a"))
    step = ActivationRange(0.5, -128, "int8")
    edited = with_pairs(function, pairs_for(placed, {"r": step}))
    x = np.random.default_rng(1).standard_normal((1, 3, 8, 8))
    found = values_of(watching(edited, ("r", "r_quantized", "r_dequantized")), x)
    steps_of_r = np.clip(np.rint(found["r"].astype(np.float64) / 0.5) - 128, -128, 127)
    assert np.array_equal(found["r_quantized"], steps_of_r)
    assert np.array_equal(found["r_dequantized"], (steps_of_r + 128) * 0.5)


def test_equalised_channels_change_nothing_but_their_size() -> None:
    weight = np.random.default_rng(8).standard_normal((5, 48)).astype(np.float16)
    steps: list[Step] = [
        conv("a", "x"),
        pool("p", "a"),
        ("leaky_relu", {"x": "p", "alpha": np.float16(0.25)}, "r", POOLED),
        ("transpose", {"x": "r", "perm": np.array([0, 2, 3, 1], np.int32)}, "t", (1, 4, 4, 3)),
        ("reshape", {"x": "t", "shape": np.array([1, 48], np.int32)}, "f", (1, 48)),
        ("linear", {"x": "f", "weight": weight}, "l", (1, 5)),
    ]
    function = program(steps, ["l"])
    stored = frozenset({"a_weight", "a_bias", "l_weight"})
    (chain,) = chains(function, stored)
    assert chain.layer.outputs[0].name == "a"
    assert [reader.layer.outputs[0].name for reader in chain.readers] == ["l"]

    sizes = {"a": np.array([1.0, 0.25, 0.0625])}
    factors = multipliers(function, (chain,), sizes, strength=1.0)
    # Their geometric mean is a quarter: what every channel is brought to; powers of two are exact in fp16.
    assert factors["a_bias"].tolist() == [0.25, 1.0, 4.0]
    constants = constants_in(function)
    changed = {name: constants[name] * factor for name, factor in factors.items()}
    equalized = with_constants(function, changed)
    x = np.random.default_rng(1).standard_normal((1, 3, 8, 8))
    before, after = (values_of(watching(one, ("r", "l")), x) for one in (function, equalized))
    assert np.array_equal(after["r"], before["r"] * np.array([0.25, 1, 4], np.float16).reshape(1, 3, 1, 1))
    np.testing.assert_allclose(after["l"], before["l"], rtol=2e-3, atol=2e-3)


def linear(name: str, x: str, inputs: int) -> Step:
    rng = np.random.default_rng(ord(name))
    weight, bias = rng.standard_normal((3, inputs)).astype(np.float16), rng.standard_normal(3).astype(np.float16)
    return ("linear", {"x": x, "weight": weight, "bias": bias}, name, (2, 3))


def test_rows_of_a_product_must_be_of_the_same_channels() -> None:
    """A column of the second weight multiplies one index of the last axis: past a transpose, a row and no channel."""
    stored = frozenset({"a_weight", "a_bias", "b_weight", "b_bias"})
    relu: Step = ("relu", {"x": "a"}, "r", (2, 3))
    (chain,) = chains(program([linear("a", "x", 4), relu, linear("b", "r", 3)], ["b"], (2, 4)), stored)
    assert [reader.value for reader in chain.readers] == ["r"]
    turned: Step = ("transpose", {"x": "r", "perm": np.array([1, 0], np.int32)}, "t", (3, 2))
    assert chains(program([linear("a", "x", 4), relu, turned, linear("b", "t", 2)], ["b"], (2, 4)), stored) == ()


def test_channels_that_something_else_reads_are_left_alone() -> None:
    stored = frozenset({"a_weight", "a_bias", "b_weight", "b_bias"})
    steps = [conv("a", "x"), ("relu", {"x": "a"}, "r", MAP), conv("b", "r")]
    assert len(chains(program(steps, ["b"]), stored)) == 1
    assert chains(program(steps, ["b", "r"]), stored) == ()
    tanh = [conv("a", "x"), ("tanh", {"x": "a"}, "r", MAP), conv("b", "r")]
    assert chains(program(tanh, ["b"]), stored) == ()
    assert chains(program(steps, ["b"]), stored - {"a_bias"}) == ()


def test_layers_of_next_to_no_work_are_small() -> None:
    weight = np.ones((2, 3), np.float16)
    mean = {"x": "a", "axes": np.array([2, 3], np.int32), "keep_dims": False}
    steps: list[Step] = [conv("a", "x"), ("reduce_mean", mean, "m", (1, 3))]
    function = program([*steps, ("linear", {"x": "m", "weight": weight}, "l", (1, 2))], ["l"])
    # 3 x 3 x 3 products for each of 3 x 8 x 8 results of the convolution, and 2 x 3 of the product.
    assert small_layers(function) == {}
    wide = program([conv("a", "x", (1, 3, 64, 64)), *steps[1:], ("linear", {"x": "m", "weight": weight}, "l", (1, 2))],
                   ["l"], (1, 3, 64, 64))  # fmt: skip
    assert small_layers(wide) == {"l": "6 of 331,782 multiply-adds: too few to gain"}
