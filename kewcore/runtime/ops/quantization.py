"""Linear quantisation of activations (iOS 17)."""

import numpy as np

from kewcore.runtime.opset import Opset
from kewcore.runtime.program import DataType
from kewcore.runtime.registry import FLOATS, Array, op
from kewcore.runtime.shapes import same_as

_SOURCE = "iOS17/quantization_ops.py"
_BYTES = frozenset({DataType.UINT8, DataType.INT8})


def _along(value: Array, axis: int | None, rank: int) -> Array:
    """Shapes a vector for one axis; a scalar stays one."""
    if np.ndim(value) == 0 or axis is None:
        return value
    shape = [1] * rank
    shape[int(axis)] = -1
    return np.reshape(value, shape)


@op(
    "quantize",
    since=Opset.IOS17,
    source=_SOURCE,
    accepts={"input": FLOATS, "scale": FLOATS, "zero_point": _BYTES},
    shape=same_as("input"),
    result_like=None,
    exact=True,
)
def quantize(
    *,
    input: Array,  # noqa: A002 - MIL's name
    scale: Array,
    output_dtype: str,
    zero_point: Array | None = None,
    axis: int | None = None,
) -> Array:
    """clip(round(input / scale) + zero_point), halves rounded to even."""
    limits = np.iinfo(DataType(output_dtype).numpy)
    steps = np.round(input / _along(scale, axis, input.ndim))
    if zero_point is not None:
        steps = steps + _along(zero_point, axis, input.ndim).astype(np.float32)
    return np.asarray(np.clip(steps, limits.min, limits.max).astype(limits.dtype))


@op(
    "dequantize",
    since=Opset.IOS17,
    source=_SOURCE,
    accepts={"input": _BYTES, "scale": FLOATS, "zero_point": _BYTES},
    shape=same_as("input"),
    result_like="scale",
)
def dequantize(
    *,
    input: Array,  # noqa: A002 - MIL's name
    scale: Array,
    zero_point: Array | None = None,
    axis: int | None = None,
) -> Array:
    """scale · (input - zero_point)."""
    values = input.astype(np.float32)
    if zero_point is not None:
        values = values - _along(zero_point, axis, input.ndim).astype(np.float32)
    return np.asarray(values * _along(scale, axis, input.ndim))
