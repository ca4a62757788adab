"""From what a caller gives `predict` to the program's tensors, and from its results to what coremltools gives back."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from kewcore.errors import PackageError, UnsupportedError, UsageError
from kewcore.runtime.program import DataType, Feature, FeatureKind, Function, Interface, TensorType
from kewcore.runtime.registry import Array

_CHANNELS = {"GRAYSCALE": 1, "GRAYSCALE_FLOAT16": 1, "RGB": 3, "BGR": 3}
_MODES = {"GRAYSCALE": "L", "GRAYSCALE_FLOAT16": "F", "RGB": "RGB", "BGR": "RGB"}


def tensors_from(values: Mapping[str, Any], interface: Interface, function: Function) -> dict[str, Array]:
    """Brings the inputs of a prediction to the types and shapes that the program takes.

    Args:
        values: Inputs by name. An image is a PIL image or an array `[H, W]` or `[H, W, 3]`, 0…255; a multiarray is
            anything that NumPy makes an array of.
        interface: The function's description.
        function: The function.

    Returns:
        Arrays by name, images as `[1, C, H, W]` with values 0…255.

    Raises:
        UsageError: An input is missing, unknown, or has the wrong shape, size or kind.
        UnsupportedError: The description has an input of a kind that ML Programs do not take.
    """
    known = {feature.name: feature for feature in interface.inputs}
    if unknown := sorted(set(values) - set(known)):
        raise UsageError(f"no input is called {', '.join(map(repr, unknown))}; inputs: {_listing(interface)}")
    types = {named.name: named.type for named in function.inputs}
    tensors = {}
    for name, feature in known.items():
        type_ = types[name]
        if not isinstance(type_, TensorType):
            raise UnsupportedError(f"input '{name}' is a {type_}; only tensors and images can be given")
        if name not in values:
            tensors[name] = _default(feature, type_, interface)
        elif feature.kind is FeatureKind.IMAGE:
            tensors[name] = _image_tensor(values[name], feature, type_)
        elif feature.kind is FeatureKind.MULTI_ARRAY:
            tensors[name] = _array_tensor(values[name], feature, type_)
        else:
            raise UnsupportedError(f"input '{name}' is of kind '{feature.kind.value}', which ML Programs do not take")
    return tensors


def results_from(values: Mapping[str, Any], interface: Interface) -> dict[str, Any]:
    """Brings a program's outputs to the types that coremltools' `predict` gives.

    Args:
        values: Outputs by name.
        interface: The function's description.

    Returns:
        Outputs by the description's names: arrays of the described type, but float32 for fp16 and `[1]` for a single
        number; a label (`str` or `int`); a dictionary of probabilities by label; or a PIL image, mode `RGBA`, `L` or
        `F`. Source: `CoreMLPythonUtils.mm` of github.com/apple/coremltools.

    Raises:
        PackageError: The program gives something else than the description says.
    """
    results: dict[str, Any] = {}
    for feature in interface.outputs:
        value = values[feature.name]
        try:
            results[feature.name] = _result(value, feature)
        except (ValueError, TypeError) as error:
            came = f"an array {list(value.shape)}" if isinstance(value, np.ndarray) else type(value).__name__
            message = f"output '{feature.name}' is described as {feature}, but the program gives {came}"
            raise PackageError(message) from error
    return results


def _result(value: Any, feature: Feature) -> Any:
    if feature.kind is FeatureKind.MULTI_ARRAY and feature.dtype is not None:
        given = np.float32 if feature.dtype is DataType.FLOAT16 else feature.dtype.numpy
        return np.atleast_1d(np.asarray(value)).astype(given, copy=False)
    if feature.kind is FeatureKind.IMAGE:
        return _image_from(np.asarray(value), feature)
    if feature.kind is FeatureKind.INT64:
        return int(value)
    if feature.kind is FeatureKind.DOUBLE:
        return float(value)
    return value


def _listing(interface: Interface) -> str:
    return ", ".join(f"'{feature.name}' ({feature})" for feature in interface.inputs) or "none"


def _default(feature: Feature, type_: TensorType, interface: Interface) -> Array:
    shape = type_.static_shape
    if feature.optional and feature.default is not None and shape is not None:
        return np.full(shape, feature.default, type_.dtype.numpy)
    raise UsageError(f"input '{feature.name}' is missing; inputs: {_listing(interface)}")


def _array_tensor(value: Any, feature: Feature, type_: TensorType) -> Array:
    try:
        array = np.asarray(value, dtype=None)
        array = array.astype((feature.dtype or type_.dtype).numpy).astype(type_.dtype.numpy)
    except (ValueError, TypeError) as error:
        raise UsageError(f"input '{feature.name}' must be numbers of type {feature}, got {value!r:.60}") from error
    _check_shape(array.shape, feature, type_)
    return array


def _check_shape(shape: tuple[int, ...], feature: Feature, type_: TensorType) -> None:
    if feature.enumerated_shapes:
        fits = shape in feature.enumerated_shapes
        wanted = " or ".join(str(list(choice)) for choice in feature.enumerated_shapes)
    elif feature.shape_ranges:
        bounds = feature.shape_ranges
        fits = len(shape) == len(bounds) and all(
            low <= size and (high is None or size <= high) for size, (low, high) in zip(shape, bounds, strict=True)
        )
        wanted = "[" + ", ".join(f"{low}…{'' if high is None else high}" for low, high in bounds) + "]"
    else:
        declared = type_.shape
        fits = declared is None or (
            len(declared) == len(shape) and all(d in {None, s} for d, s in zip(declared, shape, strict=True))
        )
        wanted = str(type_)
    if not fits:
        raise UsageError(f"input '{feature.name}' must have shape {wanted}, got {list(shape)}")


def _image_tensor(value: Any, feature: Feature, type_: TensorType) -> Array:
    """Makes `[1, C, H, W]` of a PIL image or of an array `[H, W]`, `[H, W, C]` or `[1, C, H, W]`."""
    colour_space = feature.colour_space or "RGB"
    channels = _CHANNELS[colour_space]
    if isinstance(value, Image.Image):
        array = np.asarray(value.convert(_MODES[colour_space]))
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
        raise UsageError(f"input '{feature.name}' takes a {feature} as {wanted}, got an array {list(array.shape)}")
    _check_image_size(planes.shape[2:], feature)
    if colour_space == "BGR":
        planes = planes[:, ::-1]
    declared = type_.shape
    if declared is not None and (
        len(declared) != 4 or any(d not in {None, s} for d, s in zip(declared, planes.shape, strict=True))
    ):
        raise PackageError(f"input '{feature.name}' is described as {feature}, but the program takes {type_}")
    return np.ascontiguousarray(planes.astype(type_.dtype.numpy))


def _check_image_size(size: tuple[int, ...], feature: Feature) -> None:
    if feature.enumerated_shapes:
        fits = size in feature.enumerated_shapes
        wanted = " or ".join(f"{h}x{w}" for h, w in feature.enumerated_shapes)
    elif feature.shape_ranges:
        fits = all(
            low <= s and (high is None or s <= high) for s, (low, high) in zip(size, feature.shape_ranges, strict=True)
        )
        wanted = "x".join(f"{low}…{'' if high is None else high}" for low, high in feature.shape_ranges)
    else:
        fits, wanted = size == feature.shape, "x".join(map(str, feature.shape))
    if not fits:
        raise UsageError(
            f"input '{feature.name}' takes images of {wanted} (height x width), got {size[0]}x{size[1]}",
            hint="resize the image first; the right way depends on how the network was trained",
        )


def _image_from(value: Array, feature: Feature) -> Image.Image:
    planes = value.reshape(_CHANNELS[feature.colour_space or "RGB"], *value.shape[-2:])
    if feature.colour_space == "GRAYSCALE_FLOAT16":
        return Image.fromarray(planes[0].astype(np.float32))
    pixels = np.clip(np.round(planes.astype(np.float32)), 0, 255).astype(np.uint8)
    if feature.colour_space == "BGR":
        pixels = pixels[::-1]
    if pixels.shape[0] == 1:
        return Image.fromarray(pixels[0])
    opaque = np.full((1, *pixels.shape[1:]), 255, np.uint8)
    return Image.fromarray(np.ascontiguousarray(np.concatenate([pixels, opaque]).transpose(1, 2, 0)))
