"""Reading and writing at computed indices, in both executors, against plain loops."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onop import EXECUTORS, answer

from kewcore.errors import KewError

pytestmark = pytest.mark.runtime
GRID = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
TABLE = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
SMALL_INTEGERS = ("int8", "uint8", "int16", "uint16", "int32")


def ints(values: Any) -> np.ndarray:
    return np.array(values, np.int32)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("constant", [True, False])
def test_gather_takes_slices(tmp_path: Path, axis: int, constant: bool, executor: str) -> None:
    indices = ints([[1, -1], [0, 1]])
    place = axis % 3
    expected = np.empty((*GRID.shape[:place], 2, 2, *GRID.shape[place + 1 :]), np.float32)
    for i, j in itertools.product(range(2), repeat=2):
        source, target = [slice(None)] * 3, [slice(None)] * 4
        source[place], target[place], target[place + 1 : place + 1] = int(indices[i, j]), i, [j]
        expected[tuple(target[:4])] = GRID[tuple(source)]
    inputs = {"x": GRID} if constant else {"x": GRID, "indices": indices}
    arguments = {"x": "x", "indices": indices if constant else "indices", "axis": axis}
    assert answer(tmp_path, "gather", arguments, inputs, ("fp32", expected.shape), executor) == expected.tolist()


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("dtype", SMALL_INTEGERS)
def test_gather_takes_every_type_of_index_and_element(tmp_path: Path, dtype: str, executor: str) -> None:
    inputs = {"x": np.array([7, 8, 9], dtype), "indices": np.array([2, 0], dtype)}
    result = answer(tmp_path, "gather", {"x": "x", "indices": "indices"}, inputs, (dtype, (2,)), executor)
    assert result == [9, 7]
    one = answer(tmp_path, "gather", {"x": "x", "indices": 1}, {"x": inputs["x"]}, (dtype, ()), executor)
    assert one == 8


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("axis", [1, 2])
def test_gather_goes_batch_by_batch(tmp_path: Path, axis: int, executor: str) -> None:
    indices = ints([[2, 0], [1, 1]])
    rows = [np.take(GRID[n], indices[n], axis=axis - 1) for n in range(2)]
    shape = (2, *rows[0].shape)
    arguments = {"x": "x", "indices": "indices", "axis": axis, "batch_dims": 1}
    result = answer(tmp_path, "gather", arguments, {"x": GRID, "indices": indices}, ("fp32", shape), executor)
    assert result == [row.tolist() for row in rows]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gather_along_axis_takes_elements(tmp_path: Path, axis: int, executor: str) -> None:
    shape = list(GRID.shape)
    shape[axis] = 2
    indices = np.random.default_rng(3).integers(-2, 2, shape).astype(np.int32)
    expected = np.empty(shape, np.float32)
    for place in itertools.product(*map(range, shape)):
        source = list(place)
        source[axis] = indices[place]
        expected[place] = GRID[tuple(source)]
    arguments = {"x": "x", "indices": "indices", "axis": axis}
    inputs = {"x": GRID, "indices": indices}
    result = answer(tmp_path, "gather_along_axis", arguments, inputs, ("fp32", tuple(shape)), executor)
    assert result == expected.tolist()


@pytest.mark.parametrize("executor", EXECUTORS)
def test_gather_nd_takes_places(tmp_path: Path, executor: str) -> None:
    arguments = {"x": "x", "indices": "indices"}
    inputs = {"x": GRID, "indices": ints([[1, 2], [0, -1]])}
    assert answer(tmp_path, "gather_nd", arguments, inputs, ("fp32", (2, 4)), executor) == [
        GRID[1, 2].tolist(),
        GRID[0, 2].tolist(),
    ]
    inputs = {"x": GRID, "indices": ints([[[2, 3]], [[0, 1]]])}
    batched = {**arguments, "batch_dims": 1}
    assert answer(tmp_path, "gather_nd", batched, inputs, ("fp32", (2, 1)), executor) == [[11], [13]]


MODES: dict[str, Any] = {
    "update": lambda old, new: new,
    "add": lambda old, new: old + new,
    "sub": lambda old, new: old - new,
    "mul": lambda old, new: old * new,
    "div": lambda old, new: old / new,
    "max": max,
    "min": min,
}


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("opset", ["CoreML5", "CoreML7"])
@pytest.mark.parametrize("mode", MODES)
def test_scattering_writes_in_order(tmp_path: Path, mode: str, opset: str, executor: str) -> None:
    updates = np.array([[8, -2, 2], [4, 16, -8], [2, 2, 4]], np.float32)
    data, rows = np.tile(TABLE, (2, 1)) * 8, [1, 3, 1]
    expected = data.copy()
    for i, j in itertools.product(range(3), repeat=2):
        expected[rows[i], j] = MODES[mode](expected[rows[i], j], updates[i, j])
    inputs = {"data": data, "updates": updates}
    arguments = {"data": "data", "updates": "updates", "mode": f"'{mode}'"}
    cases: dict[str, dict[str, Any]] = {
        "scatter": {"indices": rows, "axis": -2},
        "scatter_along_axis": {"indices": ints([[row] * 3 for row in rows]), "axis": 0},
        "scatter_nd": {"indices": ints([[row] for row in rows])},
    }
    for kind, indices in cases.items():
        result = answer(tmp_path, kind, {**arguments, **indices}, inputs, ("fp32", (4, 3)), executor, opset)
        assert result == expected.tolist(), kind


@pytest.mark.parametrize("executor", EXECUTORS)
def test_scattering_along_the_last_axis_and_to_places_that_differ(tmp_path: Path, executor: str) -> None:
    arguments = {"data": "data", "updates": "updates", "mode": "'add'"}
    inputs = {"data": TABLE, "updates": np.array([[10], [20]], np.float32)}
    for extra in ({"indices": [2], "axis": 1}, {"indices": ints([[2], [2]]), "axis": -1}):
        kind = "scatter" if isinstance(extra["indices"], list) else "scatter_along_axis"
        result = answer(tmp_path, kind, {**arguments, **extra}, inputs, ("fp32", (2, 3)), executor)
        assert result == [[1, 2, 13], [4, 5, 26]]
    inputs = {"data": TABLE, "updates": np.array([10, 20], np.float32)}
    places = {"indices": ints([[1, 0], [0, 2]])}
    result = answer(tmp_path, "scatter_nd", {**arguments, **places}, inputs, ("fp32", (2, 3)), executor)
    assert result == [[1, 2, 23], [14, 5, 6]]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("opset", ["CoreML5", "CoreML8"])
def test_scatter_takes_indices_of_any_rank(tmp_path: Path, opset: str, executor: str) -> None:
    for rows, axis in (([[1, 0], [1, 1]], 0), ([[2, 0]], 1), (1, 0)):
        shape = (*TABLE.shape[:axis], *np.shape(rows), *TABLE.shape[axis + 1 :])
        updates, expected = np.arange(np.prod(shape), dtype=np.float32).reshape(shape), TABLE.copy()
        for place in itertools.product(*map(range, np.shape(rows))):
            for other in range(TABLE.shape[1 - axis]):
                target = (int(np.array(rows)[place]), other) if axis == 0 else (other, int(np.array(rows)[place]))
                expected[target] += updates[(*place, other) if axis == 0 else (other, *place)]
        arguments = {"data": "data", "updates": "updates", "indices": ints(rows), "axis": axis}
        inputs = {"data": TABLE, "updates": updates}
        assert answer(tmp_path, "scatter", arguments, inputs, ("fp32", (2, 3)), executor, opset) == expected.tolist()


@pytest.mark.parametrize("executor", EXECUTORS)
def test_many_equal_indices_add_up_in_order(tmp_path: Path, executor: str) -> None:
    rng = np.random.default_rng(5)
    rows, updates = rng.integers(0, 3, 20_000).astype(np.int32), rng.standard_normal(20_000).astype(np.float32)
    expected = np.zeros(3, np.float32)
    for row, value in zip(rows, updates, strict=True):
        expected[row] += value
    inputs = {"data": np.zeros(3, np.float32), "indices": rows, "updates": updates}
    arguments = {name: name for name in inputs}
    for kind in ("scatter", "scatter_along_axis"):
        result = answer(tmp_path, kind, arguments, inputs, ("fp32", (3,)), executor, "CoreML6")
        assert result == expected.tolist()


@pytest.mark.parametrize("executor", EXECUTORS)
def test_since_ios17_indices_outside_write_nothing(tmp_path: Path, executor: str) -> None:
    updates = np.array([[5, 6, 7], [8, 9, 10]], np.float32)
    arguments = {"data": "data", "indices": "indices", "updates": "updates"}
    for outside in (-1, 10):
        inputs = {"data": TABLE, "indices": ints([outside, 0]), "updates": updates}
        result = answer(tmp_path, "scatter", arguments, inputs, ("fp32", (2, 3)), executor)
        assert result == [[9, 11, 13], [4, 5, 6]]
        inputs["indices"] = ints([[outside, 0, 0], [1, 1, 1]])
        result = answer(tmp_path, "scatter_along_axis", arguments, inputs, ("fp32", (2, 3)), executor)
        assert result == [[1, 8, 10], [12, 14, 16]]
        inputs["indices"] = ints([[outside], [1]])
        result = answer(tmp_path, "scatter_nd", arguments, inputs, ("fp32", (2, 3)), executor)
        assert result == [[1, 2, 3], [12, 14, 16]]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("opset", ["CoreML6", "CoreML8"])
@pytest.mark.parametrize("index", [3, -4, 2**31 - 1, -(2**31)])
def test_indices_outside_are_errors(tmp_path: Path, index: int, opset: str, executor: str) -> None:
    checks = {"validate_indices": True} if opset == "CoreML8" else {}
    said = "must be from .* to 2, got" if executor == "reference" else "must be from|ONNX Runtime stopped"
    shape = ("fp32", (2, 1))
    for kind, indices in (
        ("gather", [index]),
        ("gather_along_axis", [[index], [index]]),
        ("gather_nd", [[[index]], [[index]]]),
    ):
        arguments = {"x": "x", "indices": "indices", **checks}
        arguments |= {"batch_dims": 1} if kind == "gather_nd" else {"axis": 1}
        with pytest.raises(KewError, match=said):
            answer(tmp_path, kind, arguments, {"x": TABLE, "indices": ints(indices)}, shape, executor, opset)
    for kind, indices in (("scatter", [index]), ("scatter_along_axis", [[index], [index]])):
        arguments = {"data": "x", "indices": "indices", "updates": "u", "axis": 1, **checks}
        inputs = {"x": TABLE, "indices": ints(indices), "u": np.zeros((2, 1), np.float32)}
        with pytest.raises(KewError, match=said):
            answer(tmp_path, kind, arguments, inputs, ("fp32", (2, 3)), executor, opset)
    inputs = {"x": TABLE, "indices": ints([[0, index]]), "u": np.zeros(1, np.float32)}
    arguments = {"data": "x", "indices": "indices", "updates": "u", **checks}
    with pytest.raises(KewError, match=said):
        answer(tmp_path, "scatter_nd", arguments, inputs, ("fp32", (2, 3)), executor, opset)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_validated_indices_may_not_be_negative(tmp_path: Path, executor: str) -> None:
    for indices in ([-1, 0], "indices"):
        inputs = {"x": TABLE, **({"indices": ints([-1, 0])} if indices == "indices" else {})}
        arguments = {"x": "x", "indices": indices, "validate_indices": True}
        with pytest.raises(KewError, match="indices must be from 0 to 1, got -1"):
            answer(tmp_path, "gather", arguments, inputs, ("fp32", (2, 3)), executor)
        assert answer(
            tmp_path, "gather", {**arguments, "validate_indices": False}, inputs, ("fp32", (2, 3)), executor
        ) == [[4, 5, 6], [1, 2, 3]]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("constant", [True, False])
def test_slice_update_writes_where_slice_by_index_reads(tmp_path: Path, constant: bool, executor: str) -> None:
    update = -np.arange(1, 5, dtype=np.float32).reshape(2, 2)
    expected = GRID.copy()
    for i, k in itertools.product(range(2), repeat=2):
        expected[i, 1, 3 - 2 * k] = update[i, k]
    bounds = {"begin": ints([0, 1, -1]), "end": ints([0, 0, 0])}
    arguments: dict[str, Any] = {"x": "x", "update": "u", "stride": [1, 1, -2], **bounds}
    arguments |= {"begin_mask": np.array([True, False, False]), "end_mask": np.array([True, False, False])}
    arguments |= {"squeeze_mask": np.array([False, True, False])}
    inputs = {"x": GRID, "u": update}
    if not constant:
        arguments, inputs = {**arguments, "begin": "begin", "end": "end"}, {**inputs, **bounds}
    result = answer(tmp_path, "slice_update", arguments, inputs, ("fp32", GRID.shape), executor)
    assert result == expected.tolist()


@pytest.mark.parametrize(
    ("kind", "arguments", "shape", "said"),
    [
        ("gather", {"indices": [0], "axis": 2}, (1,), "axis must be from -2 to 1, got 2"),
        ("gather", {"indices": [0], "batch_dims": 1}, (1,), "batch_dims must be from 0 to 0, got 1"),
        ("gather", {"indices": [0], "axis": 1, "batch_dims": 1}, (2,), "must agree in their first 1 sizes"),
        ("gather_along_axis", {"indices": [0]}, (1,), r"indices \[1\] must agree with x \[2, 3\] but for axis 0"),
        ("gather_nd", {"indices": ints([[0, 0, 0]])}, (1,), "last size of indices must be from 1 to 2, got 3"),
        ("gather_nd", {"indices": ints([[0]]), "batch_dims": 2}, (1,), "batch_dims must be from 0 to 1, got 2"),
        ("gather", {"indices": [0], "axis": 1}, (2, 2), r"declared as \[2, 2\], but its shape is \[2, 1\]"),
    ],
)
def test_misfits_are_found_before_anything_runs(
    tmp_path: Path, kind: str, arguments: Any, shape: Any, said: str
) -> None:
    with pytest.raises(KewError, match=said):
        answer(tmp_path, kind, {"x": "x", **arguments}, {"x": TABLE}, ("fp32", shape), "reference")


@pytest.mark.parametrize(
    ("kind", "arguments", "said"),
    [
        ("scatter", {"indices": [0]}, r"updates must have shape \[1, 3\], got \[2, 3\]"),
        ("scatter", {"indices": [0, 1], "mode": "'or'"}, "mode must be update, add, .* or min, got 'or'"),
        ("scatter_along_axis", {"indices": ints([[0]])}, "must agree with data"),
        ("scatter_nd", {"indices": ints([[0, 0]])}, r"updates must have shape \[1\], got \[2, 3\]"),
    ],
)
@pytest.mark.parametrize("executor", EXECUTORS)
def test_updates_that_do_not_fit_are_named(tmp_path: Path, kind: str, arguments: Any, said: str, executor: str) -> None:
    given = {"data": "x", "updates": "x", **arguments}
    with pytest.raises(KewError, match=said):
        answer(tmp_path, kind, given, {"x": TABLE}, ("fp32", (2, 3)), executor)


def test_an_update_that_does_not_fit_is_named(tmp_path: Path) -> None:
    arguments = {"x": "x", "update": "x", "begin": [0, 0], "end": [1, 3]}
    for executor in EXECUTORS:
        with pytest.raises(KewError, match=r"update must have shape \[1, 3\], got \[2, 3\]"):
            answer(tmp_path, "slice_update", arguments, {"x": TABLE}, ("fp32", (2, 3)), executor)
