"""Operations as rules see them: with the types of what they read, the constants among it, and who made it."""

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import Any

from kewcore.ane.loops import MOST_ROUNDS, rounds
from kewcore.runtime.evaluation import is_constant
from kewcore.runtime.model import Model
from kewcore.runtime.program import (
    Block,
    CollectionValue,
    NamedType,
    Operation,
    StateType,
    TensorType,
    TensorValue,
    ValueType,
    element_count,
)
from kewcore.runtime.registry import StaticArguments, UnknownShapeError, as_scalar_or_array
from kewcore.runtime.workload import elements, multiply_adds

_LARGEST_READ = 1 << 16
"""Elements of constants that rules read; weights are larger and only counted."""
GLUE = frozenset({"classify", "nonMaximumSuppression"})
"""What Core ML does around a network: labels and dictionaries, and the suppression model in a pipeline."""
_MOST_LISTED = 128
"""Shapes that a package may list for an input. Source: coremltools, flexible inputs."""


class Sizes(Enum):
    """What the package says of the sizes of its inputs."""

    FIXED = "fixed"
    LISTED = "listed"
    FREE = "free"


@dataclass(frozen=True)
class Scope:
    """What the operations before one have defined.

    Attributes:
        types: Types of values by name.
        makers: Operations by the names of their results.
        given: Names of the function's inputs.
        wanted: Names of the function's outputs, and of what Core ML's glue makes them from.
        sizes: Whether the inputs may change their sizes.
    """

    types: ChainMap[str, ValueType]
    makers: ChainMap[str, Operation]
    given: frozenset[str]
    wanted: frozenset[str]
    sizes: Sizes


@dataclass(frozen=True)
class Call:
    """One operation with what is known before it runs.

    Attributes:
        number: Its place among the operations of the program, from 1.
        operation: The operation; constants and compressed weights are none.
        scope: What it may read.
        loop: The `while_loop` or `cond` that holds it, or None.
        rounds: How often it runs in a prediction; None in a loop whose rounds are not known before.
    """

    number: int
    operation: Operation
    scope: Scope
    loop: Operation | None = None
    rounds: int | None = 1

    @property
    def type(self) -> str:
        """MIL's name of the operation."""
        return self.operation.type

    @property
    def results(self) -> tuple[TensorType, ...]:
        """Types of the results that are tensors."""
        return tuple(_tensors(output.type for output in self.operation.outputs))

    @cached_property
    def arguments(self) -> StaticArguments:
        """Shapes of the arguments, and the small constants among them."""
        rows = self.operation.arguments.items()
        shapes = {
            parameter: tuple(
                type_.shape if isinstance(type_, TensorType) else None for type_ in (self._type(b) for b in bindings)
            )
            for parameter, bindings in rows
        }
        constants = {parameter: value for parameter, bindings in rows for value in self._constants(bindings)}
        return StaticArguments(shapes, constants)

    @cached_property
    def multiply_adds(self) -> int:
        """Products that it adds up in a prediction; sizes and rounds that are not known count as 1."""
        types = (output.type for output in self.operation.outputs)
        shapes = [type_.shape if isinstance(type_, TensorType) else None for type_ in types]
        once = multiply_adds(self.type, self.arguments, shapes)
        return once if self.rounds is None else once * self.rounds

    @cached_property
    def read(self) -> Mapping[str, TensorType]:
        """Tensors that it reads and that are computed, by name; constants and weights left out."""
        names = sorted(self.operation.reads)
        return {
            name: type_
            for name in names
            if name in self.scope.types
            and not self.is_constant(name)
            and isinstance(type_ := _unwrapped(self.scope.types[name]), TensorType)
        }

    @property
    def computed(self) -> tuple[TensorType, ...]:
        """Types of the tensors that it reads or makes, constants left out."""
        return (*self.read.values(), *self.results)

    def shape(self, parameter: str) -> tuple[int | None, ...] | None:
        """Returns the shape of an argument with one binding; None if it is missing or its rank is not known."""
        return self.arguments.shape(parameter)

    def constant(self, parameter: str, default: Any = None) -> Any:
        """Returns a small constant argument; `default` where it is left out or known at run time only."""
        try:
            return self.arguments.constant(parameter, default)
        except UnknownShapeError:
            return default

    def maker(self, parameter: str) -> Operation | None:
        """Returns the operation that makes an argument; None for inputs and constants written in place."""
        bindings = self.operation.arguments.get(parameter, ())
        return self.scope.makers.get(bindings[0]) if bindings and isinstance(bindings[0], str) else None

    def is_constant(self, name: str) -> bool:
        """Whether a value is fixed in the package."""
        maker = self.scope.makers.get(name)
        return maker is not None and is_constant(maker)

    def is_weight(self, parameter: str) -> bool:
        """Whether an argument is fixed in the package, compressed or not."""
        bindings = self.operation.arguments.get(parameter, ())
        return all(not isinstance(binding, str) or self.is_constant(binding) for binding in bindings)

    def _type(self, binding: Any) -> ValueType | None:
        return self.scope.types.get(binding) if isinstance(binding, str) else binding.type

    def _constants(self, bindings: tuple[Any, ...]) -> Iterator[Any]:
        if len(bindings) != 1:
            return
        value = bindings[0]
        if isinstance(value, str):
            maker = self.scope.makers.get(value)
            if maker is None or maker.type != "const":
                return
            value = maker.arguments["val"][0]
        if isinstance(value, CollectionValue):
            yield value.items
        elif isinstance(value, TensorValue):
            shape = value.type.static_shape
            if shape is not None and element_count(shape) <= _LARGEST_READ:
                yield as_scalar_or_array(value.numpy())


