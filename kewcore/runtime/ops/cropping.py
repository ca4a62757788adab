"""Cutting parts out of images: crop and crop_resize."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kewcore.runtime.ops.resizing import SAMPLING_MODES, check_axis, check_resized, sampling_grid
from kewcore.runtime.ops.sampling import sample
from kewcore.runtime.opset import Opset
from kewcore.runtime.program import DataType
from kewcore.runtime.registry import FLOATS, Array, Shape, StaticArguments, op
from kewcore.runtime.shapes import Shapes

_SOURCE = "iOS15/image_resizing.py"
_BOX_MODES = (
    "CORNERS_HEIGHT_FIRST",
    "CORNERS_WIDTH_FIRST",
    "CENTER_SIZE_HEIGHT_FIRST",
    "CENTER_SIZE_WIDTH_FIRST",
)
_TOLERANCE = 1e-5
"""How far beyond the image a sample may lie by rounding, in pixels."""


def cropped_slices(shape: Shape, crop_height: Any, crop_width: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Returns what is cut off before and behind the last two axes.

    Raises:
        ValueError: These are no two numbers from 0 each, or nothing is left.
    """
    cuts = []
    for name, values, size in (("crop_height", crop_height, shape[-2]), ("crop_width", crop_width, shape[-1])):
        pair = [int(value) for value in np.asarray(values).reshape(-1)]
        if len(pair) != 2 or min(pair) < 0:
            raise ValueError(f"{name} must be two numbers from 0, got {pair}")
        if size is not None and sum(pair) >= size:
            raise ValueError(f"{name} leaves nothing of {size} elements, got {pair}")
        cuts.append((pair[0], pair[1]))
    return cuts[0], cuts[1]


def _cropped(arguments: StaticArguments) -> Shapes:
    x = arguments.shape("x")
    if x is None:
        return None
    if len(x) < 3:
        raise ValueError(f"x must have rank 3 or more, got {len(x)}")
    cuts = cropped_slices(x, arguments.constant("crop_height"), arguments.constant("crop_width"))
    return ((*x[:-2], *(None if n is None else n - sum(cut) for n, cut in zip(x[-2:], cuts, strict=True))),)


@op("crop", source=_SOURCE, accepts={"x": FLOATS}, shape=_cropped, exact=True)
def crop(*, x: Array, crop_height: Array, crop_width: Array) -> Array:
    """Cuts elements off before and behind the last two axes."""
    (top, bottom), (left, right) = cropped_slices(x.shape, crop_height, crop_width)
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]


def _patches(boxes: Callable[[StaticArguments, Shape], Shape | None]) -> Callable[[StaticArguments], Shapes]:
    """Makes a shape rule from one that gives the shape of the result in front of height and width."""

    def rule(arguments: StaticArguments) -> Shapes:
        _check_modes(
            str(arguments.constant("box_coordinate_mode", _BOX_MODES[0])),
            str(arguments.constant("sampling_mode", "DEFAULT")),
        )
        height, width = int(arguments.constant("target_height", 1)), int(arguments.constant("target_width", 1))
        if min(height, width) < 1:
            raise ValueError(f"target sizes must be at least 1, got {height} and {width}")
        x = arguments.shape("x")
        if x is not None and len(x) != 4:
            raise ValueError(f"x must have rank 4, got {len(x)}")
        front = None if x is None else boxes(arguments, x)
        return None if front is None else ((*front, height, width),)

    return rule


def _check_modes(box: str, sampling: str) -> None:
    for parameter, value, known in (
        ("box_coordinate_mode", box, _BOX_MODES),
        ("sampling_mode", sampling, SAMPLING_MODES),
    ):
        if value not in known:
            raise ValueError(f"{parameter} must be one of {', '.join(known)}, got '{value}'")


