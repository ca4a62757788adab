"""Transposed convolutions over one, two or three spatial axes: what a convolution's gradient does to its input."""

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np

from kewcore.runtime.program import TENSOR_LIMIT_BYTES
from kewcore.runtime.registry import FLOATS, Array, StaticArguments, op
from kewcore.runtime.shapes import Shapes

_ACCEPTS = {"x": FLOATS, "weight": FLOATS, "bias": FLOATS}
OPEN_SIZE = 1 << 20
"""Stands for a size that is known at run time only, where any large size gives the answer that is looked for."""


def transposed_window(
    pad_type: str,
    pad: Sequence[int] | None,
    output_sizes: Sequence[int] | None,
    sizes: Sequence[int],
    extents: Sequence[int],
    strides: Sequence[int],
) -> tuple[tuple[int, int], ...]:
    """Returns, axis by axis, how much of the front of the full result is cut off, and the size that is kept.

    The full result has `stride · (size - 1) + extent` elements. Zeros stand where the kept size reaches beyond it.

    Args:
        pad_type: `valid`, `same`, `same_lower` or `custom`.
        pad: For `custom`: elements to cut before and behind, axis by axis.
        output_sizes: Sizes to keep; None has them follow from the padding.
        sizes: Input sizes of the spatial axes.
        extents: Window sizes with dilation.
        strides: Steps.

    Raises:
        ValueError: `pad_type` is none of these, `pad` has the wrong length, or nothing is left.

    Source: the documentation of coremltools' `conv_transpose`; TensorFlow's `SAME` for where the cut lies.
    """
    rank = len(sizes)
    cuts = [0] * (2 * rank) if pad is None or pad_type != "custom" else [int(value) for value in pad]
    if len(cuts) != 2 * rank or min(cuts, default=0) < 0:
        raise ValueError(f"pad must be {2 * rank} numbers from 0 for {rank} spatial axes, got {cuts}")
    if pad_type not in {"valid", "same", "same_lower", "custom"}:
        raise ValueError(f"pad_type must be valid, same, same_lower or custom, got '{pad_type}'")
    window = []
    for axis, (size, extent, stride) in enumerate(zip(sizes, extents, strides, strict=True)):
        full = stride * (size - 1) + extent
        before, behind = cuts[2 * axis], cuts[2 * axis + 1]
        kept = size * stride if pad_type.startswith("same") else full - before - behind
        if output_sizes is not None:
            kept = int(output_sizes[axis])
        if pad_type.startswith("same"):
            surplus = max(full - kept, 0)
            before = surplus // 2 if pad_type == "same" else surplus - surplus // 2
        if kept < 1:
            raise ValueError(f"nothing is left of {full} elements that lose {before} and {behind}")
        window.append((before, kept))
    return tuple(window)


def _shape(arguments: StaticArguments) -> Shapes:
    x, weight = arguments.shape("x"), arguments.shape("weight")
    if x is None or weight is None:
        return None
    if len(x) != len(weight) or not 3 <= len(x) <= 5:
        raise ValueError(f"x and weight must have the same rank from 3 to 5, got {len(x)} and {len(weight)}")
    groups, rank = int(arguments.constant("groups", 1)), len(x) - 2
    if groups < 1 or (weight[0] is not None and weight[0] % groups):
        raise ValueError(f"groups must divide C_in = {weight[0]}, got {groups}")
    if x[1] is not None and weight[0] is not None and x[1] != weight[0]:
        raise ValueError(f"weight[0] must equal C_in = {x[1]}, got {weight[0]}")
    channels = None if weight[1] is None else weight[1] * groups
    bias = arguments.shape("bias")
    if bias is not None and channels is not None and bias not in {(channels,), (None,)}:
        raise ValueError(f"bias must have shape [{channels}], got {list(bias)}")
    strides, dilations = _positive(arguments, "strides", rank), _positive(arguments, "dilations", rank)
    wanted = arguments.constant("output_shape")
    if wanted is not None:
        _check_output_shape(wanted, (x[0], channels), rank)
    if any(size is None for size in weight[2:]):
        return None
    extents = [(k - 1) * gap + 1 for k, gap in zip(weight[2:], dilations, strict=True) if k is not None]
    window = transposed_window(
        str(arguments.constant("pad_type", "valid")).lower(),
        arguments.constant("pad"),
        None if wanted is None else list(wanted)[2:],
        [OPEN_SIZE if size is None else size for size in x[2:]],
        extents,
        strides,
    )
    known = [size is not None or wanted is not None for size in x[2:]]
    return ((x[0], channels, *(kept if k else None for (_, kept), k in zip(window, known, strict=True))),)


