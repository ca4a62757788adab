"""From protobuf messages of MIL to the frozen values of `kewcore.runtime.program`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import PackageError, UnsupportedError
from kewcore.runtime.packing import packed_size_bytes
from kewcore.runtime.program import (
    CollectionValue,
    DataType,
    DictionaryType,
    ListType,
    StateType,
    Storage,
    TensorType,
    TensorValue,
    TupleType,
    Value,
    ValueType,
    element_count,
)
from kewcore.runtime.spec import schema
from kewcore.runtime.spec.weights import BlobStorage, WeightsFile, elements_from_bytes

FindWeights = Callable[[str], WeightsFile]
"""Finds a weights file by the name written in the program."""

_ELEMENT_FIELDS = {
    "floats": np.float32,
    "doubles": np.float64,
    "ints": np.int32,
    "longInts": np.int64,
    "bools": np.bool_,
}


@dataclass(frozen=True, eq=False)
class ImmediateStorage:
    """A constant tensor's elements in the program itself, in order; bytes where its type says so."""

    elements: NDArray[Any]
    as_bytes: bool = False

    @property
    def size_bytes(self) -> int:
        """Bytes that the elements take."""
        return int(self.elements.nbytes)

    def problem(self, type_: TensorType) -> str | None:
        """Compares the number of elements with the type."""
        shape = type_.static_shape
        if shape is None:
            return f"a constant must have a static shape, got {type_}"
        count = element_count(shape)
        expected, unit = (packed_size_bytes(count, type_.dtype.bits), "bytes") if self.as_bytes else (count, "elements")
        if self.elements.size != expected:
            return f"{type_} takes {expected} {unit}, the program has {self.elements.size}"
        if not self.as_bytes and type_.dtype is not DataType.STRING and self.elements.dtype == np.object_:
            return f"the program has strings where the type is {type_}"
        if type_.dtype is DataType.STRING and self.elements.dtype != np.object_:
            return f"the program has numbers where the type is {type_}"
        return None

    def read(self, type_: TensorType) -> NDArray[Any]:
        """Returns a new array."""
        if problem := self.problem(type_):
            raise PackageError(problem)
        if self.as_bytes:
            return elements_from_bytes(self.elements, type_)
        return self.elements.astype(type_.dtype.numpy).reshape(type_.static_shape or ())


def type_from(message: Any) -> ValueType:
    """Reads a `ValueType` message.

    Raises:
        PackageError: The message holds no type, or one that is not known.
    """
    kind = message.WhichOneof("type")
    if kind == "tensorType":
        return _tensor_type(message.tensorType)
    if kind == "listType":
        length = _dimension(message.listType.length)
        return ListType(type_from(message.listType.type), length)
    if kind == "tupleType":
        return TupleType(tuple(type_from(element) for element in message.tupleType.types))
    if kind == "dictionaryType":
        return DictionaryType(type_from(message.dictionaryType.keyType), type_from(message.dictionaryType.valueType))
    if kind == "stateType":
        return StateType(type_from(message.stateType.wrappedType))
    raise PackageError("a value has no type")


def value_from(message: Any, find_weights: FindWeights) -> Value:
    """Reads a `Value` message; elements of weights files stay in their files.

    Raises:
        PackageError: The value is malformed.
    """
    type_ = type_from(message.type)
    if message.WhichOneof("value") == "blobFileValue":
        if not isinstance(type_, TensorType):
            raise PackageError(f"only tensors can lie in a weights file, got {type_}")
        blob = message.blobFileValue
        return TensorValue(type_, BlobStorage(find_weights(blob.fileName), blob.offset))
    immediate = message.immediateValue
    kind = immediate.WhichOneof("value")
    if kind == "tensor":
        if not isinstance(type_, TensorType):
            raise PackageError(f"a tensor is given where the type is {type_}")
        return TensorValue(type_, _immediate(immediate.tensor, type_))
    wanted = {"dictionary": DictionaryType, "list": ListType, "tuple": TupleType}.get(kind or "")
    if wanted is not None and not isinstance(type_, wanted):
        raise PackageError(f"a {kind} is given where the type is {type_}")
    if kind == "dictionary":
        pairs = immediate.dictionary.values
        items = tuple(value_from(part, find_weights) for pair in pairs for part in (pair.key, pair.value))
        return CollectionValue(type_, items)
    if kind in {"list", "tuple"}:
        return CollectionValue(type_, tuple(value_from(v, find_weights) for v in getattr(immediate, kind).values))
    raise PackageError(f"a constant of type {type_} has no value")


def _tensor_type(message: Any) -> TensorType:
    name = schema.DATA_TYPES.get(message.dataType)
    if name is None:
        raise PackageError(f"element type {message.dataType} is not known")
    if any(d.WhichOneof("dimension") == "unknown" and d.unknown.variadic for d in message.dimensions):
        return TensorType(DataType[name], None)
    if message.rank == -1:
        return TensorType(DataType[name], None)
    if message.rank != len(message.dimensions):
        raise PackageError(f"a tensor of rank {message.rank} has {len(message.dimensions)} dimensions")
    return TensorType(DataType[name], tuple(_dimension(dimension) for dimension in message.dimensions))


def _dimension(message: Any) -> int | None:
    return message.constant.size if message.WhichOneof("dimension") == "constant" else None


def _immediate(message: Any, type_: TensorType) -> Storage:
    field = message.WhichOneof("value")
    if field is None:
        return ImmediateStorage(np.zeros(0, np.object_ if type_.dtype is DataType.STRING else type_.dtype.numpy))
    values = getattr(message, field).values
    if field == "bytes":
        if type_.dtype is DataType.STRING:
            raise UnsupportedError(f"bytes are given where the type is {type_}")
        return ImmediateStorage(np.frombuffer(values, np.uint8), as_bytes=True)
    if field == "strings":
        elements = np.empty(len(values), np.object_)
        elements[:] = list(values)
        return ImmediateStorage(elements)
    return ImmediateStorage(np.fromiter(values, _ELEMENT_FIELDS[field], len(values)))
