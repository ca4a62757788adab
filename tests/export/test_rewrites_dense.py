"""Dense layers as convolutions: the same numbers, and what the engine would reject is gone."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mil_programs import A13, A14, applied, assert_same_answers, kinds, limited, program, weights

pytestmark = [pytest.mark.parity, pytest.mark.usefixtures("mil")]

TO_FLAT = ("channels last", "channels first", "by way of rank 5", "by way of rank 3")
"""How frameworks flatten a map."""


def flattened(builder: Any, x: Any, way: str) -> Any:
    _, channels, height, width = x.shape
    size = channels * height * width
    if way == "channels last":
        x = builder.transpose(x=x, perm=[0, 2, 3, 1])
    elif way == "by way of rank 5":
        x = builder.transpose(x=builder.expand_dims(x=x, axes=[1]), perm=[0, 4, 2, 1, 3])
    elif way == "by way of rank 3":
        x = builder.transpose(x=builder.reshape(x=x, shape=[1, channels, height * width]), perm=[0, 2, 1])
    return builder.reshape(x=x, shape=[1, size])


def dense(builder: Any, x: Any, units: int, form: str = "linear", seed: int = 1) -> Any:
    weight, bias = weights(units, x.shape[-1], seed=seed), weights(units, seed=seed + 100)
    if form == "linear":
        return builder.linear(x=x, weight=weight, bias=bias)
    if form == "matmul":
        return builder.matmul(x=x, y=np.ascontiguousarray(weight.T))
    return builder.matmul(x=x, y=weight, transpose_y=True)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9)),
    st.sampled_from(TO_FLAT),
    st.sampled_from(["linear", "matmul", "transposed matmul"]),
)
def test_a_dense_over_a_map_is_one_convolution(sizes: tuple[int, int, int], way: str, form: str) -> None:
    shape = (1, *sizes)
    before = program(shape, lambda b, x: dense(b, flattened(b, b.relu(x=x), way), 3, form))
    after, places = applied(before, "dense-over-map")
    assert kinds(after) == ["relu", "conv", "squeeze"]
    assert len(places["dense-over-map"]) == 1
    assert_same_answers(before, after, shape)


def test_the_places_say_what_became_of_kewcnn_s_large_dense() -> None:
    before = program((1, 3, 15, 15), lambda b, x: dense(b, flattened(b, x, "channels last"), 8))
    name = before.functions["main"].outputs[0].name
    after, places = applied(before, "dense-over-map", "narrow-kernels", chip=A14)
    assert places == {"dense-over-map": (f"{name}: 8 kernels of 15x15 over [1, 3, 15, 15]",)}
    assert kinds(after).count("conv") == 1
    after, places = applied(before, "dense-over-map", "narrow-kernels", chip=A13)
    assert places["narrow-kernels"] == (f"{name}_conv: 15x8 + 15x7 over [1, 3, 15, 15]",)
    assert kinds(after) == ["slice_by_index", "conv", "slice_by_index", "conv", "add", "squeeze"]
    assert_same_answers(before, after, (1, 3, 15, 15))


def test_an_image_that_would_take_too_many_kernels_is_left_to_a_1x1_convolution() -> None:
    chip = limited(A14, max_conv_kernel_width=2, max_conv_kernel_height=2)
    before = program((1, 1, 20, 14), lambda b, x: dense(b, flattened(b, x, "channels last"), 4))
    after, places = applied(before, "dense-over-map", "dense-as-conv", chip=chip)
    assert list(places) == ["dense-as-conv"]
    assert_same_answers(before, after, (1, 1, 20, 14))


def test_a_flat_value_with_other_readers_keeps_them() -> None:
    def body(b: Any, x: Any) -> Any:
        flat = flattened(b, x, "channels last")
        return b.add(x=dense(b, flat, 60), y=flat)

    before = program((1, 3, 4, 5), body)
    after, _ = applied(before, "dense-over-map")
    assert_same_answers(before, after, (1, 3, 4, 5))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 40), st.integers(1, 9), st.sampled_from(["linear", "matmul"]))
def test_a_dense_over_a_vector_is_a_1x1_convolution(inputs: int, units: int, form: str) -> None:
    before = program((1, inputs), lambda b, x: dense(b, b.tanh(x=x), units, form))
    after, _ = applied(before, "dense-as-conv")
    assert kinds(after) == ["tanh", "expand_dims", "conv", "squeeze"]
    assert_same_answers(before, after, (1, inputs))


@pytest.mark.parametrize("by_rows", [True, False])
def test_a_dense_over_the_channels_of_a_map_works_where_the_channels_are(by_rows: bool) -> None:
    def one(b: Any, x: Any, units: int) -> Any:
        if not by_rows:
            return dense(b, x, units)
        rows = dense(b, b.reshape(x=x, shape=[24, x.shape[-1]]), units)
        return b.reshape(x=rows, shape=[1, 4, 6, units])

    def body(b: Any, x: Any) -> Any:
        y = one(b, b.relu(x=one(b, b.transpose(x=x, perm=[0, 2, 3, 1]), 7)), 3)
        return b.transpose(x=y, perm=[0, 3, 1, 2])

    before = program((1, 5, 4, 6), body)
    after, _ = applied(before, "dense-as-conv", "channels-first")
    assert kinds(after) == ["conv", "relu", "conv"]
    assert_same_answers(before, after, (1, 5, 4, 6))


def test_rows_that_something_else_reads_stay_rows() -> None:
    def body(b: Any, x: Any) -> Any:
        rows = b.reshape(x=b.transpose(x=x, perm=[0, 2, 3, 1]), shape=[24, 5])
        return b.softmax(x=dense(b, rows, 5), axis=0)

    before = program((1, 5, 4, 6), body)
    after, _ = applied(before, "dense-as-conv", "channels-first")
    assert kinds(after) == ["conv", "transpose", "reshape", "softmax"]
    assert_same_answers(before, after, (1, 5, 4, 6))


@pytest.mark.parametrize(
    ("shape", "limits"),
    [((1, 6, 5), {}), ((6, 5), {}), ((1, 6), {"max_channels": 5})],
    ids=["a sequence", "rows", "too many channels"],
)
def test_what_stays_a_dense_layer(shape: tuple[int, ...], limits: dict[str, int]) -> None:
    before = program(shape, lambda b, x: dense(b, x, 3))
    after, places = applied(before, "dense-over-map", "dense-as-conv", chip=limited(A14, **limits))
    assert (places, kinds(after)) == ({}, ["linear"])


def test_weights_that_are_computed_are_no_dense_layer() -> None:
    before = program((4, 4), lambda b, x: b.matmul(x=x, y=b.relu(x=x)))
    assert applied(before, "dense-as-conv")[1] == {}
