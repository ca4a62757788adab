"""Convolutions over one, two or three spatial axes, as matrix products accumulated in float32."""

from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from kewcore.runtime.padding import Pads, window_count, window_pads
from kewcore.runtime.program import TENSOR_LIMIT_BYTES, DataType
from kewcore.runtime.registry import FLOATS, Array, op
from kewcore.runtime.shapes import convolution

_COLUMN_LIMIT_BYTES = 64 << 20
"""Largest matrix of unfolded windows to make at a time."""


@op("conv", source="iOS15/conv.py", accepts={"x": FLOATS, "weight": FLOATS, "bias": FLOATS}, shape=convolution)
def conv(
    *,
    x: Array,
    weight: Array,
    bias: Array | None = None,
    strides: Array | None = None,
    pad_type: str = "valid",
    pad: Array | None = None,
    dilations: Array | None = None,
    groups: int = 1,
) -> Array:
    """Cross-correlation: `x [N, C_in, *D]`, `weight [C_out, C_in / groups, *K]`, `bias [C_out]` → `[N, C_out, *D_out]`.

    Numerics: products are summed in float32.
    """
    rank = x.ndim - 2
    steps = [1] * rank if strides is None else [int(s) for s in np.atleast_1d(strides)]
    gaps = [1] * rank if dilations is None else [int(d) for d in np.atleast_1d(dilations)]
    pads = window_pads(pad_type.lower(), None if pad is None else list(pad), x.shape[2:], weight.shape[2:], steps, gaps)
    depthwise = weight.shape[1] == 1 and int(groups) == x.shape[1] > 1
    unfold = _by_taps if depthwise else _by_columns
    result = unfold(x, weight, pads, steps, gaps, int(groups))
    if bias is not None:
        result += bias.reshape((-1,) + (1,) * rank)
    return result


@op(
    "conv_quantized",
    source="iOS15/conv.py",
    accepts={"x": FLOATS, "weight": frozenset({DataType.UINT8}), "quant_scale": FLOATS, "quant_bias": FLOATS},
    shape=convolution,
)
def conv_quantized(
    *,
    x: Array,
    weight: Array,
    quantization_type: str,
    quant_scale: Array,
    quant_bias: Array,
    bias: Array | None = None,
    nbits: int = 8,
    strides: Array | None = None,
    pad_type: str = "valid",
    pad: Array | None = None,
    dilations: Array | None = None,
    groups: int = 1,
) -> Array:
    """Convolution with `weight` · `quant_scale` + `quant_bias`, of which there is one, or one an output channel.

    Raises:
        ValueError: `quantization_type` is not `linear`, or scales or biases do not fit.
    """
    if quantization_type != "linear" or not 1 <= int(nbits) <= 8:
        raise ValueError(f"weights must be linear of 1 to 8 bits, got {quantization_type} of {int(nbits)}")
    factors = [np.asarray(value, np.float32).reshape(-1) for value in (quant_scale, quant_bias)]
    if any(len(values) not in {1, len(weight)} for values in factors):
        counts = [len(values) for values in factors]
        raise ValueError(f"quant_scale and quant_bias must have 1 or {len(weight)} elements, got {counts}")
    scale, offset = (values.reshape((-1,) + (1,) * (weight.ndim - 1)) for values in factors)
    return conv(
        x=x,
        weight=weight.astype(np.float32) * scale + offset,
        bias=None if bias is None else bias.astype(np.float32),
        strides=strides,
        pad_type=pad_type,
        pad=pad,
        dilations=dilations,
        groups=groups,
    )


def pad_spatial(x: Array, pads: Pads, value: float = 0) -> Array:
    """Pads the axes behind the first two with `value`.

    Raises:
        ValueError: The result would take more memory than a tensor may.
    """
    if not any(any(pair) for pair in pads):
        return x
    sizes = [size + sum(pair) for size, pair in zip(x.shape[2:], pads, strict=True)]
    size_bytes = prod([*x.shape[:2], *sizes]) * x.itemsize
    if size_bytes > TENSOR_LIMIT_BYTES:
        raise ValueError(f"its padded input would take {size_bytes} bytes, more than the limit of {TENSOR_LIMIT_BYTES}")
    return np.pad(x, ((0, 0), (0, 0), *pads), constant_values=value)


def _by_columns(x: Array, weight: Array, pads: Pads, steps: list[int], gaps: list[int], groups: int) -> Array:
    """One matrix product a group and a slab of output rows: `[C_out/g, C_in/g·K] @ [C_in/g·K, positions]`."""
    batch, channels = x.shape[:2]
    filters, depth, kernel = weight.shape[0], weight.shape[1], weight.shape[2:]
    extents = [(k - 1) * gap + 1 for k, gap in zip(kernel, gaps, strict=True)]
    rank = len(kernel)
    spatial = tuple(range(2, 2 + rank))
    windows = np.asarray(sliding_window_view(pad_spatial(x, pads), extents, axis=spatial))  # type: ignore[call-overload]
    windows = windows[(slice(None), slice(None), *(slice(None, None, s) for s in (*steps, *gaps)))]
    out = windows.shape[2 : 2 + rank]
    # Rows of `columns` run over the kernel's taps, so that each copies whole rows of the image.
    windows = windows.transpose(0, 1, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank))
    rows = weight.reshape(groups, filters // groups, -1)
    result = np.empty((batch, groups, filters // groups, *out), np.float32)
    row_bytes = batch * channels * int(np.prod(kernel)) * int(np.prod(out[1:])) * 4
    slab = max(1, _COLUMN_LIMIT_BYTES // max(row_bytes, 1))
    for start in range(0, out[0], slab):
        part = windows[(slice(None),) * (2 + rank) + (slice(start, start + slab),)]
        columns = part.reshape(batch, groups, depth * int(np.prod(kernel)), -1)
        shape = (*result.shape[:3], -1, *out[1:])
        result[:, :, :, start : start + slab] = np.matmul(rows, columns).reshape(shape)
    return result.reshape(batch, filters, *out)


def _by_taps(x: Array, weight: Array, pads: Pads, steps: list[int], gaps: list[int], groups: int) -> Array:
    """Depthwise: sums one shifted image a tap of the kernel."""
    kernel = weight.shape[2:]
    padded = pad_spatial(x, pads)
    multiplier = weight.shape[0] // groups
    out = tuple(
        window_count(size, (k - 1) * gap + 1, step, (0, 0))
        for size, k, step, gap in zip(padded.shape[2:], kernel, steps, gaps, strict=True)
    )
    result = np.zeros((x.shape[0], groups, multiplier, *out), np.float32)
    taps = weight.reshape(groups, multiplier, *kernel)
    for offset in product(*(range(k) for k in kernel)):
        cut = tuple(
            slice(o * gap, o * gap + (n - 1) * step + 1, step)
            for o, gap, n, step in zip(offset, gaps, out, steps, strict=True)
        )
        shifted = padded[(slice(None), slice(None), *cut)]
        index: tuple[Any, ...] = (..., *offset)
        tap = taps[index].reshape(groups, multiplier, *(1,) * len(kernel))
        result += shifted[:, :, None] * tap
    return result.reshape(x.shape[0], groups * multiplier, *out)
