"""Factors by which a package scales the channels of a layer, where its sidecar says that it does.

Packages with 8-bit activations even out their channels: a layer's weights and bias are multiplied by a factor a
channel, and the weights that read it are divided by the same (M. Nagel et al., 2019, Data-free quantization through
weight equalization and bias correction, ICCV, section 4.1). The factors are read off the biases: they are stored in
fp16, neither quantised nor touched by a fault in the weights.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore_bench.depth.keras_steps import Floats

_SMALLEST_NORMAL = 2.0**-14
"""Of fp16: smaller biases have lost bits, and their ratio says little."""


def channel_gain(
    keras_bias: Floats | None, package_bias: NDArray[Any] | None, value: Floats, expected: Floats
) -> Floats | None:
    """Finds the factor of each channel.

    Where there is no bias to read it from, it is the one that brings the value nearest to what Keras computes, which
    needs a map: of a vector, one image has only one number a channel.

    Args:
        keras_bias: float32 `[C]`; None for a layer without.
        package_bias: The same, multiplied; None where the package has none.
        value: What the package holds, float32 `[1, …, C]`.
        expected: What Keras computes, float32 `[1, …, C]`.

    Returns:
        float32 `[C]`; None where nothing says what the factors are.
    """
    channels = value.shape[-1]
    gain = np.ones(channels)
    if value.ndim > 2:
        pairs = expected.reshape(-1, channels).astype(np.float64), value.reshape(-1, channels).astype(np.float64)
        products, squares = (pairs[0] * pairs[1]).sum(axis=0), (pairs[0] ** 2).sum(axis=0)
        gain = np.divide(products, squares, out=gain, where=(squares > 0) & (products > 0))
    if keras_bias is not None and package_bias is not None and np.size(package_bias) == channels:
        before, after = keras_bias.astype(np.float64), np.ravel(package_bias).astype(np.float64)
        usable = (np.minimum(np.abs(before), np.abs(after)) >= _SMALLEST_NORMAL) & (before * after > 0)
        gain = np.divide(after, before, out=gain, where=usable)
    return None if (gain == 1).all() else gain.astype(np.float32)
