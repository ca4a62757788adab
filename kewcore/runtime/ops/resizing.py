"""Resizing of the last axes."""

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from kewcore.runtime.opset import Opset
from kewcore.runtime.program import TENSOR_LIMIT_BYTES, DataType
from kewcore.runtime.registry import FLOATS, Array, Shape, StaticArguments, op
from kewcore.runtime.shapes import Shapes

_SOURCE = "iOS15/image_resizing.py"
_X = {"x": FLOATS}
_RESIZED = {"x": FLOATS | {DataType.INT32}}
LONGEST_AXIS = 1 << 26
"""Samples along one axis at most: their positions and weights take many times the memory of the result's elements."""
SAMPLING_MODES = ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "DEFAULT", "OFFSET_CORNERS", "UNALIGN_CORNERS")


def _scaled(arguments: StaticArguments) -> Shapes:
    x = arguments.shape("x")
    if x is None:
        return None
    if len(x) < 3:
        raise ValueError(f"x must have rank 3 or more, got {len(x)}")
    factors = (arguments.constant("scale_factor_height", 1), arguments.constant("scale_factor_width", 1))
    sizes = (None if size is None else scaled_size(size, factor) for size, factor in zip(x[-2:], factors, strict=True))
    return ((*x[:-2], *sizes),)


def _targeted(arguments: StaticArguments) -> Shapes:
    x = arguments.shape("x")
    height, width = arguments.constant("target_size_height", 1), arguments.constant("target_size_width", 1)
    if min(int(height), int(width)) < 1:
        raise ValueError(f"target sizes must be at least 1, got {int(height)} and {int(width)}")
    return None if x is None else ((*x[:-2], int(height), int(width)),)


def _resized(arguments: StaticArguments) -> Shapes:
    x = arguments.shape("x")
    check_modes(arguments.constant("interpolation_mode", "LINEAR"), arguments.constant("sampling_mode", "DEFAULT"))
    count = int(arguments.constant("resized_dims"))
    if x is None:
        return None
    if "shape" not in arguments.constants:
        if count > len(x):
            raise ValueError(f"resized_dims must be {len(x)} at most, got {count}")
        return ((*x[: len(x) - count], *(None,) * count),)
    return (resized_shape(x, arguments.constant("shape"), count),)


def check_modes(interpolation: Any, sampling: Any) -> None:
    """Makes sure that modes are known.

    Raises:
        ValueError: One is not.
    """
    if str(interpolation) not in {"LINEAR", "NEAREST_NEIGHBOR"}:
        raise ValueError(f"interpolation_mode must be LINEAR or NEAREST_NEIGHBOR, got '{interpolation}'")
    if str(sampling) not in SAMPLING_MODES:
        raise ValueError(f"sampling_mode must be one of {', '.join(SAMPLING_MODES)}, got '{sampling}'")


def resized_shape(x: Shape, shape: Any, count: int) -> Shape:
    """Returns the shape of `x` with its last `count` sizes from the end of `shape`; 0 keeps a size.

    Raises:
        ValueError: `shape` has fewer than `count` or more elements than `x` axes, or a negative one.
    """
    wanted = [int(size) for size in np.atleast_1d(shape)]
    if not count <= len(wanted) <= len(x):
        raise ValueError(f"shape must have from {count} to {len(x)} elements, got {len(wanted)}")
    if min(wanted, default=0) < 0:
        raise ValueError(f"shape must not be negative, got {wanted}")
    first = len(x) - count
    return (*x[:first], *(size or old for size, old in zip(wanted[len(wanted) - count :], x[first:], strict=True)))


def scaled_size(size: int, factor: Any) -> int:
    """Returns floor(size · factor), the new size of an axis.

    Raises:
        ValueError: The factor is not above 0, or so small that nothing is left.
    """
    if not 0 < float(factor) < np.inf:
        raise ValueError(f"scale factors must be above 0, got {factor}")
    scaled = int(np.floor(size * float(factor)))
    if scaled < 1 <= size:
        raise ValueError(f"nothing is left of {size} elements scaled by {factor}")
    return scaled


