"""Rules on speed, memory and numbers: they say what an operation costs, not where it runs."""

from collections.abc import Iterator

import numpy as np

from kewcore.ane.calls import Call, Sizes, size_bytes
from kewcore.ane.chips import Chip
from kewcore.ane.evidence import (
    FLEXIBLE_INPUTS,
    GUIDE_MATRIX,
    GUIDE_PITFALLS,
    GUIDE_ROOFLINE,
    GUIDE_WEIGHTS,
    HOLLANCE,
    NEURAL_ENGINE_RULES,
    QUANTISATION_SPEED,
    Mark,
)
from kewcore.ane.placement_rules import CONVOLUTIONS, POOLS, kernel, without_2_and_3
from kewcore.ane.rules import Effect, Rule
from kewcore.ane.weight_forms import weight_form
from kewcore.runtime.program import TensorType

_ROW_BYTES = 64
_WIDE_KERNEL = 9
"""The kernel width that Apple's own example takes apart."""
_MEBIBYTE = 1 << 20
SLICE_RULE, LARGEST_SLICED = 24, 4094
"""The rule on slices of the last axis, and the largest value that survives one: 65504 / 16. Source: as the rule."""


def _listed_sizes(call: Call, chip: Chip) -> str | None:
    if call.scope.sizes is Sizes.LISTED and any(type_.static_shape is None for type_ in call.computed):
        return "sizes are chosen from a list: stays on the engine"
    return None


def _border_rows(call: Call, chip: Chip) -> str | None:
    for type_ in _at_the_border(call):
        row = size_bytes(type_) // max(_without_last(type_.shape), 1) if type_.dtype.bits == 16 else 0
        if row % _ROW_BYTES:
            return f"rows of {row} bytes at the border of the network in {type_.shape_text}, not a multiple of 64"
    return None


def _at_the_border(call: Call) -> tuple[TensorType, ...]:
    """Types of the network's inputs and outputs that an operation touches; of a cast there, both sides."""
    taken = [type_ for name, type_ in call.read.items() if name in call.scope.given]
    handed = [o.type for o in call.operation.outputs if o.name in call.scope.wanted and isinstance(o.type, TensorType)]
    touched = (*taken, *handed)
    return call.computed if touched and call.type == "cast" else touched


def _without_last(shape: tuple[int | None, ...] | None) -> int:
    return int(np.prod([size or 1 for size in (shape or ())[:-1]], dtype=np.int64))


def _single_column(call: Call, chip: Chip) -> str | None:
    for type_ in call.results:
        shape = type_.shape or ()
        if len(shape) > 1 and shape[-1] == 1 and type_.dtype.bits in {8, 16}:
            times = _ROW_BYTES * 8 // type_.dtype.bits
            return f"a last axis of 1 in {type_.shape_text} takes {times} times its memory"
    return None


def _stride_factors(call: Call, chip: Chip) -> str | None:
    awkward = [stride for stride in _strides(call) if call.type in CONVOLUTIONS and without_2_and_3(stride) != 1]
    return f"stride {awkward[0]}, not made of factors 2 and 3" if awkward else None


def _palette_stride(call: Call, chip: Chip) -> str | None:
    form = weight_form(call)
    if form is not None and form.palette and max(_strides(call), default=1) > 2:
        return f"stride {max(_strides(call))} with a palettised kernel, at most 2"
    return None


def _wide_kernel(call: Call, chip: Chip) -> str | None:
    sizes = kernel(call)
    return f"a kernel {sizes[-1]} wide is slow" if sizes and (sizes[-1] or 0) >= _WIDE_KERNEL else None


def _pool_stride(call: Call, chip: Chip) -> str | None:
    awkward = [stride for stride in _strides(call) if call.type in POOLS and stride not in {1, 2, 4}]
    return f"pool stride {awkward[0]}; 2 and 4 are fast" if awkward else None


def _strides(call: Call) -> list[int]:
    return [int(stride) for stride in np.ravel(call.constant("strides", ()))]


def _minus_infinity(call: Call, chip: Chip) -> str | None:
    for value in call.arguments.constants.values():
        array = np.asarray(value)
        if array.dtype.kind == "f" and np.isneginf(array).any():
            return "a constant of -inf, which softmax mishandles; use -40000"
    return None


def _dense(call: Call, chip: Chip) -> str | None:
    return "a 1x1 convolution is faster" if call.type == "linear" and call.is_weight("weight") else None


def _moved_last_axis(call: Call, chip: Chip) -> str | None:
    shape = call.shape("x") or ()
    if call.type == "transpose":
        order = [int(axis) for axis in np.ravel(call.constant("perm", ()))]
        moved = bool(order) and order[-1] % len(order) != len(order) - 1
        return (
            "moves the last axis, which rewrites the tensor"
            if moved and max(map(_size, shape), default=0) > 1
            else None
        )
    if call.type in {"reshape", "reshape_like", "flatten2d"} and call.results:
        after = call.results[0].shape or ()
        changed = shape and after and shape[-1] != after[-1]
        return "changes the last axis, which rewrites the tensor" if changed else None
    return None


def _size(size: int | None) -> int:
    return size or 1


def _integer_products(call: Call, chip: Chip) -> str | None:
    form, x = weight_form(call), call.maker("x")
    quantised = x is not None and x.type == "dequantize"
    if form is not None and form.bits == 8 and quantised and not form.palette and not chip.int8_products.value:
        return "int8 times int8 is no faster than fp16 before A17 Pro and M4"
    return None


