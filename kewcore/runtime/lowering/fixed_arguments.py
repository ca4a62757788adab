"""Arguments that are fixed in a package, as rewrites look them up before anything runs."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from kewcore.runtime.program import Binding, Function, Operation, TensorType, TensorValue

Constants = Mapping[str, Binding]
"""Values of a function's `const` operations by name."""


def constants_of(function: Function) -> Constants:
    """Collects the constants of a function's body; nested blocks are left out."""
    return {
        operation.outputs[0].name: operation.arguments["val"][0]
        for operation in function.body.operations
        if operation.type == "const"
    }


def fixed_argument(operation: Operation, parameter: str, constants: Constants) -> NDArray[Any] | None:
    """Returns an argument in its own shape and type; None where it is left out or computed at run time."""
    (binding,) = operation.arguments.get(parameter, (None,))
    value = constants.get(binding) if isinstance(binding, str) else binding
    return value.numpy() if isinstance(value, TensorValue) and isinstance(value.type, TensorType) else None


def may_hang_over(pool: Operation, constants: Constants) -> bool:
    """Whether `ceil_mode` may put a pool's last window where there are no elements."""
    ceil_mode = fixed_argument(pool, "ceil_mode", constants)
    return "ceil_mode" in pool.arguments and (ceil_mode is None or bool(ceil_mode.any()))
