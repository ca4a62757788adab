"""The cut of a function into segments: ONNX graphs, and operations between them that the reference executor takes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kewcore.runtime.evaluation import Context, evaluate, is_constant, read_only
from kewcore.runtime.executor import Placement, Precision, Values
from kewcore.runtime.lowering.graph import (
    IR_VERSION,
    ONNX_OPSET,
    GraphBuilder,
    IntegerProducts,
    Lowering,
    NoLoweringError,
    element_type,
)
from kewcore.runtime.lowering.pruning import only_read
from kewcore.runtime.lowering.registry import lower
from kewcore.runtime.lowering.strips import cut_into_strips
from kewcore.runtime.program import Function, Operation, TensorType
from kewcore.runtime.registry import Array, lookup

_NEVER_FOLDED = ("random_", "read_state", "coreml_update_state")
_FOLDED_ELEMENTS = 1 << 20
"""Operations on constants are computed ahead of time up to results of this size."""
_FLOAT = 1
_LARGE_BYTES = 1 << 16
"""Constants from this size on are not copied into the model that a session reads."""


@dataclass(frozen=True)
class GraphSegment:
    """A graph that ONNX Runtime runs.

    Attributes:
        graph: The graph, complete.
        inputs: Names of the program's values that it reads.
        outputs: Names of the program's values that it gives.
        operations: What it computes.
    """

    graph: GraphBuilder
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    operations: tuple[Operation, ...]


@dataclass(frozen=True)
class ReferenceSegment:
    """One operation that the reference executor takes, and why."""

    operation: Operation
    reason: str


@dataclass(frozen=True)
class Plan:
    """How a function runs.

    Attributes:
        function: The function, after rewrites.
        constants: Values known before anything runs, fp16 widened.
        segments: What runs, in order.
        types: Types of all values by name.
    """

    function: Function
    constants: Values
    segments: tuple[GraphSegment | ReferenceSegment, ...]
    types: Mapping[str, Any]

    @property
    def placements(self) -> tuple[Placement, ...]:
        """Which executor takes each operation, weights included; operations in blocks go where their block goes."""
        rows: list[Placement] = []
        for segment in self.segments:
            if isinstance(segment, ReferenceSegment):
                rows.append(Placement(segment.operation, "reference", segment.reason))
            else:
                rows.extend(Placement(operation, "onnx") for operation in segment.operations)
        placed = {id(row.operation): row for row in rows}
        own = (placed.get(id(o), Placement(o, "onnx")) for o in self.function.body.walk_computed())
        return tuple(replace(row, operation=operation) for row in own for operation in row.operation.with_nested)


def plan(
    function: Function, precision: Precision, *, keep_all: bool = False, integers: IntegerProducts = "portable"
) -> Plan:
    """Lowers a verified function.

    Lists of tensors are lowered where all of them can be: a list does not pass from one executor to the other.

    Args:
        function: The function, rewritten or not.
        precision: Whether fp16-typed values are rounded.
        keep_all: Whether every value becomes an output of its graph, for `trace`.
        integers: How quantised activations are multiplied with quantised weights; in float where every value is
            kept, dequantised ones too, and where nothing is rounded.
    """
    if keep_all or precision == "fp32":
        integers = "none"
    if keep_all:  # a list is no output of a graph
        return _plan(function, precision, keep_all=True, lists=False, integers=integers)
    planned = _plan(function, precision, keep_all=False, lists=True, integers=integers)
    passed = (name for s in planned.segments if isinstance(s, GraphSegment) for name in s.outputs)
    if all(isinstance(planned.types[name], TensorType) for name in passed):
        return planned
    return _plan(function, precision, keep_all=False, lists=False, integers=integers)


def _plan(function: Function, precision: Precision, *, keep_all: bool, lists: bool, integers: IntegerProducts) -> Plan:
    outputs = [named for operation in function.body.operations for named in operation.outputs]
    types = {named.name: named.type for named in (*function.inputs, *outputs)}
    makers = {named.name: operation for operation in function.body.operations for named in operation.outputs}
    constants: Values = {}
    context = Context(function.opset, precision)
    builder: GraphBuilder | None = None
    rows: list[tuple[GraphBuilder, list[Operation]] | ReferenceSegment] = []
    for operation in function.body.operations:
        if _is_known(operation, constants, types):
            evaluate(operation, context, constants)
            continue
        if builder is None:
            builder = GraphBuilder(
                function.opset, precision, types, constants, {} if lists else None, makers=makers, integers=integers
            )
            rows.append((builder, []))
        reason = _try(operation, builder)
        if reason is None:
            last = rows[-1]
            if isinstance(last, tuple):
                last[1].append(operation)
        else:
            rows.append(ReferenceSegment(operation, reason))
            builder = None
    segments = _connected([row for row in rows if not isinstance(row, tuple) or row[1]], function, keep_all)
    read = {b for s in segments if isinstance(s, ReferenceSegment) for b in s.operation.reads}
    for segment in segments:
        if isinstance(segment, GraphSegment):
            segment.graph.constants, segment.graph.makers = (
                {},
                {},
            )  # the graph has what it needs of them; together they are all weights once more
    kept = read | set(function.body.outputs)
    remaining = constants if keep_all else {name: value for name, value in constants.items() if name in kept}
    return Plan(function, read_only(remaining), segments, types)


def large_initializers(segment: GraphSegment) -> dict[str, Array]:
    """Returns the constants of a segment's graph that are worth handing to a session as they lie in memory."""
    return {name: array for name, array in segment.graph.initializers.items() if array.nbytes >= _LARGE_BYTES}


