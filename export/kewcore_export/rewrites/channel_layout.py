"""Vectors between convolutions stay maps of one position, `[N, C, 1, 1]`, until the end of the network.

Why not `[N, 1, 1, C]`, whose last axis fills the engine's rows of 64 bytes: a convolution sums over the channel axis,
and changing the layout between two of them rewrites every element. See docs/adr/0023-channels-to-the-end.md.
"""

from typing import Any

import numpy as np

from kewcore.ane.chips import Chip
from kewcore_export.rewrites.elementwise import BINARY, REDUCTIONS, UNARY
from kewcore_export.rewrites.mil import again, channels_last_source, constant, replace


def channels_to_the_end(block: Any, chip: Chip) -> list[str]:
    """Moves the squeeze of `[N, C, 1, 1]` to `[N, C]` behind everything that works on each element or along channels.

    Proof: a squeeze moves no element; it drops axes of length one. So it changes places with any function of single
    elements, with a softmax or concatenation along the channels, whose axis is 1 on both sides, and it undoes an
    `expand_dims` of the same axes. A reduction over rows and columns that drops them is one that keeps them, and a
    squeeze.

    The softmax over the classes so works on channels, on the engine, and the squeeze is the last operation: should a
    chip run that elsewhere, nothing comes back from there.
    """
    from coremltools.converters.mil.mil import Builder

    maps: dict[Any, Any] = {}  # of each vector [N, C], the same elements as [N, C, 1, 1]
    places = []
    for operation in list(block.operations):
        if operation.op_type == "squeeze" and _axes(operation) == (2, 3) and len(operation.x.shape) == 4:
            maps[operation.outputs[0]] = operation.x
        elif operation.op_type == "expand_dims" and operation.x in maps and _axes(operation) == (2, 3):
            replace(operation, maps[operation.x])
        elif (moved := _on_map(operation, maps)) is not None:
            name = operation.outputs[0].name
            vector = Builder.squeeze(x=moved, axes=[2, 3], before_op=operation, name=name)
            maps[vector] = moved
            replace(operation, vector)
            places.append(f"{name}: on [{vector.shape[0]}, {vector.shape[1]}, 1, 1]")
    return places


def _axes(operation: Any) -> tuple[int, ...]:
    axes = constant(operation.axes)
    return () if axes is None else tuple(sorted(int(axis) % 4 for axis in axes))


def _on_map(operation: Any, maps: dict[Any, Any]) -> Any | None:
    """Repeats an operation on maps of one position; None where it cannot be."""
    if len(operation.outputs) != 1 or len(operation.outputs[0].shape) != 2:
        return None
    name = f"{operation.outputs[0].name}_map"
    kind = operation.op_type
    if kind in REDUCTIONS:
        return _reduction_kept(operation, name)
    if kind in BINARY:
        return _elementwise(operation, maps, name)
    if kind == "concat":
        return _concatenation(operation, maps, name)
    if operation.inputs.get("x") not in maps:
        return None
    if kind in UNARY:
        return again(operation, maps[operation.x], before=operation, name=name)
    if kind == "softmax" and int(constant(operation.axis)) in (1, -1):
        return again(operation, maps[operation.x], before=operation, name=name, axis=1)
    return None


def _reduction_kept(operation: Any, name: str) -> Any | None:
    x, axes = operation.x, constant(operation.axes)
    if axes is None or constant(operation.keep_dims) or len(x.shape) != 4:
        return None
    reduced = {int(axis) % 4 for axis in axes}
    source = channels_last_source(x)
    if source is not None and reduced == {1, 2}:
        x, reduced = source, {2, 3}
    if reduced != {2, 3}:
        return None
    return again(operation, x, before=operation, name=name, axes=[2, 3], keep_dims=True)


def _elementwise(operation: Any, maps: dict[Any, Any], name: str) -> Any | None:
    shape = tuple(operation.outputs[0].shape)
    operands = {}
    for parameter in ("x", "y"):
        value = getattr(operation, parameter)
        if value in maps and tuple(value.shape) == shape:
            operands[parameter] = maps[value]
        elif value.val is not None:
            operands[parameter] = _constant_on_map(np.asarray(value.val))
        else:
            return None
    if all(operand.val is not None for operand in operands.values() if hasattr(operand, "val")):
        return None
    return again(operation, operands.pop("x"), before=operation, name=name, **operands)


def _constant_on_map(value: Any) -> Any:
    """Shapes a scalar, `[C]` or `[N, C]` so that it meets `[N, C, 1, 1]` as it met `[N, C]`."""
    return value.reshape(*((1,) * (2 - value.ndim)), *value.shape, 1, 1) if value.ndim else value


def _concatenation(operation: Any, maps: dict[Any, Any], name: str) -> Any | None:
    from coremltools.converters.mil.mil import Builder

    if any(value not in maps for value in operation.values) or int(constant(operation.axis)) not in (1, -1):
        return None
    if constant(operation.interleave):
        return None
    return Builder.concat(values=[maps[value] for value in operation.values], axis=1, before_op=operation, name=name)
