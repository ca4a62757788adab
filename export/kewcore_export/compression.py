"""Which form each weight of a program takes in a mode, and why a constant is left as it is.

No weight is left out by size or divisibility. What stays floating point is what is not a weight of a convolution or
matrix product (biases, normalisation), and what its compressed form would make larger; both are listed with the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kewcore_export.modes import Mode
from kewcore_export.program import StoredConstant
from kewcore_export.quantizers.blocks import block_size
from kewcore_export.quantizers.compressed import (
    CompressedWeight,
    StoredWeight,
    stored_bits,
)
from kewcore_export.quantizers.linear import quantize_linear
from kewcore_export.quantizers.palette import quantize_palette, quantize_sparse_palette
from kewcore_export.quantizers.rounding import round_to_fp16
from kewcore_export.quantizers.sparse import magnitude_mask, prune
from kewcore_export.targets import TARGETS, Target

INT4_BLOCK = 32

# From iOS 18 on each output channel may have a palette of its own. It gets one where palettes then take no more than
# this part of what the indices take.
MOST_PALETTE_PART = 0.125

# The smallest weights, together no more than this part of all, are stored as int8 in modes of fewer bits. They cost
# next to nothing, and most of the error comes from them: of KewCNN's 14 million weights 98.5 % are in one Dense, but
# at 4 bits the three convolutions before it cause five times its error in the probabilities.
PROTECTED_PART = 0.02


@dataclass(frozen=True)
class ConstantPlan:
    """What becomes of one constant.

    Attributes:
        constant: The constant.
        compressed: Its compressed form, or its values rounded to fp16 with care; None where they stay as converted.
        form: Form, bits and granularity in words, such as `palette, 4 bits, one a channel`.
        bits: Bits of a stored element, without scales and palettes.
        granularity: What shares a scale or palette: `tensor`, `channel`, `block of 32`.
        reason: Why it is not compressed, or not as the mode says; empty where there is nothing to explain.
    """

    constant: StoredConstant
    compressed: StoredWeight | None
    form: str
    bits: int
    granularity: str
    reason: str


def compress_constants(
    constants: tuple[StoredConstant, ...], float32: Mapping[str, NDArray[np.float32]], mode: Mode, target: Target
) -> tuple[ConstantPlan, ...]:
    """Compresses the constants of a 16-bit program.

    Args:
        constants: Of the program, in its order.
        float32: Their values before rounding to fp16.
        mode: How to store them.
        target: Deployment target; before iOS 18 palettes are shared by a whole tensor.
    """
    weights = [constant for constant in constants if constant.channel_axis is not None]
    protected = _protected(weights) if mode.bits < 8 or mode.sparsity else frozenset()
    return tuple(
        _plan(constant, float32[constant.name], mode, target, constant.name in protected) for constant in constants
    )


def _protected(weights: list[StoredConstant]) -> frozenset[str]:
    left = PROTECTED_PART * sum(constant.size for constant in weights)
    names = []
    for constant in sorted(weights, key=lambda weight: weight.size):
        left -= constant.size
        if left < 0:
            break
        names.append(constant.name)
    return frozenset(names)


def _plan(
    constant: StoredConstant, weight: NDArray[np.float32], mode: Mode, target: Target, protected: bool
) -> ConstantPlan:
    as_float = ConstantPlan(constant, None, "float", mode.float_bits, "tensor", "")
    if mode.form == "float":
        if constant.channel_axis is None or mode.float_bits == 32:
            return as_float
        return replace(as_float, compressed=round_to_fp16(weight, constant.channel_axis))
    if constant.channel_axis is None:
        return replace(as_float, reason=f"{constant.parameter} of {constant.op_type}: not a weight")
    if protected:
        plan = _compress(constant, weight, "linear", 8, "channel", 0.0, target)
        plan = replace(plan, reason=f"one of the smallest, together at most {PROTECTED_PART:.0%} of all weights: int8")
    else:
        plan = _compress(constant, weight, mode.form, mode.bits, mode.granularity, mode.sparsity, target)
    compressed_bytes = -(-stored_bits(plan.compressed) // 8) if plan.compressed else 0
    if compressed_bytes >= constant.size * 2:
        return replace(as_float, reason=f"{compressed_bytes} bytes compressed, {constant.size * 2} as fp16")
    return plan


def _compress(
    constant: StoredConstant,
    weight: NDArray[np.float32],
    form: str,
    bits: int,
    granularity: str,
    sparsity: float,
    target: Target,
) -> ConstantPlan:
    axis = constant.channel_axis or 0
    if form in ("palette", "sparse-palette") and _one_palette_a_channel(weight, axis, bits, target):
        granularity = "channel"
    blocks, words = _blocks(weight.shape, axis, granularity)
    compressed: CompressedWeight
    match form:
        case "linear":
            compressed = quantize_linear(weight, bits, blocks, axis)
        case "palette":
            compressed = quantize_palette(weight, bits, blocks, axis)
        case "sparse":
            compressed, words = prune(weight, magnitude_mask(weight, sparsity)), "element"
        case _:
            compressed = quantize_sparse_palette(weight, magnitude_mask(weight, sparsity), bits, blocks)
    return ConstantPlan(constant, compressed, form, bits, words, "")


def _one_palette_a_channel(weight: NDArray[np.float32], channel_axis: int, bits: int, target: Target) -> bool:
    palette_bits = weight.shape[channel_axis] * 16 * 2**bits
    return target >= TARGETS["iOS18"] and palette_bits <= MOST_PALETTE_PART * weight.size * bits


def _blocks(shape: tuple[int, ...], channel_axis: int, granularity: str) -> tuple[tuple[int, ...], str]:
    blocks = [1] * len(shape)
    if granularity == "tensor":
        return tuple(blocks), "tensor"
    blocks[channel_axis] = shape[channel_axis]
    if granularity == "block":
        # Along the input channels: the other of the first two axes.
        input_axis = 1 if channel_axis == 0 else 0
        size = block_size(shape[input_axis], INT4_BLOCK)
        blocks[input_axis] = shape[input_axis] // size
        return tuple(blocks), f"block of {size}"
    return tuple(blocks), "channel"
