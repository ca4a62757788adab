"""Sorting, running sums, bands, reversal and windows, in both executors, against plain Python."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onop import EXECUTORS, answer, answers

from kewcore.errors import KewError

pytestmark = pytest.mark.runtime
GRID = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
TIES = np.array([[3, 1, 3, 2], [0, 0, 5, 0]], np.float32)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize("axis", [0, -1])
def test_sorting_takes_the_first_of_equals_first(tmp_path: Path, axis: int, ascending: bool, executor: str) -> None:
    lines = TIES.tolist() if axis == -1 else TIES.T.tolist()
    order = [sorted(range(len(line)), key=lambda i: line[i] if ascending else -line[i]) for line in lines]
    wanted = np.array(order) if axis == -1 else np.array(order).T
    arguments = {"x": "x", "axis": axis, "ascending": ascending}
    assert answer(tmp_path, "argsort", arguments, {"x": TIES}, ("int32", (2, 4)), executor) == wanted.tolist()
    for opset, k in (("CoreML5", 2), ("CoreML7", -1)):
        count = TIES.shape[axis] if k == -1 else k
        rows = wanted[:count] if axis == 0 else wanted[:, :count]
        shape = rows.shape
        outputs: Any = {"values": ("fp32", shape), "indices": ("int32", shape)}
        results = answers(tmp_path, "topk", {**arguments, "k": k}, {"x": TIES}, outputs, executor, opset)
        assert results["indices"].tolist() == rows.tolist()
        assert results["values"].tolist() == np.take_along_axis(TIES, rows, axis).tolist()


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32"])
def test_topk_takes_small_integers_and_gives_indices_as_asked(tmp_path: Path, dtype: str, executor: str) -> None:
    limits = np.iinfo(dtype)
    x = np.array([limits.min, 5, limits.max if dtype != "int32" else 100], dtype)
    arguments = {"x": "x", "k": np.int8(2), "output_indices_dtype": "'uint16'"}
    outputs: Any = {"values": (dtype, (2,)), "indices": ("uint16", (2,))}
    results = answers(tmp_path, "topk", arguments, {"x": x}, outputs, executor)
    assert [results["values"].tolist(), results["indices"].tolist()] == [[int(x[2]), 5], [2, 1]]
    assert results["indices"].dtype == np.uint16
    alone = {"x": "x", "k": 1, "ascending": True, "return_indices": False, "sort": False}
    assert answer(tmp_path, "topk", alone, {"x": x}, (dtype, (1,)), executor) == [int(x[0])]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(("exclusive", "reverse"), list(itertools.product([False, True], repeat=2)))
@pytest.mark.parametrize("dtype", ["fp32", "int32"])
def test_cumsum_adds_up(tmp_path: Path, exclusive: bool, reverse: bool, dtype: str, executor: str) -> None:
    expected = np.zeros((2, 3, 4))
    for i, j, k in itertools.product(range(2), range(3), range(4)):
        places = range(j + exclusive, 3) if reverse else range(j + 1 - exclusive)
        expected[i, j, k] = sum(GRID[i, place, k] for place in places)
    x = GRID if dtype == "fp32" else GRID.astype(np.int32)
    arguments = {"x": "x", "axis": 1, "exclusive": exclusive, "reverse": reverse}
    assert answer(tmp_path, "cumsum", arguments, {"x": x}, (dtype, GRID.shape), executor) == expected.tolist()


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(("lower", "upper"), [(-1, -1), (0, -1), (1, 0), (0, 0), (-1, 1)])
def test_bands_keep_diagonals(tmp_path: Path, lower: int, upper: int, executor: str) -> None:
    x = GRID + 1
    expected = x.copy()
    for i, j, k in itertools.product(range(2), range(3), range(4)):
        if (lower >= 0 and j - k > lower) or (upper >= 0 and k - j > upper):
            expected[i, j, k] = 0
    arguments = {"x": "x", "lower": lower, "upper": upper}
    assert answer(tmp_path, "band_part", arguments, {"x": x}, ("fp32", x.shape), executor) == expected.tolist()
    truths = answer(tmp_path, "band_part", arguments, {"x": np.ones((3, 4), np.bool_)}, ("bool", (3, 4)), executor)
    assert truths == (expected[0] != 0).tolist()


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(("seq_axis", "batch_axis"), [(1, 0), (0, 1), (2, 0), (-3, -1)])
def test_sequences_are_reversed_up_to_their_length(
    tmp_path: Path, seq_axis: int, batch_axis: int, executor: str
) -> None:
    lengths = [(i * 2 + 1) % (GRID.shape[seq_axis] + 1) for i in range(GRID.shape[batch_axis])]
    expected = GRID.copy()
    for place in itertools.product(*map(range, GRID.shape)):
        length, source = lengths[place[batch_axis]], list(place)
        if place[seq_axis] < length:
            source[seq_axis] = length - 1 - place[seq_axis]
        expected[place] = GRID[tuple(source)]
    arguments = {"x": "x", "lengths": "lengths", "seq_axis": seq_axis, "batch_axis": batch_axis}
    inputs = {"x": GRID, "lengths": np.array(lengths, np.int32)}
    result = answer(tmp_path, "reverse_sequence", arguments, inputs, ("fp32", GRID.shape), executor)
    assert result == expected.tolist()


@pytest.mark.parametrize("executor", EXECUTORS)
def test_windows_slide(tmp_path: Path, executor: str) -> None:
    x = np.arange(14, dtype=np.float32).reshape(7, 2)
    expected = [[[x[3 * i + j, k] for k in range(2)] for j in range(4)] for i in range(2)]
    arguments = {"x": "x", "axis": -2, "size": 4, "stride": 3}
    assert answer(tmp_path, "sliding_windows", arguments, {"x": x}, ("fp32", (2, 4, 2)), executor) == expected


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("length", [-1, 4, 2**31 - 1])
def test_lengths_outside_are_errors(tmp_path: Path, length: int, executor: str) -> None:
    arguments = {"x": "x", "lengths": "lengths", "seq_axis": 1}
    inputs = {"x": GRID, "lengths": np.array([length, 0], np.int32)}
    with pytest.raises(KewError, match=r"lengths must be from 0 to 3|ONNX Runtime stopped"):
        answer(tmp_path, "reverse_sequence", arguments, inputs, ("fp32", GRID.shape), executor)


@pytest.mark.parametrize(
    ("kind", "arguments", "shape", "said"),
    [
        ("topk", {"k": 4, "return_indices": False, "axis": 1}, (2, 4, 4), "k must be from -1 to 3, got 4"),
        ("band_part", {"x": np.float32(1)}, (), "x must have rank 2 at least, got 0"),
        ("cumsum", {"axis": 3}, GRID.shape, "axis must be from -3 to 2, got 3"),
        ("reverse_sequence", {"lengths": [1, 1]}, GRID.shape, "seq_axis and batch_axis must differ, both are 0"),
        ("reverse_sequence", {"lengths": [1], "seq_axis": 1}, GRID.shape, r"lengths must have shape \[2\], got \[1\]"),
        ("sliding_windows", {"axis": 0, "size": 3}, (0, 3, 3, 4), "size must be from 1 to 2 and stride at least 1"),
    ],
)
def test_misfits_are_named(tmp_path: Path, kind: str, arguments: Any, shape: Any, said: str) -> None:
    with pytest.raises(KewError, match=said):
        answer(tmp_path, kind, {"x": "x", **arguments}, {"x": GRID}, ("fp32", shape), "reference")
