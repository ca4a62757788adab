"""Layers that are too small to gain from bytes."""

from kewcore.runtime.program import Function, Operation, TensorType

SMALLEST_PART = 0.001
"""A layer with a smaller part of all multiply-adds takes floats: of KewCNN only the head, whose rounded input would be
the largest single error in the logits, for a millionth of the work."""

_WEIGHTS = {"conv": "weight", "linear": "weight", "matmul": "y"}


def small_layers(function: Function) -> dict[str, str]:
    """Finds convolutions and products with next to no part in a network's work.

    Args:
        function: Of the float package.

    Returns:
        Why each takes floats, by the name of its result.
    """
    shapes = {
        named.name: named.type.static_shape
        for operation in function.body.operations
        for named in operation.outputs
        if isinstance(named.type, TensorType)
    }
    work = {o.outputs[0].name: _multiply_adds(o, shapes) for o in function.body.operations if o.type in _WEIGHTS}
    total = sum(work.values())
    return {
        name: f"{count:,} of {total:,} multiply-adds: too few to gain"
        for name, count in work.items()
        if count < SMALLEST_PART * total
    }


def _multiply_adds(operation: Operation, shapes: dict[str, tuple[int, ...] | None]) -> int:
    """Counts the elements of the result, times the weights that each of them takes."""
    (weight,) = operation.inputs[_WEIGHTS[operation.type]]
    kernel, result = shapes.get(str(weight)), shapes[operation.outputs[0].name]
    if not kernel or not result:
        return 0
    elements = terms = 1
    for size in result:
        elements *= size
    for size in kernel:
        terms *= size
    # All weights but those of the other output channels.
    channels = result[1] if operation.type == "conv" else result[-1]
    return elements * terms // channels
