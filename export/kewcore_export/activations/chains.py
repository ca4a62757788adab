"""Chains of layers: a layer, functions that keep factors of its channels apart, and the layers that read them.

`f(s·x) = s·f(x)` for s > 0 holds for ReLU, LeakyReLU and pooling. Past flattening, which weight belongs to which
channel is found by sending the numbers of the channels through the operations that move elements.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.runtime.evaluation import Context, evaluate
from kewcore.runtime.lowering.fixed_arguments import constants_of, fixed_argument
from kewcore.runtime.program import Function, Operation, TensorType

_LAYERS = frozenset({"conv", "linear"})
_HOMOGENEOUS = frozenset({"relu", "leaky_relu"})
_POOLS = frozenset({"max_pool", "avg_pool"})
_MOVING = frozenset({"transpose", "reshape", "squeeze", "expand_dims", "slice_by_index", "slice_by_size", "identity"})


@dataclass(frozen=True)
class Reader:
    """A layer that reads a layer's channels.

    Attributes:
        layer: The operation.
        value: Its operand.
        channels: Which channel each element of the operand belongs to, int32, the operand's shape or broadcast to it.
    """

    layer: Operation
    value: str
    channels: NDArray[np.int32]


@dataclass(frozen=True)
class Chain:
    """A layer, and the layers that alone read its channels.

    Attributes:
        layer: The first layer.
        count: Number of its output channels.
        readers: What reads them.
    """

    layer: Operation
    count: int
    readers: tuple[Reader, ...]


def chains(function: Function, stored: frozenset[str]) -> tuple[Chain, ...]:
    """Finds the layers whose channels can be scaled, in program order.

    Args:
        function: A verified function.
        stored: Names of the constants that may be changed.
    """
    found = []
    for operation in function.body.operations:
        if operation.type not in _LAYERS or not _owns(operation, ("weight", "bias"), function, stored):
            continue
        output = operation.outputs[0]
        shape = output.type.static_shape if isinstance(output.type, TensorType) else None
        if shape is None:
            continue
        axis = 1 if operation.type == "conv" else len(shape) - 1
        along = [-1 if i == axis else 1 for i in range(len(shape))]
        channels = np.broadcast_to(np.arange(shape[axis], dtype=np.int32).reshape(along), shape)
        readers = _readers(function, output.name, channels, stored)
        if readers:
            found.append(Chain(operation, shape[axis], readers))
    return tuple(found)


def _readers(function: Function, value: str, channels: NDArray[np.int32], stored: frozenset[str]) -> tuple[Reader, ...]:
    """Follows a value to the layers that read it; empty if anything else does."""
    if value in function.body.outputs:
        return ()
    found: list[Reader] = []
    for operation in function.body.operations:
        if value not in operation.reads:
            continue
        if operation.inputs.get("x") != (value,):
            return ()
        if operation.type in _LAYERS and _owns(operation, ("weight",), function, stored):
            if not (is_by_channel if operation.type == "conv" else _is_by_column)(channels):
                return ()
            found.append(Reader(operation, value, channels))
            continue
        after = _after(operation, channels, function)
        further = () if after is None else _readers(function, operation.outputs[0].name, after, stored)
        if not further:
            return ()
        found.extend(further)
    return tuple(found)


def _after(operation: Operation, channels: NDArray[np.int32], function: Function) -> NDArray[np.int32] | None:
    """Returns which channel each element of a result belongs to; None where elements of several are mixed."""
    type_ = operation.outputs[0].type
    shape = type_.static_shape if isinstance(type_, TensorType) else None
    if shape is None:
        return None
    if operation.type in _HOMOGENEOUS:
        return channels
    if operation.type in _POOLS:
        first = channels[(slice(None), slice(None), *(slice(0, 1) for _ in channels.shape[2:]))]
        return np.broadcast_to(first, shape) if is_by_channel(channels) else None
    if operation.type not in _MOVING:
        return None
    constants = constants_of(function)
    values: dict[str, Any] = {operation.inputs["x"][0]: channels.astype(np.float32)}  # type: ignore[dict-item]
    for parameter in operation.inputs:
        for binding in operation.inputs[parameter]:
            if isinstance(binding, str) and binding not in values:
                fixed = fixed_argument(operation, parameter, constants)
                if fixed is None:
                    return None
                values[binding] = fixed
    evaluate(operation, Context(function.opset, "fp32"), values)
    return np.asarray(values[operation.outputs[0].name]).astype(np.int32)


def by_input(channels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Returns the channel of each index of axis 1, where all elements there belong to one."""
    return channels.reshape(channels.shape[0], channels.shape[1], -1)[0, :, 0]


def is_by_channel(channels: NDArray[np.int32]) -> bool:
    """Whether all elements at an index of axis 1 belong to one channel."""
    first = channels[(slice(0, 1), slice(None), *(slice(0, 1) for _ in channels.shape[2:]))]
    return channels.ndim > 2 and bool((channels == first).all())


def _is_by_column(channels: NDArray[np.int32]) -> bool:
    """Whether all elements at an index of the last axis, read by a column of a `linear` weight, are of one channel."""
    rows = channels.reshape(-1, channels.shape[-1])
    return bool((rows == rows[:1]).all())


def _owns(operation: Operation, parameters: tuple[str, ...], function: Function, stored: frozenset[str]) -> bool:
    """Whether constants are stored ones that nothing else reads."""
    bindings = [binding for parameter in parameters for binding in operation.inputs.get(parameter, ())]
    return all(
        isinstance(binding, str)
        and binding in stored
        and sum(binding in other.reads for other in function.body.operations) == 1
        for binding in bindings
    )
