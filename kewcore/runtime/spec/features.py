"""From the model description's messages to `Feature`, `Interface` and `Metadata`."""

from typing import Any

from kewcore.errors import PackageError
from kewcore.runtime.limits import IMAGE_SIDE_LIMIT
from kewcore.runtime.package import Feature, FeatureKind, Interface, Metadata
from kewcore.runtime.program import DataType, too_large
from kewcore.runtime.spec import schema


def interfaces_from(description: Any) -> tuple[dict[str, Interface], str]:
    """Reads the inputs and outputs of every function, and the name of the default one.

    Raises:
        PackageError: A feature has no name, no type or one that is not known.
    """
    if not description.functions:
        return {"main": _interface(description)}, "main"
    interfaces = {function.name: _interface(function) for function in description.functions}
    default = description.defaultFunctionName or next(iter(interfaces))
    if default not in interfaces:
        raise PackageError(f"the default function '{default}' is not among {sorted(interfaces)}")
    return interfaces, default


def metadata_from(message: Any) -> Metadata:
    """Reads author, licence, version, description and the free entries."""
    return Metadata(
        description=message.shortDescription,
        version=message.versionString,
        author=message.author,
        license=message.license,
        user_defined=dict(sorted(message.userDefined.items())),
    )


def _interface(message: Any) -> Interface:
    return Interface(
        inputs=tuple(_feature(feature, taken=True) for feature in message.input),
        outputs=tuple(_feature(feature) for feature in message.output),
        states=tuple(_feature(feature) for feature in message.state),
        predicted_feature_name=message.predictedFeatureName,
        predicted_probabilities_name=message.predictedProbabilitiesName,
    )


def _feature(message: Any, *, taken: bool = False) -> Feature:
    try:
        return _feature_of_kind(message, taken=taken)
    except PackageError as error:
        error.add_note(f"in feature '{message.name}' of the model's description")
        raise


def _feature_of_kind(message: Any, *, taken: bool) -> Feature:
    kind = message.type.WhichOneof("Type")
    common = {"description": message.shortDescription, "optional": message.type.isOptional}
    if not message.name:
        raise PackageError("a feature has no name")
    if kind == "multiArrayType":
        return Feature(message.name, FeatureKind.MULTI_ARRAY, **common, **_array(message.type.multiArrayType))
    if kind == "stateType":
        return Feature(message.name, FeatureKind.STATE, **common, **_array(message.type.stateType.arrayType))
    if kind == "imageType":
        return Feature(message.name, FeatureKind.IMAGE, **common, **_image(message.type.imageType, taken=taken))
    if kind == "dictionaryType":
        keys = message.type.dictionaryType.WhichOneof("KeyType")
        dtype = DataType.INT64 if keys == "int64KeyType" else DataType.STRING
        return Feature(message.name, FeatureKind.DICTIONARY, **common, dtype=dtype)
    plain = {
        "int64Type": FeatureKind.INT64,
        "doubleType": FeatureKind.DOUBLE,
        "stringType": FeatureKind.STRING,
        "sequenceType": FeatureKind.SEQUENCE,
    }
    if kind not in plain:
        raise PackageError("its type is missing or not known")
    return Feature(message.name, plain[kind], **common)


def _array(message: Any) -> dict[str, Any]:
    name = schema.ARRAY_DATA_TYPES.get(message.dataType)
    if name is None:
        raise PackageError(f"array element type {message.dataType} is not known")
    default = message.WhichOneof("defaultOptionalValue")
    ranges = tuple(_range(size) for size in message.shapeRange.sizeRanges)
    choices = tuple(tuple(shape.shape) for shape in message.enumeratedShapes.shapes)
    for shape in (tuple(message.shape), *choices, tuple(low for low, _ in ranges)):
        problem = "is negative" if min(shape, default=0) < 0 else too_large(shape, DataType[name])
        if problem is not None:
            raise PackageError(f"its shape {list(shape)} {problem}")
    return {
        "dtype": DataType[name],
        "shape": tuple(message.shape),
        "shape_ranges": ranges,
        "enumerated_shapes": choices,
        "default": float(getattr(message, default)) if default else None,
    }


def _image(message: Any, *, taken: bool) -> dict[str, Any]:
    """Reads the sizes of an image, which coremltools leaves at 0 x 0 for results of several sizes."""
    colour_space = schema.COLOUR_SPACES.get(message.colorSpace)
    if colour_space is None:
        raise PackageError(f"colour space {message.colorSpace} is not known")
    flexible = message.imageSizeRange
    ranges = (_range(flexible.heightRange), _range(flexible.widthRange))
    flexibility = message.WhichOneof("SizeFlexibility")
    shape = (message.height, message.width)
    choices = tuple((size.height, size.width) for size in message.enumeratedSizes.sizes)
    left_out = shape == (0, 0) and flexibility is not None and not taken
    for height, width in choices if left_out else (shape, *choices):
        if not (1 <= height <= IMAGE_SIDE_LIMIT and 1 <= width <= IMAGE_SIDE_LIMIT):
            raise PackageError(f"an image must have 1 to {IMAGE_SIDE_LIMIT} rows and columns, got {height}x{width}")
    return {
        "shape": shape,
        "colour_space": colour_space,
        "shape_ranges": ranges if flexibility == "imageSizeRange" else (),
        "enumerated_shapes": choices,
    }


def _range(message: Any) -> tuple[int, int | None]:
    return message.lowerBound, None if message.upperBound < 0 else message.upperBound
