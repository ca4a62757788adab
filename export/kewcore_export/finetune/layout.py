"""Tensors of an ML Program in TensorFlow: axes in the program's order by name, channels last in memory.

TensorFlow's kernels for the CPU want channels last, ML Programs have them second. A value of rank 4 is therefore held
as `[N, H, W, C]` and its axes are translated; every other value is held as it is.
"""

from typing import Any

from kewcore.models.tensorflow import import_tensorflow

_HELD = (0, 2, 3, 1)
"""Program's axis at each place of a value of rank 4, as it is held."""
_PLAIN = (0, 3, 1, 2)


def held(value: Any) -> Any:
    """Brings a value from the program's order of axes to that in which it is held."""
    return import_tensorflow().transpose(value, _HELD) if len(value.shape) == 4 else value


def plain(value: Any) -> Any:
    """Brings a value back to the program's order of axes."""
    return import_tensorflow().transpose(value, _PLAIN) if len(value.shape) == 4 else value


def held_axis(axis: int, rank: int) -> int:
    """Translates an axis of the program, which may count from the end."""
    axis %= rank
    return _HELD.index(axis) if rank == 4 else axis


def held_order(pairs: list[Any]) -> list[Any]:
    """Puts what is said of each axis, in the program's order, into the order in which a value is held."""
    return [pairs[axis] for axis in _HELD] if len(pairs) == 4 else pairs
