"""Pools over one, two or three spatial axes."""

from collections.abc import Callable
from itertools import product

import numpy as np

from kewcore.runtime.ops.convolution import pad_spatial
from kewcore.runtime.padding import Pads, window_count, window_pads
from kewcore.runtime.registry import FLOATS, Array, op
from kewcore.runtime.shapes import pooling

_SOURCE = "iOS15/pool.py"


@op("max_pool", source=_SOURCE, accepts={"x": FLOATS}, shape=pooling, exact=True)
def max_pool(
    *,
    x: Array,
    kernel_sizes: Array,
    pad_type: str,
    strides: Array | None = None,
    pad: Array | None = None,
    ceil_mode: bool = False,
) -> Array:
    """Largest element of every window; padding never wins."""
    return _reduce_windows(x, kernel_sizes, strides, pad_type, pad, ceil_mode, -np.inf, np.maximum)[0]


@op("avg_pool", source=_SOURCE, accepts={"x": FLOATS}, shape=pooling)
def avg_pool(
    *,
    x: Array,
    kernel_sizes: Array,
    pad_type: str,
    strides: Array | None = None,
    pad: Array | None = None,
    ceil_mode: bool = False,
    exclude_padding_from_average: bool = False,
) -> Array:
    """Mean of every window; padding counts as zeros, or not at all."""
    total, pads = _reduce_windows(x, kernel_sizes, strides, pad_type, pad, ceil_mode, 0, np.add)
    # What hangs over the padding's end (ceil_mode) counts for nothing either way.
    inside = np.ones((1, 1, *x.shape[2:]), np.float32)
    counted = inside if exclude_padding_from_average else pad_spatial(inside, pads, 1)
    wanted = pads if exclude_padding_from_average else ((0, 0),) * len(pads)
    flat = [value for pair in wanted for value in pair]
    count, _ = _reduce_windows(counted, kernel_sizes, strides, "custom", np.array(flat), ceil_mode, 0, np.add)
    cut = tuple(slice(0, n) for n in total.shape[2:])
    return np.asarray(total / count[(slice(None), slice(None), *cut)])


@op("l2_pool", source=_SOURCE, accepts={"x": FLOATS}, shape=pooling)
def l2_pool(
    *,
    x: Array,
    kernel_sizes: Array,
    pad_type: str,
    strides: Array | None = None,
    pad: Array | None = None,
    ceil_mode: bool = False,
) -> Array:
    """Square root of the sum of squares of every window."""
    total, _ = _reduce_windows(np.square(x), kernel_sizes, strides, pad_type, pad, ceil_mode, 0, np.add)
    return np.sqrt(total)


def _reduce_windows(
    x: Array,
    kernel_sizes: Array,
    strides: Array | None,
    pad_type: str,
    pad: Array | None,
    ceil_mode: bool,
    filler: float,
    combine: Callable[..., Array],
) -> tuple[Array, Pads]:
    """Combines one shifted image a tap of the window; returns the result and the padding proper."""
    kernel = [int(k) for k in np.atleast_1d(kernel_sizes)]
    rank = len(kernel)
    steps = [1] * rank if strides is None else [int(s) for s in np.atleast_1d(strides)]
    pads = window_pads(pad_type.lower(), None if pad is None else list(pad), x.shape[2:], kernel, steps, [1] * rank)
    out = [
        window_count(size, k, step, pair, bool(ceil_mode))
        for size, k, step, pair in zip(x.shape[2:], kernel, steps, pads, strict=True)
    ]
    reach = tuple(
        (pair[0], max(pair[1], (n - 1) * step + k - size - pair[0]))
        for size, k, step, pair, n in zip(x.shape[2:], kernel, steps, pads, out, strict=True)
    )
    padded = pad_spatial(x, reach, filler)
    result: Array | None = None
    for offset in product(*(range(k) for k in kernel)):
        cut = tuple(slice(o, o + (n - 1) * step + 1, step) for o, n, step in zip(offset, out, steps, strict=True))
        shifted = padded[(slice(None), slice(None), *cut)]
        result = shifted.copy() if result is None else combine(result, shifted, out=result)
    if result is None:
        raise ValueError("kernel_sizes must not be empty")
    return result, pads