def model_proto(
    segment: GraphSegment,
    types: Mapping[str, Any],
    name: str,
    apart: Mapping[str, Array] | None = None,
    *,
    batches: bool = False,
) -> Any:
    """Makes the ONNX model of a segment; its inputs and outputs carry the program's names.

    Args:
        segment: The segment.
        types: Types of the program's values by name.
        name: Name of the graph.
        apart: Constants of the graph that are described only, since a session gets them by another way. None makes a
            model for a file: complete, and with constants in fp16 where that is exact.
        batches: Whether the first axis of inputs and outputs has any size; see `take_batches`.
    """
    from onnx import helper

    graph = segment.graph
    tensors = [graph.value(output) for output in segment.outputs]
    nodes = cut_into_strips(graph, tensors, only_read(graph.nodes, tensors))
    outputs = [
        helper.make_node("Identity", [tensor], [f"{output}__out"], name=f"{output}.output")
        for tensor, output in zip(tensors, segment.outputs, strict=True)
    ]
    halves = sorted(graph.halves & set(graph.initializers)) if apart is None else []
    casts = [helper.make_node("Cast", [f"{key}__half"], [key], name=f"{key}.Cast", to=_FLOAT) for key in halves]
    own = [helper.make_opsetid(domain, 1) for domain in sorted({node.domain for node in nodes} - {""})]
    return helper.make_model(
        helper.make_graph(
            [*casts, *nodes, *outputs],
            name,
            [_value_info(name, graph.inputs[name], name, batches=batches) for name in segment.inputs],
            [_value_info(f"{name}__out", types[name], name, batches=batches) for name in segment.outputs],
            [_tensor(key, array, apart, half=key in halves) for key, array in graph.initializers.items()],
        ),
        producer_name="kewcore",
        opset_imports=[helper.make_opsetid("", ONNX_OPSET), *own],
        ir_version=IR_VERSION,
    )


def _tensor(name: str, array: Array, apart: Mapping[str, Array] | None, *, half: bool) -> Any:
    from onnx import numpy_helper

    if apart is not None and name in apart:
        return _described(name, array)
    return (
        numpy_helper.from_array(array.astype(np.float16), f"{name}__half")
        if half
        else numpy_helper.from_array(array, name)
    )


def _described(name: str, array: Array) -> Any:
    """Describes a constant whose elements lie elsewhere."""
    from onnx import TensorProto, helper

    tensor = TensorProto(name=name, dims=array.shape, data_type=helper.np_dtype_to_tensor_dtype(array.dtype))
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "memory"), ("offset", "0"), ("length", str(array.nbytes))):
        tensor.external_data.add(key=key, value=value)
    return tensor


def _value_info(tensor: str, type_: TensorType, name: str, *, batches: bool) -> Any:
    from onnx import helper

    shape = None
    if type_.shape is not None:
        shape = [f"{name}_{axis}" if size is None else size for axis, size in enumerate(type_.shape)]
        if batches:
            shape[0] = "batch"
    return helper.make_tensor_value_info(tensor, element_type(type_.dtype), shape)


def _try(operation: Operation, builder: GraphBuilder) -> str | None:
    """Lowers one operation; on failure leaves the graph as it was and returns the reason."""
    spec = lookup(operation.type, builder.opset)
    if spec is None:
        return "the operation is not known"
    restore = builder.snapshot()
    try:
        lower(Lowering(operation, spec, builder))
        for output in operation.outputs:  # each may become an output of the graph
            if isinstance(output.type, TensorType):
                element_type(output.type.dtype)
    except NoLoweringError as error:
        restore()
        return str(error)
    except (ValueError, TypeError, IndexError, KeyError, ArithmeticError) as error:
        # An argument makes no sense in a way that the verifier cannot see; the reference executor says how.
        restore()
        return f"its arguments do not fit: {error}"
    return None


def _is_known(operation: Operation, constants: Values, types: Mapping[str, Any]) -> bool:
    if is_constant(operation):
        return True
    if operation.blocks or operation.type == "classify" or operation.type.startswith(_NEVER_FOLDED):
        return False
    if not all(name in constants for name in operation.reads):
        return False
    sizes = [types[output.name] for output in operation.outputs]
    return all(
        isinstance(t, TensorType) and t.static_shape is not None and _count(t.static_shape) <= _FOLDED_ELEMENTS
        for t in sizes
    )


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _connected(
    rows: list[tuple[GraphBuilder, list[Operation]] | ReferenceSegment], function: Function, keep_all: bool
) -> tuple[GraphSegment | ReferenceSegment, ...]:
    """Gives every graph the outputs that later segments or the function need."""
    needed = set(function.body.outputs)
    segments: list[GraphSegment | ReferenceSegment] = []
    for row in reversed(rows):
        if isinstance(row, ReferenceSegment):
            needed |= row.operation.reads
            segments.append(row)
            continue
        graph, operations = row
        made = [output.name for operation in operations for output in operation.outputs]
        outputs = tuple(name for name in made if keep_all or name in needed)
        if not outputs:  # Nobody needs what it computes, and ONNX Runtime refuses to run for nothing.
            continue
        for name in outputs:
            graph.value(name)
        segments.append(GraphSegment(graph, tuple(graph.inputs), outputs, tuple(operations)))
        needed |= set(graph.inputs)
    return tuple(reversed(segments))
