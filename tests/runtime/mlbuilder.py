"""Builds small packages with the message classes under test, so that tests can say exactly what is in a file."""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kewcore.runtime.spec.messages import model_class

CODES = {"bool": 1, "string": 2, "fp16": 10, "fp32": 11, "int8": 21, "int32": 23, "uint8": 31, "uint32": 33}
CODES |= {
    "int4": 25,
    "uint4": 35,
    "uint2": 36,
    "uint1": 37,
    "uint6": 38,
    "uint3": 39,
    "int64": 24,
    "int16": 22,
    "uint16": 32,
}
BLOB_CODES = {"fp16": 1, "fp32": 2, "uint8": 3, "int8": 4, "int4": 8, "uint1": 9, "uint2": 10, "uint4": 11}
BLOB_CODES |= {"uint3": 12, "uint6": 13, "int32": 14, "uint32": 15}
SPACES = {"GRAYSCALE": 10, "RGB": 20, "BGR": 30, "GRAYSCALE_FLOAT16": 40}
ARRAY_CODES = {"fp16": 65552, "fp32": 65568, "int32": 131104}
NUMPY_NAMES = {"float16": "fp16", "float32": "fp32", "object": "string"}


@dataclass(frozen=True)
class Const:
    """A constant argument: a NumPy array or scalar, a text, or bytes with a type and shape of their own."""

    value: Any
    dtype: str | None = None
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Blob:
    """A constant argument in the weights file, at the given offset."""

    offset: int
    dtype: str
    shape: tuple[int, ...]
    file: str = "@model_path/weights/weight.bin"


@dataclass(frozen=True)
class Op:
    """An operation; outputs are `name: (dtype, shape)`, the dtype such as `fp16`, `list fp16` or `state fp16`."""

    type: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, tuple[str, Sequence[int | None]]]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    blocks: Sequence["Body"] = ()


@dataclass(frozen=True)
class Body:
    """A block of `cond` or `while_loop`."""

    inputs: Mapping[str, tuple[str, Sequence[int | None]]]
    ops: Sequence[Op]
    outputs: Sequence[str]


def set_type(message: Any, dtype: str, shape: Sequence[int | None]) -> None:
    outer, _, dtype = dtype.rpartition(" ")
    if outer:
        set_type(message.listType.type if outer == "list" else message.stateType.wrappedType, dtype, shape)
        if outer == "list":
            message.listType.length.unknown.variadic = False
        return
    tensor = message.tensorType
    tensor.dataType, tensor.rank = CODES[dtype], len(shape)
    for size in shape:
        if size is None:
            tensor.dimensions.add().unknown.variadic = False
        else:
            tensor.dimensions.add().constant.size = size


def set_value(message: Any, const: Any) -> None:
    if isinstance(const, Blob):
        set_type(message.type, const.dtype, const.shape)
        message.blobFileValue.fileName, message.blobFileValue.offset = const.file, const.offset
        return
    if isinstance(const, list):
        message.type.listType.type.tensorType.dataType = CODES["string" if isinstance(const[0], str) else "int64"]
        message.type.listType.length.constant.size = len(const)
        for item in const:
            set_value(message.immediateValue.list.values.add(), Const(item))
        return
    const = const if isinstance(const, Const) else Const(const)
    if isinstance(const.value, bytes):
        set_type(message.type, const.dtype or "uint8", const.shape or ())
        message.immediateValue.tensor.bytes.values = const.value
        return
    array = np.asarray(const.value)
    if isinstance(const.value, bool | int | float):
        array = array.astype({bool: np.bool_, int: np.int32, float: np.float32}[type(const.value)])
    dtype = const.dtype or NUMPY_NAMES.get(array.dtype.name, "string" if array.dtype.kind == "U" else array.dtype.name)
    set_type(message.type, dtype, array.shape if const.shape is None else const.shape)
    tensor = message.immediateValue.tensor
    if dtype == "string":
        tensor.strings.values.extend(str(v) for v in array.reshape(-1))
    elif dtype == "bool":
        tensor.bools.values.extend(bool(v) for v in array.reshape(-1))
    elif dtype == "int32":
        tensor.ints.values.extend(int(v) for v in array.reshape(-1))
    elif dtype == "int64":
        tensor.longInts.values.extend(int(v) for v in array.reshape(-1))
    elif dtype == "fp32":
        tensor.floats.values.extend(float(v) for v in array.reshape(-1))
    else:
        tensor.bytes.values = array.tobytes()


