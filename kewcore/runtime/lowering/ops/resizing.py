"""Lowerings of image resizing."""

from kewcore.runtime.lowering.graph import Lowering, NoLoweringError
from kewcore.runtime.lowering.registry import lowers
from kewcore.runtime.ops.resizing import scaled_size

_GRIDS = {
    "STRICT_ALIGN_CORNERS": "align_corners",
    "UNALIGN_CORNERS": "half_pixel",
    # (size - size / target) / (target - 1) is size / target.
    "DEFAULT": "asymmetric",
}


def _resize(lowering: Lowering, height: int, width: int, **attributes: str) -> None:
    rank = len(lowering.shape("x"))
    if rank != 4:
        raise NoLoweringError(f"resizing of rank {rank}")
    sizes = lowering.integers([height, width])
    lowering.finish(lowering.node("Resize", lowering.value("x"), "", "", sizes, axes=[2, 3], **attributes))


def _scaled(lowering: Lowering) -> tuple[int, int]:
    height, width = lowering.spatial_sizes("x", -2)
    return (
        scaled_size(height, lowering.constant("scale_factor_height", 1)),
        scaled_size(width, lowering.constant("scale_factor_width", 1)),
    )


@lowers("upsample_nearest_neighbor")
def _upsample_nearest(lowering: Lowering) -> None:
    _nearest(lowering, *_scaled(lowering))


@lowers("resize_nearest_neighbor")
def _resize_nearest(lowering: Lowering) -> None:
    height, width = (int(lowering.constant(f"target_size_{side}")) for side in ("height", "width"))
    _nearest(lowering, height, width)


def _nearest(lowering: Lowering, height: int, width: int) -> None:
    if any(target % size for target, size in zip((height, width), lowering.spatial_sizes("x", -2), strict=True)):
        raise NoLoweringError("a fractional factor, whose rounding ONNX Runtime does in float32")
    _resize(
        lowering,
        height,
        width,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


@lowers("upsample_bilinear")
def _upsample_bilinear(lowering: Lowering) -> None:
    aligned = bool(lowering.constant("align_corners", True))
    half_pixel = bool(lowering.constant("half_pixel_centers", not aligned))
    mode = "align_corners" if aligned else "half_pixel" if half_pixel else "asymmetric"
    _resize(lowering, *_scaled(lowering), mode="linear", coordinate_transformation_mode=mode)


@lowers("resize_bilinear")
def _resize_bilinear(lowering: Lowering) -> None:
    mode = str(lowering.constant("sampling_mode", "DEFAULT"))
    targets = [int(lowering.constant(f"target_size_{side}", 1)) for side in ("height", "width")]
    grid = "STRICT_ALIGN_CORNERS" if mode == "ALIGN_CORNERS" and min(targets) > 1 else mode
    if grid not in _GRIDS:
        raise NoLoweringError(f"sampling mode {mode}")
    _resize(lowering, *targets, mode="linear", coordinate_transformation_mode=_GRIDS[grid])
