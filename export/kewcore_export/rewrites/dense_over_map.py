"""A Dense layer over a flattened feature map becomes a convolution whose kernel covers the map."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.ane.chips import Chip
from kewcore_export.rewrites.dense import dense_layer
from kewcore_export.rewrites.mil import constant, replace, shown

_MOST_PARTS = 64
"""Into how many kernels a chip's limits may cut the covering one. A 128x128 image on an A14 makes 32."""

_RESHAPES = frozenset({"reshape", "squeeze", "expand_dims", "identity"})


def dense_over_map_as_conv(block: Any, chip: Chip) -> list[str]:
    """Replaces reshapes and transposes of a map `[1, C, H, W]`, and the Dense layer behind them, by one convolution.

    Proof: between map and Dense layer, elements only move. So there is a bijection p with `flat[k] = map[p(k)]`, and
    `y[o] = Σ_k weight[o, k] · flat[k] + bias[o] = Σ_chw kernel[o, c, h, w] · map[c, h, w] + bias[o]` with
    `kernel[o, p(k)] = weight[o, k]`: the only position of a valid convolution with kernels of H x W. The order of the
    sum changes, nothing else. p is found by sending the numbers 0 ... CHW-1 the same way, whatever its steps are.

    A map that the chip's limits would cut into more than 64 kernels is left to `dense-as-conv`.
    """
    from coremltools.converters.mil.mil import Builder

    places = []
    for operation in list(block.operations):
        dense = dense_layer(operation)
        source = _source(dense.x) if dense is not None and len(dense.x.shape) == 2 and dense.x.shape[0] == 1 else None
        if dense is None or source is None:
            continue
        feature_map, moved = source
        _, channels, height, width = feature_map.shape
        rows, columns = chip.max_conv_kernel_height.value, chip.max_conv_kernel_width.value
        if -(-height // rows) * -(-width // columns) > _MOST_PARTS or channels > chip.max_channels.value:
            continue
        kernel = np.empty_like(dense.weight)
        kernel[:, moved] = dense.weight
        name = operation.outputs[0].name
        result = Builder.conv(
            x=feature_map,
            weight=kernel.reshape(-1, channels, height, width),
            **({} if dense.bias is None else {"bias": dense.bias}),
            pad_type="valid",
            before_op=operation,
            name=f"{name}_conv",
        )
        replace(operation, Builder.squeeze(x=result, axes=[2, 3], before_op=operation, name=name))
        places.append(f"{name}: {len(kernel)} kernels of {height}x{width} over {shown(feature_map.shape)}")
    return places


def _source(flat: Any) -> tuple[Any, NDArray[np.int64]] | None:
    """Finds the map that a flat value `[1, CHW]` is made of, and the element of the map at each of its places."""
    chain, found, value = [], 0, flat
    while value.op is not None and (value.op.op_type in _RESHAPES or value.op.op_type == "transpose"):
        chain.append(value.op)
        value = value.op.x
        if len(value.shape) == 4 and value.shape[0] == 1:
            found = len(chain)
    if not found:
        return None
    feature_map = chain[found - 1].x
    places = np.arange(int(np.prod(feature_map.shape))).reshape(feature_map.shape)
    for operation in reversed(chain[:found]):
        if operation.op_type == "transpose":
            places = places.transpose(constant(operation.perm))
        else:
            places = places.reshape(operation.outputs[0].shape)
    return feature_map, places.reshape(-1)
