"""Lowerings of image resizing."""

from math import prod
from typing import Any

from kewcore.runtime.lowering.graph import Lowering, NoLoweringError
from kewcore.runtime.lowering.registry import lowers
from kewcore.runtime.ops.resizing import check_axis, check_modes, resized_shape, scaled_size
from kewcore.runtime.program import TENSOR_LIMIT_BYTES

_GRIDS = {
    "STRICT_ALIGN_CORNERS": "align_corners",
    "UNALIGN_CORNERS": "half_pixel",
    # (size - size / target) / (target - 1) is size / target.
    "DEFAULT": "asymmetric",
}
_NEAREST: dict[str, Any] = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}


def _resize(lowering: Lowering, targets: tuple[int, int], region: tuple[float, ...] = (), **attributes: str) -> None:
    """Resizes the last two axes; the axes before them become one where there are not two."""
    shape = lowering.shape("x")
    size_bytes = 4 * prod(targets) * prod(size for size in shape[:-2] if size is not None)
    if size_bytes > TENSOR_LIMIT_BYTES:
        raise NoLoweringError(f"the result would take {size_bytes} bytes")
    for target in targets:
        check_axis(target)
    lowering.require_floats("x")
    x, front = lowering.value("x"), [-1 if size is None else size for size in shape[:-2]]
    if len(shape) != 4:
        if front.count(-1) > 1:
            raise NoLoweringError(f"resizing of rank {len(shape)} with sizes that are known at run time only")
        x = lowering.node("Reshape", x, lowering.integers([1, -1, *lowering.spatial_sizes("x", len(shape) - 2)]))
    first, last = region[: len(region) // 2], region[len(region) // 2 :]
    if -1 in front:
        roi = lowering.floats(*region) if region else ""
        result = lowering.node("Resize", x, roi, "", lowering.integers(targets), axes=[2, 3], **attributes)
    else:
        # All four axes: ONNX Runtime 1.31 moves transpositions past a `Resize` of two as if it had four.
        roi = lowering.floats(0, 0, *first, 1, 1, *last) if region else ""
        sizes = [*(front if len(shape) == 4 else (1, prod(front))), *targets]
        result = lowering.node("Resize", x, roi, "", lowering.integers(sizes), **attributes)
    if len(shape) != 4:
        result = lowering.node("Reshape", result, lowering.integers([*front, *targets]))
    lowering.finish(result)


def _scaled(lowering: Lowering) -> tuple[int, int]:
    height, width = lowering.spatial_sizes("x", -2)
    return (
        scaled_size(height, lowering.constant("scale_factor_height", 1)),
        scaled_size(width, lowering.constant("scale_factor_width", 1)),
    )


def _targets(lowering: Lowering) -> tuple[int, int]:
    return int(lowering.constant("target_size_height", 1)), int(lowering.constant("target_size_width", 1))


@lowers("upsample_nearest_neighbor")
def _upsample_nearest(lowering: Lowering) -> None:
    targets = _scaled(lowering)
    _check_whole_factors(lowering, targets)
    _resize(lowering, targets, **_NEAREST)


@lowers("resize_nearest_neighbor")
def _resize_nearest(lowering: Lowering) -> None:
    targets = _targets(lowering)
    _check_whole_factors(lowering, targets)
    _resize(lowering, targets, **_NEAREST)


def _check_whole_factors(lowering: Lowering, targets: tuple[int, int]) -> None:
    if any(target % size for target, size in zip(targets, lowering.spatial_sizes("x", -2), strict=True)):
        raise NoLoweringError("a fractional factor, whose rounding ONNX Runtime does in float32")


@lowers("upsample_bilinear")
def _upsample_bilinear(lowering: Lowering) -> None:
    aligned = bool(lowering.constant("align_corners", True))
    half_pixel = bool(lowering.constant("half_pixel_centers", not aligned))
    mode = "align_corners" if aligned else "half_pixel" if half_pixel else "asymmetric"
    _resize(lowering, _scaled(lowering), mode="linear", coordinate_transformation_mode=mode)


@lowers("resize_bilinear")
def _resize_bilinear(lowering: Lowering) -> None:
    _linear(lowering, _targets(lowering), str(lowering.constant("sampling_mode", "DEFAULT")))


def _linear(lowering: Lowering, targets: tuple[int, int], mode: str) -> None:
    if mode in _GRIDS:
        _resize(lowering, targets, mode="linear", coordinate_transformation_mode=_GRIDS[mode])
        return
    if mode not in {"ALIGN_CORNERS", "OFFSET_CORNERS"}:
        raise NoLoweringError(f"sampling mode {mode}")
    # Samples from the start to the end of a region, given as shares of size - 1; a single one lies in its middle.
    starts, ends = [], []
    for size, target in zip(lowering.spatial_sizes("x", -2), targets, strict=True):
        if mode == "OFFSET_CORNERS" and size == target > 1:
            raise NoLoweringError("an axis that keeps its size, which ONNX Runtime leaves alone on any grid")
        inset = 0.5 / target if mode == "OFFSET_CORNERS" and size > 1 else 0.0
        starts.append(inset)
        ends.append(1 - inset)
    _resize(lowering, targets, (*starts, *ends), mode="linear", coordinate_transformation_mode="tf_crop_and_resize")


@lowers("resize")
def _any_resize(lowering: Lowering) -> None:
    mode = str(lowering.constant("sampling_mode", "DEFAULT"))
    interpolation = str(lowering.constant("interpolation_mode", "LINEAR"))
    check_modes(interpolation, mode)
    count, shape = int(lowering.constant("resized_dims")), lowering.shape("x")
    if count != 2:
        raise NoLoweringError(f"resizing of {count} axes")
    height, width = resized_shape(shape, lowering.constant("shape"), count)[-2:]
    if height is None or width is None:
        raise NoLoweringError("sizes that are known at run time only")
    if interpolation == "LINEAR":
        _linear(lowering, (height, width), mode)
        return
    if mode not in _GRIDS:
        raise NoLoweringError(f"sampling mode {mode} with the nearest element")
    if mode != "STRICT_ALIGN_CORNERS":
        _check_whole_factors(lowering, (height, width))
    grid = _GRIDS[mode]
    attributes: dict[str, Any] = {"coordinate_transformation_mode": grid, "nearest_mode": "round_prefer_floor"}
    _resize(lowering, (height, width), mode="nearest", **attributes)
