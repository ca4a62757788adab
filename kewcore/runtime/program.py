"""ML Programs as frozen values: no protobuf type gets past this file's names, which are MIL's own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kewcore.runtime.opset import Opset

TENSOR_LIMIT_BYTES = 1 << 32
"""No tensor of a program may take more; a crafted shape must not take the machine's memory."""


class DataType(Enum):
    """Element types of MIL; the value is the name that `cast` uses.

    `FLOAT8*` and `BFLOAT16` occur in the specification but in no operation of iOS 15 to 18.
    """

    BOOL = "bool"
    STRING = "string"
    FLOAT16 = "fp16"
    FLOAT32 = "fp32"
    FLOAT64 = "fp64"
    BFLOAT16 = "bf16"
    FLOAT8E4M3FN = "fp8e4m3fn"
    FLOAT8E5M2 = "fp8e5m2"
    INT4 = "int4"
    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    UINT1 = "uint1"
    UINT2 = "uint2"
    UINT3 = "uint3"
    UINT4 = "uint4"
    UINT6 = "uint6"
    UINT8 = "uint8"
    UINT16 = "uint16"
    UINT32 = "uint32"
    UINT64 = "uint64"

    @property
    def bits(self) -> int:
        """Bits of one element as stored in a weights file."""
        return _BITS[self]

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy type that holds one element once unpacked; sub-byte integers take a byte each."""
        return np.dtype(_NUMPY[self])

    @property
    def is_float(self) -> bool:
        """Whether elements are fp16, fp32 or fp64."""
        return self in {DataType.FLOAT16, DataType.FLOAT32, DataType.FLOAT64}

    @property
    def is_integer(self) -> bool:
        """Whether elements are whole numbers, signed or not."""
        return self.name.startswith(("INT", "UINT"))


_BITS: dict[DataType, int] = {
    DataType.BOOL: 8,
    DataType.STRING: 0,
    DataType.FLOAT16: 16,
    DataType.FLOAT32: 32,
    DataType.FLOAT64: 64,
    DataType.BFLOAT16: 16,
    DataType.FLOAT8E4M3FN: 8,
    DataType.FLOAT8E5M2: 8,
    **{t: int(t.value.lstrip("uint")) for t in DataType if t.name.startswith(("INT", "UINT"))},
}
_NUMPY: dict[DataType, Any] = {
    DataType.BOOL: np.bool_,
    DataType.STRING: np.object_,
    DataType.FLOAT16: np.float16,
    DataType.FLOAT32: np.float32,
    DataType.FLOAT64: np.float64,
    DataType.BFLOAT16: np.uint16,
    DataType.FLOAT8E4M3FN: np.uint8,
    DataType.FLOAT8E5M2: np.uint8,
    DataType.INT4: np.int8,
    **{t: t.value for t in DataType if t.is_integer and _BITS[t] >= 8},
    **{t: np.uint8 for t in DataType if t.name.startswith("UINT") and _BITS[t] < 8},
}


@dataclass(frozen=True)
class TensorType:
    """Element type and shape.

    Attributes:
        dtype: Type of the elements.
        shape: Sizes; None where a size is known at run time only. The whole is None where even the rank is not known.
    """

    dtype: DataType
    shape: tuple[int | None, ...] | None

    @property
    def static_shape(self) -> tuple[int, ...] | None:
        """The shape, if all sizes are known."""
        if self.shape is None or any(size is None for size in self.shape):
            return None
        return tuple(size for size in self.shape if size is not None)

    @property
    def shape_text(self) -> str:
        """The shape in words, such as `[1, ?, 8]`; `[*]` where the rank is not known."""
        sizes = ("?" if size is None else str(size) for size in self.shape or ())
        return "[*]" if self.shape is None else f"[{', '.join(sizes)}]"

    def __str__(self) -> str:
        return f"tensor<{self.dtype.value}, {self.shape_text}>"


@dataclass(frozen=True)
class ListType:
    """A list of tensors; `length` is None where it can grow."""

    element: "ValueType"
    length: int | None

    def __str__(self) -> str:
        return f"list<{self.element}, {'?' if self.length is None else self.length}>"


@dataclass(frozen=True)
class TupleType:
    """A fixed row of values."""

    elements: tuple["ValueType", ...]

    def __str__(self) -> str:
        return f"tuple<{', '.join(map(str, self.elements))}>"


@dataclass(frozen=True)
class DictionaryType:
    """A dictionary, such as the probabilities that `classify` gives."""

    key: "ValueType"
    value: "ValueType"

    def __str__(self) -> str:
        return f"dict<{self.key}, {self.value}>"


@dataclass(frozen=True)
class StateType:
    """A tensor that lives from one prediction to the next (iOS 18)."""

    wrapped: "ValueType"

    def __str__(self) -> str:
        return f"state<{self.wrapped}>"


ValueType = TensorType | ListType | TupleType | DictionaryType | StateType


class Storage(Protocol):
    """Where a constant tensor's elements lie: in the program itself or in a weights file."""

    @property
    def size_bytes(self) -> int:
        """Bytes that the elements take where they are stored."""
        ...

    def problem(self, type_: TensorType) -> str | None:
        """Says why a tensor of this type cannot be read from here, or None if it can; reads no elements."""
        ...

    def read(self, type_: TensorType) -> NDArray[Any]:
        """Reads the elements into an array of `type_.dtype.numpy` and `type_.shape`; call `problem` first."""
        ...


