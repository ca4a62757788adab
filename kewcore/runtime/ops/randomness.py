"""Random numbers. A seed other than -1 gives the same numbers at every call; -1 gives others each time.

The numbers are NumPy's (PCG64), not Core ML's: what agrees is their distribution.
"""

from typing import Any

import numpy as np

from kewcore.runtime.indices import bounded
from kewcore.runtime.registry import FLOATS, INTEGERS, Array, StaticArguments, op
from kewcore.runtime.shapes import Shapes

_SOURCE = "iOS15/random.py"
_SHAPE = {"shape": INTEGERS}


def _generator(seed: Any) -> np.random.Generator:
    return np.random.default_rng(None if int(seed) == -1 else int(seed) & 0xFFFFFFFF)


def _drawn(arguments: StaticArguments) -> Shapes:
    return (tuple(int(size) for size in np.atleast_1d(arguments.constant("shape"))),)


def _sizes(shape: Array) -> tuple[int, ...]:
    return bounded(np.atleast_1d(shape), np.float64)


@op("random_bernoulli", source=_SOURCE, accepts=_SHAPE, shape=_drawn, result_like="prob")
def random_bernoulli(*, shape: Array, prob: float = 0.5, seed: int = -1) -> Array:
    """1 with probability `prob`, otherwise 0.

    Raises:
        ValueError: It would take too much memory.
    """
    return (_generator(seed).random(_sizes(shape)) < float(prob)).astype(np.float32)


@op("random_normal", source=_SOURCE, accepts=_SHAPE, shape=_drawn, result_like="mean")
def random_normal(*, shape: Array, mean: float = 0.0, stddev: float = 1.0, seed: int = -1) -> Array:
    """Numbers from a normal distribution.

    Raises:
        ValueError: `stddev` is negative, or it would take too much memory.
    """
    return _generator(seed).normal(float(mean), float(stddev), _sizes(shape)).astype(np.float32)


@op("random_uniform", source=_SOURCE, accepts=_SHAPE, shape=_drawn, result_like="low")
def random_uniform(*, shape: Array, low: float = 0.0, high: float = 1.0, seed: int = -1) -> Array:
    """Numbers from `low` up to `high`, all equally likely.

    Raises:
        ValueError: It would take too much memory.
    """
    return _generator(seed).uniform(float(low), float(high), _sizes(shape)).astype(np.float32)


def _sampled(arguments: StaticArguments) -> Shapes:
    x = arguments.shape("x")
    return None if x is None else ((*x[:-1], int(arguments.constant("size", 1))),)


@op("random_categorical", source=_SOURCE, accepts={"x": FLOATS}, shape=_sampled)
def random_categorical(*, x: Array, mode: str = "logits", size: int = 1, seed: int = -1) -> Array:
    """`size` classes for each row of `x [*, classes]`, which holds logits or, in mode `probs`, probabilities.

    Raises:
        ValueError: A row gives no distribution, `mode` is another one, or it would take too much memory.
    """
    if mode not in {"logits", "probs"}:
        raise ValueError(f"mode must be logits or probs, got '{mode}'")
    if x.ndim < 1 or x.shape[-1] < 1:
        raise ValueError(f"x must have a class at least, got {list(x.shape)}")
    shape = bounded((*x.shape[:-1], int(size)), np.float64)
    rows = x.reshape(-1, x.shape[-1]).astype(np.float64)
    weights = np.exp(rows - rows.max(axis=1, keepdims=True)) if mode == "logits" else rows
    totals = np.cumsum(weights, axis=1)
    if not np.isfinite(totals).all() or (weights < 0).any() or (totals[:, -1] <= 0).any():
        raise ValueError("x gives no distribution: weights must be finite, not negative, and not all 0")
    draws = _generator(seed).random((len(rows), int(size))) * totals[:, -1:]
    picked = [np.searchsorted(total, draw, side="right") for total, draw in zip(totals, draws, strict=True)]
    classes = np.minimum(np.array(picked).reshape(shape), x.shape[-1] - 1)
    return classes.astype(np.float32)
