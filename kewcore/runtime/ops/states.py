"""Reading and writing tensors that live from one prediction to the next."""

from typing import Any

import numpy as np

from kewcore.runtime.opset import Opset
from kewcore.runtime.registry import Array, op
from kewcore.runtime.state import StateCell


@op("read_state", since=Opset.IOS18, source="iOS18/states.py", result_like=None, exact=True)
def read_state(*, input: StateCell) -> Array:  # noqa: A002
    """A copy of the tensor as it is now."""
    return input.array.copy()


@op(
    "coreml_update_state",
    since=Opset.IOS18,
    source="coreml_dialect/ops.py, beside iOS18",
    result_like="value",
    exact=True,
)
def coreml_update_state(*, state: StateCell, value: Array) -> Array:
    """Replaces the tensor by `value`, and gives that back.

    Raises:
        ValueError: The shape is another one.
    """
    state.write(value)
    return np.asarray(value)


@op(
    "write_state",
    since=Opset.IOS18,
    source="coreml_dialect/ops.py, as it is written in packages",
    result_like=None,
    variadic_results=True,
    exact=True,
)
def write_state(*, input: StateCell, data: Array) -> tuple[Any, ...]:  # noqa: A002
    """Replaces the tensor by `data`, and gives nothing.

    Raises:
        ValueError: The shape is another one.
    """
    input.write(data)
    return ()
