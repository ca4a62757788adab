"""Tensors that live from one prediction to the next (iOS 18)."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from kewcore.errors import UsageError
from kewcore.runtime.program import DataType, Function, StateType, TensorType, ValueType
from kewcore.runtime.registry import Array


class StateCell:
    """One tensor of a state: the one thing in a program that changes under its name.

    Args:
        type: Type of the tensor.
    """

    value_type: ClassVar[type[ValueType]] = StateType

    def __init__(self, type: TensorType) -> None:  # noqa: A002
        self.type = type
        self.array: Array = np.zeros(type.static_shape or (), _held(type))

    def write(self, value: Array) -> None:
        """Replaces the tensor.

        Raises:
            ValueError: The shape is another one.
        """
        array = np.asarray(value)
        if array.shape != self.array.shape:
            raise ValueError(f"a state of shape {list(self.array.shape)} cannot take {list(array.shape)}")
        self.array = array.astype(self.array.dtype)


class State:
    """The states of one stateful model between predictions; all zeros at first.

    Made by `Model.make_state`, and given to `Model.predict`.

    Args:
        function: The function whose inputs name the states.
    """

    def __init__(self, function: Function) -> None:
        self.cells: Mapping[str, StateCell] = {
            named.name: StateCell(wrapped_type(named.type))
            for named in function.inputs
            if isinstance(named.type, StateType)
        }

    def read_state(self, name: str) -> Array:
        """Returns a copy of one tensor; fp16 comes as float32, as coremltools gives it.

        Raises:
            UsageError: No state has this name.
        """
        return self._cell(name).array.copy()

    def write_state(self, name: str, value: Any) -> None:
        """Replaces one tensor.

        Args:
            name: Name of the state.
            value: Anything that NumPy makes an array of, in the state's shape.

        Raises:
            UsageError: No state has this name, or the shape is another one.
        """
        cell = self._cell(name)
        try:
            array = np.asarray(value).astype(cell.type.dtype.numpy)
            cell.write(array)
        except (ValueError, TypeError) as error:
            raise UsageError(f"state '{name}': {error}") from error

    def _cell(self, name: str) -> StateCell:
        if name not in self.cells:
            raise UsageError(f"no state is called '{name}'; states: {', '.join(self.cells) or 'none'}")
        return self.cells[name]


def wrapped_type(type_: ValueType) -> TensorType:
    """Returns the tensor type in a state's type.

    Raises:
        ValueError: It is not a state of a tensor.
    """
    if isinstance(type_, StateType) and isinstance(type_.wrapped, TensorType):
        return type_.wrapped
    raise ValueError(f"a state must hold a tensor, got {type_}")


def _held(type_: TensorType) -> Any:
    """fp16 is held as float32, as between operations."""
    return np.float32 if type_.dtype is DataType.FLOAT16 else type_.dtype.numpy
