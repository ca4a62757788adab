"""Maps stay `[N, C, H, W]`: transposes to channels last move behind what works on each element."""

from typing import Any

import numpy as np

from kewcore.ane.chips import Chip
from kewcore_export.rewrites.elementwise import BINARY, REDUCTIONS, UNARY
from kewcore_export.rewrites.mil import TO_CHANNELS_LAST, again, channels_last_source, constant, replace

_TO_CHANNELS_FIRST = (0, 3, 1, 2)


def channels_first(block: Any, chip: Chip) -> list[str]:
    """Moves the transposes that frameworks with channels last bring behind functions of elements, and pairs out.

    Proof: a transpose moves elements and changes none, so it changes places with a function of single elements, also
    of two operands that are transposed alike, or of which one is constant and is transposed back for good. A
    concatenation, reduction or softmax works along the axis that the transpose brought where it was said to be. A
    reshape of a vector `[N, C]` to `[N, 1, 1, C]` is a transpose of `[N, C, 1, 1]`, since axes of length one have no
    order. A transpose and its inverse are nothing.
    """
    from coremltools.converters.mil.mil import Builder

    places = []
    for operation in list(block.operations):
        if len(operation.outputs) != 1 or len(operation.outputs[0].shape) != 4:
            continue
        name = operation.outputs[0].name
        if _turns_back(operation):
            replace(operation, channels_last_source(operation.x))
            continue
        moved = _as_map(operation, f"{name}_nchw") if operation.op_type == "reshape" else _moved(operation, name)
        if moved is None:
            continue
        result = Builder.transpose(x=moved, perm=list(TO_CHANNELS_LAST), before_op=operation, name=name)
        replace(operation, result)
        places.append(f"{name}: on [{', '.join(str(size) for size in moved.shape)}]")
    return places


def _turns_back(operation: Any) -> bool:
    if operation.op_type != "transpose" or channels_last_source(operation.x) is None:
        return False
    return tuple(int(axis) for axis in constant(operation.perm)) == _TO_CHANNELS_FIRST


def _as_map(reshape: Any, name: str) -> Any | None:
    from coremltools.converters.mil.mil import Builder

    if len(reshape.x.shape) != 2 or tuple(reshape.outputs[0].shape) != (reshape.x.shape[0], 1, 1, reshape.x.shape[1]):
        return None
    return Builder.expand_dims(x=reshape.x, axes=[2, 3], before_op=reshape, name=name)


def _moved(operation: Any, name: str) -> Any | None:
    """Repeats an operation on what its operands were before they were transposed; None where it cannot be."""
    from coremltools.converters.mil.mil import Builder

    kind, name = operation.op_type, f"{name}_nchw"
    if kind in BINARY:
        return _with_both(operation, name)
    if kind == "concat":
        sources = [channels_last_source(value) for value in operation.values]
        if None in sources or constant(operation.interleave):
            return None
        axis = TO_CHANNELS_LAST[int(constant(operation.axis))]
        return Builder.concat(values=sources, axis=axis, before_op=operation, name=name)
    source = channels_last_source(operation.x) if kind in UNARY | REDUCTIONS | {"softmax"} else None
    if source is None:
        return None
    if kind in UNARY:
        return again(operation, source, before=operation, name=name)
    if kind == "softmax":
        axis = TO_CHANNELS_LAST[int(constant(operation.axis))]
        return again(operation, source, before=operation, name=name, axis=axis)
    axes = constant(operation.axes)
    if axes is None or not constant(operation.keep_dims):
        return None
    return again(operation, source, before=operation, name=name, axes=[TO_CHANNELS_LAST[int(axis)] for axis in axes])


def _with_both(operation: Any, name: str) -> Any | None:
    sources, moves = {}, False
    for parameter in ("x", "y"):
        value = getattr(operation, parameter)
        source = channels_last_source(value)
        if source is not None:
            sources[parameter], moves = source, True
        elif value.val is not None:
            fixed = np.asarray(value.val)
            full = fixed.reshape((1,) * (4 - fixed.ndim) + fixed.shape)
            sources[parameter] = fixed if fixed.ndim == 0 else full.transpose(_TO_CHANNELS_FIRST)
        else:
            return None
    if not moves:
        return None
    return again(operation, sources.pop("x"), before=operation, name=name, **sources)
