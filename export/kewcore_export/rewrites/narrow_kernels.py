"""Convolution kernels that are too wide or too high for the oldest chip become several that are added up."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from kewcore.ane.chips import Chip
from kewcore_export.rewrites.mil import constant, replace, shown, spatial_pads


@dataclass(frozen=True)
class _Part:
    """A stretch of a kernel along one axis, and the stretch of the input that it meets.

    Attributes:
        first: Of the kernel.
        end: Of the kernel.
        start: Of the input.
        stop: Of the input.
        pads: Padding that is left around the stretch.
    """

    first: int
    end: int
    start: int
    stop: int
    pads: tuple[int, int]


def narrow_kernels(block: Any, chip: Chip) -> list[str]:
    """Cuts kernels beyond the chip's width and height into near-equal parts, such as 15x8 + 15x7, and adds the results.

    Proof: the sum over a kernel's columns j is the sum over parts of the sums over their columns. The part from column
    a on meets the padded input from column a on: output i reads `Σ_j kernel[j] · x[i·stride + j - pad]`, and with
    `j = a + j'` this is `Σ_j' kernel[a + j'] · x[i·stride + j' - (pad - a)]`, the convolution of a stretch of the input
    with what of the padding is left. The bias is added once, in the first part.

    Kernels with dilation stay as they are.
    """
    from coremltools.converters.mil.mil import Builder

    limits = (chip.max_conv_kernel_height.value, chip.max_conv_kernel_width.value)
    places = []
    for conv in list(block.operations):
        weight = constant(conv.weight) if conv.op_type == "conv" else None
        if (
            weight is None
            or weight.ndim != 4
            or all(n <= limit for n, limit in zip(weight.shape[2:], limits, strict=True))
        ):
            continue
        pads = spatial_pads(conv, weight.shape[2:])
        if pads is None or set(constant(conv.dilations)) != {1}:
            continue
        rows, columns = (_parts(conv, weight.shape[2:], pads, axis, limits[axis]) for axis in (0, 1))
        name, total = conv.outputs[0].name, None
        grid = [(row, column) for row in rows for column in columns]
        if not grid:  # Every kernel meets padding alone: its bias is all that comes out.
            continue
        for number, (row, column) in enumerate(grid):
            stretch = Builder.slice_by_index(
                x=conv.x,
                begin=[0, 0, row.start, column.start],
                end=[0, 0, row.stop, column.stop],
                begin_mask=[True, True, False, False],
                end_mask=[True, True, False, False],
                before_op=conv,
                name=f"{name}_stretch_{number}",
            )
            part = Builder.conv(
                x=stretch,
                weight=np.ascontiguousarray(weight[:, :, row.first : row.end, column.first : column.end]),
                **({"bias": conv.bias} if number == 0 and conv.bias is not None else {}),
                strides=conv.strides,
                pad_type="custom",
                pad=[*row.pads, *column.pads],
                groups=conv.groups,
                before_op=conv,
                name=f"{name}_part_{number}",
            )
            last = number == len(grid) - 1
            added = name if last else f"{name}_sum_{number}"
            total = part if total is None else Builder.add(x=total, y=part, before_op=conv, name=added)
        replace(conv, total)
        sizes = " + ".join(f"{row.end - row.first}x{column.end - column.first}" for row, column in grid)
        places.append(f"{name}: {sizes} over {shown(conv.x.shape)}")
    return places


def _parts(conv: Any, kernel: tuple[int, ...], pads: tuple[tuple[int, int], ...], axis: int, limit: int) -> list[_Part]:
    size, out = conv.x.shape[2 + axis], conv.outputs[0].shape[2 + axis]
    stride, before = int(constant(conv.strides)[axis]), pads[axis][0]
    count = -(-kernel[axis] // limit)
    if count == 1:
        return [_Part(0, kernel[axis], 0, size, pads[axis])]
    # np.array_split's sizes: the larger parts come first.
    bounds = [0, *np.cumsum([len(part) for part in np.array_split(np.arange(kernel[axis]), count)]).tolist()]
    parts = []
    for first, end in pairwise(bounds):
        start = first - before
        stop = start + (out - 1) * stride + end - first
        if stop > 0 and start < size:  # what meets padding alone adds nothing
            left, right = max(-start, 0), max(stop - size, 0)
            parts.append(_Part(first, end, max(start, 0), min(stop, size), (left, right)))
    return parts
