"""Every other Dense layer becomes a 1x1 convolution."""

from typing import Any

import numpy as np

from kewcore.ane.chips import Chip
from kewcore_export.rewrites.dense import Dense, dense_layer
from kewcore_export.rewrites.mil import TO_CHANNELS_LAST, channels_last_source, replace, shown


def dense_as_conv(block: Any, chip: Chip) -> list[str]:
    """Replaces Dense layers over a vector `[1, C]` and over the channels of maps by 1x1 convolutions.

    Proof: a 1x1 convolution computes `y[n, o, h, w] = Σ_c weight[o, c] · x[n, c, h, w] + bias[o]` at each position by
    itself, which is the Dense layer's sum over c. A vector is a map of one position. Frameworks bring a Dense layer
    over `[N, H, W, C]` as one over the rows of `[N·H·W, C]`: those rows are the positions.

    Left as they are: Dense layers over sequences, which would get a transpose of the last axis on either side, and
    those with more channels than a convolution of the chip takes.
    """
    places = []
    for operation in list(block.operations):
        dense = dense_layer(operation)
        if dense is None or max(dense.weight.shape) > chip.max_channels.value:
            continue
        shape = _as_vector(dense) if tuple(dense.x.shape[:-1]) == (1,) else _as_map(dense)
        if shape is not None:
            places.append(f"{operation.outputs[0].name}: {len(dense.weight)} kernels of 1x1 over {shown(shape)}")
    return places


def _as_vector(dense: Dense) -> tuple[int, ...]:
    from coremltools.converters.mil.mil import Builder

    operation, name = dense.operation, dense.operation.outputs[0].name
    x = Builder.expand_dims(x=dense.x, axes=[2, 3], before_op=operation, name=f"{name}_channels")
    result = Builder.squeeze(x=_convolution(dense, x), axes=[2, 3], before_op=operation, name=name)
    replace(operation, result)
    return tuple(x.shape)


def _as_map(dense: Dense) -> tuple[int, ...] | None:
    from coremltools.converters.mil.mil import Builder

    rows = dense.x.op
    of_rows = (
        len(dense.x.shape) == 2
        and rows is not None
        and rows.op_type == "reshape"
        and rows.x.shape[-1] == dense.x.shape[-1]
    )
    feature_map = channels_last_source(dense.x.op.x if of_rows else dense.x)
    if feature_map is None:
        return None
    operation, name = dense.operation, dense.operation.outputs[0].name
    result = Builder.transpose(
        x=_convolution(dense, feature_map), perm=list(TO_CHANNELS_LAST), before_op=operation, name=f"{name}_last"
    )
    for reader in list(operation.outputs[0].child_ops) if of_rows else []:
        if reader.op_type == "reshape" and tuple(reader.outputs[0].shape) == tuple(result.shape):
            replace(reader, result)
    shape = list(operation.outputs[0].shape)
    replace(operation, Builder.reshape(x=result, shape=shape, before_op=operation, name=name) if of_rows else result)
    return tuple(feature_map.shape)


def _convolution(dense: Dense, x: Any) -> Any:
    from coremltools.converters.mil.mil import Builder

    return Builder.conv(
        x=x,
        weight=np.ascontiguousarray(dense.weight)[:, :, None, None],
        **({} if dense.bias is None else {"bias": dense.bias}),
        pad_type="valid",
        before_op=dense.operation,
        name=f"{dense.operation.outputs[0].name}_conv",
    )
