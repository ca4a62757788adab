"""Products of quantised activations with quantised weights, in integer arithmetic.

Σ s·(q - z) · t·(w - v) is s·t · Σ (q - z)·(w - v): bytes in, 32-bit sums, then one scale for each channel and the bias.
Exact up to the last two steps, where the float path rounds every dequantised element to fp16 first. See ADR 0015.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.runtime.lowering.graph import Lowering, NoLoweringError
from kewcore.runtime.program import DataType, Operation
from kewcore.runtime.registry import Array, lookup

_BYTES = frozenset({DataType.UINT8, DataType.INT8})
_LEAST_TERMS = 64
"""Convolutions whose sums have fewer terms are as fast or faster in float: measured at 25 and 27, and from 64 on."""
_FLOAT, _UINT8, _INT8, _INT32 = 1, 2, 3, 6
_SIGN = 128
"""What is added to an int8 to make the same number of steps a uint8."""


@dataclass(frozen=True)
class _Weight:
    """A weight as unsigned bytes.

    Attributes:
        data: uint8, in the shape of the weight.
        zero_point: What stands for 0 in all channels.
        scale: float32, one for each channel.
    """

    data: NDArray[np.uint8]
    zero_point: int
    scale: NDArray[np.float32]


@dataclass(frozen=True)
class _Activation:
    """The `dequantize` that an activation comes from.

    Attributes:
        lowering: That operation.
        zero_point: What stands for 0, in its type.
        scale: Its scale.
    """

    lowering: Lowering
    zero_point: int
    scale: float


def integer_conv(lowering: Lowering, attributes: dict[str, Any]) -> bool:
    """Lowers a convolution to integer arithmetic where that is possible and pays; says whether it did.

    Args:
        lowering: A `conv`.
        attributes: Those of ONNX's `Conv`.
    """
    found = _operands(lowering, "x", "weight", 0)
    if found is None or int(np.prod(found[1].data.shape[1:])) < _LEAST_TERMS:
        return False
    activation, weight = found
    # The product that ONNX Runtime makes of it has the weight in front, and the first operand must be unsigned.
    signed = lowering.graph.integers == "mixed"
    if not _sums_fit(weight.data.reshape(len(weight.data), -1), weight.zero_point, activation, signed=signed):
        return False
    data, zero = _signed_or_not(activation, signed=signed)
    graph = lowering.graph
    zero_point = graph.initializer(np.array(weight.zero_point, np.uint8), "zero_point")
    total = lowering.node("ConvInteger", data, graph.initializer(weight.data, "weight"), zero, zero_point, **attributes)
    around = (-1, *[1] * (weight.data.ndim - 2))
    bias = lowering.node("Reshape", lowering.value("bias"), lowering.integers(around)) if lowering.has("bias") else None
    _finish(lowering, total, (activation.scale * weight.scale).reshape(around), bias)
    return True


def note_bytes(lowering: Lowering, weight: str) -> None:
    """Keeps the bytes of a convolution whose sums are too short for ONNX Runtime's integers, for kernels of our own.

    Args:
        lowering: A `conv`.
        weight: The tensor of its weight.
    """
    found = _operands(lowering, "x", "weight", 0)
    if found is not None and found[1].zero_point == _SIGN:
        lowering.graph.byte_weights[weight] = ((found[1].data ^ np.uint8(_SIGN)).view(np.int8), found[1].scale)


def integer_product(lowering: Lowering, parameter: str, axis: int) -> bool:
    """Lowers the product of `x` with a weight of rank 2 to integer arithmetic where that is possible; says whether.

    Args:
        lowering: A `linear` or `matmul`.
        parameter: The weight.
        axis: The weight's axis that becomes the result's last.
    """
    found = _operands(lowering, "x", parameter, axis) if len(lowering.shape(parameter)) == 2 else None
    if found is None or len(lowering.shape("x")) < 2:
        return False
    return _matrix_product(lowering, *found, axis)


def integer_covering_product(lowering: Lowering) -> bool:
    """Lowers a convolution whose kernel covers its input to integer arithmetic where that is possible; says whether.

    As a matrix product it takes an eighth of the time that it takes as a convolution (KewCNN's 15x15 kernels).
    """
    found = _operands(lowering, "x", "weight", 0)
    return found is not None and _matrix_product(lowering, *found, 0)


def _matrix_product(lowering: Lowering, activation: _Activation, weight: _Weight, axis: int) -> bool:
    signed, graph = lowering.graph.integers == "mixed" and weight.zero_point == _SIGN, lowering.graph
    columns: Array = np.moveaxis(weight.data, axis, 0).reshape(weight.data.shape[axis], -1)
    kernel_rank = weight.data.ndim - 2
    zero_point = weight.zero_point
    if signed:
        columns, zero_point = (columns ^ np.uint8(_SIGN)).view(np.int8), 0
    if not _sums_fit(columns, zero_point, activation, signed=False):
        return False
    data, zero = _signed_or_not(activation, signed=False)
    kind = np.int8 if signed else np.uint8
    inputs = [graph.initializer(columns.T, "weight"), zero, graph.initializer(np.array(zero_point, kind), "zero_point")]
    bias, scale = lowering.value("bias") if lowering.has("bias") else None, activation.scale * weight.scale
    if not kernel_rank:
        _finish(lowering, lowering.node("MatMulInteger", data, *inputs), scale, bias)
        return True
    flat, around = lowering.node("Reshape", data, lowering.integers([0, -1])), [len(columns), *[1] * kernel_rank]
    total = lowering.node("MatMulInteger", flat, *inputs)
    total = lowering.node("Reshape", total, lowering.integers([0, *around]))
    bias = None if bias is None else lowering.node("Reshape", bias, lowering.integers(around))
    _finish(lowering, total, scale.reshape(around), bias)
    return True


def _operands(lowering: Lowering, x: str, weight: str, axis: int) -> tuple[_Activation, _Weight] | None:
    if lowering.graph.integers == "none":
        return None
    activation = _activation(lowering, x)
    quantized = None if activation is None else _weight(lowering, weight, axis)
    return None if activation is None or quantized is None else (activation, quantized)


def _maker(lowering: Lowering, parameter: str) -> Lowering | None:
    """Returns the operation that makes an argument."""
    binding = lowering.operation.arguments[parameter][0]
    maker: Operation | None = lowering.graph.makers.get(binding) if isinstance(binding, str) else None
    spec = None if maker is None else lookup(maker.type, lowering.graph.opset)
    return None if maker is None or spec is None else Lowering(maker, spec, lowering.graph)


def _activation(lowering: Lowering, parameter: str) -> _Activation | None:
    made = _maker(lowering, parameter)
    if made is None or made.operation.type != "dequantize" or made.type("input").dtype not in _BYTES:
        return None
    steps = _scalar_steps(made)
    return None if steps is None else _Activation(made, int(steps[1]), float(steps[0]))


def _scalar_steps(lowering: Lowering) -> tuple[float, int] | None:
    """Returns scale and zero point of a `quantize` or `dequantize`, if they are known and one for the tensor."""
    try:
        scale, zero_point = lowering.constant("scale"), lowering.constant("zero_point", 0)
    except NoLoweringError:
        return None
    if np.ndim(scale) or np.ndim(zero_point):
        return None
    return float(scale), int(zero_point)


def _weight(lowering: Lowering, parameter: str, axis: int) -> _Weight | None:
    made = _maker(lowering, parameter)
    if made is None:
        return None
    if made.operation.type == "constexpr_affine_dequantize":
        data = "quantized_data"
        offset = made.constant("zero_point")
        own_axis = int(made.constant("axis")) % len(made.static_shape(data))
        aligned = own_axis == axis
    elif made.operation.type == "constexpr_blockwise_shift_scale":
        data = "data"
        offset = made.constant("offset", 0)
        shape = made.static_shape("scale")
        aligned = all(size == 1 or i == axis for i, size in enumerate(shape))
    else:
        return None
    channels = made.static_shape(data)[axis]
    scale, offset = np.ravel(made.constant("scale")), np.ravel(offset)
    fits = all(vector.size == 1 or (aligned and vector.size == channels) for vector in (scale, offset))
    if made.type(data).dtype not in _BYTES or not fits:
        return None
    along = [-1 if i == axis else 1 for i in range(len(made.static_shape(data)))]
    values = np.asarray(made.constant(data)).astype(np.int16)
    unsigned = _as_bytes(values, np.reshape(offset, along).astype(np.int16))
    if unsigned is None:
        return None
    return _Weight(*unsigned, np.broadcast_to(scale.astype(np.float32), (channels,)))


def _as_bytes(values: NDArray[np.int16], offset: NDArray[np.int16]) -> tuple[NDArray[np.uint8], int] | None:
    """Returns unsigned bytes with one zero point for all channels, if that can be."""
    steps = values - offset
    if steps.size and steps.min() >= -_SIGN and steps.max() < _SIGN:
        return (steps + _SIGN).astype(np.uint8), _SIGN
    if offset.size > 1 and np.ptp(offset):
        return None
    shift = _SIGN if values.min() < 0 or offset.min() < 0 else 0
    if values.max() + shift > 255 or offset.max() + shift > 255:
        return None
    return (values + shift).astype(np.uint8), int(offset.flat[0]) + shift


def _sums_fit(rows: Array, zero_point: int, activation: _Activation, *, signed: bool) -> bool:
    """Whether no part of a sum can leave int32, whatever the activations: some kernels cut off there."""
    shift = _shift(activation, signed=signed)
    zero, largest = abs(activation.zero_point + shift), _SIGN if signed else 255
    middle = 0
    if rows.dtype == np.uint8 and not signed:
        # Two unsigned operands wrap around, or are multiplied as signed steps around 128: no intermediate is cut off.
        middle, zero_point = _SIGN, zero_point - _SIGN
    steps = rows.astype(np.int16) - np.int16(middle)
    signed_sums, weights = np.abs(steps.sum(1, dtype=np.int64)), np.abs(steps).sum(1, dtype=np.int64)
    terms = rows.shape[1] * abs(zero_point)
    return bool((largest * (weights + terms) + zero * (signed_sums + terms) < 2**31).all())


def _shift(activation: _Activation, *, signed: bool) -> int:
    """What takes the activation's bytes to the wanted signedness."""
    is_signed = activation.lowering.type("input").dtype is DataType.INT8
    return (int(is_signed) - int(signed)) * _SIGN


def _signed_or_not(activation: _Activation, *, signed: bool) -> tuple[str, str]:
    """Returns the tensors of the activation's bytes in the wanted signedness, and of their zero point."""
    source, graph = activation.lowering, activation.lowering.graph
    kind: Any = np.int8 if signed else np.uint8
    shift = _shift(activation, signed=signed)
    zero_point = graph.initializer(np.array(activation.zero_point + shift, kind), "zero_point")
    if not shift:
        return source.value("input"), zero_point
    quantized = _maker(source, "input")
    steps = None if quantized is None or quantized.operation.type != "quantize" else _scalar_steps(quantized)
    if quantized is not None and steps is not None:  # Quantise to the other type at once.
        zero = graph.initializer(np.array(steps[1] + shift, kind), "zero_point")
        given = quantized.value("input")
        return source.node("QuantizeLinear", given, quantized.value("scale"), zero), zero_point
    wide = source.node("Cast", source.value("input"), to=_INT32)
    moved = source.node("Add", wide, graph.initializer(np.array(shift, np.int32), "constant"))
    return source.node("Cast", moved, to=_INT8 if signed else _UINT8), zero_point


def _finish(lowering: Lowering, total: str, scale: Array, bias: str | None) -> None:
    """Scales the sums and adds the bias."""
    floats = lowering.node("Cast", total, to=_FLOAT)
    scaled = lowering.node("Mul", floats, lowering.graph.initializer(scale.astype(np.float32), "scale"))
    lowering.finish(scaled if bias is None else lowering.node("Add", scaled, bias))
