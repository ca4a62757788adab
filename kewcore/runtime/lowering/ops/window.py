"""Lowerings of convolutions and pools."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kewcore.runtime.lowering.covering_kernels import covering_product, covers
from kewcore.runtime.lowering.graph import Lowering, NoLoweringError
from kewcore.runtime.lowering.integer_products import integer_conv, integer_covering_product, note_bytes
from kewcore.runtime.lowering.registry import lowers
from kewcore.runtime.padding import Pads, window_count, window_pads


@lowers("conv")
def _conv(lowering: Lowering) -> None:
    kernel = lowering.static_shape("weight")[2:]
    strides, dilations = _vector(lowering, "strides", len(kernel)), _vector(lowering, "dilations", len(kernel))
    attributes = {
        "kernel_shape": list(kernel),
        "strides": strides,
        "dilations": dilations,
        "group": int(lowering.constant("groups", 1)),
        "pads": _onnx_pads(_pads(lowering, kernel, strides, dilations)),
    }
    if covers(lowering, attributes):
        if integer_covering_product(lowering) or covering_product(lowering):
            return
    elif integer_conv(lowering, attributes):
        return
    inputs = [lowering.value("x"), lowering.value("weight")]
    note_bytes(lowering, inputs[1])
    if lowering.has("bias"):
        inputs.append(lowering.value("bias"))
    lowering.finish(lowering.node("Conv", *inputs, **attributes))


@lowers("max_pool")
def _max_pool(lowering: Lowering) -> None:
    kernel, strides, pads, overhang = _pool(lowering)
    # Max-pooling and rounding to fp16 commute, since rounding never reorders: round the few, not the many.
    x, rounded = lowering.unrounded("x")
    pads = _sum(pads, overhang)
    if any(pad >= k for pair, k in zip(pads, kernel, strict=True) for pad in pair):
        raise NoLoweringError("padding reaches over a whole window")
    lowering.finish(
        lowering.node("MaxPool", x, kernel_shape=kernel, strides=strides, pads=_onnx_pads(pads)), rounded=rounded
    )


@lowers("avg_pool")
def _avg_pool(lowering: Lowering) -> None:
    kernel, strides, pads, overhang = _pool(lowering)
    excluded = bool(lowering.constant("exclude_padding_from_average", False))
    if any(any(pair) for pair in overhang) and not excluded:
        raise NoLoweringError("ceil_mode with padding that counts")
    pads = _sum(pads, overhang)
    if any(pad >= k for pair, k in zip(pads, kernel, strict=True) for pad in pair):
        raise NoLoweringError("padding reaches over a whole window")
    lowering.finish(
        lowering.node(
            "AveragePool",
            lowering.value("x"),
            kernel_shape=kernel,
            strides=strides,
            pads=_onnx_pads(pads),
            count_include_pad=int(not excluded),
        )
    )


@lowers("l2_pool")
def _l2_pool(lowering: Lowering) -> None:
    kernel, strides, pads, overhang = _pool(lowering)
    around = _onnx_pads(_sum(pads, overhang))
    lowering.finish(
        lowering.node("LpPool", lowering.value("x"), kernel_shape=kernel, strides=strides, pads=around, p=2)
    )


def _pool(lowering: Lowering) -> tuple[list[int], list[int], Pads, Pads]:
    """Returns kernel, strides, padding, and how far `ceil_mode` lets the last window hang over."""
    kernel = [int(k) for k in np.atleast_1d(lowering.constant("kernel_sizes"))]
    strides, ones = _vector(lowering, "strides", len(kernel)), [1] * len(kernel)
    pads = _pads(lowering, kernel, strides, ones)
    if not bool(lowering.constant("ceil_mode", False)):
        return kernel, strides, pads, ((0, 0),) * len(kernel)
    overhang = []
    for size, k, step, pair in zip(lowering.spatial_sizes("x"), kernel, strides, pads, strict=True):
        count = window_count(size, k, step, pair, ceil_mode=True)
        overhang.append((0, max(0, (count - 1) * step + k - size - sum(pair))))
    return kernel, strides, pads, tuple(overhang)


def _sum(a: Pads, b: Pads) -> Pads:
    return tuple((x[0] + y[0], x[1] + y[1]) for x, y in zip(a, b, strict=True))


def _vector(lowering: Lowering, parameter: str, rank: int) -> list[int]:
    return [int(value) for value in np.atleast_1d(lowering.constant(parameter, [1] * rank))]


def _pads(lowering: Lowering, kernel: Sequence[int], strides: list[int], dilations: list[int]) -> Pads:
    pad_type = str(lowering.constant("pad_type", "valid")).lower()
    pad: Any = lowering.constant("pad")
    sizes: Sequence[int] = [1] * len(kernel)
    if pad_type.startswith("same") and strides != [1] * len(kernel):
        sizes = lowering.spatial_sizes("x")
    return window_pads(pad_type, pad, sizes, kernel, strides, dilations)


def _onnx_pads(pads: Pads) -> list[int]:
    """ONNX lists all paddings before, then all behind."""
    return [pair[0] for pair in pads] + [pair[1] for pair in pads]
