"""Rewrites of a program that are exact: every output keeps every bit.

Max-pooling picks an element, and an increasing function keeps the order of elements, so an activation may as well
come behind the pool, where it has a fraction of the elements to work on. Rounding to fp16 is such a function too.
"""

from dataclasses import replace
from typing import Any

from kewcore.runtime.program import Binding, Function, NamedType, Operation, TensorType, TensorValue

_INCREASING = frozenset({"relu", "relu6", "sigmoid", "tanh", "softplus", "clip"})
_INCREASING_IF_ALPHA_IS_NOT_NEGATIVE = frozenset({"leaky_relu", "elu", "thresholded_relu", "sigmoid_hard"})


def pool_before_activation(function: Function) -> Function:
    """Swaps every increasing activation with the max-pool that alone reads it."""
    while (swapped := _swap_first(function)) is not None:
        function = swapped
    return function


def _swap_first(function: Function) -> Function | None:
    """Swaps the first pair that may be; None if there is none left."""
    operations = list(function.body.operations)
    constants = {
        operation.outputs[0].name: operation.arguments["val"][0]
        for operation in operations
        if operation.type == "const"
    }
    uses = _use_counts(function)
    makers = {output.name: i for i, operation in enumerate(operations) for output in operation.outputs}
    for position, pool in enumerate(operations):
        (source,) = pool.inputs.get("x", (None,)) if pool.type == "max_pool" else (None,)
        index = makers.get(source) if isinstance(source, str) else None
        if index is None or uses[source] != 1 or "x" not in operations[index].inputs:
            continue
        if not _is_increasing(operations[index], constants):
            continue
        activation = operations[index]
        first = replace(
            pool,
            inputs={**pool.inputs, "x": activation.inputs["x"]},
            outputs=(NamedType(f"{pool.outputs[0].name}__before_{activation.type}", pool.outputs[0].type),),
        )
        second = replace(activation, inputs={**activation.inputs, "x": (first.outputs[0].name,)}, outputs=pool.outputs)
        # Both go where the pool stood: whatever its arguments refer to is defined there.
        operations[index] = _NOTHING
        operations[position] = second
        operations.insert(position, first)
        kept = tuple(operation for operation in operations if operation is not _NOTHING)
        return replace(function, body=replace(function.body, operations=kept))
    return None


_NOTHING = Operation("", "", {}, {}, ())


def _use_counts(function: Function) -> dict[Any, int]:
    counts: dict[Any, int] = {}
    names = [
        binding
        for operation in function.body.walk()
        for bindings in operation.arguments.values()
        for binding in bindings
        if isinstance(binding, str)
    ]
    for name in [*names, *function.body.outputs]:
        counts[name] = counts.get(name, 0) + 1
    return counts


def _is_increasing(operation: Operation, constants: dict[str, Binding]) -> bool:
    if operation.type in _INCREASING:
        return True
    if operation.type not in _INCREASING_IF_ALPHA_IS_NOT_NEGATIVE:
        return False
    bindings = operation.arguments.get("alpha")
    if bindings is None:
        return operation.type == "sigmoid_hard"
    value: Any = constants.get(bindings[0], bindings[0]) if isinstance(bindings[0], str) else bindings[0]
    if not isinstance(value, TensorValue) or not isinstance(value.type, TensorType) or value.type.shape != ():
        return False
    return bool(value.numpy()[()] >= 0)
