"""Rules that decide whether an operation can run on the engine."""

import numpy as np

from kewcore.ane.calls import Call, Sizes
from kewcore.ane.chips import Chip
from kewcore.ane.evidence import (
    FLEXIBLE_INPUTS,
    GUIDE_CAPABILITIES,
    GUIDE_DESIGN_RULES,
    GUIDE_MATRIX,
    GUIDE_PITFALLS,
    NEURAL_ENGINE_RULES,
    RECURRENT_ISSUE,
    TYPED_EXECUTION,
    Mark,
)
from kewcore.ane.known_ops import NEVER, RECURRENT, RUNNING_FROM, UNCLEAR_BEFORE
from kewcore.ane.rules import Effect, Rule
from kewcore.runtime.program import DataType

CONVOLUTIONS = frozenset({"conv", "conv_transpose"})
POOLS = frozenset({"max_pool", "avg_pool", "l2_pool"})
PRODUCTS = frozenset({"matmul", "linear"})
_ENGINE_TYPES = frozenset(
    {DataType.FLOAT16, DataType.INT8, DataType.UINT8, DataType.INT16, DataType.UINT16, DataType.BOOL, DataType.STRING}
)
"""Apple names fp16, int8 and int16. The unsigned forms are how packages write image pixels and indices; truth values
are what comparisons give, which run."""
_FACTORS = {
    "tile": ("reps",),
    "pixel_shuffle": ("upscale_factor",),
    "pixel_unshuffle": ("downscale_factor",),
    "space_to_batch": ("block_shape",),
    "batch_to_space": ("block_shape",),
}
"""Where operations that the engine does by factors of 2, 3, 4 and 8 say theirs."""
_INDEX_GIVERS = frozenset({"reduce_argmax", "reduce_argmin", "topk", "argsort"})
"""Their indices are declared int32 before iOS 17, whatever the engine gives inside."""


def _rank(call: Call, chip: Chip) -> str | None:
    limit = chip.max_rank.value
    highest = max((len(type_.shape or ()) for type_ in call.computed), default=0)
    return f"rank {highest}, at most {limit}" if highest > limit else None


def _product_rank(call: Call, chip: Chip) -> str | None:
    highest = max((len(type_.shape or ()) for type_ in call.computed), default=0)
    return f"a product of rank {highest}, at most 4" if call.type in PRODUCTS and highest == 5 else None


def _types(call: Call, chip: Chip) -> str | None:
    looked_at = call.read.values() if call.type in _INDEX_GIVERS else call.computed
    strange = sorted({type_.dtype.value for type_ in looked_at} - {dtype.value for dtype in _ENGINE_TYPES})
    return f"computes in {' and '.join(strange)}, not fp16" if strange else None


def _is_open(call: Call) -> bool:
    return any(type_.static_shape is None for type_ in call.computed)


def _free_sizes(call: Call, chip: Chip) -> str | None:
    if call.scope.sizes is Sizes.FREE and _is_open(call):
        return "sizes vary within ranges: stays only with the reshape hint 'Infrequent', iOS 17.4 and later"
    return None


def _late_sizes(call: Call, chip: Chip) -> str | None:
    if call.scope.sizes is Sizes.FIXED and _is_open(call):
        return "sizes are known at run time only"
    return None


def _recurrent(call: Call, chip: Chip) -> str | None:
    return "recurrent layers have no path" if call.type in RECURRENT else None


def _axes(call: Call, chip: Chip) -> str | None:
    limit = chip.max_axis.value
    if (contracted := contraction_axis(call) or 0) > limit:
        return f"contraction axis of {contracted:,}, at most {limit:,}"
    for type_ in call.computed:
        shape = type_.shape or ()
        capped = shape[2:] if call.type in CONVOLUTIONS | POOLS else shape
        longest = max((size or 0 for size in capped), default=0)
        if longest > limit:
            return f"axis of {longest:,} in {type_.shape_text}, at most {limit:,}"
    return None


def contraction_axis(call: Call) -> int | None:
    """Returns the length of the axis that a matrix product adds up; None for other operations, and where it is open."""
    x = call.shape("x")
    if call.type not in PRODUCTS or not x:
        return None
    swapped = call.type == "matmul" and bool(call.constant("transpose_x", False)) and len(x) > 1
    return x[-2 if swapped else -1]


def _channels(call: Call, chip: Chip) -> str | None:
    limit = chip.max_channels.value
    if call.type not in CONVOLUTIONS | POOLS:
        return None
    most = max((shape[1] or 0 for type_ in call.computed if len(shape := type_.shape or ()) > 1), default=0)
    return f"{most:,} channels, at most {limit:,}" if most > limit else None


def kernel(call: Call) -> tuple[int | None, ...]:
    """Returns the spatial sizes of a convolution's kernel: `[W]`, `[H, W]` or `[D, H, W]`; none elsewhere."""
    return (call.shape("weight") or ())[2:] if call.type in CONVOLUTIONS else ()


def _kernel_width(call: Call, chip: Chip) -> str | None:
    limit, sizes = chip.max_conv_kernel_width.value, kernel(call)
    return f"kernel width {sizes[-1]}, at most {limit}" if sizes and (sizes[-1] or 0) > limit else None


def _strided_kernel_width(call: Call, chip: Chip) -> str | None:
    limit, sizes = chip.max_strided_deconv_kernel_width.value, kernel(call)
    strides = [int(stride) for stride in np.ravel(call.constant("strides", ()))]
    if call.type == "conv_transpose" and strides and strides[-1] > 1 and (sizes[-1] or 0) > limit:
        return f"kernel width {sizes[-1]} of a transposed convolution with stride {strides[-1]}, at most {limit}"
    return None


