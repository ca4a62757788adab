"""Max-pooling moves in front of increasing functions, which then have a fraction of the elements to work on."""

from typing import Any

import numpy as np

from kewcore.ane.chips import Chip
from kewcore_export.rewrites.mil import again, constant, replace, sole_reader, spatial_pads

_INCREASING = frozenset({"relu", "relu6", "sigmoid", "tanh", "softplus", "softsign", "clip", "threshold"})
_INCREASING_IF_ALPHA_IS_NOT_NEGATIVE = frozenset(
    {"leaky_relu", "elu", "prelu", "thresholded_relu", "sigmoid_hard", "linear_activation"}
)


def pool_before_activation(block: Any, chip: Chip) -> list[str]:
    """Swaps each increasing activation, bias or positive scale with the max-pool that alone reads it.

    Proof: f increasing means `a <= b ⇒ f(a) <= f(b)`, so `max f(xᵢ) = f(max xᵢ)` over any window with an element in it.
    Where f differs by channel (a bias, a scale, a PReLU), a window lies in one channel. Rounding to fp16 is increasing
    as well: typed values keep every bit. Windows of padding alone have -inf for their maximum, which f need not keep:
    pools with such windows, or with `ceil_mode`, stay. So does average pooling, which only affine functions pass.
    """
    places = []
    for pool in list(block.operations):
        if pool.op_type != "max_pool" or not _sees_elements(pool):
            continue
        while (function := _increasing_before(pool)) is not None:
            name = pool.outputs[0].name
            places.append(f"{name}: before {function.outputs[0].name}")
            pooled = again(pool, function.x, before=pool, name=f"{name}_before_{function.op_type}")
            result = again(function, pooled, before=pool, name=name)
            replace(pool, result)
            block.remove_ops([function])
            pool = pooled.op
    return places


def _increasing_before(pool: Any) -> Any | None:
    """Returns the increasing function whose result the pool alone reads; None if there is none."""
    function = pool.x.op
    alone = function is not None and sole_reader(pool.x) is pool
    return function if alone and _is_increasing(function) else None


def _sees_elements(pool: Any) -> bool:
    """Whether each window of a max-pool has an element that is no padding."""
    sizes = tuple(int(size) for size in constant(pool.kernel_sizes))
    pads = spatial_pads(pool, sizes)
    if pads is None or constant(pool.ceil_mode):
        return False
    return all(pad < size for pair, size in zip(pads, sizes, strict=True) for pad in pair)


def _is_increasing(function: Any) -> bool:
    if function.op_type in _INCREASING:
        return True
    if function.op_type in _INCREASING_IF_ALPHA_IS_NOT_NEGATIVE:
        alpha = constant(function.alpha)
        return alpha is not None and bool(np.all(np.asarray(alpha) >= 0))
    if function.op_type in ("add", "sub", "mul", "real_div", "maximum", "minimum"):
        return _is_increasing_with_constant(function)
    if function.op_type == "batch_norm":
        gamma = constant(function.gamma)
        return function.gamma is None if gamma is None else bool(np.all(gamma >= 0))
    return False


def _is_increasing_with_constant(function: Any) -> bool:
    """Whether `function(x, constant)` increases in x, with one constant for each channel."""
    value = constant(function.y)
    if value is None or function.x.val is not None or len(function.x.shape) != 4:
        return False
    value = np.asarray(value)
    if any(size != 1 for size in value.shape[-2:]) or not np.all(np.isfinite(value)):
        return False
    if function.op_type == "mul":
        return bool(np.all(value >= 0))
    return bool(np.all(value > 0)) if function.op_type == "real_div" else True
