"""All rewrites, in the order in which they are applied, again and again until none finds a place."""

from kewcore.ane.evidence import (
    GUIDE_CAPABILITIES,
    GUIDE_DESIGN_RULES,
    GUIDE_ROOFLINE,
    HOLLANCE,
    NEURAL_ENGINE_RULES,
    Mark,
)
from kewcore_export.rewrites.channel_layout import channels_to_the_end
from kewcore_export.rewrites.channels_first import channels_first
from kewcore_export.rewrites.dense_as_conv import dense_as_conv
from kewcore_export.rewrites.dense_over_map import dense_over_map_as_conv
from kewcore_export.rewrites.narrow_kernels import narrow_kernels
from kewcore_export.rewrites.pool_before_activation import pool_before_activation
from kewcore_export.rewrites.pool_strides import factored_pools
from kewcore_export.rewrites.rewrite import Rewrite
from kewcore_export.rewrites.strips import strips_on_chip

REWRITES: tuple[Rewrite, ...] = (
    Rewrite(
        "channels-first",
        "transposes to channels last move behind functions of elements, and pairs of them go",
        "a transpose changes no element, so it changes places with what works on single elements",
        Mark.CERTAIN,
        NEURAL_ENGINE_RULES,
        True,
        channels_first,
    ),
    Rewrite(
        "dense-over-map",
        "a Dense layer over a flattened map becomes one convolution whose kernel covers the map",
        "flattening moves elements, so the same products are summed",
        Mark.CERTAIN,
        NEURAL_ENGINE_RULES,
        True,
        dense_over_map_as_conv,
    ),
    Rewrite(
        "dense-as-conv",
        "every other Dense layer becomes a 1x1 convolution",
        "a 1x1 convolution is the Dense layer's sum at each position",
        Mark.CERTAIN,
        NEURAL_ENGINE_RULES,
        True,
        dense_as_conv,
    ),
    Rewrite(
        "channel-layout",
        "vectors stay [1, C, 1, 1], and the softmax works on channels; one squeeze is left, at the end",
        "a squeeze moves no element, so it changes places with what works on elements or along channels",
        Mark.CERTAIN,
        NEURAL_ENGINE_RULES,
        True,
        channels_to_the_end,
    ),
    Rewrite(
        "narrow-kernels",
        "kernels beyond the chip's limits become several that are added up, such as 15x8 + 15x7",
        "a sum over columns is the sum of the sums over stretches of columns",
        Mark.REPORTED,
        GUIDE_CAPABILITIES,
        True,
        narrow_kernels,
    ),
    Rewrite(
        "pool-before-activation",
        "max-pooling moves in front of increasing activations, biases and positive scales",
        "max f(x) = f(max x) for increasing f; rounding is increasing too, so every bit stays",
        Mark.REPORTED,
        GUIDE_DESIGN_RULES,
        True,
        pool_before_activation,
    ),
    Rewrite(
        "pool-strides",
        "pools with strides of 8, 16, ... become pools with strides of 4 and 2",
        "windows of windows: floor(floor(n / a) / b) = floor(n / ab), so rests fall off alike",
        Mark.CERTAIN,
        NEURAL_ENGINE_RULES,
        True,
        factored_pools((4, 2)),
    ),
    Rewrite(
        "pool-strides-of-2",
        "pools with strides of 4, 8, ... become pools with a stride of 2",
        "as pool-strides",
        Mark.RUMOUR,
        HOLLANCE,
        False,
        factored_pools((2,)),
    ),
    Rewrite(
        "strips",
        "intermediates beyond on-chip memory are computed in strips of rows, with halos",
        "each row of a window's result needs its own rows of the input only",
        Mark.REPORTED,
        GUIDE_ROOFLINE,
        False,
        strips_on_chip,
    ),
)
