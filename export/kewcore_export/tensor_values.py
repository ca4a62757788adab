"""Tensors as protobuf values of an ML Program: in place, or as a reference into the weights file.

Source: `mlmodel/format/MIL.proto` in apple/coremltools 9.0. Messages are made from the message that holds them, so
that nothing here needs coremltools.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import PackageError
from kewcore_export.weights_file import ElementType, read_entry

WEIGHTS_REFERENCE = "@model_path/weights/weight.bin"
_NAMES: dict[str, ElementType] = {
    "FLOAT16": "fp16",
    "FLOAT32": "fp32",
    "UINT8": "uint8",
    "INT8": "int8",
    "INT4": "int4",
    "UINT1": "uint1",
    "UINT2": "uint2",
    "UINT4": "uint4",
    "UINT3": "uint3",
    "UINT6": "uint6",
}
_SPEC_NAMES = {element: name for name, element in _NAMES.items()}
# These types stand as raw little-endian bytes; int32 as a list of numbers.
_RAW_DTYPES = {"FLOAT16": np.float16, "INT8": np.int8, "UINT8": np.uint8, "UINT32": np.uint32}


def set_tensor_type(value_type: Any, spec_name: str, shape: tuple[int, ...]) -> None:
    """Fills in a `ValueType` as a tensor of constant shape.

    Args:
        value_type: The message to fill in.
        spec_name: Element type as the specification names it, such as `FLOAT16`.
        shape: Dimensions.
    """
    tensor = value_type.tensorType
    tensor.dataType = tensor.DESCRIPTOR.fields_by_name["dataType"].enum_type.values_by_name[spec_name].number
    tensor.rank = len(shape)
    for length in shape:
        tensor.dimensions.add().constant.size = length


def new_output(operation: Any, name: str, spec_name: str, shape: tuple[int, ...]) -> None:
    """Appends an output to an operation."""
    output = operation.outputs.add()
    output.name = name
    set_tensor_type(output.type, spec_name, shape)


def set_file_tensor(value: Any, shape: tuple[int, ...], element: ElementType, offset: int) -> None:
    """Makes a value refer to the entry of the weights file at `offset`."""
    set_tensor_type(value.type, _SPEC_NAMES[element], shape)
    value.blobFileValue.fileName = WEIGHTS_REFERENCE
    value.blobFileValue.offset = offset


def set_small_tensor(value: Any, content: NDArray[Any] | str) -> None:
    """Puts a string, or an array of float16, int8, uint8, uint32 or int32, into a value itself."""
    tensor = value.immediateValue.tensor
    if isinstance(content, str):
        set_tensor_type(value.type, "STRING", ())
        tensor.strings.values.append(content)
        return
    if content.dtype == np.int32:
        set_tensor_type(value.type, "INT32", content.shape)
        tensor.ints.values.extend(int(n) for n in content.ravel())
        return
    spec_name = next(name for name, dtype in _RAW_DTYPES.items() if content.dtype == dtype)
    set_tensor_type(value.type, spec_name, content.shape)
    tensor.bytes.values = np.ascontiguousarray(content).tobytes()


def new_constant(block: Any, name: str, content: NDArray[Any] | str) -> None:
    """Appends a `const` operation to a block: a string, or an array that `set_small_tensor` takes."""
    operation = block.operations.add()
    operation.type = "const"
    set_small_tensor(operation.attributes["name"], name)
    set_small_tensor(operation.attributes["val"], content)
    type_ = operation.attributes["val"].type
    new_output(operation, name, element_name(type_), shape_of(type_))


def read_tensor(value: Any, weights: Path) -> NDArray[Any]:
    """Reads a numeric tensor from a value, or from the weights file that it refers to, in its shape.

    Raises:
        PackageError: Its element type does not occur in compressed weights, or the weights file is damaged.
    """
    spec_name, shape = element_name(value.type), shape_of(value.type)
    if value.WhichOneof("value") == "blobFileValue":
        return read_entry(weights, value.blobFileValue.offset)[1].reshape(shape)
    tensor = value.immediateValue.tensor
    if spec_name == "INT32":
        return np.array(list(tensor.ints.values), np.int32).reshape(shape)
    if spec_name in _RAW_DTYPES:
        return np.frombuffer(tensor.bytes.values, _RAW_DTYPES[spec_name]).reshape(shape)
    raise PackageError(f"a compressed weight has a parameter of type {spec_name}, which kewcore does not write")


def element_name(value_type: Any) -> str:
    """Gives a tensor's element type as the specification names it, such as `FLOAT16`."""
    tensor = value_type.tensorType
    return str(tensor.DESCRIPTOR.fields_by_name["dataType"].enum_type.values_by_number[tensor.dataType].name)


def shape_of(value_type: Any) -> tuple[int, ...]:
    """Gives a tensor's constant shape."""
    return tuple(int(dimension.constant.size) for dimension in value_type.tensorType.dimensions)
