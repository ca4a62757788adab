"""Choices and loops as ONNX's If and Loop.

A loop's rounds are limited, since ONNX Runtime has no budget of its own: behind the last round allowed, an index out of
range makes the run fail where the condition still holds. A loop in a loop is left to the reference executor, which has
one budget for both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kewcore.runtime.evaluation import LOOP_BUDGET, Context, evaluate, is_constant, units_of
from kewcore.runtime.executor import Values
from kewcore.runtime.lowering.blocks import BlockBuilder
from kewcore.runtime.lowering.graph import (
    UNFINISHED_LOOP,
    GraphBuilder,
    ListFacts,
    Lowering,
    NoLoweringError,
    element_type,
)
from kewcore.runtime.lowering.registry import lower, lowers
from kewcore.runtime.program import Block, ListType, Operation, TensorType, TensorValue, ValueType
from kewcore.runtime.registry import StaticArguments, UnknownShapeError, as_scalar_or_array, lookup
from kewcore.runtime.workload import elements, work_of

_BOOL, _INT64 = 9, 7


@lowers("cond")
def _cond(lowering: Lowering) -> None:
    graph = lowering.graph
    predicate = lowering.value("pred")
    branches = []
    for block in lowering.operation.blocks:
        builder = BlockBuilder.inside(graph, block)
        _add_operations(builder, block)
        tensors = [builder.value(name) for name in block.outputs]
        branches.append(_graph(builder, [], tensors, [output.type for output in lowering.operation.outputs]))
    names = lowering.emit(
        "If", [predicate], len(lowering.operation.outputs), then_branch=branches[0], else_branch=branches[1]
    )
    lowering.finish(*names, rounded=True)


@lowers("while_loop")
def _while_loop(lowering: Lowering) -> None:
    graph, (condition, body) = lowering.graph, lowering.operation.blocks
    if isinstance(graph, BlockBuilder):
        raise NoLoweringError("a loop in a block shares its budget with others")
    first = lowering.values("loop_vars")
    goes_on = _inlined(graph, condition, first)
    inner = BlockBuilder.inside(graph, body)
    one = _Round.of(condition, body, graph)
    _require_steady(lowering, one)
    count, before = inner.fresh("round"), inner.fresh("goes_on")
    given = [inner.fresh(named.name) for named in body.inputs]
    _bind(inner, body, given, first)
    _add_operations(inner, body)
    results = [inner.value(name) for name in body.outputs]
    after = _inlined(inner, condition, results)
    types = [output.type for output in lowering.operation.outputs]
    inputs: list[tuple[str, int, tuple[int | None, ...] | None]] = [(count, _INT64, ()), (before, _BOOL, ())]
    inputs += [(name, *_onnx_type(type_)) for name, type_ in zip(given, types, strict=True)]
    inputs += [(inner.fresh("unfinished"), _BOOL, ())]
    proto = _graph(inner, inputs, [after, *results, after], [None, *types, None])
    units = 1 + sum(_units_of(operation, one, inner.lists or {}) for operation in one.operations)
    rounds = graph.initializer(np.asarray(LOOP_BUDGET // units, np.int64), "rounds")
    *names, unfinished = lowering.emit("Loop", [rounds, goes_on, *first, goes_on], len(types) + 1, body=proto)
    checked = [_checked(lowering, name, unfinished) for name in names]
    lowering.finish(*checked, rounded=True)
    for name, start in zip(checked, first, strict=True):
        if graph.lists is not None and start in graph.lists:
            graph.lists[name] = graph.lists[start]


def _checked(lowering: Lowering, name: str, unfinished: str) -> str:
    """Passes a value on; fails at run time where the loop was cut off."""
    index = lowering.node("Cast", unfinished, to=_INT64)
    row = lowering.node("Unsqueeze", name, lowering.integers(0))
    return lowering.graph.emit("Gather", [row, index], UNFINISHED_LOOP, axis=0)[0]


def _inlined(outer: GraphBuilder, block: Block, arguments: list[str]) -> str:
    """Adds a block's operations to the graph around it; returns the tensor of its one result."""
    builder = BlockBuilder.inside(outer, block, inline=True)
    _bind(builder, block, arguments, arguments)
    _add_operations(builder, block)
    return builder.value(block.outputs[0])


def _bind(builder: BlockBuilder, block: Block, tensors: list[str], like: list[str]) -> None:
    for named, tensor, first in zip(block.inputs, tensors, like, strict=True):
        builder.bind(named, tensor, rounded=True)
        if builder.lists is not None and first in builder.lists:
            builder.lists[tensor] = builder.lists[first]


def _add_operations(builder: BlockBuilder, block: Block) -> None:
    context = Context(builder.opset, builder.precision)
    for operation in block.operations:
        if is_constant(operation):
            evaluate(operation, context, builder.own_constants)
            continue
        spec = lookup(operation.type, builder.opset)
        if spec is None or not operation.outputs:
            raise NoLoweringError(f"its block holds {operation}, which changes a state")
        try:
            lower(Lowering(operation, spec, builder))
        except NoLoweringError as error:
            raise NoLoweringError(f"its block holds {operation}: {error}") from error


