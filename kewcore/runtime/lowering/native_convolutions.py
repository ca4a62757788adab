"""Convolutions as `WinogradConv` and `ShallowConv`, with the max-pool, the rounding and the activation behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.runtime.lowering.kernel_transforms import along_rows, both_ways
from kewcore.runtime.lowering.neighbours import DOMAIN, Neighbours, attributes
from kewcore.runtime.program import DataType
from kewcore.runtime.registry import Array

CHANNELS = 16
"""Channels of a kernel's result come in multiples of this."""
_LEAST_PRODUCTS = 4 << 20
"""Convolutions with fewer multiplications are left to ONNX Runtime."""
_LEAST_TILES = 16
"""Fewer tiles of 4x4 do not pay for reading the transformed kernel: 512 channels to 512 on 7x7 pixels (4 tiles) took
3.5 ms instead of 2.1, 256 to 256 on 14x14 (16 tiles) 3.0 instead of 3.3."""
_MOST_CHANNEL_PAIRS = 1 << 20
"""The transformed kernel takes 36 floats a pair of channels, and twice that while it is made."""
_MOST_SHALLOW_CHANNELS = 4
_MOST_PADDING = 4


@dataclass(frozen=True)
class Chain:
    """What one node of ours computes.

    Attributes:
        replaced: The nodes that it stands for.
        pool: Side of the max-pool's windows; 1 is no pool.
        slope: Of the activation below 0; 1 is none.
    """

    replaced: tuple[Any, ...]
    pool: int
    slope: float


def chain_behind(around: Neighbours, tensor: str) -> Chain | None:
    """Follows sums to the last node that can be computed with them; None where the result is not rounded to fp16.

    Args:
        around: The graph.
        tensor: The sums, with their bias.
    """
    replaced: list[Any] = []
    pool = 1
    pooling = around.only_reader(tensor, "MaxPool")
    if pooling is not None:
        settings = attributes(pooling)
        pool = settings["kernel_shape"][0]
        if settings["kernel_shape"] != [pool, pool] or settings["strides"] != [pool, pool] or any(settings["pads"]):
            return None
        if pool not in {2, 4} or settings.get("ceil_mode") or len(pooling.output) > 1:
            return None
        replaced.append(pooling)
        tensor = pooling.output[0]
    rounding = around.rounding(tensor)
    if not rounding:
        return None
    replaced += rounding
    activation, slope = _activation(around, rounding[-1].output[0])
    return Chain((*replaced, *activation), pool, slope)


def _activation(around: Neighbours, tensor: str) -> tuple[tuple[Any, ...], float]:
    """Returns the activation that alone reads a tensor, with its rounding, and its slope below 0."""
    leaky, relu = (around.only_reader(tensor, kind) for kind in ("LeakyRelu", "Relu"))
    alpha = 0.0 if leaky is None else attributes(leaky).get("alpha", 0.01)
    if leaky is not None and alpha and (rounding := around.rounding(leaky.output[0])):
        return (leaky, *rounding), alpha
    return ((relu,), 0.0) if relu is not None else ((), 1.0)


def takes(settings: Mapping[str, Any], shape: Sequence[int], weight: Array, chain: Chain) -> bool:
    """Whether a kernel of ours takes a convolution, by what all of them have in common, and it is large enough to pay.

    Args:
        settings: Attributes of ONNX's `Conv`.
        shape: Of its sums, `[n, c_out, h, w]`.
        weight: `[c_out, c_in, kH, kW]`.
        chain: What is computed with it.
    """
    return (
        settings["group"] == 1
        and set(settings["strides"]) | set(settings["dilations"]) == {1}
        and max(settings["pads"]) <= _MOST_PADDING
        and len(weight) % CHANNELS == 0
        and min(shape[2:]) >= chain.pool
        and bool(np.prod(shape) * weight[0].size >= _LEAST_PRODUCTS)
    )


def window_attributes(pads: Sequence[int], chain: Chain) -> dict[str, Any]:
    """Returns the attributes that the nodes of all convolutions of ours have.

    Args:
        pads: Rows above, columns on the left, rows below, columns on the right.
        chain: What is computed with it.
    """
    sides = ("pad_top", "pad_left", "pad_bottom", "pad_right")
    return {**dict(zip(sides, pads, strict=True)), "pool": chain.pool, "slope": chain.slope}