def _blocks_of_int4(call: Call, chip: Chip) -> str | None:
    form = weight_form(call)
    if form is not None and form.bits == 4 and form.blocks:
        return "int4 with a scale per block suits the GPU; use scales per channel or a palette"
    return None


def _on_chip(call: Call, chip: Chip) -> str | None:
    limit = chip.on_chip_bytes.value
    largest = max(call.computed, key=size_bytes, default=None)
    if largest is None or size_bytes(largest) <= limit:
        return None
    return (
        f"{largest.shape_text} takes {size_bytes(largest) / _MEBIBYTE:.1f} MiB, more than the {limit / _MEBIBYTE:.1f} "
        f"MiB on the chip: streams from memory"
    )


def _folded_weights(call: Call, chip: Chip) -> str | None:
    form = weight_form(call)
    if form is None or form.palette or form.sparse:
        return None
    if form.blocks and not chip.blockwise_weights_stream.value:
        return "weights with a scale per block are widened to fp16 before they reach the engine: smaller, not faster"
    if form.bits == 8 and not form.blocks and not chip.int8_weights_stream.value:
        return "int8 weights are widened to fp16 before they reach the engine: smaller, not faster"
    return None


def _old_rumours(call: Call, chip: Chip) -> str | None:
    return next(_rumours(call), None)


def _rumours(call: Call) -> Iterator[str]:
    if call.type in POOLS:
        window = [int(size) for size in np.ravel(call.constant("kernel_sizes", ()))]
        if max(window, default=0) > 13:
            yield f"a pool window of {max(window)}, said to end at 13"
        if max(_strides(call), default=0) > 2:
            yield f"a pool stride of {max(_strides(call))}, said to end at 2"
    dilations = [int(size) for size in np.ravel(call.constant("dilations", ()))]
    if call.type in CONVOLUTIONS and max(dilations, default=1) > 1:
        yield "a dilated convolution, said to be unsupported"
    if call.type in {"upsample_nearest_neighbor", "upsample_bilinear"}:
        factors = [float(call.constant(f"scale_factor_{axis}", 1)) for axis in ("height", "width")]
        if max(factors) > 2:
            yield f"an upsampling by {max(factors):g}, said to end at 2"


def _disputed_window(call: Call, chip: Chip) -> str | None:
    window, limit = np.ravel(call.constant("kernel_sizes", ())), chip.max_pool_window.value
    if call.type in POOLS and window.size and int(window.max()) > limit:
        return f"a pool window of {int(window.max())}; {limit} by the compiler's tables, 128 and more by measurement"
    return None


def _slice_saturation(call: Call, chip: Chip) -> str | None:
    if chip.generation > 14 or call.type not in {"slice_by_index", "slice_by_size"}:
        return None
    begin = np.ravel(call.constant("begin", ()))
    if begin.size and begin.size == len(call.shape("x") or ()) and int(begin[-1]) != 0:
        return f"slices the last axis behind its start: values above {LARGEST_SLICED} become infinite before A15"
    return None


_CERTAIN, _REPORTED = Mark.CERTAIN, Mark.REPORTED
SPEED_RULES: tuple[Rule, ...] = (
    Rule(3, "listed sizes", Effect.REMARK, _CERTAIN, FLEXIBLE_INPUTS, _listed_sizes),
    Rule(4, "rows at the border", Effect.REMARK, _CERTAIN, NEURAL_ENGINE_RULES, _border_rows),
    Rule(4, "last axis of 1", Effect.REMARK, _CERTAIN, NEURAL_ENGINE_RULES, _single_column),
    Rule(5, "convolution strides", Effect.REMARK, _CERTAIN, NEURAL_ENGINE_RULES, _stride_factors),
    Rule(5, "strides of palettised kernels", Effect.REMARK, _CERTAIN, NEURAL_ENGINE_RULES, _palette_stride),
    Rule(5, "wide kernels", Effect.REMARK, _CERTAIN, NEURAL_ENGINE_RULES, _wide_kernel),
    Rule(6, "pool strides", Effect.REMARK, _CERTAIN, NEURAL_ENGINE_RULES, _pool_stride),
    Rule(7, "minus infinity", Effect.REMARK, _CERTAIN, NEURAL_ENGINE_RULES, _minus_infinity),
    Rule(8, "dense layers", Effect.REMARK, _CERTAIN, NEURAL_ENGINE_RULES, _dense),
    Rule(8, "the last axis", Effect.REMARK, _CERTAIN, NEURAL_ENGINE_RULES, _moved_last_axis),
    Rule(10, "int8 products", Effect.REMARK, _CERTAIN, QUANTISATION_SPEED, _integer_products),
    Rule(11, "int4 per block", Effect.REMARK, _CERTAIN, QUANTISATION_SPEED, _blocks_of_int4),
    Rule(15, "on-chip memory", Effect.REMARK, _REPORTED, GUIDE_ROOFLINE, _on_chip),
    Rule(17, "folded weights", Effect.REMARK, _REPORTED, GUIDE_WEIGHTS, _folded_weights),
    Rule(19, "old limits", Effect.REMARK, Mark.RUMOUR, HOLLANCE, _old_rumours),
    Rule(19, "pool windows", Effect.REMARK, Mark.RUMOUR, GUIDE_MATRIX, _disputed_window),
    Rule(SLICE_RULE, "slices of the last axis", Effect.REMARK, _REPORTED, GUIDE_PITFALLS, _slice_saturation),
)
