"""Dense layers in a MIL graph: `linear`, or `matmul` with a constant."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore_export.rewrites.mil import constant


@dataclass(frozen=True)
class Dense:
    """`y = x · weightᵀ + bias`.

    Attributes:
        operation: The MIL operation.
        x: What it reads, `[..., inputs]`.
        weight: float32 `[units, inputs]`.
        bias: float32 `[units]`, or None.
    """

    operation: Any
    x: Any
    weight: NDArray[np.float32]
    bias: NDArray[np.float32] | None


def dense_layer(operation: Any) -> Dense | None:
    """Returns a Dense layer with constant weights; None if the operation is none."""
    if operation.op_type == "linear":
        weight, bias = constant(operation.weight), constant(operation.bias)
        if weight is None or (bias is None and operation.bias is not None):
            return None
        return Dense(operation, operation.x, weight, bias)
    if operation.op_type != "matmul" or constant(operation.transpose_x):
        return None
    weight = constant(operation.y)
    if weight is None or weight.ndim != 2 or operation.x.val is not None:
        return None
    return Dense(operation, operation.x, weight if constant(operation.transpose_y) else weight.T, None)