def native_convolution(around: Neighbours, conv: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """Makes what stands in the place of a `Conv` and of nodes behind it.

    Args:
        around: The graph.
        conv: The node.

    Returns:
        The nodes that are replaced and those in their place; none where no kernel of ours takes it.
    """
    weight = around.constant(conv.input[1])
    bias = around.constant(conv.input[2]) if len(conv.input) > 2 else None
    chain = chain_behind(around, conv.output[0])
    if weight is None or weight.ndim != 4 or chain is None or (bias is None and len(conv.input) > 2):
        return (), []
    bias = np.zeros(len(weight), np.float32) if bias is None else bias.astype(np.float32)
    made = convolution_nodes(around, conv, weight.astype(np.float32), bias, chain)
    return ((conv, *chain.replaced) if made else ()), made


def convolution_nodes(
    around: Neighbours, conv: Any, weight: NDArray[np.float32], bias: NDArray[np.float32], chain: Chain
) -> list[Any]:
    """Makes the node of a kernel of ours, and transpositions around it; none where none takes this convolution.

    Args:
        around: The graph.
        conv: A node with the settings and the input of the convolution.
        weight: `[c_out, c_in, kH, kW]`.
        bias: `[c_out]`.
        chain: What is computed with it.
    """
    from onnx import helper

    settings, shape = attributes(conv), around.builder.static_shapes.get(conv.output[0])
    c_out, c_in, *sides = weight.shape
    if shape is None or not takes(settings, shape, weight, chain) or not np.isfinite(weight).all():
        return []
    kernel = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
    made: list[Any] = []
    if (
        sides == [3, 3]
        and c_in % CHANNELS == 0
        and c_in * c_out <= _MOST_CHANNEL_PAIRS
        and _tiles(shape) >= _LEAST_TILES
    ):
        kind, transformed, scale, channels_first = "WinogradConv", both_ways(kernel), 0.0, False
        read = around.channels_last.get(conv.input[0]) or _transposed(around, conv.input[0], made)
    elif sides == [5, 5] and c_in <= _MOST_SHALLOW_CHANNELS:
        kind, transformed, channels_first = "ShallowConv", along_rows(kernel), True
        read, scale = scaled_input(around, conv.input[0]) or (conv.input[0], 0.0)
    else:
        return []
    constants = {"transformed": transformed, "kernel": kernel, "bias": bias}
    inputs = [around.add_constant(array, f"{conv.name}.{what}") for what, array in constants.items()]
    result = chain.replaced[-1].output[0]
    out = around.builder.fresh(f"{result}.channels_last")
    own = window_attributes(settings["pads"], chain)
    own |= {"channels_first": int(channels_first), "input_scale": scale}
    made.append(helper.make_node(kind, [read, *inputs], [out], name=f"{conv.name}.{kind}", domain=DOMAIN, **own))
    around.channels_last[result] = out
    around.shapes[result] = (*shape[:2], *(size // chain.pool for size in shape[2:]))
    made.append(helper.make_node("Transpose", [out], [result], name=f"{out}.Transpose", perm=(0, 3, 1, 2)))
    return made


def _tiles(shape: tuple[int, ...]) -> int:
    return shape[0] * -(-shape[2] // 4) * -(-shape[3] // 4)


def _transposed(around: Neighbours, tensor: str, made: list[Any]) -> str:
    from onnx import helper

    out = around.builder.fresh(f"{tensor}.channels_last")
    made.append(helper.make_node("Transpose", [tensor], [out], name=f"{out}.Transpose", perm=(0, 2, 3, 1)))
    around.channels_last[tensor] = out
    return out


def scaled_input(around: Neighbours, tensor: str) -> tuple[str, float] | None:
    """Finds what a tensor is scaled from, rounded before and after, and by what; None if it is not.

    Args:
        around: The graph.
        tensor: Such as the input of a network's first convolution.
    """
    product = around.before_rounding(tensor)
    scaling = None if product is None else around.makers.get(product)
    if product is None or scaling is None or scaling.op_type != "Mul" or around.uses[product] != 1:
        return None
    for name, other in zip(scaling.input, reversed(scaling.input), strict=True):
        factor, declared = around.constant(other), around.builder.inputs.get(name)
        is_half = declared is not None and declared.dtype is DataType.FLOAT16
        image = name if is_half else around.before_rounding(name)
        if image is not None and factor is not None and factor.size == 1 and factor.ndim < 4 and factor.item():
            return image, float(factor.item())
    return None