def check_axis(target: int) -> None:
    """Makes sure that an axis may have so many samples.

    Raises:
        ValueError: It may not.
    """
    if target > LONGEST_AXIS:
        raise ValueError(f"an axis may have {LONGEST_AXIS} samples, got {target}")


def grid(size: float, target: int, *, align_corners: bool, half_pixel: bool) -> Array:
    """Returns where along an axis of `size` elements each of `target` samples is taken; sizes may be fractional.

    Raises:
        ValueError: There are too many samples.

    Source: the notes at coremltools' `upsample_bilinear`.
    """
    check_axis(target)
    steps = np.arange(target, dtype=np.float64)
    # Products first: a sample that lies half-way between two elements must come out half-way.
    if align_corners:
        return steps * (size - 1) / max(target - 1, 1)
    points = (steps + 0.5) * size / target - 0.5 if half_pixel else steps * size / target
    return np.asarray(np.clip(points, 0, size - 1))


def sampling_grid(size: float, target: int, mode: str) -> Array:
    """Returns the sample positions of a named mode along one axis.

    Raises:
        ValueError: The mode is not known, or there are too many samples.

    Source: the notes at coremltools' `resize_bilinear`.
    """
    check_axis(target)
    if mode == "ALIGN_CORNERS" and target == 1:
        return np.array([(size - 1) / 2])
    if mode in {"STRICT_ALIGN_CORNERS", "ALIGN_CORNERS"}:
        return grid(size, target, align_corners=True, half_pixel=False)
    if mode in {"UNALIGN_CORNERS", "DEFAULT"}:
        # At DEFAULT, (size - size / target) / (target - 1) is size / target.
        return grid(size, target, align_corners=False, half_pixel=mode == "UNALIGN_CORNERS")
    if mode == "OFFSET_CORNERS":
        points = (np.arange(target, dtype=np.float64) + 0.5) * max(1, size - 1) / target
        return np.asarray(np.clip(points, 0, size - 1))
    raise ValueError(f"sampling_mode must be one of {', '.join(SAMPLING_MODES)}, got '{mode}'")


def check_resized(shape: tuple[int, ...]) -> None:
    """Makes sure that a result may be computed.

    Raises:
        ValueError: It would take more memory than a tensor may.
    """
    size_bytes = prod(shape) * 4
    if size_bytes > TENSOR_LIMIT_BYTES:
        raise ValueError(f"its result would take {size_bytes} bytes, more than the limit of {TENSOR_LIMIT_BYTES}")


def interpolate(x: Array, points: Mapping[int, Array]) -> Array:
    """Samples axes linearly at fractional positions; negative keys count from the last axis.

    Raises:
        ValueError: The result would take more memory than a tensor may.
    """
    shape = list(x.shape)
    for axis, positions in points.items():
        shape[axis] = len(positions)
    check_resized(tuple(shape))
    # Axes that shrink come first, so that no step in between is larger than both its ends.
    for axis in sorted(points, key=lambda axis: len(points[axis]) / max(x.shape[axis], 1)):
        positions = points[axis]
        below = np.clip(np.floor(positions).astype(np.int64), 0, x.shape[axis] - 1)
        above = np.minimum(below + 1, x.shape[axis] - 1)
        weight = (positions - below).astype(np.float32).reshape((-1,) + (1,) * (-axis - 1))
        x = np.take(x, below, axis) * (1 - weight) + np.take(x, above, axis) * weight
    return x


@op("upsample_nearest_neighbor", source=_SOURCE, accepts=_X, shape=_scaled, exact=True)
def upsample_nearest_neighbor(*, x: Array, scale_factor_height: float = 1, scale_factor_width: float = 1) -> Array:
    """Every element stands for `scale_factor` of the result, on each axis."""
    height, width = (
        scaled_size(size, factor)
        for size, factor in zip(x.shape[-2:], (scale_factor_height, scale_factor_width), strict=True)
    )
    return resize_nearest_neighbor(x=x, target_size_height=height, target_size_width=width)


