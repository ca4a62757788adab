"""Compressed weights of iOS 16: linear quantisation, palettes, sparsity and storage in fp16."""

import numpy as np

from kewcore.runtime.opset import Opset
from kewcore.runtime.packing import unpack
from kewcore.runtime.program import DataType, element_count
from kewcore.runtime.registry import FLOATS, Array, StaticArguments, op
from kewcore.runtime.shapes import Shapes, axis_in, same_as

_SOURCE = "iOS16/constexpr_ops.py"
_BYTES = frozenset({DataType.UINT8, DataType.INT8})
_PACKED = frozenset({DataType.UINT8})
_PALETTES = (2, 4, 16, 64, 256)


def _quantized_shape(arguments: StaticArguments) -> Shapes:
    data = arguments.shape("quantized_data")
    if data is None:
        return None
    axis = axis_in(arguments.constant("axis"), len(data))
    for name in ("scale", "zero_point"):
        vector = arguments.shape(name)
        if vector not in {(), None} and vector != (data[axis],):
            raise ValueError(f"{name} must be a scalar or have {data[axis]} elements, got shape {list(vector or ())}")
    return (data,)


@op(
    "constexpr_affine_dequantize",
    since=Opset.IOS16,
    source=_SOURCE,
    accepts={"quantized_data": _BYTES, "scale": FLOATS},
    shape=_quantized_shape,
    result_like="scale",
)
def constexpr_affine_dequantize(*, quantized_data: Array, zero_point: Array, scale: Array, axis: int) -> Array:
    """scale · (quantized_data - zero_point), with one scale and zero point, or one of each along `axis`."""
    shape = [1] * quantized_data.ndim
    shape[int(axis)] = -1
    offset, factor = (np.reshape(v, shape) if np.ndim(v) else v for v in (zero_point, scale))
    expanded = quantized_data.astype(np.float32)
    expanded -= np.float32(offset)  # in place: weights are what takes memory
    expanded *= np.float32(factor)
    return expanded


def _palette_shape(arguments: StaticArguments) -> Shapes:
    shape = tuple(int(size) for size in arguments.constant("shape"))
    lut, indices = arguments.shape("lut"), arguments.shape("indices")
    if lut is None or len(lut) != 1 or lut[0] not in _PALETTES:
        raise ValueError(f"lut must be a vector of {', '.join(map(str, _PALETTES))} elements, got shape {lut}")
    bits = int(lut[0]).bit_length() - 1
    expected = -(-element_count(shape) * bits // 8)
    if indices != (expected,):
        raise ValueError(f"indices must be {expected} bytes for shape {list(shape)} at {bits} bits, got {indices}")
    return (shape,)


@op(
    "constexpr_lut_to_dense",
    since=Opset.IOS16,
    source=_SOURCE,
    accepts={"indices": _PACKED},
    shape=_palette_shape,
    result_like="lut",
    exact=True,
)
def constexpr_lut_to_dense(*, indices: Array, lut: Array, shape: Array) -> Array:
    """lut[index] for packed indices of log2(len(lut)) bits."""
    sizes = [int(size) for size in shape]
    bits = len(lut).bit_length() - 1
    return np.asarray(lut[unpack(indices, bits, element_count(tuple(sizes)))]).reshape(sizes)


def _mask_shape(arguments: StaticArguments) -> Shapes:
    shape = tuple(int(size) for size in arguments.constant("shape"))
    mask, expected = arguments.shape("mask"), -(-element_count(shape) // 8)
    if mask != (expected,):
        raise ValueError(f"mask must be {expected} bytes for shape {list(shape)}, got {mask}")
    return (shape,)


@op(
    "constexpr_sparse_to_dense",
    since=Opset.IOS16,
    source=_SOURCE,
    accepts={"mask": _PACKED},
    shape=_mask_shape,
    result_like="nonzero_data",
    exact=True,
)
def constexpr_sparse_to_dense(*, nonzero_data: Array, mask: Array, shape: Array) -> Array:
    """Zeros but where a bit of the mask is set, which take the elements in order.

    Raises:
        ValueError: The mask has another number of set bits than there are elements.
    """
    sizes = [int(size) for size in shape]
    return fill_mask(unpack(mask, 1, element_count(tuple(sizes))).reshape(sizes), nonzero_data)


def fill_mask(mask: Array, nonzero_data: Array) -> Array:
    """Puts elements, in row-major order, where `mask` is set; zeros elsewhere.

    Raises:
        ValueError: The mask has another number of set elements than there are.
    """
    chosen = mask != 0
    if (count := int(np.count_nonzero(chosen))) != np.size(nonzero_data):
        raise ValueError(f"mask has {count} elements set for {np.size(nonzero_data)} in nonzero_data")
    dense = np.zeros(mask.shape, nonzero_data.dtype)
    dense[chosen] = np.ravel(nonzero_data)
    return dense


@op("constexpr_cast", since=Opset.IOS16, source=_SOURCE, shape=same_as("source_val"), result_like=None)
def constexpr_cast(*, source_val: Array, output_dtype: str) -> Array:
    """A weight stored in fp16 and used in fp32."""
    return np.asarray(source_val).astype(DataType(output_dtype).numpy)
