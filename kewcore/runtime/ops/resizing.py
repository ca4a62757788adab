"""Resizing of the last two axes."""

from typing import Any

import numpy as np

from kewcore.runtime.opset import Opset
from kewcore.runtime.registry import FLOATS, Array, StaticArguments, op
from kewcore.runtime.shapes import Shapes

_SOURCE = "iOS15/image_resizing.py"
_X = {"x": FLOATS}


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
    return None if x is None else ((*x[:-2], int(height), int(width)),)


def scaled_size(size: int, factor: Any) -> int:
    """Returns floor(size · factor), the new size of an axis.

    Raises:
        ValueError: The factor is not above 0.
    """
    if not float(factor) > 0:
        raise ValueError(f"scale factors must be above 0, got {factor}")
    return int(np.floor(size * float(factor)))


def grid(size: int, target: int, *, align_corners: bool, half_pixel: bool) -> Array:
    """Returns where along an axis of `size` elements each of `target` samples is taken.

    Source: the notes at coremltools' `upsample_bilinear`.
    """
    steps = np.arange(target, dtype=np.float64)
    if align_corners:
        return steps * ((size - 1) / (target - 1) if target > 1 else 0.0)
    spacing = size / target
    offset = 0.5 * spacing - 0.5 if half_pixel else 0.0
    return np.asarray(np.clip(steps * spacing + offset, 0, size - 1))


def interpolate(x: Array, rows: Array, columns: Array) -> Array:
    """Samples the last two axes linearly at fractional positions."""
    for axis, points in ((-2, rows), (-1, columns)):
        below = np.clip(np.floor(points).astype(np.int64), 0, x.shape[axis] - 1)
        above = np.minimum(below + 1, x.shape[axis] - 1)
        weight = (points - below).astype(np.float32)
        weight = weight[:, None] if axis == -2 else weight
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
    for axis, target in ((-2, int(target_size_height)), (-1, int(target_size_width))):
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
    points = [
        grid(size, scaled_size(size, factor), align_corners=bool(align_corners), half_pixel=half_pixel)
        for size, factor in zip(x.shape[-2:], (scale_factor_height, scale_factor_width), strict=True)
    ]
    return interpolate(x, *points)


@op("resize_bilinear", source=_SOURCE, accepts=_X, shape=_targeted)
def resize_bilinear(
    *, x: Array, target_size_height: int = 1, target_size_width: int = 1, sampling_mode: str = "DEFAULT"
) -> Array:
    """Linear interpolation to a given size, on one of five sampling grids.

    Raises:
        ValueError: `sampling_mode` is none of the five.
    """
    points = [
        sampling_grid(size, int(target), sampling_mode)
        for size, target in zip(x.shape[-2:], (target_size_height, target_size_width), strict=True)
    ]
    return interpolate(x, *points)


def sampling_grid(size: int, target: int, mode: str) -> Array:
    """Returns the sample positions of a named mode along one axis.

    Raises:
        ValueError: The mode is not known.

    Source: the notes at coremltools' `resize_bilinear`.
    """
    steps = np.arange(target, dtype=np.float64)
    if mode == "ALIGN_CORNERS" and target == 1:
        return np.array([(size - 1) / 2])
    if mode in {"STRICT_ALIGN_CORNERS", "ALIGN_CORNERS"}:
        return grid(size, target, align_corners=True, half_pixel=False)
    if mode == "UNALIGN_CORNERS":
        return grid(size, target, align_corners=False, half_pixel=True)
    if mode == "DEFAULT":
        spacing = (size - size / target) / (target - 1) if target > 1 else 0.0
        return np.clip(steps * spacing, 0, size - 1)
    if mode == "OFFSET_CORNERS":
        delta = max(1, size - 1) / target
        return np.clip(0.5 * delta + steps * delta, 0, size - 1)
    raise ValueError(f"sampling_mode '{mode}' is not known")