@op("resize_nearest_neighbor", source=_SOURCE, accepts=_X, shape=_targeted, exact=True)
def resize_nearest_neighbor(*, x: Array, target_size_height: int, target_size_width: int) -> Array:
    """Sample i is element floor(i · size / target)."""
    check_resized((*x.shape[:-2], int(target_size_height), int(target_size_width)))
    for axis, target in ((-2, int(target_size_height)), (-1, int(target_size_width))):
        check_axis(target)
        x = np.take(x, np.arange(target) * x.shape[axis] // target, axis)
    return x


@op("upsample_bilinear", source=_SOURCE, accepts=_X, shape=_scaled)
def upsample_bilinear(
    *, x: Array, scale_factor_height: float = 1, scale_factor_width: float = 1, align_corners: bool = True
) -> Array:
    """Linear interpolation; the factor is recomputed from the rounded size."""
    return upsample_bilinear_16(
        x=x,
        scale_factor_height=scale_factor_height,
        scale_factor_width=scale_factor_width,
        align_corners=align_corners,
    )


@op("upsample_bilinear", since=Opset.IOS16, source="iOS16/image_resizing.py", accepts=_X, shape=_scaled)
def upsample_bilinear_16(
    *,
    x: Array,
    scale_factor_height: float = 1,
    scale_factor_width: float = 1,
    align_corners: bool = True,
    half_pixel_centers: bool | None = None,
) -> Array:
    """As before iOS 16, with a choice of the sampling grid where corners are not aligned."""
    half_pixel = not align_corners if half_pixel_centers is None else bool(half_pixel_centers)
    sizes = {
        -2: scaled_size(x.shape[-2], scale_factor_height),
        -1: scaled_size(x.shape[-1], scale_factor_width),
    }
    check_resized((*x.shape[:-2], *sizes.values()))
    aligned = bool(align_corners)
    return interpolate(
        x,
        {axis: grid(x.shape[axis], n, align_corners=aligned, half_pixel=half_pixel) for axis, n in sizes.items()},
    )


@op("resize_bilinear", source=_SOURCE, accepts=_X, shape=_targeted)
def resize_bilinear(
    *, x: Array, target_size_height: int = 1, target_size_width: int = 1, sampling_mode: str = "DEFAULT"
) -> Array:
    """Linear interpolation to a given size, on one of five sampling grids.

    Raises:
        ValueError: `sampling_mode` is none of the five.
    """
    sizes = {-2: int(target_size_height), -1: int(target_size_width)}
    check_resized((*x.shape[:-2], *sizes.values()))
    return interpolate(x, {axis: sampling_grid(x.shape[axis], n, sampling_mode) for axis, n in sizes.items()})


@op("resize", since=Opset.IOS17, source="iOS17/image_resizing.py", accepts=_RESIZED, shape=_resized)
def resize(
    *,
    x: Array,
    shape: Array,
    resized_dims: int,
    interpolation_mode: str = "LINEAR",
    sampling_mode: str = "DEFAULT",
) -> Array:
    """Resizes the last `resized_dims` axes to the last sizes of `shape`, of which 0 keeps a size.

    The nearest element is that of the rounded sample position, the lower of two that are as near, so that doubling
    repeats every element. Interpolated integers are rounded.

    Raises:
        ValueError: A mode is not known, or `shape` does not fit.
    """
    check_modes(interpolation_mode, sampling_mode)
    target = tuple(int(size or 0) for size in resized_shape(x.shape, shape, int(resized_dims)))
    check_resized(target)
    axes = range(-int(resized_dims), 0)
    points = {axis: sampling_grid(x.shape[axis], target[axis], sampling_mode) for axis in axes}
    if interpolation_mode == "LINEAR":
        result = interpolate(x, points)
        return result if x.dtype.kind == "f" else np.rint(result)
    for axis, positions in points.items():
        x = np.take(x, np.ceil(positions - 0.5).astype(np.int64), axis)
    return x
