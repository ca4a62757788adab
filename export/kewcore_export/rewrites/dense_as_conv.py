"""Every other Dense layer becomes a 1x1 convolution."""

from typing import Any

import numpy as np

from kewcore.ane.chips import Chip
from kewcore_export.rewrites.dense import dense_layer
from kewcore_export.rewrites.mil import constant, replace, shown

_TO_CHANNELS_LAST = (0, 2, 3, 1)


def dense_as_conv(block: Any, chip: Chip) -> list[str]:
    """Replaces Dense layers over vectors `[N, C]` and over the channels of maps by 1x1 convolutions.

    Proof: a 1x1 convolution computes `y[n, o, h, w] = Σ_c weight[o, c] · x[n, c, h, w] + bias[o]` at each position by
    itself, which is the Dense layer's sum over c. A vector is a map of one position.

    Left as they are: Dense layers over sequences `[N, S, C]`, which would get a transpose of the last axis on either
    side, and those with more channels than a convolution of the chip takes.
    """
    from coremltools.converters.mil.mil import Builder

    places = []
    for operation in list(block.operations):
        dense = dense_layer(operation)
        if dense is None or max(dense.weight.shape) > chip.max_channels.value:
            continue
        name = operation.outputs[0].name
        vector = len(dense.x.shape) == 2
        if vector:
            x = Builder.expand_dims(x=dense.x, axes=[2, 3], before_op=operation, name=f"{name}_channels")
        elif _is_channels_last_map(dense.x):
            x = dense.x.op.x
        else:
            continue
        result = Builder.conv(
            x=x,
            weight=np.ascontiguousarray(dense.weight)[:, :, None, None],
            **({} if dense.bias is None else {"bias": dense.bias}),
            pad_type="valid",
            before_op=operation,
            name=f"{name}_conv",
        )
        if vector:
            result = Builder.squeeze(x=result, axes=[2, 3], before_op=operation, name=name)
        else:
            result = Builder.transpose(x=result, perm=list(_TO_CHANNELS_LAST), before_op=operation, name=name)
        places.append(f"{name}: {len(dense.weight)} kernels of 1x1 over {shown(x.shape)}")
        replace(operation, result)
    return places


def _is_channels_last_map(value: Any) -> bool:
    maker = value.op
    return (
        len(value.shape) == 4
        and maker is not None
        and maker.op_type == "transpose"
        and tuple(int(axis) for axis in constant(maker.perm)) == _TO_CHANNELS_LAST
    )