@dataclass(frozen=True)
class _Round:
    """What one round of a loop runs: its condition and its body, with all blocks in them.

    Attributes:
        operations: Those that compute something.
        types: Types by name, as declared.
        constants: Constants by name.
    """

    operations: tuple[Operation, ...]
    types: Mapping[str, ValueType]
    constants: Values

    @staticmethod
    def of(condition: Block, body: Block, graph: GraphBuilder) -> "_Round":
        operations = [*condition.walk(), *body.walk()]
        made = [*condition.inputs, *body.inputs, *(named for operation in operations for named in operation.outputs)]
        constants = dict(graph.constants)
        for operation in filter(is_constant, operations):
            evaluate(operation, Context(graph.opset, graph.precision), constants)
        computed = tuple(operation for operation in operations if not is_constant(operation))
        return _Round(computed, {**graph.types, **{named.name: named.type for named in made}}, constants)

    def known(self, operation: Operation) -> StaticArguments:
        """Collects declared shapes, and the constants that are known."""
        shapes, constants = {}, {}
        for parameter, bindings in operation.arguments.items():
            types = [self.types.get(b) if isinstance(b, str) else b.type for b in bindings]
            shapes[parameter] = tuple(t.shape if isinstance(t, TensorType) else None for t in types)
            if len(bindings) == 1 and isinstance(bindings[0], TensorValue):
                constants[parameter] = as_scalar_or_array(bindings[0].numpy())
            elif len(bindings) == 1 and isinstance(bindings[0], str) and bindings[0] in self.constants:
                constants[parameter] = as_scalar_or_array(np.asarray(self.constants[bindings[0]]))
        return StaticArguments(shapes, constants)


def _require_steady(lowering: Lowering, one: _Round) -> None:
    """Makes sure that no value grows from round to round: ONNX Runtime would take memory for it without end.

    Raises:
        NoLoweringError: A variable, or a value in the loop, has other sizes than the program says, or open ones.
    """
    condition, body = lowering.operation.blocks
    rows = zip(condition.inputs, body.inputs, body.outputs, lowering.operation.outputs, strict=True)
    for asked, named, name, output in rows:
        kinds = {asked.type, named.type, one.types[name], output.type}
        if isinstance(named.type, TensorType) and (len(kinds) > 1 or named.type.static_shape is None):
            raise NoLoweringError("the sizes of its variables may change from round to round")
    for operation in one.operations:
        spec = lookup(operation.type, lowering.graph.opset)
        if spec is None or spec.shape_rule is None:
            continue
        try:
            shapes = spec.shape_rule(one.known(operation)) or ()
        except UnknownShapeError:
            continue
        except (ValueError, TypeError, IndexError, KeyError, ArithmeticError) as error:
            raise NoLoweringError(f"the sizes in one round do not fit: {error}") from error
        for output, shape in zip(operation.outputs, shapes, strict=False):
            if isinstance(output.type, TensorType) and shape is not None and shape != output.type.shape:
                raise NoLoweringError("the sizes in one round are not those that the program says")


def _units_of(operation: Operation, one: _Round, lists: Mapping[str, ListFacts]) -> int:
    """Work of an operation in a round, as the reference executor counts it; of a choice, both branches count."""
    types = [one.types.get(name) for name in operation.reads] + [output.type for output in operation.outputs]
    shapes = [type_.static_shape if isinstance(type_, TensorType) else () for type_ in types]
    if None in shapes:
        raise NoLoweringError("the work of one round is known at run time only")
    results = [output.type.shape if isinstance(output.type, TensorType) else None for output in operation.outputs]
    sizes = [elements(shape) for shape in shapes]
    if operation.type.startswith("list_"):  # ONNX copies a list to change it; which one is not looked for
        sizes.append(max((facts.length * elements(facts.element_shape) for facts in lists.values()), default=0))
    return units_of(sizes, work_of(operation.type, one.known(operation), results))


def _graph(builder: GraphBuilder, inputs: list[Any], outputs: list[str], types: list[ValueType | None]) -> Any:
    """Makes the nested graph; outputs pass through nodes of their own, since they may be the outer graph's."""
    from onnx import helper

    names = [builder.fresh("output") for _ in outputs]
    ends = [helper.make_node("Identity", [a], [b], name=f"{b}.Identity") for a, b in zip(outputs, names, strict=True)]
    described = [(_BOOL, ()) if type_ is None else _onnx_type(type_) for type_ in types]
    return helper.make_graph(
        [*builder.nodes, *ends],
        builder.fresh("block"),
        [helper.make_tensor_value_info(*row) for row in inputs],
        [helper.make_tensor_value_info(name, *row) for name, row in zip(names, described, strict=True)],
    )


def _onnx_type(type_: ValueType) -> tuple[int, tuple[int | None, ...] | None]:
    """Element type and shape; sizes may change from round to round, so only a rank that is 0 is said."""
    if isinstance(type_, ListType) and isinstance(type_.element, TensorType):
        return element_type(type_.element.dtype), None
    if not isinstance(type_, TensorType):
        raise NoLoweringError(f"a value of type {type_}")
    return element_type(type_.dtype), () if type_.shape == () else None
