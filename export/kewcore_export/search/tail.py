"""A program from one of its values on, so that what lies before it runs once and not for every candidate."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.runtime.loading import start_executor
from kewcore.runtime.program import Function, NamedType
from kewcore_export.dependencies import needed_for


def leads_alone(function: Function, start: str, names: tuple[str, ...]) -> bool:
    """Whether values follow from one value alone, with no path past it from the function's inputs.

    Args:
        function: A verified function.
        start: Name of the one value.
        names: The values.
    """
    left = [operation for operation in function.body.operations if all(one.name != start for one in operation.outputs)]
    read = frozenset[str]().union(*(operation.reads for operation in needed_for(names, left)))
    return read.isdisjoint(one.name for one in function.inputs)


class Tail:
    """A function from a value to others.

    Args:
        function: A verified function.
        start: Name of the value to begin with, which an operation makes, and which alone leads to `names`.
        names: The values to read.
    """

    def __init__(self, function: Function, start: str, names: tuple[str, ...]) -> None:
        operations = function.body.operations
        makers = {output.name: operation for operation in operations for output in operation.outputs}
        maker = makers[start]
        given = NamedType(start, next(output.type for output in maker.outputs if output.name == start))
        left = [operation for operation in operations if operation is not maker]
        body = replace(function.body, operations=needed_for(names, left), outputs=names)
        self._start = start
        self._executor = start_executor(replace(function, inputs=(given,), body=body))

    def values(self, given: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Runs from the value on.

        Args:
            given: The value, in its shape and type.
        """
        return self._executor.run({self._start: given}, {})


def flat(values: NDArray[Any]) -> NDArray[np.float32]:
    """Gives all elements in one row, float32."""
    row: NDArray[np.float32] = values.astype(np.float32).reshape(-1)
    return row
