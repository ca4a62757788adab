"""From what a caller gives `predict` to the program's tensors, and from its results to what coremltools gives back."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from kewcore.errors import PackageError, UnsupportedError, UsageError
from kewcore.runtime.images import bounds_text, image_from, image_tensor
from kewcore.runtime.package import Feature, FeatureKind, Interface
from kewcore.runtime.program import TENSOR_LIMIT_BYTES, DataType, Function, TensorType, element_count
from kewcore.runtime.registry import Array

_GUESSED_KINDS = frozenset("cOSUMm")
"""Kinds of NumPy's element types (complex, objects, texts, times) that it would turn into real numbers by guessing or
by leaving something out; `None` would become NaN."""


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
    optional = [f.name for f in interface.inputs if f.optional and f.default is not None]
    check_names(values, interface, optional)
    types = {named.name: named.type for named in function.inputs}
    tensors = {}
    for feature in interface.inputs:
        name, type_ = feature.name, types[feature.name]
        if not isinstance(type_, TensorType):
            raise UnsupportedError(f"input '{name}' is a {type_}; only tensors and images can be given")
        if name not in values:
            tensors[name] = _default(feature, type_)
        elif feature.kind is FeatureKind.IMAGE:
            tensors[name] = image_tensor(values[name], feature, type_)
        elif feature.kind is FeatureKind.MULTI_ARRAY:
            tensors[name] = array_from(values[name], feature, type_)
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


def check_names(values: Mapping[str, Any], interface: Interface, optional: Collection[str]) -> None:
    """Makes sure that a prediction is given the inputs of an interface and no others.

    Raises:
        UsageError: An input is unknown, or missing and not among those that may be left out.
    """
    known = {feature.name for feature in interface.inputs}
    listing = ", ".join(f"'{feature.name}' ({feature})" for feature in interface.inputs) or "none"
    if unknown := sorted(set(values) - known):
        raise UsageError(f"no input is called {', '.join(map(repr, unknown))}; inputs: {listing}")
    for feature in interface.inputs:
        if feature.name not in values and feature.name not in optional:
            raise UsageError(f"input '{feature.name}' is missing; inputs: {listing}")


def array_from(value: Any, feature: Feature, type_: TensorType) -> Array:
    """Makes an array of a multiarray's type of what a caller gave.

    Args:
        value: Anything that NumPy makes an array of.
        feature: The description of the multiarray.
        type_: What the program takes.

    Raises:
        UsageError: It is not numbers, or has a shape that the description does not allow.
        PackageError: The description allows a shape that the program does not take.
    """
    try:
        array = np.asarray(value)
        if array.dtype.kind in _GUESSED_KINDS:
            raise TypeError(f"its elements are {array.dtype}")
        with np.errstate(over="ignore", invalid="raise"):  # NaN is no integer
            array = array.astype((feature.dtype or type_.dtype).numpy).astype(type_.dtype.numpy)
    except (ValueError, TypeError, FloatingPointError) as error:
        raise UsageError(f"input '{feature.name}' must be numbers of type {feature}, got {value!r:.60}") from error
    _check_shape(array.shape, feature, type_)
    return array


def number_from(value: Any, name: str) -> float:
    """Makes a number of what a caller gave for an input of kind `double`.

    Raises:
        UsageError: It is not one number.
    """
    try:
        array = np.asarray(value, np.float64)
    except (ValueError, TypeError) as error:
        raise UsageError(f"input '{name}' must be a number, got {value!r:.60}") from error
    if array.size != 1:
        raise UsageError(f"input '{name}' must be a number, got {array.size}")
    return float(array.reshape(()))


def _result(value: Any, feature: Feature) -> Any:
    if feature.kind is FeatureKind.MULTI_ARRAY and feature.dtype is not None:
        given = np.float32 if feature.dtype is DataType.FLOAT16 else feature.dtype.numpy
        with np.errstate(invalid="ignore", over="ignore"):
            return np.atleast_1d(np.asarray(value)).astype(given, copy=False)
    if feature.kind is FeatureKind.IMAGE:
        return image_from(np.asarray(value), feature)
    if feature.kind is FeatureKind.INT64:
        return int(value)
    if feature.kind is FeatureKind.DOUBLE:
        return float(value)
    return value


def _default(feature: Feature, type_: TensorType) -> Array:
    """Fills the described shape with the default value; where none is described, the smallest that is allowed.

    Source: the comments on `ArrayFeatureType` in FeatureTypes.proto.
    """
    shape = feature.shape or type_.static_shape or ()
    if not feature.shape and feature.shape_ranges:
        shape = tuple(low for low, _ in feature.shape_ranges)
    if element_count(shape) * type_.dtype.numpy.itemsize > TENSOR_LIMIT_BYTES:
        raise PackageError(f"input '{feature.name}' of default shape {list(shape)} would take too much memory")
    _check_shape(shape, feature, type_)
    return np.full(shape, feature.default, type_.dtype.numpy)


def _check_shape(shape: tuple[int, ...], feature: Feature, type_: TensorType) -> None:
    declared = type_.shape
    fits_program = declared is None or (
        len(declared) == len(shape) and all(d in {None, s} for d, s in zip(declared, shape, strict=True))
    )
    if feature.enumerated_shapes:
        fits = shape in feature.enumerated_shapes
        wanted = " or ".join(str(list(choice)) for choice in feature.enumerated_shapes)
    elif feature.shape_ranges:
        bounds = feature.shape_ranges
        fits = len(shape) == len(bounds) and all(
            low <= size and (high is None or size <= high) for size, (low, high) in zip(shape, bounds, strict=True)
        )
        wanted = "[" + ", ".join(bounds_text(*pair) for pair in bounds) + "]"
    else:
        fits, wanted = fits_program, type_.shape_text
    if not fits:
        raise UsageError(f"input '{feature.name}' must have shape {wanted}, got {list(shape)}")
    if not fits_program:
        raise PackageError(f"input '{feature.name}' may have shape {list(shape)}, but the program takes {type_}")
