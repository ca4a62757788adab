"""What the rewrites ask of a MIL graph, and the edits that they make. MIL is coremltools' in-memory program."""

from typing import Any

from kewcore.runtime.padding import Pads, window_pads

TO_CHANNELS_LAST = (0, 2, 3, 1)
"""The order of axes that turns `[N, C, H, W]` into `[N, H, W, C]`."""


def constant(value: Any) -> Any:
    """Returns what a constant argument holds, as NumPy; None where it is left out or computed at run time."""
    return None if value is None else value.val


def sole_reader(value: Any) -> Any | None:
    """Returns the one operation that reads a value; None if there are several, or if the value leaves the block."""
    readers = value.child_ops
    return readers[0] if len(readers) == 1 and not value.consuming_blocks else None


def replace(operation: Any, value: Any) -> None:
    """Puts a value in the place of an operation's only result, and takes the operation out."""
    block = operation.enclosing_block
    block.replace_uses_of_var_after_op(anchor_op=operation, old_var=operation.outputs[0], new_var=value)
    block.remove_ops([operation])


def again(operation: Any, x: Any, *, before: Any, name: str, **changed: Any) -> Any:
    """Adds a copy of an operation that reads another `x`, and returns its result.

    Args:
        operation: An operation with an input `x` and one result.
        x: What the copy reads.
        before: The operation that the copy goes in front of.
        name: Of its result.
        **changed: Other arguments that differ.
    """
    from coremltools.converters.mil.mil import Builder

    arguments = {key: value for key, value in operation.inputs.items() if value is not None}
    # The defaults that coremltools filled in are arguments like any other.
    return getattr(Builder, operation.op_type)(**{**arguments, "x": x, **changed}, before_op=before, name=name)


def spatial_pads(operation: Any, sizes: tuple[int, ...]) -> Pads | None:
    """Gives the padding of a convolution or pool over rows and columns, as `(before, behind)`.

    Args:
        operation: A `conv`, or a pool.
        sizes: Rows and columns of its kernel.

    Returns:
        None where it is computed at run time.
    """
    pad, ones = constant(operation.pad), [1] * len(sizes)
    if pad is None and operation.pad is not None:
        return None
    dilations = ones if operation.op_type != "conv" else [int(step) for step in constant(operation.dilations)]
    strides = [int(step) for step in constant(operation.strides)]
    return window_pads(str(constant(operation.pad_type)), pad, operation.x.shape[2:], sizes, strides, dilations)


def channels_last_source(value: Any) -> Any | None:
    """Returns the map `[N, C, H, W]` that a value `[N, H, W, C]` is a transpose of; None if it is none."""
    maker = value.op
    if maker is None or maker.op_type != "transpose" or len(value.shape) != 4:
        return None
    return maker.x if tuple(int(axis) for axis in constant(maker.perm)) == TO_CHANNELS_LAST else None


def shown(shape: Any) -> str:
    """Writes a shape as `[1, 192, 15, 15]`."""
    return f"[{', '.join(str(size) for size in shape)}]"
