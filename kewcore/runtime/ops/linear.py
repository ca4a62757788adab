"""Matrix products."""

import numpy as np

from kewcore.runtime.opset import Opset
from kewcore.runtime.registry import NUMBERS, Array, op
from kewcore.runtime.shapes import linear as linear_shape
from kewcore.runtime.shapes import matrix_product


@op("linear", source="iOS15/linear.py", accepts={"x": NUMBERS, "weight": NUMBERS}, shape=linear_shape)
def linear(*, x: Array, weight: Array, bias: Array | None = None) -> Array:
    """x · weightᵀ + bias: `x [*, in]`, `weight [out, in]`, `bias [out]` → `[*, out]`."""
    product = np.matmul(x, weight.T)
    return np.asarray(product if bias is None else product + bias)


@op("matmul", source="iOS15/linear.py", accepts={"x": NUMBERS, "y": NUMBERS}, shape=matrix_product)
def matmul(*, x: Array, y: Array, transpose_x: bool = False, transpose_y: bool = False) -> Array:
    """Product over the last two axes, batched and broadcast over the others; a vector has no axes to swap."""
    left = np.swapaxes(x, -1, -2) if transpose_x and x.ndim > 1 else x
    right = np.swapaxes(y, -1, -2) if transpose_y and y.ndim > 1 else y
    return np.asarray(np.matmul(left, right))


@op(
    "matmul",
    since=Opset.IOS17,
    source="iOS17/linear.py",
    accepts={"x": NUMBERS, "y": NUMBERS},
    shape=matrix_product,
    result_like=None,
)
def matmul_17(*, x: Array, y: Array, transpose_x: bool = False, transpose_y: bool = False) -> Array:
    """As before iOS 17, but a constant may have another type than the other matrix, whose type the result has."""
    return matmul(x=x, y=y, transpose_x=transpose_x, transpose_y=transpose_y)
