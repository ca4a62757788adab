"""What an operation computes: its kernel on its arguments, every result rounded to its declared type; and blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import KewError, PackageError, UnsupportedError
from kewcore.runtime.call_checks import check_call
from kewcore.runtime.executor import Precision, Values
from kewcore.runtime.limits import WORK_LIMIT
from kewcore.runtime.opset import Opset
from kewcore.runtime.program import (
    Binding,
    Block,
    CollectionValue,
    DataType,
    NamedType,
    Operation,
    TensorType,
    TensorValue,
)
from kewcore.runtime.registry import OpSpec, as_scalar_or_array, lookup

LOOP_BUDGET = 1_000_000
"""Work that the loops of one prediction may do, so that no package hangs its reader: an operation in a loop counts 1,
and 1 more for every 4,096 elements that it takes or gives and for every 2^18 multiply-adds. An LSTM of 1,000 steps
written as a loop takes 20,000."""
_ELEMENTS_A_UNIT = 4096
_WORK_A_UNIT = 1 << 18
_ROUNDED_AT_ONCE = 1 << 18

_KERNEL_ERRORS = (ValueError, TypeError, IndexError, KeyError, ArithmeticError, MemoryError)
"""What NumPy raises on arguments that the verifier could not know to be wrong."""


def units_of(sizes: Sequence[int], work: int = 0) -> int:
    """Returns the units of work that an operation in a loop costs.

    Args:
        sizes: Numbers of elements of its arguments and results.
        work: Its multiply-adds.
    """
    return 1 + sum(size // _ELEMENTS_A_UNIT for size in sizes) + work // _WORK_A_UNIT


def endless_loop(where: str) -> PackageError:
    """Makes the error for a prediction whose loops have used up their budget."""
    return PackageError(
        f"{where}: the loops of this prediction do more than {LOOP_BUDGET} units of work",
        hint="a loop that does not end, or a package that was made to keep its reader busy",
    )


@dataclass
class Budget:
    """The work that may still be done in one prediction: units in loops, and multiply-adds in all."""

    left: int = field(default_factory=lambda: LOOP_BUDGET)
    work_left: int = field(default_factory=lambda: WORK_LIMIT)

    def work(self, operation: Operation, work: int) -> int:
        """Takes off the multiply-adds that an operation is about to do, and returns them.

        Raises:
            PackageError: There are not so many left.
        """
        self.work_left -= work
        if self.work_left < 0:
            raise PackageError(
                f"{operation}: this prediction takes more than the limit of {WORK_LIMIT:.0e} multiply-adds"
            )
        return work

    def spend(self, operation: Operation, values: Values, work: int = 0) -> None:
        """Takes off what an operation in a loop cost.

        Raises:
            PackageError: There is nothing left.
        """
        names = {named.name for named in operation.outputs} | (operation.reads if not operation.blocks else set())
        self.left -= units_of([_size(values.get(name)) for name in names], work)
        if self.left < 0:
            raise endless_loop(str(operation))


def _size(value: Any) -> int:
    """Elements of an array, or of a list that is copied to be changed."""
    return value.size if isinstance(value, np.ndarray) else len(getattr(value, "items", ()))


@dataclass(frozen=True)
class Context:
    """What is the same for all operations of one prediction.

    Attributes:
        opset: The function's opset.
        precision: Whether fp16-typed values are rounded.
        budget: Work that loops may still do.
    """

    opset: Opset
    precision: Precision
    budget: Budget = field(default_factory=Budget)


def is_constant(operation: Operation) -> bool:
    """Whether an operation's result is fixed in the package: a constant or a compressed weight."""
    return operation.type == "const" or operation.type.startswith("constexpr_")