@dataclass(frozen=True)
class TensorValue:
    """A constant tensor; its elements are read when asked for."""

    type: TensorType
    storage: Storage

    def numpy(self) -> NDArray[Any]:
        """Reads the tensor; a rank-0 tensor comes as an array of shape `[]`."""
        return self.storage.read(self.type)


@dataclass(frozen=True)
class CollectionValue:
    """A constant list, tuple or dictionary; a dictionary's items are key, value, key, value …"""

    type: ValueType
    items: tuple["Value", ...]


Value = TensorValue | CollectionValue
Binding = str | TensorValue | CollectionValue
"""What an argument is bound to: the name of a value computed before, or a constant."""


@dataclass(frozen=True)
class NamedType:
    """A name and its type: an input of a function or block, or an output of an operation."""

    name: str
    type: ValueType


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        type: MIL's name of the operation, such as `conv`.
        name: The operation's own name, for messages.
        inputs: Arguments by MIL's parameter name; most have one binding, `concat`'s `values` has many.
        attributes: Constants by name. `const` has its `val` here; `constexpr_*` of iOS 16 keep all arguments here.
        outputs: Names and types of the results.
        blocks: Bodies of `cond` and `while_loop`.
    """

    type: str
    name: str
    inputs: Mapping[str, tuple[Binding, ...]]
    attributes: Mapping[str, Value]
    outputs: tuple[NamedType, ...]
    blocks: tuple["Block", ...] = ()

    @property
    def arguments(self) -> Mapping[str, tuple[Binding, ...]]:
        """Inputs, and the attributes that stand for inputs."""
        return {**{key: (value,) for key, value in self.attributes.items() if key != "name"}, **self.inputs}

    @property
    def reads(self) -> frozenset[str]:
        """Names of the values that it reads, those that its blocks read from outside included."""
        own = {b for bindings in self.arguments.values() for b in bindings if isinstance(b, str)}
        return frozenset(own.union(*(block.reads for block in self.blocks)))

    @property
    def with_nested(self) -> tuple["Operation", ...]:
        """The operation, and those of its blocks, constants left out."""
        inner = (operation for block in self.blocks for operation in block.walk() if operation.type != "const")
        return (self, *inner)

    def __str__(self) -> str:
        return f"op '{self.name}' ({self.type})"


@dataclass(frozen=True)
class Block:
    """A list of operations in order of execution; `inputs` are the arguments of a loop's body."""

    inputs: tuple[NamedType, ...]
    operations: tuple[Operation, ...]
    outputs: tuple[str, ...]

    @property
    def reads(self) -> frozenset[str]:
        """Names of the values from outside that the operations or the outputs refer to."""
        made = {named.name for named in self.inputs}
        read: set[str] = set()
        for operation in self.operations:
            read |= operation.reads - made
            made |= {output.name for output in operation.outputs}
        return frozenset(read | (set(self.outputs) - made))

    def walk_computed(self) -> Iterator[Operation]:
        """Yields the operations outside nested blocks that compute something: all but constants."""
        return (operation for operation in self.operations if operation.type != "const")

    def walk(self) -> Iterator[Operation]:
        """Yields every operation, those of nested blocks behind the operation that holds them."""
        for operation in self.operations:
            yield operation
            for block in operation.blocks:
                yield from block.walk()


@dataclass(frozen=True)
class Function:
    """A function of the program; `main` unless a package holds several."""

    name: str
    inputs: tuple[NamedType, ...]
    opset: Opset
    body: Block


@dataclass(frozen=True)
class Program:
    """An ML Program."""

    version: int
    functions: Mapping[str, Function]


def element_count(shape: tuple[int, ...]) -> int:
    """Returns the number of elements in a shape, as a Python integer that cannot overflow."""
    return prod(shape)


def too_large(shape: Sequence[int | None], dtype: DataType) -> str | None:
    """Says that no tensor may have such sizes, whatever those are that are 0 or not known; None where one may.

    NumPy bounds the product of the others even where a tensor holds nothing.
    """
    size_bytes = prod(size or 1 for size in shape) * dtype.numpy.itemsize
    counted = "" if all(shape) else " with 1 for what is 0 or open"
    limit = f"more than the limit of {TENSOR_LIMIT_BYTES}"
    return f"would take {size_bytes} bytes{counted}, {limit}" if size_bytes > TENSOR_LIMIT_BYTES else None
