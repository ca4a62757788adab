"""Smallest programs for rules: one operation on inputs of given types."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mlbuilder import Const, Op, build

from kewcore.ane.calls import Call, calls_of
from kewcore.ane.chips import parse_chip
from kewcore.ane.residency import Judgement, judge
from kewcore.runtime import Model, load

Types = Mapping[str, tuple[str, Sequence[int | None]]]


def program(path: Path, ops: Sequence[Op], inputs: Types, outputs: Sequence[str]) -> Model:
    return load(build(path / "m.mlpackage", ops, inputs, outputs), "reference")


def one(
    path: Path,
    kind: str,
    arguments: Mapping[str, Any],
    inputs: Types,
    result: Sequence[int | None],
    dtype: str = "fp16",
) -> Call:
    """Gives the only operation of a program."""
    op = Op(kind, arguments, {"y": (dtype, result)})
    (call,) = calls_of(program(path, [op], inputs, ["y"]))
    return call


def judged(call: Call, chip: str = "M1") -> Judgement:
    return judge(call, parse_chip(chip))


def zeros(*shape: int) -> Const:
    return Const(np.zeros(shape, np.float16))


def conv(path: Path, kernel: Sequence[int], x: Sequence[int] = (1, 1, 64, 64), **settings: Any) -> Call:
    """A valid convolution of one channel."""
    rank = len(kernel)
    strides = settings.get("strides", [1] * rank)
    dilations = settings.get("dilations", [1] * rank)
    result = [
        x[0],
        1,
        *((n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip(x[2:], kernel, strides, dilations, strict=True)),
    ]
    arguments = {
        "x": "x",
        "weight": zeros(1, 1, *kernel),
        "strides": np.array(strides, np.int32),
        "pad_type": "'valid'",
        "pad": np.zeros(2 * rank, np.int32),
        "dilations": np.array(dilations, np.int32),
        "groups": 1,
    }
    return one(path, "conv", arguments, {"x": ("fp16", x)}, result)


def pool(path: Path, kernel: int, stride: int, size: int = 64) -> Call:
    """A valid max-pool of one channel."""
    arguments = {
        "x": "x",
        "kernel_sizes": np.array([kernel, kernel], np.int32),
        "strides": np.array([stride, stride], np.int32),
        "pad_type": "'valid'",
        "pad": np.zeros(4, np.int32),
        "ceil_mode": False,
    }
    side = (size - kernel) // stride + 1
    return one(path, "max_pool", arguments, {"x": ("fp16", (1, 1, size, size))}, (1, 1, side, side))