def calls_of(model: Model) -> tuple[Call, ...]:
    """Returns the operations of a package's own program in order, those of loops and choices behind the one that holds
    them; constants and compressed weights, which are no work at run time, left out.
    """
    function = model.function
    scope = Scope(
        types=ChainMap(_names(function.inputs)),
        makers=ChainMap(),
        given=frozenset(named.name for named in function.inputs),
        wanted=frozenset(function.body.outputs).union(*(o.reads for o in function.body.operations if o.type in GLUE)),
        sizes=_sizes(model),
    )
    found = _operations(function.body, scope, None, 1)
    return tuple(Call(number, *row) for number, row in enumerate(found, start=1))


def size_bytes(type_: TensorType) -> int:
    """Returns the bytes of a tensor as the engine holds it; sizes that are not known count as 1."""
    return elements(type_.shape or ()) * max(type_.dtype.bits, 8) // 8


def _operations(
    block: Block, scope: Scope, loop: Operation | None, times: int | None
) -> Iterator[tuple[Operation, Scope, Operation | None, int | None]]:
    inner = replace(
        scope,
        types=scope.types.new_child(_names((*block.inputs, *(o for op in block.operations for o in op.outputs)))),
        makers=scope.makers.new_child({output.name: op for op in block.operations for output in op.outputs}),
    )
    for operation in block.operations:
        if is_constant(operation):
            continue
        yield operation, inner, loop, times
        once = 1 if operation.type == "cond" else rounds(operation, inner.makers)
        inside = None if times is None or once is None or times * once > MOST_ROUNDS else times * once
        for nested in operation.blocks:
            yield from _operations(nested, inner, loop or operation, inside)


def _names(named: Iterable[NamedType]) -> dict[str, ValueType]:
    return {one.name: one.type for one in named}


def _tensors(types: Iterable[ValueType]) -> Iterator[TensorType]:
    for type_ in map(_unwrapped, types):
        if isinstance(type_, TensorType):
            yield type_


def _unwrapped(type_: ValueType) -> ValueType:
    return type_.wrapped if isinstance(type_, StateType) else type_


def _sizes(model: Model) -> Sizes:
    listed = max((len(feature.enumerated_shapes) for feature in model.inputs), default=0)
    if listed > _MOST_LISTED or any(feature.shape_ranges for feature in model.inputs):
        return Sizes.FREE
    return Sizes.LISTED if listed else Sizes.FIXED