def _front(arguments: StaticArguments, x: Shape) -> Shape | None:
    roi = arguments.shape("roi")
    if roi is None:
        return None
    if len(roi) != 5 or any(
        size not in {wanted, None} for size, wanted in zip(roi[1:], (1, roi[2], 1, 1), strict=False)
    ):
        raise ValueError(f"roi must have shape [boxes, 1, 4 or 5, 1, 1], got {list(roi)}")
    if roi[2] not in {4, 5, None}:
        raise ValueError(f"roi must have 4 or 5 numbers a box, got {roi[2]}")
    return (roi[0], x[0] if roi[2] == 4 else 1 if roi[2] == 5 else None, x[1])


def _front_17(arguments: StaticArguments, x: Shape) -> Shape | None:
    boxes, indices = arguments.shape("boxes"), arguments.shape("box_indices")
    if boxes is None:
        return None
    if len(boxes) != 2 or boxes[1] not in {4, None}:
        raise ValueError(f"boxes must have shape [boxes, 4], got {list(boxes)}")
    if indices is not None and (len(indices) != 1 or (None not in {indices[0], boxes[0]} and indices[0] != boxes[0])):
        raise ValueError(f"box_indices must have shape [{boxes[0]}], got {list(indices)}")
    return (boxes[0], x[1])


@op("crop_resize", source=_SOURCE, accepts={"x": FLOATS, "roi": FLOATS}, shape=_patches(_front))
def crop_resize(
    *,
    x: Array,
    roi: Array,
    target_height: int = 1,
    target_width: int = 1,
    normalized_coordinates: bool = False,
    spatial_scale: float = 1,
    box_coordinate_mode: str = "CORNERS_HEIGHT_FIRST",
    sampling_mode: str = "DEFAULT",
) -> Array:
    """Cuts boxes out of images and resizes them. See `crop_resize_16`."""
    return crop_resize_16(
        x=x,
        roi=roi,
        target_height=target_height,
        target_width=target_width,
        normalized_coordinates=normalized_coordinates,
        spatial_scale=spatial_scale,
        box_coordinate_mode=box_coordinate_mode,
        sampling_mode=sampling_mode,
    )


@op(
    "crop_resize",
    since=Opset.IOS16,
    source="iOS16/image_resizing.py",
    accepts={"x": FLOATS, "roi": FLOATS, "pad_value": FLOATS},
    shape=_patches(_front),
)
def crop_resize_16(
    *,
    x: Array,
    roi: Array,
    target_height: int = 1,
    target_width: int = 1,
    normalized_coordinates: bool = False,
    spatial_scale: float = 1,
    box_coordinate_mode: str = "CORNERS_HEIGHT_FIRST",
    sampling_mode: str = "DEFAULT",
    pad_value: float = 0,
) -> Array:
    """Cuts boxes out of images and resizes them: `x [B, C, H, W]`, `roi [N, 1, 4 or 5, 1, 1]`.

    Returns:
        `[N, B, C, height, width]`: every box of every image, or, where a box comes behind the index of its image,
        `[N, 1, C, height, width]`.
    """
    table = np.asarray(roi, np.float64).reshape(len(roi), -1)
    images = len(x)
    if table.shape[1] == 5:
        boxes, indices, each = table[:, 1:], table[:, 0], 1
    else:
        boxes, indices, each = np.repeat(table, images, axis=0), np.tile(np.arange(images), len(roi)), images
    patches = _cut(
        x,
        boxes,
        indices,
        (int(target_height), int(target_width)),
        bool(normalized_coordinates),
        float(spatial_scale),
        box_coordinate_mode,
        sampling_mode,
        float(pad_value),
    )
    return patches.reshape(len(roi), each, *patches.shape[1:])


