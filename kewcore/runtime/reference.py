"""The reference executor: one NumPy kernel after the other, every value rounded to its declared type."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from kewcore.errors import KewError, PackageError, UnsupportedError
from kewcore.runtime.executor import ExecutorName, Placement, Precision, Values
from kewcore.runtime.opset import Opset
from kewcore.runtime.program import (
    Binding,
    CollectionValue,
    DataType,
    Function,
    NamedType,
    Operation,
    TensorType,
    TensorValue,
)
from kewcore.runtime.registry import OpSpec, as_scalar_or_array, lookup

_KERNEL_ERRORS = (ValueError, TypeError, IndexError, KeyError, ArithmeticError, MemoryError)
"""What NumPy raises on arguments that the verifier could not know to be wrong."""


class ReferenceExecutor:
    """Runs a function with NumPy.

    fp16-typed values are held as float32 arrays whose elements are representable in fp16; operations compute in
    float32 and round once at their end, which is what `precision="fp32"` leaves out.

    Args:
        function: A verified function.
        precision: Whether fp16-typed values are rounded.
    """

    name: ExecutorName = "reference"

    def __init__(self, function: Function, precision: Precision = "typed") -> None:
        self.function = function
        self.precision: Precision = precision

    def run(self, inputs: Mapping[str, Any]) -> Values:
        """Computes the outputs; a value is dropped after its last use."""
        values = self._start(inputs)
        for index, operation in enumerate(self.function.body.operations):
            if operation.outputs and operation.outputs[0].name not in values:
                evaluate(operation, self.function.opset, values, self.precision)
            for name in self._last_uses[index]:
                values.pop(name, None)
        return self._declared(values, self.function.body.outputs)

    def trace(self, inputs: Mapping[str, Any]) -> Values:
        """Computes and returns every value."""
        values = self._start(inputs)
        for operation in self.function.body.operations:
            if operation.outputs and operation.outputs[0].name not in values:
                evaluate(operation, self.function.opset, values, self.precision)
        return self._declared(values, tuple(self._types))

    def placements(self) -> tuple[Placement, ...]:
        """Every operation but constants is its own."""
        operations = self.function.body.operations
        return tuple(Placement(operation, "reference") for operation in operations if operation.type != "const")

    def _start(self, inputs: Mapping[str, Any]) -> Values:
        types = {named.name: named.type for named in self.function.inputs}
        return {**self._constants, **{name: widen(np.asarray(inputs[name]), types[name]) for name in types}}

    def _declared(self, values: Values, names: tuple[str, ...]) -> Values:
        return {name: narrow(values[name], self._types[name]) for name in names}

    @cached_property
    def _types(self) -> dict[str, Any]:
        """Types of every value by name, in order of definition."""
        outputs = [named for operation in self.function.body.operations for named in operation.outputs]
        return {named.name: named.type for named in (*self.function.inputs, *outputs)}

    @cached_property
    def _constants(self) -> Values:
        """Constants and expanded weights, computed once."""
        values: Values = {}
        for operation in self.function.body.operations:
            if is_constant(operation):
                evaluate(operation, self.function.opset, values, self.precision)
        used = {
            binding
            for operation in self.function.body.operations
            if not is_constant(operation)
            for bindings in operation.arguments.values()
            for binding in bindings
        }
        return {name: value for name, value in values.items() if name in used or name in self.function.body.outputs}

    @cached_property
    def _last_uses(self) -> tuple[tuple[str, ...], ...]:
        """For every operation, the names that no later operation reads."""
        seen = set(self.function.body.outputs)
        rows: list[tuple[str, ...]] = []
        for operation in reversed(self.function.body.operations):
            names = {b for bindings in operation.arguments.values() for b in bindings if isinstance(b, str)}
            names |= {output.name for output in operation.outputs}
            rows.append(tuple(sorted(names - seen)))
            seen |= names
        return tuple(reversed(rows))


def is_constant(operation: Operation) -> bool:
    """Whether an operation's result is fixed in the package: a constant or a compressed weight."""
    return operation.type == "const" or operation.type.startswith("constexpr_")


