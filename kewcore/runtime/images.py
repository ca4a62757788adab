"""Images that `predict` takes and gives: PIL images on the caller's side, tensors `[1, C, H, W]` on the program's."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from kewcore.errors import PackageError, UsageError
from kewcore.runtime.package import Feature
from kewcore.runtime.program import TensorType, ValueType
from kewcore.runtime.registry import Array

_CHANNELS = {"GRAYSCALE": 1, "GRAYSCALE_FLOAT16": 1, "RGB": 3, "BGR": 3}
_MODES = {"GRAYSCALE": "L", "GRAYSCALE_FLOAT16": "F", "RGB": "RGB", "BGR": "RGB"}
_EIGHT_BIT_MODES = frozenset({"1", "L", "P", "RGB", "RGBA", "LA", "PA", "RGBX", "CMYK", "YCbCr", "HSV"})
"""Modes of PIL that turn into grey or RGB of 8 bits without a choice that only the caller can make. Opacity is dropped,
as Core ML does."""
_DEEP_GREY_MODES = frozenset({"F", "I", "I;16", "I;16L", "I;16B", "I;16N"})


def image_tensor(value: Any, feature: Feature, type_: TensorType) -> Array:
    """Makes `[1, C, H, W]` of a PIL image or of an array `[H, W]`, `[H, W, C]` or `[1, C, H, W]`.

    Args:
        value: The image; colours in the order R, G, B.
        feature: The description of the image.
        type_: What the program takes.

    Returns:
        Channels in the order that the description says; those of `GRAYSCALE_FLOAT16` rounded to fp16.

    Raises:
        UsageError: It is no image, or one of another size, or of a mode whose range of values is not known.
        PackageError: The description allows an image that the program does not take.
    """
    colour_space = feature.colour_space or "RGB"
    channels = _CHANNELS[colour_space]
    if isinstance(value, Image.Image):
        array = _pixels(value, feature, colour_space)
    else:
        array = np.asarray(value)
        if array.dtype.kind not in "uif":
            raise UsageError(f"input '{feature.name}' must be an image or an array of numbers, got {type(value)}")
    if array.shape[:2] == (1, channels) and array.ndim == 4:
        planes = array
    elif array.ndim == 2 and channels == 1:
        planes = array[None, None]
    elif array.ndim == 3 and array.shape[2] == channels:
        planes = array.transpose(2, 0, 1)[None]
    else:
        wanted = "[H, W]" if channels == 1 else "[H, W, 3]"
        raise UsageError(f"input '{feature.name}' takes an {feature} as {wanted}, got an array {list(array.shape)}")
    _check_size(planes.shape[2:], feature)
    if colour_space == "BGR":
        planes = planes[:, ::-1]
    if colour_space == "GRAYSCALE_FLOAT16":
        planes = _as_half(planes)
    if not _takes(type_, planes.shape):
        raise PackageError(_misfit(feature, type_))
    return np.ascontiguousarray(planes.astype(type_.dtype.numpy))


def image_problems(feature: Feature, type_: ValueType) -> Iterator[str]:
    """Says where a program does not take an image of the size that its description gives first."""
    shape = (1, _CHANNELS[feature.colour_space or "RGB"], *feature.shape)
    if not isinstance(type_, TensorType) or not _takes(type_, shape):
        yield _misfit(feature, type_)


def image_from(value: Array, feature: Feature) -> Image.Image:
    """Makes a PIL image of a tensor whose last two axes are height and width.

    Args:
        value: The tensor, 0…255; what lies outside is cut off, fractions are rounded. Any numbers for
            `GRAYSCALE_FLOAT16`, rounded to fp16.
        feature: The description of the image.

    Returns:
        Mode `L` for grey, `F` for `GRAYSCALE_FLOAT16`, `RGBA`, opaque, for colours.

    Raises:
        ValueError: The tensor is not an image of that many channels.
    """
    planes = value.reshape(_CHANNELS[feature.colour_space or "RGB"], *value.shape[-2:])
    if feature.colour_space == "GRAYSCALE_FLOAT16":
        return Image.fromarray(_as_half(planes[0]).astype(np.float32))
    numbers = np.nan_to_num(planes.astype(np.float32), nan=0.0)
    pixels = np.clip(np.round(numbers), 0, 255).astype(np.uint8)
    if feature.colour_space == "BGR":
        pixels = pixels[::-1]
    if pixels.shape[0] == 1:
        return Image.fromarray(pixels[0])
    opaque = np.full((1, *pixels.shape[1:]), 255, np.uint8)
    return Image.fromarray(np.ascontiguousarray(np.concatenate([pixels, opaque]).transpose(1, 2, 0)))


def bounds_text(low: int, high: int | None) -> str:
    """Writes the bounds of a size, such as `2…6`, `2…` or `8`."""
    return str(low) if low == high else f"{low}…{'' if high is None else high}"


def _takes(type_: TensorType, shape: tuple[int, ...]) -> bool:
    declared = type_.shape
    return declared is None or (
        len(declared) == 4 and all(d in {None, s} for d, s in zip(declared, shape, strict=True))
    )


def _misfit(feature: Feature, type_: ValueType) -> str:
    return f"input '{feature.name}' is described as {feature}, but the program takes {type_}"


def _pixels(image: Image.Image, feature: Feature, colour_space: str) -> Array:
    mode = image.mode
    if mode in _DEEP_GREY_MODES and colour_space == "GRAYSCALE_FLOAT16":
        return np.asarray(image.convert("F"))
    if mode not in _EIGHT_BIT_MODES:
        wanted = _MODES[colour_space]
        raise UsageError(
            f"input '{feature.name}' takes an {feature}, got a PIL image of mode '{mode}'",
            hint=f"bring it to mode '{wanted}' first; how its values map to 0…255 is not for this runtime to guess",
        )
    if colour_space == "GRAYSCALE_FLOAT16":
        return np.asarray(image.convert("L").convert("F"))
    return np.asarray(image.convert(_MODES[colour_space]))


def _as_half(planes: Array) -> Array:
    with np.errstate(over="ignore"):
        return planes.astype(np.float16)


def _check_size(size: tuple[int, ...], feature: Feature) -> None:
    if feature.enumerated_shapes:
        fits = size in feature.enumerated_shapes
        wanted = " or ".join(f"{h}x{w}" for h, w in feature.enumerated_shapes)
    elif feature.shape_ranges:
        fits = all(
            low <= s and (high is None or s <= high) for s, (low, high) in zip(size, feature.shape_ranges, strict=True)
        )
        wanted = "x".join(bounds_text(*pair) for pair in feature.shape_ranges)
    else:
        fits, wanted = size == feature.shape, "x".join(map(str, feature.shape))
    if not fits:
        raise UsageError(
            f"input '{feature.name}' takes images of {wanted} (height x width), got {size[0]}x{size[1]}",
            hint="resize the image first; the right way depends on how the network was trained",
        )
