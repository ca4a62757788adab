"""Lists of tensors, as recurrent layers written as loops use them; a list never changes, writing makes a new one."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kewcore.runtime.program import TENSOR_LIMIT_BYTES, DataType, ListType, ValueType, element_count
from kewcore.runtime.registry import Array, op

_SOURCE = "iOS15/control_flow.py"
_NAMES = {"int": "int32", "float": "fp32", "double": "fp64", "half": "fp16"}
"""Names of types that `make_list` takes beside those of `DataType`."""


@dataclass(frozen=True)
class TensorList:
    """A list of tensors.

    Attributes:
        items: The tensors; None where nothing was written yet.
        filler: What an element reads as before it is written: zeros.
        growing: Whether writing behind the end makes the list longer.
    """

    value_type: ClassVar[type[ValueType]] = ListType

    items: tuple[Array | None, ...]
    filler: Array
    growing: bool

    def position(self, index: int) -> int:
        """Checks an index; a negative one counts from the end.

        Raises:
            IndexError: It lies outside the list.
        """
        length = len(self.items)
        if not -length <= index < length:
            raise IndexError(f"index {index} lies outside a list of length {length}")
        return index % length

    def read(self, index: int) -> Array:
        """Returns one element."""
        item = self.items[self.position(index)]
        return self.filler if item is None else item


def _checked(length: int, filler: Array) -> int:
    if length < 0 or length * max(filler.nbytes, 8) > TENSOR_LIMIT_BYTES:
        raise ValueError(
            f"a list of {length} elements of shape {list(filler.shape)} must not be negative, "
            f"nor take more than {TENSOR_LIMIT_BYTES} bytes"
        )
    return length


@op("make_list", source=_SOURCE, variadic=("elem_shape",), result_like=None, exact=True)
def make_list(
    *, elem_shape: tuple[Any, ...] = (), init_length: int = 1, dynamic_length: bool = True, dtype: str = "fp32"
) -> TensorList:
    """A list of `init_length` elements that are zeros until they are written; sizes given as texts are open, and 1.

    Raises:
        ValueError: It would take too much memory, or `dtype` is not the name of a type.
    """
    sizes = tuple(1 if np.asarray(size).dtype.kind in "OU" else int(size) for size in elem_shape)
    held = DataType(_NAMES.get(dtype, dtype))
    element = np.float32 if held is DataType.FLOAT16 else held.numpy
    if min(sizes, default=0) < 0 or element_count(sizes) * np.dtype(element).itemsize > TENSOR_LIMIT_BYTES:
        raise ValueError(f"elem_shape {list(sizes)} is negative or takes more than {TENSOR_LIMIT_BYTES} bytes")
    filler = np.zeros(sizes, element)
    return TensorList((None,) * _checked(int(init_length), filler), filler, bool(dynamic_length))


@op("list_length", source=_SOURCE, result_like=None, exact=True)
def list_length(*, ls: TensorList) -> Array:
    """Number of elements."""
    return np.asarray(len(ls.items), np.int32)


@op("list_read", source=_SOURCE, result_like=None, exact=True)
def list_read(*, ls: TensorList, index: int) -> Array:
    """The element at `index`."""
    return ls.read(int(index))


@op("list_write", source=_SOURCE, result_like=None, exact=True)
def list_write(*, ls: TensorList, index: int, value: Array) -> TensorList:
    """The list with `value` at `index`; one that grows gets as long as that takes."""
    return _written(ls, [int(index)], [np.asarray(value)])


@op("list_gather", source=_SOURCE, result_like=None, exact=True)
def list_gather(*, ls: TensorList, indices: Array) -> Array:
    """The elements at `indices`, stacked along a new first axis."""
    rows = [ls.read(int(index)) for index in np.atleast_1d(indices)]
    return np.stack(rows) if rows else np.zeros((0, *ls.filler.shape), ls.filler.dtype)


@op("list_scatter", source=_SOURCE, result_like=None, exact=True)
def list_scatter(*, ls: TensorList, indices: Array, value: Array) -> TensorList:
    """The list with the rows of `value` at `indices`.

    Raises:
        ValueError: There are more or fewer rows than indices.
    """
    return _written(ls, [int(index) for index in np.atleast_1d(indices)], list(np.asarray(value)))


def _written(ls: TensorList, indices: list[int], values: list[Array]) -> TensorList:
    if len(indices) != len(values):
        raise ValueError(f"{len(values)} values for {len(indices)} indices")
    length = max([len(ls.items), *(index + 1 for index in indices)]) if ls.growing else len(ls.items)
    items = [*ls.items, *(None,) * (_checked(length, ls.filler) - len(ls.items))]
    longer = TensorList(tuple(items), ls.filler, ls.growing)
    for index, value in zip(indices, values, strict=True):
        items[longer.position(index)] = value
    return TensorList(tuple(items), np.zeros_like(values[0]) if values else ls.filler, ls.growing)
