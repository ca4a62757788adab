"""The reference executor: one NumPy kernel after the other, every value rounded to its declared type."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from kewcore.runtime.evaluation import Context, evaluate, is_constant, narrow, read_only, traced, widen
from kewcore.runtime.executor import ExecutorName, Placement, Precision, Values
from kewcore.runtime.program import Function
from kewcore.runtime.state import StateCell


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

    def run(self, inputs: Mapping[str, Any], states: Mapping[str, StateCell]) -> Values:
        """Computes the outputs; a value is dropped after its last use."""
        values, context = self._start(inputs, states), Context(self.function.opset, self.precision)
        for operation, done in zip(self.function.body.operations, self._last_uses, strict=True):
            if not is_constant(operation):
                evaluate(operation, context, values)
            for name in done:
                values.pop(name, None)
        return self._declared(values, self.function.body.outputs)

    def run_many(self, inputs: Sequence[Mapping[str, Any]]) -> list[Values]:
        """Computes the outputs for one input after the other."""
        return [self.run(one, {}) for one in inputs]

    def trace(self, inputs: Mapping[str, Any], states: Mapping[str, StateCell]) -> Values:
        """Computes and returns every value outside blocks."""
        values, context = self._start(inputs, states), Context(self.function.opset, self.precision)
        for operation in self.function.body.operations:
            if not operation.outputs or operation.outputs[0].name not in values:
                evaluate(operation, context, values)
        names = (name for name in self._types if not isinstance(values[name], StateCell))
        return {name: traced(values[name], self._types[name], self.precision) for name in names}

    def placements(self) -> tuple[Placement, ...]:
        """Every operation but constants is its own."""
        outer = self.function.body.walk_computed()
        return tuple(Placement(operation, "reference") for one in outer for operation in one.with_nested)

    def _start(self, inputs: Mapping[str, Any], states: Mapping[str, StateCell]) -> Values:
        types = {named.name: named.type for named in self.function.inputs}
        given = {name: widen(np.asarray(inputs[name]), types[name]) for name in types if name not in states}
        return {**self._constants, **given, **states}

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
        context = Context(self.function.opset, self.precision)
        for operation in self.function.body.operations:
            if is_constant(operation):
                evaluate(operation, context, values)
        used = {
            name
            for operation in self.function.body.operations
            if not is_constant(operation)
            for name in operation.reads
        }
        needed = used | set(self.function.body.outputs)
        return read_only({name: value for name, value in values.items() if name in needed})

    @cached_property
    def _last_uses(self) -> tuple[tuple[str, ...], ...]:
        """For every operation, the names that no later operation reads."""
        seen = set(self.function.body.outputs)
        rows: list[tuple[str, ...]] = []
        for operation in reversed(self.function.body.operations):
            names = operation.reads | {output.name for output in operation.outputs}
            rows.append(tuple(sorted(names - seen)))
            seen |= names
        return tuple(reversed(rows))
