"""Tensors whose size is a value, in both executors: what they hold, and that no size takes the machine's memory."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Op, build
from onop import EXECUTORS, answer, answers

from kewcore.errors import KewError
from kewcore.runtime import load

pytestmark = pytest.mark.runtime
X = np.array([[0, 2, 0], [5, 0, -1]], np.float32)
HUGE = 2**31 - 1


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_fill_makes_any_type(tmp_path: Path, executor: str) -> None:
    for value, dtype in ((np.float32(2.5), "fp32"), (np.int32(-3), "int32"), (np.bool_(True), "bool")):
        for shape in ([2, 3], "shape"):
            arguments = {"shape": shape, "value": value}
            result = answer(tmp_path, "fill", arguments, {"shape": ints(2, 3)}, (dtype, (2, 3)), executor)
            assert result == [[value.item()] * 3] * 2
        arguments = {"ref_tensor": "x", "value": value}
        result = answer(tmp_path, "fill_like", arguments, {"x": X}, (dtype, (2, 3)), executor, "CoreML6")
        assert result == [[value.item()] * 3] * 2


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("start", "end", "step", "expected"),
    [
        (0, 5, 2, [0, 2, 4]),
        (5, 0, -2, [5, 3, 1]),
        (2, 2, 1, []),
        (0.5, 2.0, 0.5, [0.5, 1, 1.5]),
        (3.0, 0.0, -0.75, [3, 2.25, 1.5, 0.75]),
    ],
)
def test_ranges_stop_before_their_end(
    tmp_path: Path, start: Any, end: Any, step: Any, expected: list[float], executor: str
) -> None:
    dtype = "fp32" if isinstance(step, float) else "int32"
    constants = {"start": start, "end": end, "step": step}
    inputs = {"n": np.array([end], dtype.replace("fp", "float"))}
    assert answer(tmp_path, "range_1d", constants, inputs, (dtype, (len(expected),)), executor) == expected
    ops = [
        Op("squeeze", {"x": "n"}, {"e": (dtype, ())}),
        Op("range_1d", {**constants, "end": "e"}, {"y": (dtype, (None,))}),
    ]
    package = build(tmp_path / "computed.mlpackage", ops, {"n": (dtype, (1,))}, ["y"])
    assert load(package, executor).predict(inputs)["y"].tolist() == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_one_hot_vectors_are_off_where_the_index_lies_outside(tmp_path: Path, axis: int, executor: str) -> None:
    indices, place = ints(1, -1, 3, 0), axis % 2
    for on, off, dtype in ((1, 0, "int32"), (7.5, 0.5, "fp32"), (np.bool_(False), np.bool_(True), "bool")):
        rows = [[on if i == n else off for n in range(3)] for i in indices]
        expected = np.array(rows if place == 1 else list(zip(*rows, strict=True)))
        arguments = {"indices": "x", "one_hot_vector_size": 3, "axis": axis, "on_value": on, "off_value": off}
        result = answer(tmp_path, "one_hot", arguments, {"x": indices}, (dtype, expected.shape), executor)
        assert result == expected.tolist()


@pytest.mark.parametrize("executor", EXECUTORS)
def test_shapes_and_places_are_told(tmp_path: Path, executor: str) -> None:
    assert answer(tmp_path, "shape", {"x": "x"}, {"x": X}, ("int32", (2,)), executor) == [2, 3]
    result = answer(tmp_path, "non_zero", {"x": "x"}, {"x": X}, ("int32", (None, 2)), executor)
    assert result == [[0, 1], [1, 0], [1, 2]]
    for dtype in ("bool", "int8", "int32"):
        result = answer(tmp_path, "non_zero", {"x": "x"}, {"x": X[1].astype(dtype)}, ("int32", (None, 1)), executor)
        assert result == [[0], [2]]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("kind", "arguments", "said"),
    [
        ("fill", {"shape": "n"}, "would take .* bytes, more than the limit of 4294967296"),
        ("random_uniform", {"shape": "n"}, "would take .* bytes, more than the limit"),
        ("random_normal", {"shape": "n"}, "would take .* bytes, more than the limit"),
        ("random_bernoulli", {"shape": "n"}, "would take .* bytes, more than the limit"),
        ("tile", {"x": "x", "reps": "n"}, "would take .* bytes, more than the limit"),
        ("pad", {"x": "x", "pad": "pads"}, "would take .* bytes, more than the limit"),
        ("fill", {"shape": "negative"}, r"sizes must not be negative, got \[-1, 3\]"),
        ("random_uniform", {"shape": "negative"}, "sizes must not be negative"),
    ],
)
def test_computed_sizes_are_bounded(tmp_path: Path, kind: str, arguments: Any, said: str, executor: str) -> None:
    inputs = {"n": ints(HUGE, HUGE), "negative": ints(-1, 3), "pads": ints(0, HUGE, 0, HUGE), "x": X}
    with pytest.raises(KewError, match=said):
        answer(tmp_path, kind, arguments, inputs, ("fp32", (None, None)), executor)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_computed_lengths_are_bounded(tmp_path: Path, executor: Any) -> None:
    squeeze = Op("squeeze", {"x": "n"}, {"s": ("int32", ())})
    cases = [
        (Op("range_1d", {"start": 0, "end": "s", "step": 1}, {"y": ("int32", (None,))}), "would take .* bytes"),
        (Op("range_1d", {"start": 0, "end": 1, "step": "s"}, {"y": ("int32", (None,))}), "step that is not 0"),
        (
            Op("one_hot", {"indices": ints(0, 1, 2), "one_hot_vector_size": "s"}, {"y": ("int32", (3, None))}),
            "would take .* bytes",
        ),
    ]
    for number, (op, said) in enumerate(cases):
        package = build(tmp_path / f"{number}.mlpackage", [squeeze, op], {"n": ("int32", (1,))}, ["y"])
        model = load(package, executor)
        with pytest.raises(KewError, match=said):
            model.predict({"n": ints(0 if "step" in said else HUGE)})


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("kind", "arguments", "shape"),
    [
        ("fill", {"shape": ints(HUGE, HUGE)}, (None, None)),
        ("random_normal", {"shape": ints(HUGE, HUGE)}, (None, None)),
        ("range_1d", {"start": 0.0, "end": 1e30, "step": 1.0}, (None,)),
        ("one_hot", {"indices": ints(0, 1, 2), "one_hot_vector_size": HUGE}, (None, None)),
        ("tile", {"x": "x", "reps": ints(HUGE, HUGE)}, (None, None)),
    ],
)
def test_constant_sizes_are_bounded_before_anything_runs(
    tmp_path: Path, kind: str, arguments: Any, shape: Any, executor: str
) -> None:
    dtype = "int32" if kind == "one_hot" else "fp32"
    with pytest.raises(KewError, match=r"would take \d+ bytes, more than the limit of 4294967296"):
        answers(tmp_path, kind, arguments, {"x": X}, {"y": (dtype, shape)}, executor)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_computed_shape_reshapes(tmp_path: Path, executor: str) -> None:
    for shape, expected in (([3, -1], (3, 2)), ([0, 3], (2, 3)), ([-1, 1], (6, 1))):
        inputs = {"x": X, "shape": ints(*shape)}
        result = answer(tmp_path, "reshape", {"x": "x", "shape": "shape"}, inputs, ("fp32", (None, None)), executor)
        assert result == X.reshape(expected).tolist()
    for shape, expected in (([1, 0, -1, 0], (1, 1, 2, 3)), ([0, 0, 0], (1, 2, 3))):
        for constant in (True, False):
            arguments = {"x": "x", "shape": shape if constant else "shape"}
            inputs = {"x": X, "shape": ints(*shape)}
            result = answer(tmp_path, "reshape", arguments, inputs, ("fp32", (None,) * len(shape)), executor)
            assert result == X.reshape(expected).tolist()
    with pytest.raises(KewError, match=r"cannot reshape|ONNX Runtime stopped"):
        answer(
            tmp_path, "reshape", {"x": "x", "shape": "shape"}, {"x": X, "shape": ints(4, 4)}, ("fp32", (4, 4)), executor
        )


def test_what_fills_a_tensor_is_one_number(tmp_path: Path) -> None:
    with pytest.raises(KewError, match="input 'value' must be a scalar"):
        answer(tmp_path, "fill_like", {"ref_tensor": "x", "value": ints(1, 2)}, {"x": X}, ("int32", (2, 3)), "onnx")
