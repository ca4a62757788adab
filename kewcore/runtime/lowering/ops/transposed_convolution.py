"""Lowering of transposed convolutions."""

from math import prod

import numpy as np

from kewcore.runtime.lowering.graph import Lowering, NoLoweringError
from kewcore.runtime.lowering.registry import lowers
from kewcore.runtime.ops.transposed_convolution import OPEN_SIZE, transposed_window
from kewcore.runtime.program import TENSOR_LIMIT_BYTES

_OPEN_GROWTH = 1 << 12
"""Largest growth where sizes are known at run time only, so that memory stays in proportion to the input."""


@lowers("conv_transpose")
def _conv_transpose(lowering: Lowering) -> None:
    weight = lowering.static_shape("weight")
    kernel, rank = weight[2:], len(weight) - 2
    groups = int(lowering.constant("groups", 1))
    strides, dilations = (
        [int(value) for value in np.atleast_1d(lowering.constant(parameter, [1] * rank))]
        for parameter in ("strides", "dilations")
    )
    sizes = lowering.shape("x")[2:]
    # ONNX Runtime makes a matrix of the whole kernel at every position of one image and group.
    columns_bytes = 4 * prod(weight[1:]) * prod(size for size in sizes if size is not None)
    if columns_bytes > TENSOR_LIMIT_BYTES:
        raise NoLoweringError(f"ONNX Runtime would take {columns_bytes} bytes")
    extents = [(k - 1) * gap + 1 for k, gap in zip(kernel, dilations, strict=True)]
    pads, extra = _pads(lowering, extents, strides)
    if any(more >= max(stride, gap) for more, stride, gap in zip(extra, strides, dilations, strict=True) if more):
        raise NoLoweringError("the result reaches a stride or more beyond the last window")
    inputs = [lowering.value("x"), lowering.value("weight")]
    if lowering.has("bias"):
        inputs.append(lowering.value("bias"))
    lowering.finish(
        lowering.node(
            "ConvTranspose",
            *inputs,
            kernel_shape=list(kernel),
            strides=strides,
            dilations=dilations,
            group=groups,
            pads=[before for before, _ in pads] + [behind for _, behind in pads],
            output_padding=extra,
        )
    )


def _pads(lowering: Lowering, extents: list[int], strides: list[int]) -> tuple[list[tuple[int, int]], list[int]]:
    """Returns what is cut off before and behind, and what is added behind, axis by axis."""
    sizes = lowering.shape("x")[2:]
    wanted = lowering.constant("output_shape")
    pad_type = str(lowering.constant("pad_type", "valid")).lower()
    if None in sizes:
        if wanted is not None:
            raise NoLoweringError("output_shape with sizes that are known at run time only")
        if max(prod(extents), prod(strides)) > _OPEN_GROWTH:
            raise NoLoweringError(f"a window or stride above {_OPEN_GROWTH} over sizes that are known at run time only")
    # Without `output_shape`, what is cut off does not depend on the sizes.
    known = [OPEN_SIZE if size is None else size for size in sizes]
    target = None if wanted is None else [int(size) for size in wanted][2:]
    window = transposed_window(pad_type, lowering.constant("pad"), target, known, extents, strides)
    pads, extra = [], []
    for (before, kept), size, extent, stride in zip(window, known, extents, strides, strict=True):
        behind = stride * (size - 1) + extent - before - kept
        pads.append((before, max(behind, 0)))
        extra.append(max(-behind, 0))
    return pads, extra