def evaluate(operation: Operation, opset: Opset, values: Values, precision: Precision) -> None:
    """Runs one operation and adds its results to `values`.

    Raises:
        UnsupportedError: No kernel is known.
        PackageError: The kernel refuses its arguments, or its results do not fit their declared types.
    """
    spec = lookup(operation.type, opset)
    if spec is None:
        raise UnsupportedError(f"{operation}: the operation is not known at {opset.ios}")
    arguments = {
        parameter: _argument(parameter, bindings, spec, values) for parameter, bindings in operation.arguments.items()
    }
    try:
        with np.errstate(all="ignore"):
            result = spec.kernel(**arguments)
    except KewError as error:
        error.add_note(f"in {operation}")
        raise
    except _KERNEL_ERRORS as error:
        raise PackageError(f"{operation} failed: {error or type(error).__name__}") from error
    results = result if isinstance(result, tuple) and len(operation.outputs) > 1 else (result,)
    if isinstance(result, tuple) and operation.type == "split":
        results = result
    if len(results) != len(operation.outputs):
        raise PackageError(f"{operation} gave {len(results)} results for {len(operation.outputs)} outputs")
    for named, value in zip(operation.outputs, results, strict=True):
        values[named.name] = _settled(operation, named, value, rounds=precision == "typed" and not spec.exact)


def constant(value: Binding) -> Any:
    """Reads a constant: an array of at least its own type, fp16 widened, or a tuple of scalars for a list."""
    if isinstance(value, TensorValue):
        return widen(value.numpy(), value.type)
    if isinstance(value, CollectionValue):
        return tuple(as_scalar_or_array(np.asarray(constant(item))) for item in value.items)
    raise TypeError(f"'{value}' is a name, not a constant")


def widen(array: Any, type_: Any) -> Any:
    """Widens fp16 to float32; everything else stays as it is."""
    if isinstance(type_, TensorType) and type_.dtype is DataType.FLOAT16:
        return np.asarray(array, np.float32)
    return array


def narrow(value: Any, type_: Any) -> Any:
    """Brings a value to its declared type for the outside world."""
    if isinstance(type_, TensorType) and isinstance(value, np.ndarray):
        with np.errstate(over="ignore"):
            return value.astype(type_.dtype.numpy, copy=False)
    return value


def round_to_fp16(array: Any) -> Any:
    """Rounds float32 elements to the nearest that fp16 has; too large ones become infinite."""
    with np.errstate(over="ignore"):
        return array.astype(np.float16).astype(np.float32)


def _argument(parameter: str, bindings: tuple[Binding, ...], spec: OpSpec, values: Values) -> Any:
    resolved = tuple(values[binding] if isinstance(binding, str) else constant(binding) for binding in bindings)
    if parameter in spec.variadic:
        return resolved
    value = resolved[0]
    return as_scalar_or_array(value) if isinstance(value, np.ndarray) else value


def _settled(operation: Operation, named: NamedType, value: Any, *, rounds: bool) -> Any:
    """Brings a result to its declared type and checks its shape."""
    if not isinstance(named.type, TensorType) or isinstance(value, str | int | dict):
        return value
    array = np.asarray(value)
    shape, dtype = named.type.shape, named.type.dtype
    if shape is not None and (
        len(shape) != array.ndim or any(s not in {None, n} for s, n in zip(shape, array.shape, strict=True))
    ):
        raise PackageError(f"{operation}: output '{named.name}' is declared as {named.type}, got {list(array.shape)}")
    if dtype is DataType.FLOAT16:
        array = np.asarray(array, np.float32)
        return round_to_fp16(array) if rounds else array
    with np.errstate(all="ignore"):
        return array.astype(dtype.numpy, copy=False)
