"""Kernels of convolutions as minimal filtering takes them: evaluated at points, divided by what interpolation needs.

A run of `m` sums of a kernel of `k` taps is the product of two polynomials, and that is known from its values at
`m + k - 1` points, infinity among them: so many multiplications instead of `m · k`. The points are 0, pairs of ±p,
which share even and odd powers, and infinity. The further their powers lie apart, the more is lost in rounding.

Source: S. Winograd, "Arithmetic Complexity of Computations", 1980; B. Barabasz et al., "Error Analysis and Improving
the Accuracy of Winograd Convolution for Deep Neural Networks", 2020, for the points.
"""

import numpy as np
from numpy.typing import NDArray

from kewcore.runtime.registry import Array

POINTS_3 = (0.0, 0.5**0.5, -(0.5**0.5), 2**0.5, -(2**0.5))
"""Finite points of F(4, 3); those in native/winograd.h."""
POINTS_5 = (0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0)
"""Finite points of F(4, 5); those in native/shallow.h."""


def both_ways(kernel: Array) -> NDArray[np.float32]:
    """Transforms 3x3 kernels for F(4x4, 3x3).

    Args:
        kernel: `[3, 3, c_in, c_out]`.

    Returns:
        `[c_out / 16 * 36 * c_in * 16]`: channels of the result by sixteen, points down and across, channels of the
        input, channels of the result.
    """
    matrix = _matrix(POINTS_3, 3)
    values = np.einsum("pi,ijcbd,qj->bpqcd", matrix, _by_sixteen(kernel), matrix, optimize=True)
    return np.ravel(values.astype(np.float32))


def along_rows(kernel: Array) -> NDArray[np.float32]:
    """Transforms 5x5 kernels for F(4, 5) along rows.

    Args:
        kernel: `[5, 5, c_in, c_out]`.

    Returns:
        `[c_out / 16 * 5 * c_in * 8 * 16]`: channels of the result by sixteen, the kernel's rows, channels of the input,
        points, channels of the result.
    """
    values = np.einsum("qj,ijcbd->bicqd", _matrix(POINTS_5, 5), _by_sixteen(kernel))
    return np.ravel(values.astype(np.float32))


def _by_sixteen(kernel: Array) -> NDArray[np.float64]:
    return kernel.reshape(*kernel.shape[:3], -1, 16).astype(np.float64)


def _matrix(points: tuple[float, ...], taps: int) -> NDArray[np.float64]:
    """Values of the powers below `taps` at each point, over the product of its distances to the others."""
    nodes = np.array(points)
    distances = nodes[:, None] - nodes + np.eye(len(nodes))
    finite = nodes[:, None] ** np.arange(taps) / distances.prod(1)[:, None]
    return np.vstack([finite, np.eye(taps)[-1]])
