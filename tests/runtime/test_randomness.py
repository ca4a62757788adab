"""Random numbers: their shape, their type, their distribution, and that a seed gives them again."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onop import EXECUTORS, answer

from kewcore.errors import KewError

pytestmark = pytest.mark.runtime
COUNT = 40_000
DRAWS: list[tuple[str, dict[str, Any], float, float]] = [
    ("random_uniform", {"low": -1.0, "high": 3.0}, 1, 4 / math.sqrt(12)),
    ("random_normal", {"mean": 2.0, "stddev": 0.5}, 2, 0.5),
    ("random_bernoulli", {"prob": 0.2}, 0.2, math.sqrt(0.2 * 0.8)),
]


def drawn(folder: Path, kind: str, arguments: Any, executor: str, dtype: str = "fp32") -> np.ndarray:
    given = {"shape": [COUNT // 4, 4], **arguments}
    return np.array(answer(folder, kind, given, {"x": np.zeros(1, np.float32)}, (dtype, (COUNT // 4, 4)), executor))


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(("kind", "arguments", "mean", "deviation"), DRAWS)
def test_moments_and_seeds(
    tmp_path: Path, kind: str, arguments: Any, mean: float, deviation: float, executor: str
) -> None:
    first = drawn(tmp_path, kind, {**arguments, "seed": 7}, executor)
    # Five standard errors of a mean of independent draws.
    assert abs(first.mean() - mean) < 5 * deviation / math.sqrt(COUNT)
    assert abs(first.std() - deviation) < 0.03 * deviation
    assert np.array_equal(first, drawn(tmp_path, kind, {**arguments, "seed": 7}, executor))
    others = [drawn(tmp_path, kind, {**arguments, "seed": seed}, executor) for seed in (8, -1, -1, -5)]
    assert all(not np.array_equal(first, other) for other in others)
    assert not np.array_equal(others[1], others[2])


def test_bounds_are_kept(tmp_path: Path) -> None:
    uniform = drawn(tmp_path, "random_uniform", {"low": 2.0, "high": 2.5}, "reference")
    assert uniform.min() >= 2
    assert uniform.max() < 2.5
    assert set(drawn(tmp_path, "random_bernoulli", {}, "reference").reshape(-1).tolist()) == {0, 1}
    halves = drawn(tmp_path, "random_normal", {"mean": np.float16(1), "stddev": np.float16(0.1)}, "reference", "fp16")
    assert np.array_equal(halves, halves.astype(np.float16))


@pytest.mark.parametrize("mode", ["logits", "probs"])
def test_classes_come_as_often_as_they_are_likely(tmp_path: Path, mode: str) -> None:
    probabilities = np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 0]], np.float32)
    x = probabilities if mode == "probs" else np.log(np.maximum(probabilities, 1e-30)) + 3
    arguments = {"x": "x", "mode": f"'{mode}'", "size": COUNT, "seed": 1}
    samples = np.array(answer(tmp_path, "random_categorical", arguments, {"x": x}, ("fp32", (2, COUNT)), "onnx"))
    for row, wanted in zip(samples, probabilities, strict=True):
        shares = np.bincount(row.astype(int), minlength=3) / COUNT
        np.testing.assert_allclose(shares, wanted, atol=5 * 0.5 / math.sqrt(COUNT))


@pytest.mark.parametrize(
    ("kind", "arguments", "said"),
    [
        ("random_categorical", {"x": "x", "mode": "'odds'"}, "mode must be logits or probs, got 'odds'"),
        ("random_categorical", {"x": "x", "mode": "'probs'"}, "x gives no distribution"),
        ("random_categorical", {"x": "x", "size": 2**31 - 1}, "would take .* bytes, more than the limit"),
        ("random_normal", {"shape": [1], "stddev": -1.0}, "scale < 0"),
    ],
)
def test_what_cannot_be_drawn_is_named(tmp_path: Path, kind: str, arguments: Any, said: str) -> None:
    with pytest.raises(KewError, match=said):
        answer(tmp_path, kind, arguments, {"x": np.zeros(1, np.float32)}, ("fp32", (None,)), "reference")
