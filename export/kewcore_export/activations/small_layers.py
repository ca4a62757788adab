"""Layers that are too small to gain from bytes."""

from collections.abc import Mapping

from kewcore.runtime.lowering.fixed_arguments import Constants, constants_of, fixed_argument
from kewcore.runtime.program import Function, Operation, TensorType, ValueType
from kewcore.runtime.registry import Shape, StaticArguments
from kewcore.runtime.workload import multiply_adds

SMALLEST_PART = 0.001
"""A layer with a smaller part of all multiply-adds takes floats: of KewCNN only the head, whose rounded input would be
the largest single error in the logits, for a millionth of the work."""

_LAYERS = ("conv", "linear", "matmul")


def small_layers(function: Function) -> dict[str, str]:
    """Finds convolutions and products with next to no part in a network's work.

    Args:
        function: Of the float package.

    Returns:
        Why each takes floats, by the name of its result.
    """
    operations, constants = function.body.operations, constants_of(function)
    values = (*function.inputs, *(output for operation in operations for output in operation.outputs))
    types = {named.name: named.type for named in values}
    work = {o.outputs[0].name: _multiply_adds(o, types, constants) for o in operations if o.type in _LAYERS}
    total = sum(work.values())
    return {
        name: f"{count:,} of {total:,} multiply-adds: too few to gain"
        for name, count in work.items()
        if count < SMALLEST_PART * total
    }


def _multiply_adds(operation: Operation, types: Mapping[str, ValueType], constants: Constants) -> int:
    shapes = {
        parameter: tuple(_shape(types[one] if isinstance(one, str) else one.type) for one in bindings)
        for parameter, bindings in operation.arguments.items()
    }
    swapped = fixed_argument(operation, "transpose_x", constants)
    known = {} if swapped is None else {"transpose_x": bool(swapped.any())}
    results = [_shape(output.type) for output in operation.outputs]
    return multiply_adds(operation.type, StaticArguments(shapes, known), results)


def _shape(type_: ValueType) -> Shape | None:
    return type_.shape if isinstance(type_, TensorType) else None