def _kernel_height(call: Call, chip: Chip) -> str | None:
    limit, sizes = chip.max_conv_kernel_height.value, kernel(call)
    if len(sizes) == 2 and (sizes[0] or 0) > limit:
        return f"kernel height {sizes[0]}; {limit} by the compiler's tables, without limit by measurement"
    return None


def _argument_axis(call: Call, chip: Chip) -> str | None:
    x, limit = call.shape("x"), chip.max_argmax_axis.value
    if call.type not in {"reduce_argmax", "reduce_argmin"} or not x:
        return None
    size = x[int(call.constant("axis", -1))] or 0
    return f"reduces an axis of {size:,}, at most {limit:,}" if size > limit else None


def _no_path(call: Call, chip: Chip) -> str | None:
    if call.loop is not None:
        return f"inside {call.loop}, which has no path"
    if call.type in NEVER:
        return "has no path on any chip"
    first = RUNNING_FROM.get(call.type, 0)
    if chip.generation < first:
        return f"runs from A{first} on"
    return "a convolution over three axes" if len(kernel(call)) > 2 else None


def _narrow_path(call: Call, chip: Chip) -> str | None:
    first, how = UNCLEAR_BEFORE.get(call.type, (0, ""))
    return f"before A{first}: {how}" if chip.generation < first else None


def _computed_kernel(call: Call, chip: Chip) -> str | None:
    x = call.shape("x") or ()
    if call.type in CONVOLUTIONS and not call.is_weight("weight") and x and x[0] != 1:
        return f"a kernel computed at run time with a batch of {x[0] or '?'}; compiles with a batch of 1 only"
    return None


def _computed_slice(call: Call, chip: Chip) -> str | None:
    if call.type == "slice_by_index" and not (call.is_weight("begin") and call.is_weight("end")):
        return "slices at places computed at run time"
    return None


def _padded_channels(call: Call, chip: Chip) -> str | None:
    x, amounts = call.shape("x") or (), call.constant("pad")
    if call.type != "pad" or len(x) != 4 or amounts is None:
        return None
    outer = [int(amount) for amount in amounts][:-4]
    return "pads the batch or channel axis; only height and width can be padded" if any(outer) else None


def _mirrored_padding(call: Call, chip: Chip) -> str | None:
    if call.type == "pad" and call.constant("mode", "constant") == "reflect" and not chip.texture_sampling.value:
        return "mirrored padding needs the texture engine, A14 and later"
    return None


def _repeats(call: Call, chip: Chip) -> str | None:
    factors = [int(factor) for name in _FACTORS.get(call.type, ()) for factor in np.ravel(call.constant(name, ()))]
    awkward = next((factor for factor in factors if without_2_and_3(factor) != 1), None)
    return None if awkward is None else f"a factor of {awkward}, which is not made of 2 and 3"


def without_2_and_3(number: int) -> int:
    """Returns what is left of a number without its factors 2 and 3."""
    for factor in (2, 3):
        while number > 1 and number % factor == 0:
            number //= factor
    return number


_CERTAIN, _REPORTED, _RUMOUR = Mark.CERTAIN, Mark.REPORTED, Mark.RUMOUR
PLACEMENT_RULES: tuple[Rule, ...] = (
    Rule(1, "rank", Effect.OFF, _CERTAIN, NEURAL_ENGINE_RULES, _rank),
    Rule(2, "element types", Effect.OFF, _CERTAIN, TYPED_EXECUTION, _types),
    Rule(3, "sizes within ranges", Effect.UNCLEAR, _CERTAIN, FLEXIBLE_INPUTS, _free_sizes),
    Rule(3, "static shapes", Effect.OFF, _CERTAIN, NEURAL_ENGINE_RULES, _late_sizes),
    Rule(9, "recurrent layers", Effect.OFF, _CERTAIN, RECURRENT_ISSUE, _recurrent),
    Rule(12, "length of an axis", Effect.OFF, _REPORTED, GUIDE_CAPABILITIES, _axes),
    Rule(12, "channels of a convolution", Effect.OFF, _REPORTED, GUIDE_MATRIX, _channels),
    Rule(13, "kernel width", Effect.OFF, _REPORTED, GUIDE_CAPABILITIES, _kernel_width),
    Rule(
        13,
        "strided transposed convolutions",
        Effect.OFF,
        _REPORTED,
        GUIDE_MATRIX,
        _strided_kernel_width,
    ),
    Rule(13, "kernel height", Effect.UNCLEAR, _RUMOUR, GUIDE_MATRIX, _kernel_height),
    Rule(14, "argmax axis", Effect.OFF, _REPORTED, GUIDE_DESIGN_RULES, _argument_axis),
    Rule(16, "operations without a path", Effect.OFF, _REPORTED, GUIDE_MATRIX, _no_path),
    Rule(16, "operations with a narrow path", Effect.UNCLEAR, _REPORTED, GUIDE_MATRIX, _narrow_path),
    Rule(16, "slices at computed places", Effect.UNCLEAR, _REPORTED, GUIDE_MATRIX, _computed_slice),
    Rule(21, "rank of a product", Effect.OFF, _REPORTED, GUIDE_CAPABILITIES, _product_rank),
    Rule(22, "computed kernels", Effect.UNCLEAR, _REPORTED, GUIDE_PITFALLS, _computed_kernel),
    Rule(23, "padded channels", Effect.OFF, _REPORTED, GUIDE_DESIGN_RULES, _padded_channels),
    Rule(23, "mirrored padding", Effect.UNCLEAR, _REPORTED, GUIDE_DESIGN_RULES, _mirrored_padding),
    Rule(25, "factors of tiles and shuffles", Effect.UNCLEAR, _REPORTED, GUIDE_MATRIX, _repeats),
)
