"""Elements between channels, batch and space, in both executors, against plain loops."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Op, build
from onop import EXECUTORS, answer

from kewcore.errors import KewError
from kewcore.runtime import load

pytestmark = pytest.mark.runtime
DEEP = np.arange(48, dtype=np.float32).reshape(2, 8, 1, 3)
WIDE = np.arange(48, dtype=np.float32).reshape(2, 2, 2, 6)


def blocks() -> Any:
    """Every element of a `[2, 2, 2, 6]` image with its place among blocks of 2x2."""
    for n, c, h, w, i, j in itertools.product(range(2), range(2), range(1), range(3), range(2), range(2)):
        yield n, c, h, w, i, j, (n, c, 2 * h + i, 2 * w + j)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("order", ["block first", "channel first"])
def test_channels_become_space_and_back(tmp_path: Path, order: str, executor: str) -> None:
    first = order == "block first"
    expected, back = np.empty((2, 2, 2, 6), np.float32), np.empty((2, 8, 1, 3), np.float32)
    for n, c, h, w, i, j, place in blocks():
        channel = (2 * i + j) * 2 + c if first else c * 4 + 2 * i + j
        expected[place] = DEEP[n, channel, h, w]
        back[n, channel, h, w] = WIDE[place]
    kind, inverse = ("depth_to_space", "space_to_depth") if first else ("pixel_shuffle", "pixel_unshuffle")
    size = "block_size" if first else "upscale_factor"
    result = answer(tmp_path, kind, {"x": "x", size: 2}, {"x": DEEP}, ("fp32", (2, 2, 2, 6)), executor)
    assert result == expected.tolist()
    arguments = {"x": "x", "block_size": 2} if first else {"x": "x", "downscale_factor": np.uint32(2)}
    result = answer(tmp_path, inverse, arguments, {"x": WIDE}, ("fp32", (2, 8, 1, 3)), executor)
    assert result == back.tolist()


@pytest.mark.parametrize("executor", EXECUTORS)
def test_space_becomes_batch_and_back(tmp_path: Path, executor: str) -> None:
    padded = np.zeros((2, 2, 4, 9), np.float32)
    padded[:, :, 1:3, 1:7] = WIDE
    expected = np.empty((12, 2, 2, 3), np.float32)
    for n, c, h, w in itertools.product(range(2), range(2), range(4), range(9)):
        expected[(h % 2 * 3 + w % 3) * 2 + n, c, h // 2, w // 3] = padded[n, c, h, w]
    block = {"x": "x", "block_shape": [2, 3]}
    arguments = {**block, "paddings": [[1, 1], [1, 2]]}
    result = answer(tmp_path, "space_to_batch", arguments, {"x": WIDE}, ("fp32", expected.shape), executor)
    assert result == expected.tolist()
    arguments = {**block, "crops": [[1, 1], [1, 2]]}
    result = answer(tmp_path, "batch_to_space", arguments, {"x": expected}, ("fp32", WIDE.shape), executor)
    assert result == WIDE.tolist()


@pytest.mark.parametrize("executor", EXECUTORS)
def test_shapes_are_put_together_from_others(tmp_path: Path, executor: str) -> None:
    references = {"a": np.zeros((1, 4, 5), np.float32), "b": np.zeros((2, 12), np.float32)}
    arguments = {
        "x": "x",
        "ref_tensors": ("a", "b"),
        "begins": (np.int32(0), np.int32(1)),
        "ends": (np.int32(2), np.int32(0)),
        "end_masks": (np.bool_(False), np.bool_(True)),
    }
    inputs = {"x": WIDE, **references}
    result = answer(tmp_path, "reshape_like", arguments, inputs, ("fp32", (1, 4, 12)), executor)
    assert result == WIDE.reshape(1, 4, 12).tolist()


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(("equation", "rank"), [("nchw,nwhu->nchu", 4), ("chw,whr->chr", 3), ("abcd,adce->abce", 4)])
def test_einsum_multiplies_matrices_and_broadcasts(tmp_path: Path, equation: str, rank: int, executor: str) -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((2, 3, 4, 5)[4 - rank :]).astype(np.float32)
    y = rng.standard_normal((1, 5, 1, 2)[4 - rank :]).astype(np.float32)
    expected = np.zeros((2, 3, 4, 2)[4 - rank :], np.float64)
    for place in itertools.product(*map(range, expected.shape)):
        *batch, c, h, u = place
        expected[place] = sum(float(x[(*batch, c, h, w)]) * float(y[(*(0 for _ in batch), w, 0, u)]) for w in range(5))
    arguments = {"values": ("left", "right"), "equation": f"'{equation}'"}
    result = answer(tmp_path, "einsum", arguments, {"left": x, "right": y}, ("fp32", expected.shape), executor)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_numbers_join_into_a_vector_and_larger_axes_are_not_squeezed(tmp_path: Path, executor: Any) -> None:
    ops = [
        Op("squeeze", {"x": "x", "axes": np.array([0, 1], np.int32)}, {"s": ("fp32", (2,))}),
        Op("reduce_sum", {"x": "s", "keep_dims": False}, {"a": ("fp32", ())}),
        Op("reduce_max", {"x": "s", "keep_dims": False}, {"b": ("fp32", ())}),
        Op("concat", {"values": ("a", "b"), "axis": 0}, {"c": ("fp32", (2,))}),
        Op("stack", {"values": ("b", "a"), "axis": 0}, {"d": ("fp32", (2,))}),
        Op(
            "slice_by_size",
            {"x": "x", "begin": np.array([0, -1], np.int32), "size": np.array([-1, 1], np.int32)},
            {"e": ("fp32", (1, 1))},
        ),
    ]
    package = build(tmp_path / "p.mlpackage", ops, {"x": ("fp32", (1, 2))}, ["c", "d", "e"])
    out = load(package, executor).predict({"x": [[3, 4]]})
    assert [out[name].tolist() for name in "cde"] == [[7, 4], [4, 7], [[4]]]


@pytest.mark.parametrize(
    ("kind", "arguments", "shape", "said"),
    [
        ("depth_to_space", {"block_size": 3}, (2, 0, 6, 18), "channels must be a multiple of 9, got 2"),
        ("space_to_depth", {"block_size": 4}, (2, 32, 0, 1), "height must be a multiple of 4, got 2"),
        ("pixel_shuffle", {"upscale_factor": 0}, (2, 2, 2, 6), "blocks must have 1 element at least, got 0"),
        ("pixel_unshuffle", {"downscale_factor": 4}, (2, 32, 0, 1), "height must be a multiple of 4, got 2"),
        (
            "space_to_batch",
            {"block_shape": [4, 1], "paddings": [[0, 0], [0, 0]]},
            (8, 2, 0, 6),
            "the padded size must be a multiple of 4, got 2",
        ),
        (
            "space_to_batch",
            {"block_shape": [2], "paddings": [[0, 0], [0, 0]]},
            (8, 2, 0, 6),
            r"block_shape must be 2 numbers from 1, got \[2\]",
        ),
        (
            "batch_to_space",
            {"block_shape": [2, 1], "crops": [[-1, 0], [0, 0]]},
            (1, 2, 5, 6),
            "crops must be 2 pairs from 0",
        ),
        (
            "batch_to_space",
            {"block_shape": [2, 1], "crops": [[4, 0], [0, 0]]},
            (1, 2, 0, 6),
            r"4 \+ 0 elements cannot be cut off 4",
        ),
        ("batch_to_space", {"block_shape": [3, 1], "crops": [[0, 0], [0, 0]]}, (1, 2, 6, 6), "multiple of 3, got 2"),
        ("slice_by_size", {"begin": [0, 0, 1, 0], "size": [2, 2, 2, 6]}, WIDE.shape, "do not lie on axis 2 of 2"),
        ("slice_by_size", {"begin": [0, 0], "size": [2, 2]}, WIDE.shape, "begin and size must have 4 elements"),
    ],
)
def test_misfits_are_named(tmp_path: Path, kind: str, arguments: Any, shape: Any, said: str) -> None:
    with pytest.raises(KewError, match=said):
        answer(tmp_path, kind, {"x": "x", **arguments}, {"x": WIDE}, ("fp32", shape), "reference")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"equation": "'ij,jk->ik'"}, "equation must have the form nchw,nwhu->nchu or chw,whr->chr, got 'ij,jk->ik'"),
        ({"equation": "'chw,whr->chr'"}, "values must have rank 3, got 4 and 4"),
        ({"equation": "'nchw,nwhu->nchu'"}, "inner sizes must agree, got 6 and 2"),
    ],
)
def test_other_einsums_are_refused(tmp_path: Path, arguments: Any, said: str) -> None:
    with pytest.raises(KewError, match=said):
        answer(tmp_path, "einsum", {"values": ("x", "x"), **arguments}, {"x": WIDE}, ("fp32", WIDE.shape), "reference")


def test_reshape_like_needs_as_many_elements(tmp_path: Path) -> None:
    arguments = {"ref_tensors": ("x",), "begins": (np.int32(0),), "ends": (np.int32(2),)}
    with pytest.raises(KewError, match=r"cannot reshape \[2, 2, 2, 6\] into \[2, 2\]"):
        answer(
            tmp_path,
            "reshape_like",
            {"x": "x", **arguments, "end_masks": (np.bool_(False),)},
            {"x": WIDE},
            ("fp32", (2, 2)),
            "reference",
        )
