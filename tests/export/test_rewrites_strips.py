"""Chains in strips: the same numbers for any sizes, and no strip larger than the chip's memory."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mil_programs import A14, answer, applied, kinds, limited, program, random_input, weights

pytestmark = [pytest.mark.parity, pytest.mark.usefixtures("mil")]


def on_chip(size_bytes: int) -> Any:
    return limited(A14, on_chip_bytes=size_bytes)


def chain(
    b: Any, x: Any, kernel: int, stride: int, pad_type: str, pool: tuple[int, int], second: bool, dilation: int = 1
) -> Any:
    settings = {"pad_type": pad_type, "pad": [1, 2, 0, 1], "dilations": [dilation, 1]}
    y = b.conv(x=x, weight=weights(3, 2, kernel, 3), bias=weights(3), strides=[stride, 1], **settings)
    y = b.leaky_relu(x=y, alpha=0.1)
    if second:
        y = b.tanh(x=b.conv(x=y, weight=weights(3, 3, 3, 3, seed=5), pad_type="same"))
    window, step = pool
    return b.max_pool(x=y, kernel_sizes=[window, 2], strides=[step, 2], pad_type="valid" if window == step else "same")


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(40, 70),
    st.sampled_from([1, 2, 3, 5]),
    st.sampled_from([(1, 1), (2, 1), (1, 2)]),
    st.sampled_from(["same", "valid", "custom"]),
    st.sampled_from([(2, 2), (3, 3), (3, 2), (4, 1)]),
    st.booleans(),
)
def test_strips_are_the_whole(
    height: int, kernel: int, steps: tuple[int, int], pad_type: str, pool: tuple[int, int], second: bool
) -> None:
    stride, dilation = steps
    shape = (1, 2, height, 11)
    before = program(shape, lambda b, x: chain(b, x, kernel, stride, pad_type, pool, second, dilation))
    limit = 800
    after, places = applied(before, "strips", chip=on_chip(limit))
    assert len(places["strips"]) == 1
    operations = after.functions["main"].operations
    for operation in operations:
        if operation.op_type in ("conv", "leaky_relu", "tanh", "max_pool"):
            assert 2 * int(np.prod(operation.outputs[0].shape)) <= limit
    x = random_input(shape)
    np.testing.assert_allclose(answer(after, x), answer(before, x), atol=1e-6)


def test_the_places_say_what_stays_on_chip() -> None:
    def body(b: Any, x: Any) -> Any:
        y = b.conv(x=x, weight=weights(4, 1, 3, 3), pad_type="same", name="wide")
        return b.max_pool(x=y, kernel_sizes=[2, 2], strides=[2, 2], pad_type="valid", name="pooled")

    before = program((1, 1, 16, 16), body)
    _, places = applied(before, "strips", chip=on_chip(1024))
    assert places["strips"] == (
        "wide to pooled: [1, 4, 16, 16] in 2 strips, 1,024 bytes at a time instead of 2,048; 0.0% of rows twice",
    )


def test_rows_that_two_strips_need_are_counted() -> None:
    def body(b: Any, x: Any) -> Any:
        y = b.conv(x=x, weight=weights(4, 1, 3, 3), pad_type="same", name="wide")
        return b.conv(x=b.relu(x=y), weight=weights(1, 4, 3, 3), pad_type="same", name="narrow")

    before = program((1, 1, 16, 16), body)
    after, places = applied(before, "strips", chip=on_chip(1536))
    # Both of two strips of eight rows read a row of the other's.
    assert places["strips"][0].endswith("in 2 strips, 1,152 bytes at a time instead of 2,048; 12.5% of rows twice")
    x = random_input((1, 1, 16, 16))
    np.testing.assert_allclose(answer(after, x), answer(before, x), atol=1e-6)


@pytest.mark.parametrize("limit", [100, 1 << 20], ids=["not even rows fit", "everything fits"])
def test_chains_that_stay_whole(limit: int) -> None:
    before = program((1, 2, 20, 40), lambda b, x: chain(b, x, 3, 1, "same", (2, 2), False))
    assert applied(before, "strips", chip=on_chip(limit))[1] == {}


def test_a_value_with_other_readers_ends_a_chain() -> None:
    def body(b: Any, x: Any) -> Any:
        y = b.conv(x=x, weight=weights(3, 2, 3, 3), pad_type="same")
        return b.add(x=b.relu(x=y), y=y)

    before = program((1, 2, 20, 11), body)
    assert applied(before, "strips", chip=on_chip(800))[1] == {}
    assert kinds(before) == ["conv", "relu", "add"]
