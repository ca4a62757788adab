"""Attention in both executors against plain loops over every query and key."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Op, build

from kewcore.errors import PackageError
from kewcore.runtime import load
from kewcore.runtime.ops.attention import scaled_dot_product_attention

pytestmark = pytest.mark.runtime
EXECUTORS = ("reference", "onnx")
QUERY, KEY, VALUE = (2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 7)


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def plain(query: Any, key: Any, value: Any, mask: Any = None) -> np.ndarray:
    result = np.zeros((*query.shape[:-1], value.shape[-1]))
    added = (
        np.zeros((*query.shape[:-1], key.shape[-2]))
        if mask is None
        else np.broadcast_to(
            np.where(mask, 0, -np.inf) if mask.dtype == np.bool_ else mask, (*query.shape[:-1], key.shape[-2])
        )
    )
    for index in np.ndindex(query.shape[:-1]):
        keys, values = key[index[:-1]], value[index[:-1]]
        dots = [sum(float(a) * float(b) for a, b in zip(query[index], k, strict=True)) for k in keys]
        scores = [dot / math.sqrt(query.shape[-1]) + float(m) for dot, m in zip(dots, added[index], strict=True)]
        shares = [math.exp(score - max(scores)) for score in scores]
        result[index] = sum(share / sum(shares) * row for share, row in zip(shares, values, strict=True))
    return result


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("open_sizes", [False, True])
@pytest.mark.parametrize(
    "mask",
    [
        None,
        random(2, 3, 4, 6),
        random(1, 6),
        np.array([0, -np.inf, 0, 0, -np.inf, 1], np.float32),
        np.array([True, False, True, True, False, True]),
        np.tril(np.ones((4, 6), np.bool_)),
        np.array([[[[True] * 6]], [[[False, True] * 3]]]),
    ],
)
def test_attention(tmp_path: Path, mask: Any, open_sizes: bool, executor: Any) -> None:
    query, key, value = random(*QUERY), random(*KEY), random(*VALUE)
    given = {"query": "q", "key": "k", "value": "v", **({} if mask is None else {"attn_mask": mask})}
    hidden = {0, 2} if open_sizes else set()
    inputs = {
        name: ("fp32", tuple(None if i in hidden else n for i, n in enumerate(shape)))
        for name, shape in (("q", QUERY), ("k", KEY), ("v", VALUE))
    }
    outputs = {"y": ("fp32", tuple(None if i in hidden else n for i, n in enumerate((2, 3, 4, 7))))}
    op = Op("scaled_dot_product_attention", given, outputs)
    model = load(build(tmp_path / "p.mlpackage", [op], inputs, ["y"]), executor)
    result = model.predict({"q": query, "k": key, "v": value})["y"]
    np.testing.assert_allclose(result, plain(query, key, value, mask), rtol=1e-5, atol=1e-6)
    assert [p.executor for p in model.placements] == [executor]


@pytest.mark.parametrize(
    ("key", "value", "mask", "problem"),
    [
        (KEY[1:], VALUE, None, r"query, key and value must have one rank from 3, got \[4, 3, 4\]"),
        ((2, 3, 6, 4), VALUE, None, "embedding sizes of key and query must agree, got 4 and 5"),
        (KEY, (2, 3, 5, 7), None, "lengths of value and key must agree, got 5 and 6"),
        ((3, 3, 6, 5), VALUE, None, r"shapes \[2, 3\] and \[3, 3\] do not broadcast"),
        (KEY, VALUE, (4, 5), r"shapes \[2, 3, 4, 6\] and \[4, 5\] do not broadcast"),
        (KEY, VALUE, (1, 1, 1, 4, 6), "attn_mask must have rank 4 at most, got 5"),
        ((2, 3, 1 << 30, 5), (2, 3, 1 << 30, 7), None, "would take"),
    ],
)
def test_arguments_that_do_not_fit(tmp_path: Path, key: Any, value: Any, mask: Any, problem: str) -> None:
    inputs = {"q": ("fp32", QUERY), "k": ("fp32", key), "v": ("fp32", value)}
    given = {"query": "q", "key": "k", "value": "v"}
    if mask is not None:
        given["attn_mask"] = "m"
        inputs["m"] = ("fp32", mask)
    op = Op("scaled_dot_product_attention", given, {"y": ("fp32", (2, 3, 4, 7))})
    with pytest.raises(PackageError, match=problem):
        load(build(tmp_path / "p.mlpackage", [op], inputs, ["y"]))


def test_scores_that_are_larger_than_memory() -> None:
    row = np.broadcast_to(np.float32(0), (1, 1 << 16, 1))
    with pytest.raises(ValueError, match="its scores would take 17179869184 bytes, more than the limit of 4294967296"):
        scaled_dot_product_attention(query=row, key=row, value=row)