def _check_output_shape(wanted: Array, first: tuple[int | None, int | None], rank: int) -> None:
    sizes = [int(size) for size in np.atleast_1d(wanted)]
    fits = len(sizes) == rank + 2 and all(n in {None, size} for n, size in zip(first, sizes, strict=False))
    if not fits:
        raise ValueError(f"output_shape must have {rank + 2} elements and start with {list(first)}, got {sizes}")


def _positive(arguments: StaticArguments, parameter: str, rank: int) -> list[int]:
    values = [int(value) for value in np.atleast_1d(arguments.constant(parameter, [1] * rank))]
    if len(values) != rank or min(values) < 1:
        raise ValueError(f"{parameter} must be {rank} numbers from 1, got {values}")
    return values


@op("conv_transpose", source="iOS15/conv.py", accepts=_ACCEPTS, shape=_shape)
def conv_transpose(
    *,
    x: Array,
    weight: Array,
    bias: Array | None = None,
    pad: Array | None = None,
    output_shape: Array | None = None,
    pad_type: str = "valid",
    strides: Array | None = None,
    dilations: Array | None = None,
    groups: int = 1,
) -> Array:
    """Adds a scaled kernel for every element: `x [N, C_in, *D]`, `weight [C_in, C_out / groups, *K]`.

    Returns:
        `[N, C_out, *D_out]`, with `bias [C_out]` added.

    Numerics: products are summed in float32.
    """
    rank, count = x.ndim - 2, int(groups)
    steps = [1] * rank if strides is None else [int(s) for s in np.atleast_1d(strides)]
    gaps = [1] * rank if dilations is None else [int(d) for d in np.atleast_1d(dilations)]
    kernel, sizes = weight.shape[2:], x.shape[2:]
    extents = [(k - 1) * gap + 1 for k, gap in zip(kernel, gaps, strict=True)]
    wanted = None if output_shape is None else [int(size) for size in np.atleast_1d(output_shape)][2:]
    window = transposed_window(pad_type.lower(), None if pad is None else list(pad), wanted, sizes, extents, steps)
    # What lies behind the last kept element is never computed, what lies before it is cut off at the end.
    lengths = [
        max(step * (size - 1) + extent, before + kept)
        for (before, kept), size, extent, step in zip(window, sizes, extents, steps, strict=True)
    ]
    batch, depth, filters = x.shape[0], x.shape[1] // count, weight.shape[1]
    size_bytes = prod([batch, count * filters, *lengths]) * 4
    if size_bytes > TENSOR_LIMIT_BYTES:
        raise ValueError(f"its full result would take {size_bytes} bytes, more than the limit of {TENSOR_LIMIT_BYTES}")
    full = np.zeros((batch, count, filters, *lengths), np.float32)
    columns = x.reshape(batch, count, depth, -1)
    taps = weight.reshape(count, depth, filters, *kernel)
    for offset in product(*(range(k) for k in kernel)):
        index: tuple[Any, ...] = (..., *offset)
        tap = taps[index]
        part = np.matmul(tap.transpose(0, 2, 1), columns).reshape(batch, count, filters, *sizes)
        cut = tuple(
            slice(o * gap, o * gap + (size - 1) * step + 1, step)
            for o, gap, size, step in zip(offset, gaps, sizes, steps, strict=True)
        )
        full[(slice(None), slice(None), slice(None), *cut)] += part
    kept = tuple(slice(before, before + size) for before, size in window)
    result = full.reshape(batch, count * filters, *lengths)[(slice(None), slice(None), *kept)]
    return np.ascontiguousarray(result if bias is None else result + bias.reshape((-1,) + (1,) * rank))
