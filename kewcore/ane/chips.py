"""Chips with a Neural Engine, and the limits that rules and rewrites ask for.

Chips stand in order of their engine's capabilities. Apple's compiler groups them into families that it names after
iPhone chips: the M1 compiles as A13, the M2 as A14, the M3 as A15, the M4 as A16. Limits of M1, M2 and M5 were
measured; those of the others were read from the compiler's tables and not tried on the chip.
Source: ane-guide, chapters 24 and 34, and appendix A.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kewcore.ane.evidence import (
    GUIDE_CAPABILITIES,
    GUIDE_DESIGN_RULES,
    GUIDE_MATRIX,
    GUIDE_ROOFLINE,
    GUIDE_WEIGHTS,
    NEURAL_ENGINE_RULES,
    QUANTISATION_SPEED,
    Fact,
    Mark,
    Source,
    T,
)
from kewcore.errors import UsageError

MIB = 1 << 20


@dataclass(frozen=True)
class Chip:
    """A chip and the limits of its Neural Engine. Sizes are elements unless the name says otherwise.

    Attributes:
        name: Apple's name, such as `A17 Pro`.
        generation: Orders chips by capability; chips of one generation share every limit but on-chip memory.
        max_rank: Axes of any tensor.
        max_axis: Any axis of matmul and elementwise operands, height and width of an image.
        max_channels: Input and output channels of a convolution.
        max_conv_kernel_width: Columns of an fp16 convolution kernel.
        max_conv_kernel_height: Rows of a convolution kernel.
        max_strided_deconv_kernel_width: Columns of the fp16 kernel of a transposed convolution with a stride.
        max_pool_window: Rows or columns of a pooling window.
        max_argmax_axis: The axis that argmax and argmin reduce.
        on_chip_bytes: Memory of one operand before it streams from DRAM.
        int8_products: Whether int8 activations times int8 weights run faster than fp16.
        int8_weights_stream: Whether int8 weights reach the engine as bytes; where not, they are widened to fp16 first.
        blockwise_weights_stream: The same for weights with a scale per block.
        texture_sampling: Whether resize, crop_resize, resample and affine have hardware.
        sine: Whether sin and cos run.
    """

    name: str
    generation: int
    max_rank: Fact[int]
    max_axis: Fact[int]
    max_channels: Fact[int]
    max_conv_kernel_width: Fact[int]
    max_conv_kernel_height: Fact[int]
    max_strided_deconv_kernel_width: Fact[int]
    max_pool_window: Fact[int]
    max_argmax_axis: Fact[int]
    on_chip_bytes: Fact[int]
    int8_products: Fact[bool]
    int8_weights_stream: Fact[bool]
    blockwise_weights_stream: Fact[bool]
    texture_sampling: Fact[bool]
    sine: Fact[bool]

    def __str__(self) -> str:
        return self.name


def _from(steps: Mapping[int, T], generation: int, mark: Mark, source: Source) -> Fact[T]:
    """Takes the value of the newest step that is not above a generation."""
    return Fact(steps[max(first for first in steps if first <= generation)], mark, source)


def _chip(name: str, generation: int, on_chip_bytes: int = 2 * MIB) -> Chip:
    reported = Mark.REPORTED
    return Chip(
        name=name,
        generation=generation,
        max_rank=Fact(5, Mark.CERTAIN, NEURAL_ENGINE_RULES),
        max_axis=_from({13: 16384, 16: 65536}, generation, reported, GUIDE_MATRIX),
        max_channels=Fact(65536, reported, GUIDE_MATRIX),
        max_conv_kernel_width=_from({13: 13, 14: 16}, generation, reported, GUIDE_CAPABILITIES),
        max_conv_kernel_height=_from({13: 29, 14: 32}, generation, reported, GUIDE_MATRIX),
        max_strided_deconv_kernel_width=_from({13: 7, 14: 8}, generation, reported, GUIDE_MATRIX),
        # The same guide measured windows of 128 and more in chapter 17, so this limit is contradicted.
        max_pool_window=_from({13: 29, 14: 31}, generation, Mark.RUMOUR, GUIDE_MATRIX),
        max_argmax_axis=Fact(2048, reported, GUIDE_DESIGN_RULES),
        on_chip_bytes=Fact(on_chip_bytes, reported, GUIDE_ROOFLINE),
        int8_products=_from({13: False, 17: True}, generation, Mark.CERTAIN, QUANTISATION_SPEED),
        int8_weights_stream=_from({13: False, 14: True}, generation, reported, GUIDE_WEIGHTS),
        blockwise_weights_stream=_from({13: False, 15: True}, generation, reported, GUIDE_WEIGHTS),
        texture_sampling=_from({13: False, 14: True}, generation, reported, GUIDE_CAPABILITIES),
        sine=_from({13: False, 15: True}, generation, reported, GUIDE_CAPABILITIES),
    )


CHIPS: tuple[Chip, ...] = (
    _chip("A13", 13),
    _chip("M1", 13),
    _chip("A14", 14),
    _chip("M2", 14),
    _chip("A15", 15),
    _chip("M3", 15),
    _chip("A16", 16),
    # The M4's limits are those of the A16 in the compiler's tables; Apple counts it with the A17 Pro for int8 products.
    _chip("A17 Pro", 17),
    _chip("M4", 17),
    _chip("A18", 18),
    _chip("M5", 18, on_chip_bytes=4_720_000),
)
"""Every chip that kewcore knows limits of, the oldest capabilities first."""


def parse_chip(name: str) -> Chip:
    """Finds a chip by name; case and spaces do not matter, and `M2 Max` is an `M2`, whose limits it shares.

    Raises:
        UsageError: No chip has this name.
    """
    wanted = _folded(name)
    by_name = {_folded(chip.name): chip for chip in CHIPS}
    chip = by_name.get(wanted) or by_name.get(_LARGER_FORM.sub("", wanted))
    if chip is None:
        raise UsageError(
            f"there is no chip '{name}' in the table", hint=f"chips: {', '.join(chip.name for chip in CHIPS)}"
        )
    return chip


def chips_from(oldest: Chip) -> tuple[Chip, ...]:
    """Returns the chips whose engine is at least as capable as that of `oldest`, which is among them."""
    return tuple(chip for chip in CHIPS if chip.generation >= oldest.generation)


_LARGER_FORM = re.compile(r"(?<=\d)(pro|max|ultra)$")


def _folded(name: str) -> str:
    return name.replace(" ", "").casefold()
