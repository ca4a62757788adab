"""Which form each weight of a program takes in a mode, and why a constant is left as it is.

No weight is left out by size or divisibility. What stays floating point is what is not a weight of a convolution or
matrix product (biases, normalisation), and what its compressed form would make larger; both are listed with the reason.
"""

from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from kewcore_export.forms import FLOAT16, FLOAT32, INT8, WeightForm
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
from kewcore_export.quantizers.vector_palette import quantize_vector_palette
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
class FormChoice:
    """The form that a constant is to take.

    Attributes:
        form: The form.
        reason: Why it is another than what the mode says; empty where it is not.
    """

    form: WeightForm
    reason: str = ""


@dataclass(frozen=True)
class ConstantPlan:
    """What becomes of one constant.

    Attributes:
        constant: The constant.
        compressed: Its compressed form, or its values rounded to fp16 with care; None where they stay as converted.
        form: The form that it takes.
        granularity: What shares a scale or palette: `tensor`, `channel`, `block of 32`.
        reason: Why it is not compressed, or not as the mode says; empty where there is nothing to explain.
    """

    constant: StoredConstant
    compressed: StoredWeight | None
    form: WeightForm
    granularity: str
    reason: str

    @property
    def size_bytes(self) -> int:
        """What it takes in the weights file, scales and palettes included, without alignment."""
        if self.compressed is None:
            return self.constant.size * (4 if self.form == FLOAT32 else 2)
        return -(-stored_bits(self.compressed) // 8)


def choose_forms(constants: tuple[StoredConstant, ...], form: WeightForm) -> dict[str, FormChoice]:
    """Chooses the form of each constant, where one form is asked for all weights.

    Args:
        constants: Of the program.
        form: What is asked.
    """
    weights = [constant for constant in constants if constant.channel_axis is not None]
    protected = _protected(weights) if form.bits < 8 or form.sparsity or form.rank else frozenset()
    return {constant.name: _choice(constant, form, constant.name in protected) for constant in constants}


def compress(constant: StoredConstant, weight: NDArray[np.float32], choice: FormChoice, target: Target) -> ConstantPlan:
    """Compresses one constant, unless that would make it larger.

    Args:
        constant: The constant.
        weight: Its values before rounding to fp16.
        choice: Its form.
        target: Deployment target.
    """
    form = choice.form
    as_float = ConstantPlan(constant, None, form if form.kind == "float" else FLOAT16, "tensor", choice.reason)
    if form == FLOAT32 or constant.channel_axis is None:
        return as_float
    unfit = "" if form == FLOAT16 else _unfit(form, weight.shape, constant.channel_axis)
    if form != FLOAT16 and not unfit:
        plan = _compress(constant, weight, choice, target)
        if plan.size_bytes < as_float.size_bytes:
            return plan
        unfit = f"{plan.size_bytes} bytes compressed, {as_float.size_bytes} as fp16"
    rounded = round_to_fp16(weight, constant.channel_axis)
    return replace(as_float, compressed=rounded, reason=unfit or choice.reason)


def _protected(weights: list[StoredConstant]) -> frozenset[str]:
    left = PROTECTED_PART * sum(constant.size for constant in weights)
    names = []
    for constant in sorted(weights, key=lambda weight: weight.size):
        left -= constant.size
        if left < 0:
            break
        names.append(constant.name)
    return frozenset(names)


def _choice(constant: StoredConstant, form: WeightForm, protected: bool) -> FormChoice:
    if form.kind == "float":
        return FormChoice(form)
    if constant.channel_axis is None:
        return FormChoice(FLOAT16, f"{constant.parameter} of {constant.op_type}: not a weight")
    if protected:
        return FormChoice(INT8, f"one of the smallest, together at most {PROTECTED_PART:.0%} of all weights: int8")
    return FormChoice(form)


def _unfit(form: WeightForm, shape: tuple[int, ...], axis: int) -> str:
    """Says why a weight of this shape cannot take a form; empty where it can."""
    wanted = form.group * form.vector
    if shape[axis] % wanted:
        word = "a group" if form.granularity == "group" else "a vector"
        return f"its {shape[axis]} output channels do not divide by the {wanted} of {word}"
    return ""


def _compress(
    constant: StoredConstant, weight: NDArray[np.float32], choice: FormChoice, target: Target
) -> ConstantPlan:
    form, axis = choice.form, constant.channel_axis or 0
    granularity: str = form.granularity
    if (
        form.kind in ("palette", "sparse-palette")
        and granularity == "tensor"
        and _one_palette_a_channel(weight, axis, form.bits, target)
    ):
        granularity = "channel"
    blocks, words = _blocks(weight.shape, axis, granularity, form.group)
    compressed: CompressedWeight
    match form.kind:
        case "linear":
            compressed = quantize_linear(weight, form.bits, blocks, axis)
        case "palette":
            compressed = quantize_palette(weight, form.bits, blocks, axis)
        case "vector-palette":
            compressed = quantize_vector_palette(weight, form.bits, form.vector, axis)
            words = f"tensor, vectors of {form.vector}"
        case "sparse":
            compressed, words = prune(weight, magnitude_mask(weight, form.sparsity)), "element"
        case _:
            compressed = quantize_sparse_palette(weight, magnitude_mask(weight, form.sparsity), form.bits, blocks)
    return ConstantPlan(constant, compressed, form, words, choice.reason)


def _one_palette_a_channel(weight: NDArray[np.float32], channel_axis: int, bits: int, target: Target) -> bool:
    palette_bits = weight.shape[channel_axis] * 16 * 2**bits
    return target >= TARGETS["iOS18"] and palette_bits <= MOST_PALETTE_PART * weight.size * bits


def _blocks(shape: tuple[int, ...], channel_axis: int, granularity: str, group: int) -> tuple[tuple[int, ...], str]:
    blocks = [1] * len(shape)
    if granularity == "tensor":
        return tuple(blocks), "tensor"
    blocks[channel_axis] = shape[channel_axis] // group
    if granularity == "group":
        return tuple(blocks), f"group of {group} channels"
    if granularity == "block":
        return _input_blocks(blocks, shape, channel_axis)
    return tuple(blocks), "channel"


def _input_blocks(blocks: list[int], shape: tuple[int, ...], channel_axis: int) -> tuple[tuple[int, ...], str]:
    """Cuts the inputs of each output channel into blocks of about `INT4_BLOCK` weights.

    A block holds some input channels with their whole kernels, or, where one kernel is larger, some of its rows.
    """
    input_axis = 1 if channel_axis == 0 else 0  # the other of the first two axes
    kernel = prod(shape[2:])
    channels = block_size(shape[input_axis], max(1, round(INT4_BLOCK / kernel)))
    blocks[input_axis] = shape[input_axis] // channels
    if kernel <= INT4_BLOCK:
        return tuple(blocks), f"block of {channels * kernel}"
    row = prod(shape[3:])
    rows = block_size(shape[2], max(1, round(INT4_BLOCK / row)))
    blocks[2] = shape[2] // rows
    return tuple(blocks), f"block of {channels * rows * row}"