def evaluate(operation: Operation, context: Context, values: Values) -> int:
    """Runs one operation and adds its results to `values`; returns the work that it did, in multiply-adds.

    Raises:
        UnsupportedError: No kernel is known.
        PackageError: The kernel refuses its arguments, its results do not fit their declared types, or a loop does
            not end.
    """
    spec = lookup(operation.type, context.opset)
    if spec is None:
        raise UnsupportedError(f"{operation}: the operation is not known at {context.opset.ios}")
    arguments = {
        parameter: _argument(parameter, bindings, spec, values) for parameter, bindings in operation.arguments.items()
    }
    work = 0 if operation.blocks else context.budget.work(operation, check_call(operation, spec, arguments))
    try:
        with np.errstate(all="ignore"):
            result = _control(operation, arguments, context, values) if operation.blocks else spec.kernel(**arguments)
    except KewError as error:
        error.add_note(f"in {operation}")
        raise
    except _KERNEL_ERRORS as error:
        raise PackageError(f"{operation} failed: {error or type(error).__name__}") from error
    is_row = isinstance(result, tuple) and (len(operation.outputs) > 1 or spec.variadic_results)
    results = result if is_row else (result,)
    if len(results) != len(operation.outputs):
        raise PackageError(f"{operation} gave {len(results)} results for {len(operation.outputs)} outputs")
    rounds = context.precision == "typed" and not spec.exact
    for named, value in zip(operation.outputs, results, strict=True):
        values[named.name] = _settled(operation, named, value, rounds=rounds)
    return work


def _control(operation: Operation, arguments: Mapping[str, Any], context: Context, values: Values) -> tuple[Any, ...]:
    """Runs the blocks of `cond` or `while_loop`, and returns what they give."""
    blocks = tuple(_PreparedBlock.of(block, context, values) for block in operation.blocks)
    if operation.type == "cond":
        return blocks[0 if arguments["pred"] else 1].run((), context)
    condition, body = blocks
    loop_vars: tuple[Any, ...] = arguments["loop_vars"]
    while condition.run(loop_vars, context)[0]:
        loop_vars = body.run(loop_vars, context)
        context.budget.spend(operation, {})
    return loop_vars


@dataclass(frozen=True)
class _PreparedBlock:
    """A block with what it reads from outside, and with its constants, which do not change from round to round."""

    block: Block
    outside: Values

    @staticmethod
    def of(block: Block, context: Context, values: Values) -> "_PreparedBlock":
        outside = {name: values[name] for name in block.reads if name in values}
        for operation in block.operations:
            if is_constant(operation):
                evaluate(operation, context, outside)
        return _PreparedBlock(block, outside)

    def run(self, inputs: tuple[Any, ...], context: Context) -> tuple[Any, ...]:
        values = dict(self.outside)
        for named, value in zip(self.block.inputs, inputs, strict=True):
            values[named.name] = value
        for operation in self.block.operations:
            if not is_constant(operation):
                work = evaluate(operation, context, values)
                context.budget.spend(operation, values, work)
        return tuple(values[name] for name in self.block.outputs)


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
    """Brings a value to its declared type for the outside world, which may write into it: what may not, is copied."""
    if isinstance(type_, TensorType) and isinstance(value, np.ndarray):
        with np.errstate(over="ignore"):
            return value.astype(type_.dtype.numpy, copy=not value.flags.writeable)
    return value


def traced(value: Any, type_: Any, precision: Precision) -> Any:
    """Brings a value of a trace to its declared type; where fp16 was not rounded to, it stays the float32 it is."""
    if precision == "fp32" and isinstance(type_, TensorType) and type_.dtype is DataType.FLOAT16:
        return narrow(value, replace(type_, dtype=DataType.FLOAT32))
    return narrow(value, type_)


def read_only(values: Values) -> Values:
    """Returns views that nobody can write through of the arrays that all predictions of a model share."""
    views = {name: value.view() for name, value in values.items() if isinstance(value, np.ndarray)}
    for view in views.values():
        view.flags.writeable = False
    return {**values, **views}


def round_to_fp16(array: NDArray[Any]) -> NDArray[Any]:
    """Rounds float32 elements to the nearest that fp16 has; too large ones become infinite."""
    flat = np.ascontiguousarray(array).reshape(-1)
    rounded = np.empty_like(flat)
    with np.errstate(over="ignore"):
        # Piece by piece: a whole copy in fp16 beside two in float32 would be the most that opening a package takes.
        for start in range(0, flat.size, _ROUNDED_AT_ONCE):
            piece = slice(start, start + _ROUNDED_AT_ONCE)
            rounded[piece] = flat[piece].astype(np.float16)
    return rounded.reshape(array.shape)


def _argument(parameter: str, bindings: tuple[Binding, ...], spec: OpSpec, values: Values) -> Any:
    resolved = tuple(values[binding] if isinstance(binding, str) else constant(binding) for binding in bindings)
    if parameter in spec.variadic:
        return resolved
    value = np.asarray(resolved[0], np.object_) if isinstance(resolved[0], str) else resolved[0]
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
