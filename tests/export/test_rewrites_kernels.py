"""Kernels beyond a chip's limits in parts: the same sums, with any stride and padding."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mil_programs import A13, A14, answer, applied, kinds, limited, program, random_input, weights

pytestmark = [pytest.mark.parity, pytest.mark.usefixtures("mil")]
SMALL = limited(A13, max_conv_kernel_height=3, max_conv_kernel_width=2)


def convolution(shape: tuple[int, ...], kernel: tuple[int, ...], groups: int = 1, **settings: Any) -> Any:
    weight = weights(4, shape[1] // groups, *kernel)
    return program(shape, lambda b, x: b.conv(x=x, weight=weight, bias=weights(4), groups=groups, **settings))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.sampled_from(["same", "valid", "custom"]),
    st.sampled_from([1, 2]),
)
def test_parts_add_up_to_the_whole(
    sizes: tuple[int, int], kernel: tuple[int, int], strides: tuple[int, int], pad_type: str, groups: int
) -> None:
    if pad_type == "valid":
        sizes = (max(sizes[0], kernel[0]), max(sizes[1], kernel[1]))
    pad = [kernel[0], 1, kernel[1] + 1, 2]
    shape = (1, 2, *sizes)
    before = convolution(shape, kernel, groups, strides=strides, pad_type=pad_type, pad=pad)
    after, places = applied(before, "narrow-kernels", chip=SMALL)
    if pad_type != "custom":  # there, every window may meet padding alone
        assert ("narrow-kernels" in places) == (kernel[0] > 3 or kernel[1] > 2)
    for operation in after.functions["main"].operations:
        if operation.op_type == "conv" and "narrow-kernels" in places:
            assert operation.weight.shape[2] <= 3
            assert operation.weight.shape[3] <= 2
    x = random_input(shape)
    np.testing.assert_allclose(answer(after, x), answer(before, x), atol=1e-5)


@pytest.mark.parametrize(("chip", "parts"), [(A13, 2), (A14, 1)])
def test_a_width_of_15_is_too_wide_for_the_a13_alone(chip: Any, parts: int) -> None:
    before = convolution((1, 2, 20, 20), (15, 15), pad_type="same")
    after, places = applied(before, "narrow-kernels", chip=chip)
    assert kinds(after).count("conv") == parts
    assert [place.split(": ")[1] for place in places.get("narrow-kernels", ())] == ["15x8 + 15x7 over [1, 2, 20, 20]"][
        : parts - 1
    ]


def test_kernels_with_dilation_stay_as_they_are() -> None:
    before = convolution((1, 2, 20, 20), (1, 5), dilations=[1, 2], pad_type="valid")
    assert applied(before, "narrow-kernels", chip=SMALL)[1] == {}
