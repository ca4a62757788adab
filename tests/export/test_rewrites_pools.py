"""Pools that move and pools that are factored: every number stays, and what is not exact stays where it is."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mil_programs import answer, applied, kinds, program, random_input, weights

pytestmark = [pytest.mark.parity, pytest.mark.usefixtures("mil")]
PER_CHANNEL = np.abs(weights(1, 3, 1, 1))

INCREASING: dict[str, Callable[[Any, Any], Any]] = {
    "relu": lambda b, x: b.relu(x=x),
    "relu6": lambda b, x: b.relu6(x=x),
    "clip": lambda b, x: b.clip(x=x, alpha=-0.5, beta=0.7),
    "sigmoid": lambda b, x: b.sigmoid(x=x),
    "tanh": lambda b, x: b.tanh(x=x),
    "softplus": lambda b, x: b.softplus(x=x),
    "softsign": lambda b, x: b.softsign(x=x),
    "threshold": lambda b, x: b.threshold(x=x, alpha=-0.3),
    "leaky_relu": lambda b, x: b.leaky_relu(x=x, alpha=0.1),
    "elu": lambda b, x: b.elu(x=x, alpha=0.5),
    "prelu": lambda b, x: b.prelu(x=x, alpha=np.array([0, 0.1, 2], np.float32)),
    "thresholded_relu": lambda b, x: b.thresholded_relu(x=x, alpha=0.4),
    "sigmoid_hard": lambda b, x: b.sigmoid_hard(x=x, alpha=0.2, beta=0.5),
    "bias": lambda b, x: b.add(x=x, y=-PER_CHANNEL),
    "shift": lambda b, x: b.sub(x=x, y=np.float32(0.3)),
    "scale": lambda b, x: b.mul(x=x, y=PER_CHANNEL),
    "divisor": lambda b, x: b.real_div(x=x, y=np.float32(0.3)),
    "batch_norm": lambda b, x: b.batch_norm(
        x=x, mean=PER_CHANNEL.ravel(), variance=PER_CHANNEL.ravel(), gamma=PER_CHANNEL.ravel()
    ),
}
NOT_INCREASING: dict[str, Callable[[Any, Any], Any]] = {
    "silu": lambda b, x: b.silu(x=x),
    "gelu": lambda b, x: b.gelu(x=x, mode="EXACT"),
    "abs": lambda b, x: b.abs(x=x),
    "leaky_relu": lambda b, x: b.leaky_relu(x=x, alpha=-0.1),
    "prelu": lambda b, x: b.prelu(x=x, alpha=np.array([0.1, -0.1, 2], np.float32)),
    "scale": lambda b, x: b.mul(x=x, y=PER_CHANNEL - 0.5),
    "divisor": lambda b, x: b.real_div(x=x, y=np.float32(-0.3)),
    "bias of each place": lambda b, x: b.add(x=x, y=weights(1, 3, 7, 9)),
    "batch_norm": lambda b, x: b.batch_norm(
        x=x, mean=PER_CHANNEL.ravel(), variance=PER_CHANNEL.ravel(), gamma=-PER_CHANNEL.ravel()
    ),
    "computed": lambda b, x: b.add(x=x, y=b.reduce_mean(x=x, axes=[2, 3], keep_dims=True)),
}


def max_pool(builder: Any, x: Any, **changed: Any) -> Any:
    return builder.max_pool(x=x, **{"kernel_sizes": [2, 3], "strides": [2, 3], "pad_type": "valid", **changed})


@pytest.mark.parametrize("function", INCREASING)
@pytest.mark.parametrize("pad_type", ["valid", "same"])
def test_a_max_pool_goes_before_an_increasing_function(function: str, pad_type: str) -> None:
    before = program((1, 3, 7, 9), lambda b, x: max_pool(b, INCREASING[function](b, x), pad_type=pad_type))
    after, _ = applied(before, "pool-before-activation")
    assert kinds(after) == kinds(before)[::-1]
    x = random_input((1, 3, 7, 9))
    assert np.array_equal(answer(after, x), answer(before, x))


@pytest.mark.parametrize("bits", [16, 32])
def test_it_goes_before_all_of_several_and_keeps_every_bit_in_fp16(bits: int) -> None:
    def body(b: Any, x: Any) -> Any:
        y = b.conv(x=x, weight=weights(3, 3, 3, 3), pad_type="same")
        return max_pool(b, b.mul(x=b.leaky_relu(x=b.add(x=y, y=PER_CHANNEL), alpha=0.1), y=PER_CHANNEL))

    before = program((1, 3, 7, 9), body)
    after, places = applied(before, "pool-before-activation")
    assert kinds(after) == ["conv", "max_pool", "add", "leaky_relu", "mul"]
    assert len(places["pool-before-activation"]) == 3
    x = random_input((1, 3, 7, 9))
    if bits == 32:
        assert np.array_equal(answer(after, x), answer(before, x))
    else:  # coremltools takes a scale and bias into the convolution where they follow it
        after, before = (program((1, 3, 7, 9), lambda b, x, first=first: order(b, x, first)) for first in (True, False))
        assert np.array_equal(answer(after, x, bits=16), answer(before, x, bits=16))


def order(b: Any, x: Any, pool_first: bool) -> Any:
    return b.sigmoid(x=max_pool(b, x)) if pool_first else max_pool(b, b.sigmoid(x=x))


@pytest.mark.parametrize("function", NOT_INCREASING)
def test_it_stays_behind_any_other(function: str) -> None:
    before = program((1, 3, 7, 9), lambda b, x: max_pool(b, NOT_INCREASING[function](b, x)))
    assert applied(before, "pool-before-activation")[1] == {}


@pytest.mark.parametrize(
    "changed",
    [
        {"ceil_mode": True},
        {"pad_type": "custom", "pad": [2, 0, 0, 0]},
    ],
    ids=["windows that hang over", "windows of padding alone"],
)
def test_a_pool_whose_windows_may_be_empty_stays(changed: dict[str, Any]) -> None:
    before = program((1, 3, 8, 9), lambda b, x: max_pool(b, b.relu(x=x), **changed))
    assert applied(before, "pool-before-activation")[1] == {}


def test_an_average_pool_and_a_function_with_other_readers_stay() -> None:
    for body in (
        lambda b, x: b.avg_pool(x=b.relu(x=x), kernel_sizes=[2, 2], strides=[2, 2], pad_type="valid"),
        lambda b, x: b.add(x=max_pool(b, (y := b.relu(x=x))), y=b.reduce_max(x=y, axes=[2, 3], keep_dims=True)),
    ):
        assert applied(program((1, 3, 8, 9), body), "pool-before-activation")[1] == {}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from([(8, 8), (16, 8), (8, 1), (16, 4), (32, 2)]),
    st.sampled_from(["max_pool", "avg_pool"]),
)
def test_large_strides_are_factored_whatever_rest_falls_off(
    sizes: tuple[int, int], window: tuple[int, int], kind: str
) -> None:
    shape = (1, 2, max(sizes[0], window[0]), max(sizes[1], window[1]))
    before = pool_of(kind, shape, window)
    after, places = applied(before, "pool-strides")
    assert set(kinds(after)) == {kind}
    assert len(kinds(after)) > 1
    assert len(places["pool-strides"]) == 1
    x = random_input(shape)
    if kind == "max_pool":
        assert np.array_equal(answer(after, x), answer(before, x))
    else:
        np.testing.assert_allclose(answer(after, x), answer(before, x), atol=1e-6)


def pool_of(kind: str, shape: tuple[int, ...], window: tuple[int, ...], **changed: Any) -> Any:
    settings = {"kernel_sizes": window, "strides": window, "pad_type": "valid", **changed}
    return program(shape, lambda b, x: getattr(b, kind)(x=x, **settings))


@pytest.mark.parametrize(("size", "pooled"), [(500, 125), (125, 31), (127, 31), (128, 32)])
def test_kewcnn_s_pools_in_twos(size: int, pooled: int) -> None:
    shape = (1, 1, 8, size)
    before = pool_of("max_pool", shape, (4, 4))
    after, places = applied(before, "pool-strides-of-2")
    assert [place.split(": ")[1] for place in places["pool-strides-of-2"]] == ["2x2 then 2x2"]
    x = random_input(shape)
    by_hand = x[..., : 4 * pooled].reshape(2, 4, pooled, 4).max(axis=(1, 3))
    assert np.array_equal(answer(after, x)[0, 0], by_hand)


@pytest.mark.parametrize(
    ("window", "changed"),
    [
        ((4, 4), {}),
        ((3, 3), {}),
        ((6, 6), {}),
        ((8, 8), {"strides": (4, 4)}),
        ((8, 8), {"pad_type": "same"}),
        ((8, 8), {"ceil_mode": True}),
    ],
    ids=["native", "a prime", "a rest of 3", "overlapping", "padded", "hanging over"],
)
def test_pools_that_are_left_as_they_are(window: tuple[int, int], changed: dict[str, Any]) -> None:
    assert applied(pool_of("max_pool", (1, 1, 30, 30), window, **changed), "pool-strides")[1] == {}