@op(
    "crop_resize",
    since=Opset.IOS17,
    source="iOS17/image_resizing.py",
    accepts={
        "x": FLOATS,
        "boxes": FLOATS | {DataType.UINT16},
        "box_indices": frozenset({DataType.UINT16, DataType.INT32}),
        "pad_value": FLOATS,
    },
    shape=_patches(_front_17),
)
def crop_resize_17(
    *,
    x: Array,
    boxes: Array,
    box_indices: Array | None = None,
    target_height: int = 1,
    target_width: int = 1,
    normalized_coordinates: bool = False,
    spatial_scale: float = 1,
    box_coordinate_mode: str = "CORNERS_HEIGHT_FIRST",
    sampling_mode: str = "DEFAULT",
    pad_value: float = 0,
) -> Array:
    """Cuts boxes out of images and resizes them: `x [B, C, H, W]`, `boxes [N, 4]`, `box_indices [N]`.

    Returns:
        `[N, C, height, width]`. Without indices, box i belongs to image i.
    """
    return _cut(
        x,
        np.asarray(boxes, np.float64),
        np.arange(len(boxes)) if box_indices is None else np.atleast_1d(box_indices),
        (int(target_height), int(target_width)),
        bool(normalized_coordinates),
        float(spatial_scale),
        box_coordinate_mode,
        sampling_mode,
        float(pad_value),
    )


def _cut(
    x: Array,
    boxes: Array,
    indices: Array,
    target: tuple[int, int],
    normalized: bool,
    scale: float,
    box_mode: str,
    sampling_mode: str,
    pad_value: float,
) -> Array:
    """Cuts `boxes [N, 4]` out of the images at `indices [N]` and resizes them to `[N, C, *target]`."""
    _check_modes(box_mode, sampling_mode)
    if len(indices) and not (np.min(indices) >= 0 and np.max(indices) < len(x)):
        raise ValueError(f"boxes must belong to images 0 to {len(x) - 1}, got {np.unique(indices).tolist()[:10]}")
    shape = (len(boxes), x.shape[1], *target)
    check_resized(shape)
    for count in target:
        check_axis(count)
    result = np.empty(shape, np.float32)
    corners = _corners(boxes * scale, box_mode)
    for row, (top, left, bottom, right), index in zip(result, corners, indices, strict=True):
        height, width = (size - 1 if normalized else 1 for size in x.shape[2:])
        rows, rows_beyond = _positions(top * height, bottom * height, target[0], x.shape[2], sampling_mode)
        columns, columns_beyond = _positions(left * width, right * width, target[1], x.shape[3], sampling_mode)
        down, across = np.meshgrid(rows, columns, indexing="ij")
        patch = sample(x[int(index)][None], down[None], across[None], "bilinear", "border", 0)[0]
        row[:] = np.where(rows_beyond[:, None] | columns_beyond, np.float32(pad_value), patch)
    return result


def _corners(boxes: Array, mode: str) -> Array:
    """Brings boxes to `[top, left, bottom, right]`."""
    if mode.endswith("WIDTH_FIRST"):
        boxes = boxes[:, [1, 0, 3, 2]]
    if mode.startswith("CENTER_SIZE"):
        centres, halves = boxes[:, :2], boxes[:, 2:] / 2
        boxes = np.concatenate([centres - halves, centres + halves], axis=1)
    return boxes


def _positions(start: float, end: float, target: int, size: int, mode: str) -> tuple[Array, Array]:
    """Returns where along an axis the samples of a box lie, and which of them lie beyond the image.

    A box whose end comes before its start is read backwards. At `UNALIGN_CORNERS`, the part of a box that lies beyond
    the image shows the image mirrored, without which Apple's operator test for that mode cannot be met; the
    documentation does not say it.
    """
    if not (np.isfinite(start) and np.isfinite(end)):
        return np.zeros(target), np.ones(target, np.bool_)
    steps = sampling_grid(abs(end - start) + 1, target, mode)
    positions = start + (steps if end >= start else -steps)
    if mode == "UNALIGN_CORNERS" and size > 1:
        distance = np.fmod(np.abs(positions), 2 * (size - 1))
        positions = np.minimum(distance, 2 * (size - 1) - distance)
    beyond = (positions < -_TOLERANCE) | (positions > size - 1 + _TOLERANCE)
    return np.asarray(positions), np.asarray(beyond)