def model_message(
    ops: Sequence[Op],
    inputs: Mapping[str, tuple[str, Sequence[int | None]]],
    outputs: Sequence[str],
    opset: str = "CoreML8",
) -> Any:
    """Makes a model whose description has every input and output as a multiarray."""
    model = model_class()(specificationVersion=9)
    function = model.mlProgram.functions["main"]
    model.mlProgram.version, function.opset = 1, opset
    block = function.block_specializations[opset]
    for name, (dtype, shape) in inputs.items():
        declared = function.inputs.add(name=name)
        set_type(declared.type, dtype, shape)
        outer, _, element = dtype.rpartition(" ")
        feature = (model.description.state if outer else model.description.input).add(name=name)
        array = feature.type.stateType.arrayType if outer else feature.type.multiArrayType
        array.dataType = ARRAY_CODES[element]
        array.shape.extend(size or 1 for size in shape)
    types = {name: type_ for op in ops for name, type_ in op.outputs.items()}
    add_operations(block, ops)
    block.outputs.extend(outputs)
    for name in outputs:
        dtype, shape = types.get(name, inputs.get(name, ("fp32", ())))
        feature = model.description.output.add(name=name)
        if dtype in ARRAY_CODES:
            feature.type.multiArrayType.dataType = ARRAY_CODES[dtype]
            feature.type.multiArrayType.shape.extend(size or 1 for size in shape)
        else:
            feature.type.multiArrayType.dataType = ARRAY_CODES["int32"]
    return model


def add_operations(block: Any, ops: Sequence[Op]) -> None:
    for op in ops:
        message = block.operations.add(type=op.type)
        set_value(message.attributes["name"], f"{op.type}_{next(iter(op.outputs), '')}")
        for key, value in op.attributes.items():
            set_value(message.attributes[key], value)
        for key, value in op.inputs.items():
            arguments = message.inputs[key].arguments  # an empty row is written as well
            for item in value if isinstance(value, tuple) else (value,):
                binding = arguments.add()
                if isinstance(item, str) and not item.startswith("'"):
                    binding.name = item
                else:
                    set_value(binding.value, item.strip("'") if isinstance(item, str) else item)
        for name, (dtype, shape) in op.outputs.items():
            set_type(message.outputs.add(name=name).type, dtype, shape)
        for body in op.blocks:
            inner = message.blocks.add(outputs=body.outputs)
            for name, (dtype, shape) in body.inputs.items():
                set_type(inner.inputs.add(name=name).type, dtype, shape)
            add_operations(inner, body.ops)


def write_package(path: Path, model: Any, weights: bytes | None = None) -> Path:
    """Writes a package around a model message."""
    data = path / "Data" / "com.apple.CoreML"
    (data / "weights").mkdir(parents=True)
    (data / "model.mlmodel").write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    (data / "weights" / "weight.bin").write_bytes(weights_file([]) if weights is None else weights)
    item = {"author": "com.apple.CoreML", "name": "model.mlmodel", "path": "com.apple.CoreML/model.mlmodel"}
    manifest = {"fileFormatVersion": "1.0.0", "itemInfoEntries": {"a": item}, "rootModelIdentifier": "a"}
    (path / "Manifest.json").write_text(json.dumps(manifest))
    return path


def build(path: Path, ops: Sequence[Op], inputs: Any, outputs: Sequence[str], opset: str = "CoreML8") -> Path:
    return write_package(path, model_message(ops, inputs, outputs, opset))


def weights_file(blobs: Sequence[tuple[str, bytes]], version: int = 2) -> bytes:
    """Lays out blobs as StorageFormat.hpp describes; the first lies at offset 64."""
    content = bytearray(struct.pack("<II56x", len(blobs), version))
    for dtype, raw in blobs:
        offset = len(content) + 64
        content += struct.pack("<IIQQQ32x", 0xDEADBEEF, BLOB_CODES[dtype], len(raw), offset, 0)
        content += raw + bytes(-len(raw) % 64)
    return bytes(content)


def classifier_package(path: Path) -> Path:
    return write_package(path, classifier_message())


def classifier_message() -> Any:
    """Greyscale 2x2; the classes are its mean's distance to dark and to light."""
    ops = [
        Op("reduce_mean", {"x": "x", "axes": np.array([1, 2, 3], np.int32)}, {"m": ("fp32", (1,))}),
        Op("mul", {"x": "m", "y": np.array([-1 / 255, 1 / 255], np.float32)}, {"l": ("fp32", (2,))}),
        Op("softmax", {"x": "l", "axis": -1}, {"p": ("fp32", (2,))}),
        Op(
            "classify",
            {"probabilities": "p", "classes": ["dark", "light"]},
            {"label": ("string", ()), "probs": ("fp32", (2,))},
        ),
    ]
    model = model_message(ops, {"x": ("fp32", (1, 1, 2, 2))}, ["label", "probs"])
    image = model.description.input[0].type.imageType
    image.width, image.height, image.colorSpace = 2, 2, SPACES["GRAYSCALE"]
    model.description.output[0].type.stringType.SetInParent()
    model.description.output[1].type.dictionaryType.stringKeyType.SetInParent()
    model.description.predictedFeatureName = "label"
    function = model.mlProgram.functions["main"].block_specializations["CoreML8"]
    probabilities = function.operations[-1].outputs[1].type
    probabilities.dictionaryType.keyType.tensorType.dataType = 2
    probabilities.dictionaryType.valueType.tensorType.dataType = 12
    return model
