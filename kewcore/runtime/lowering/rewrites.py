"""Rewrites of a program that are exact: every output keeps every bit.

Max-pooling picks an element, and an increasing function keeps the order of elements, so an activation may as well
come behind the pool, where it has a fraction of the elements to work on. Rounding to fp16 is such a function too.
"""

from collections import Counter
from dataclasses import replace

from kewcore.runtime.lowering.fixed_arguments import Constants, constants_of, fixed_argument, may_hang_over
from kewcore.runtime.program import Function, NamedType, Operation

_INCREASING = frozenset({"relu", "relu6", "sigmoid", "tanh", "softplus", "clip"})
_INCREASING_IF_ALPHA_IS_NOT_NEGATIVE = frozenset({"leaky_relu", "elu", "thresholded_relu", "sigmoid_hard"})


def pool_before_activation(function: Function) -> Function:
    """Swaps every increasing activation with the max-pool that alone reads it."""
    constants = constants_of(function)
    readers = Counter(name for operation in function.body.operations for name in operation.reads)
    readers.update(function.body.outputs)
    kept: list[Operation | None] = []
    makers: dict[str, int] = {}
    for operation in function.body.operations:
        index = _activation_before(operation, kept, makers, readers)
        activation = None if index is None else kept[index]
        if (
            index is None
            or activation is None
            or not _is_increasing(activation, constants)
            or not _sees_elements(operation, constants)
        ):
            kept.append(operation)
        else:
            # Both go where the pool stands: whatever its arguments refer to is defined there.
            kept[index] = None
            kept.extend(_swapped(activation, operation))
        makers.update({output.name: len(kept) - 1 for output in operation.outputs})
    operations = tuple(operation for operation in kept if operation is not None)
    return replace(function, body=replace(function.body, operations=operations))


def _activation_before(
    pool: Operation, kept: list[Operation | None], makers: dict[str, int], readers: Counter[str]
) -> int | None:
    """Finds where the operation stands that a max-pool alone reads; None if there is none, or if it is no max-pool."""
    (source,) = pool.inputs.get("x", (None,)) if pool.type == "max_pool" else (None,)
    if not isinstance(source, str) or readers[source] != 1 or source not in makers:
        return None
    maker = kept[makers[source]]
    return makers[source] if maker is not None and "x" in maker.inputs else None


def _swapped(activation: Operation, pool: Operation) -> tuple[Operation, Operation]:
    """Returns the pool on what the activation took, and the activation on that."""
    between = NamedType(f"{pool.outputs[0].name}__before_{activation.type}", pool.outputs[0].type)
    first = replace(pool, inputs={**pool.inputs, "x": activation.inputs["x"]}, outputs=(between,))
    second = replace(activation, inputs={**activation.inputs, "x": (between.name,)}, outputs=pool.outputs)
    return first, second


def _is_increasing(operation: Operation, constants: Constants) -> bool:
    if operation.type in _INCREASING:
        return True
    if operation.type not in _INCREASING_IF_ALPHA_IS_NOT_NEGATIVE:
        return False
    bindings = operation.arguments.get("alpha")
    if bindings is None:
        return operation.type == "sigmoid_hard"
    value = fixed_argument(operation, "alpha", constants)
    return value is not None and value.shape == () and bool(value[()] >= 0)


def _sees_elements(pool: Operation, constants: Constants) -> bool:
    """Whether no window of a max-pool is all padding: its result, -inf, is not to go through the activation."""
    pad_type = fixed_argument(pool, "pad_type", constants)
    if pad_type is None or may_hang_over(pool, constants):
        return False
    if str(pad_type[()]).lower() != "custom":
        return True
    kernel_sizes, pad = (fixed_argument(pool, parameter, constants) for parameter in ("kernel_sizes", "pad"))
    if kernel_sizes is None or (pad is None and "pad" in pool.arguments):
        return False
    if pad is None:
        return True
    return pad.size == 2 * kernel_sizes.size and bool((pad.reshape(-1, 2) < kernel_sizes.reshape(-1, 1)).all())
