"""Convolutions and products of bytes as `ByteConv`, `ByteImageConv` and `ByteGemm`, with what lies between two of them.

ONNX Runtime's `ConvInteger` gives 32-bit sums for every element; scale, bias, rounding, pool, activation and the next
quantisation are nodes of their own, each over all of memory. Here a result is a byte when it is first written. The sums
are the same integers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.runtime.lowering.native_convolutions import (
    CHANNELS,
    Chain,
    chain_behind,
    scaled_input,
    takes,
    window_attributes,
)
from kewcore.runtime.lowering.neighbours import DOMAIN, Bytes, Neighbours, attributes
from kewcore.runtime.registry import Array

_SIGN = 128
_LARGEST_SCALE = 1e30


@dataclass(frozen=True)
class _Sums:
    """Sums of products of bytes that become floats.

    Attributes:
        replaced: The nodes from the product to the bias.
        weight: Signed bytes, channels of the result first.
        scale: float32 `[c_out]`.
        bias: float32 `[c_out]`.
        result: The tensor with the bias added.
        shape: What the sums are reshaped to on the way; None where they are not.
    """

    replaced: tuple[Any, ...]
    weight: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]
    result: str
    shape: str | None


@dataclass(frozen=True)
class _Quantization:
    """A quantisation, its scale, and its zero point as if it gave unsigned bytes."""

    node: Any
    scale: float
    zero_point: int


@dataclass(frozen=True)
class _Convolution:
    """A convolution of bytes that a kernel takes, and the shape of its sums."""

    sums: _Sums
    chain: Chain
    pads: tuple[int, ...]
    shape: tuple[int, ...]


def byte_convolution(around: Neighbours, node: Any) -> tuple[Sequence[Any], list[Any]]:
    """Makes what stands in the place of a `ConvInteger` and of nodes behind it; nothing where no kernel takes it.

    Args:
        around: The graph.
        node: The node.
    """
    found = _convolution(around, node)
    if found is None:
        return (), []
    made: list[Any] = []
    given = around.bytes.get(node.input[0]) or _quantized(around, node.input[0], made)
    if given is None:
        return (), []
    c_out = len(found.sums.weight)
    fours = found.sums.weight.transpose(0, 2, 3, 1).reshape(c_out // CHANNELS, CHANNELS, -1, 4).swapaxes(1, 2)
    replaced, nodes = _finished(around, node, found, "ByteConv", given, fours, {"kernel": 3, "input_scale": 0.0})
    return replaced, [*made, *nodes]


def byte_image_convolution(around: Neighbours, conv: Any) -> tuple[Sequence[Any], list[Any]]:
    """Makes what stands in the place of a first `Conv` whose input is quantised, by the bytes of its weight.

    Args:
        around: The graph.
        conv: The node.
    """
    steps = around.builder.byte_weights.get(conv.input[1])
    chain = chain_behind(around, conv.output[0])
    rounded = around.before_rounding(conv.input[0])
    back = None if rounded is None else around.makers.get(rounded)
    if steps is None or chain is None or back is None or back.op_type != "DequantizeLinear":
        return (), []
    there = around.makers.get(back.input[0])
    once = around.uses[rounded or ""] == 1 and around.uses[back.input[0]] == 1
    known = None if there is None or not once else _steps(around, there)
    if there is None or known is None or known != _steps(around, back, "DequantizeLinear"):
        return (), []
    scale, zero_point = known
    settings, (weight, channel_scale) = attributes(conv), steps
    if weight.shape[1:] != (1, 5, 5):
        return (), []
    bias = around.constant(conv.input[2]) if len(conv.input) > 2 else np.zeros(len(weight), np.float32)
    shape = around.builder.static_shapes.get(conv.output[0])
    if bias is None or shape is None or not takes(settings, shape, weight, chain) or not _keep_order(channel_scale):
        return (), []
    sums = _Sums((conv,), weight, np.float32(scale) * channel_scale, bias, conv.output[0], None)
    image, input_scale = scaled_input(around, there.input[0]) or (there.input[0], 0.0)
    fours = np.zeros((len(weight), 7, 4), np.int8)
    fours[:, :5] = weight[:, 0, :, :4]
    fours[:, 5] = weight[:, 0, :4, 4]
    fours[:, 6, 0] = weight[:, 0, 4, 4]
    packed = fours.reshape(-1, CHANNELS, 7, 4).swapaxes(1, 2)
    given = Bytes(image, zero_point, ())
    own = {"kernel": 5, "input_scale": input_scale, "image_scale": scale}
    found = _Convolution(sums, chain, tuple(settings["pads"]), shape)
    return _finished(around, conv, found, "ByteImageConv", given, packed, own)


def byte_product(around: Neighbours, node: Any) -> tuple[Sequence[Any], list[Any]]:
    """Makes what stands in the place of a `MatMulInteger` of a flattened image of bytes, its scale and its bias.

    Args:
        around: The graph.
        node: The node.
    """
    from onnx import helper

    reshape, sums = around.makers.get(node.input[0]), _product(around, node)
    given = None if reshape is None else around.bytes.get(reshape.input[0])
    if reshape is None or sums is None or given is None:
        return (), []
    c_out, height, width = given.shape[1:]
    columns = sums.weight.reshape(-1, c_out, height, width).transpose(0, 2, 3, 1).reshape(len(sums.weight), -1)
    stem = node.name
    flat = around.builder.fresh(f"{stem}.channels_last")
    made = [helper.make_node("Reshape", [given.tensor, reshape.input[1]], [flat], name=f"{flat}.Reshape")]
    inputs = [flat, *_channel_constants(around, stem, columns, sums, given.zero_point, columns)]
    result = sums.result if sums.shape is None else around.builder.fresh(f"{stem}.product")
    made.append(helper.make_node("ByteGemm", inputs, [result], name=f"{stem}.ByteGemm", domain=DOMAIN))
    if sums.shape is not None:
        made.append(helper.make_node("Reshape", [result, sums.shape], [sums.result], name=f"{result}.Reshape"))
    return sums.replaced, made


def _finished(
    around: Neighbours,
    node: Any,
    found: _Convolution,
    kind: str,
    given: Bytes,
    packed: NDArray[np.int8],
    own: dict[str, Any],
) -> tuple[Sequence[Any], list[Any]]:
    """Makes a convolution's node, with the quantisation of its result where only kernels of ours read that."""
    from onnx import helper

    chain = found.chain
    result = chain.replaced[-1].output[0]
    quantization = _quantization_of(around, result)
    last = result if quantization is None else quantization.node.output[0]
    out = around.builder.fresh(f"{last}.channels_last")
    inputs = [given.tensor, *_channel_constants(around, node.name, packed, found.sums, given.zero_point)]
    pooled = (*found.shape[:2], *(size // chain.pool for size in found.shape[2:]))
    settings = window_attributes(found.pads, chain)
    settings |= {"zero_point": given.zero_point, "image_scale": 1.0, "out_scale": 1.0, "out_zero_point": 0, **own}
    replaced = (*found.sums.replaced, *chain.replaced)
    if quantization is not None:
        settings |= {"out_scale": quantization.scale, "out_zero_point": quantization.zero_point}
        around.bytes[last] = Bytes(out, quantization.zero_point, pooled)
        node_made = helper.make_node(kind, inputs, [out], name=f"{node.name}.{kind}", domain=DOMAIN, **settings)
        return (*replaced, quantization.node), [node_made]
    kind = f"{kind}ToFloat"
    around.channels_last[result], around.shapes[result] = out, pooled
    return replaced, [
        helper.make_node(kind, inputs, [out], name=f"{node.name}.{kind}", domain=DOMAIN, **settings),
        helper.make_node("Transpose", [out], [result], name=f"{out}.Transpose", perm=(0, 3, 1, 2)),
    ]


def _channel_constants(
    around: Neighbours, stem: str, packed: Array, sums: _Sums, zero_point: int, rows: Array | None = None
) -> list[str]:
    """Adds weight, scale, bias and the share of the zero point in each channel's sum."""
    rows = sums.weight.reshape(len(sums.weight), -1) if rows is None else rows
    offset = zero_point * rows.sum(1, dtype=np.int64)
    constants = {"weight": packed, "scale": sums.scale, "bias": sums.bias, "offset": offset.astype(np.int32)}
    return [around.add_constant(np.ascontiguousarray(array), f"{stem}.{what}") for what, array in constants.items()]


def _convolution(around: Neighbours, node: Any) -> _Convolution | None:
    """Says how a kernel of ours would take a `ConvInteger`; None if none does."""
    sums = _sums(around, node, around.constant(node.input[1]), node.input[3])
    chain = None if sums is None else chain_behind(around, sums.result)
    if sums is None or chain is None or sums.shape is not None or sums.weight.ndim != 4:
        return None
    settings, shape = attributes(node), around.builder.static_shapes.get(sums.result)
    c_in, *sides = sums.weight.shape[1:]
    if shape is None or sides != [3, 3] or c_in % 4 or not _keep_order(sums.scale):
        return None
    if not takes(settings, shape, sums.weight, chain):
        return None
    return _Convolution(sums, chain, tuple(settings["pads"]), shape)


def _keep_order(scale: Array) -> bool:
    """Whether the largest sum is the largest value in every channel: pools come before scales."""
    return bool(((scale > 0) & (scale < _LARGEST_SCALE)).all())


def _product(around: Neighbours, node: Any) -> _Sums | None:
    """Says how a kernel of ours would take a `MatMulInteger`; None if it does not."""
    weight = around.constant(node.input[1])
    if weight is None or weight.ndim != 2:
        return None
    reshape = around.makers.get(node.input[0])
    target = None if reshape is None or reshape.op_type != "Reshape" else around.constant(reshape.input[1])
    if target is None or target.tolist() != [0, -1] or around.uses[node.input[0]] != 1:
        return None
    return _sums(around, node, weight.T, node.input[3])


def _sums(around: Neighbours, node: Any, weight: Array | None, weight_zero: str) -> _Sums | None:
    """Follows a product of bytes to the floats that it becomes: reshaped or not, cast, scaled, with a bias or not."""
    zero = around.constant(weight_zero)
    if weight is None or zero is None or zero.size != 1:
        return None
    steps = weight.astype(np.int16) - np.int16(zero.item())
    largest = 255 * int(np.abs(steps).reshape(len(steps), -1).sum(1, dtype=np.int64).max(initial=0))
    if not steps.size or steps.min() < -_SIGN or steps.max() >= _SIGN or largest >= 2**31:
        return None
    replaced, tensor, shape = [node], node.output[0], None
    reshape = around.only_reader(tensor, "Reshape")
    if reshape is not None:
        replaced.append(reshape)
        tensor, shape = reshape.output[0], reshape.input[1]
    cast = around.only_reader(tensor, "Cast")
    scaling = None if cast is None else around.only_reader(cast.output[0], "Mul")
    scale = None if scaling is None else _vector(around, scaling.input[1], len(weight))
    if cast is None or scaling is None or scale is None:
        return None
    replaced += [cast, scaling]
    result, bias = scaling.output[0], np.zeros(len(weight), np.float32)
    adding = around.only_reader(result, "Add")
    known = None if adding is None else _vector(around, adding.input[1], len(weight))
    if adding is not None and known is not None and result == adding.input[0]:
        replaced.append(adding)
        result, bias = adding.output[0], known
    return _Sums(tuple(replaced), steps.astype(np.int8), scale, bias, result, shape)


def _vector(around: Neighbours, name: str, count: int) -> NDArray[np.float32] | None:
    """Returns a constant with one number for each channel, reshaped or not."""
    maker = around.makers.get(name)
    array = around.constant(maker.input[0] if maker is not None and maker.op_type == "Reshape" else name)
    return np.ravel(array).astype(np.float32) if array is not None and array.size == count else None


def _quantization_of(around: Neighbours, tensor: str) -> _Quantization | None:
    """Returns the quantisation that alone reads a tensor and that kernels of ours alone read."""
    node = around.only_reader(tensor, "QuantizeLinear")
    known = None if node is None else _steps(around, node)
    if node is None or known is None:
        return None
    readers = around.readers.get(node.output[0], ())
    if not readers or around.uses[node.output[0]] != len(readers) or not all(_takes(around, one) for one in readers):
        return None
    return _Quantization(node, *known)


def _takes(around: Neighbours, reader: Any) -> bool:
    """Whether a reader of quantised values becomes a node of ours."""
    if reader.op_type == "ConvInteger":
        return _convolution(around, reader) is not None
    product = around.only_reader(reader.output[0], "MatMulInteger") if reader.op_type == "Reshape" else None
    return product is not None and _product(around, product) is not None


def _quantized(around: Neighbours, tensor: str, made: list[Any]) -> Bytes | None:
    """Quantises what a tensor is quantised from to unsigned bytes with the channels last."""
    from onnx import helper

    maker = around.makers.get(tensor)
    known = None if maker is None else _steps(around, maker)
    if maker is None or known is None:
        return None
    zero = around.add_constant(np.array(known[1], np.uint8), f"{tensor}.zero_point")
    out = around.builder.fresh(f"{tensor}.channels_last")
    source = around.channels_last.get(maker.input[0])
    quantized = around.builder.fresh(f"{tensor}.unsigned") if source is None else out
    inputs = [source or maker.input[0], maker.input[1], zero]
    made.append(helper.make_node("QuantizeLinear", inputs, [quantized], name=f"{out}.Quantize"))
    if source is None:
        made.append(helper.make_node("Transpose", [quantized], [out], name=f"{out}.Transpose", perm=(0, 2, 3, 1)))
    return Bytes(out, known[1], ())


def _steps(around: Neighbours, node: Any, kind: str = "QuantizeLinear") -> tuple[float, int] | None:
    """Returns scale and zero point of a quantisation, the latter as for unsigned bytes; None for other nodes."""
    if node.op_type != kind or len(node.input) != 3:
        return None
    scale, zero_point = (around.constant(name) for name in node.input[1:])
    if scale is None or zero_point is None or scale.size != 1 or zero_point.dtype not in (np.int8, np.uint8):
        return None
    if not 0 < scale.item() < _LARGEST_SCALE:
        return None
    return float(scale.item()), int(zero_point.item()) + (_SIGN if zero_point.dtype == np.int8 else 0)
