"""A loaded package: what it takes and gives, and predictions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kewcore.errors import PackageError, UsageError
from kewcore.runtime.evaluation import constant
from kewcore.runtime.executor import Executor, Placement
from kewcore.runtime.features import results_from, tensors_from
from kewcore.runtime.program import (
    Feature,
    Function,
    Interface,
    Metadata,
    Operation,
    Package,
)
from kewcore.runtime.state import State, StateCell


@dataclass(frozen=True)
class Model:
    """A verified function of a package with an executor.

    Attributes:
        package: The package.
        function: The function that runs.
        interface: Its inputs and outputs.
        executor: What runs it.
    """

    package: Package
    function: Function
    interface: Interface
    executor: Executor

    def predict(self, inputs: Mapping[str, Any], state: State | None = None) -> dict[str, Any]:
        """Predicts with the keys, types and shapes of coremltools' `MLModel.predict`.

        Args:
            inputs: Inputs by name: PIL images or arrays `[H, W]` / `[H, W, 3]` for images, arrays for multiarrays.
            state: What `make_state` gave, for a stateful model; it changes in place.

        Returns:
            Outputs by name; a classifier gives its label and a dictionary of probabilities by label.

        Raises:
            UsageError: An input is missing, unknown, or has the wrong shape; or a stateful model gets no state.
        """
        tensors = tensors_from(inputs, self.interface, self.function)
        return results_from(self.executor.run(tensors, self._cells(state)), self.interface)

    def make_state(self) -> State:
        """Makes the states of a stateful model, all zeros, to be given to each `predict` of one sequence.

        Raises:
            UsageError: The model has no states.
        """
        state = State(self.function)
        if not state.cells:
            raise UsageError(f"'{self.package.path}' has no states")
        return state

    def _cells(self, state: State | None) -> Mapping[str, StateCell]:
        wanted = set(State(self.function).cells)
        given = {} if state is None else state.cells
        if wanted != set(given):
            raise UsageError(
                f"the states must be {', '.join(sorted(wanted)) or 'none'}, got {', '.join(sorted(given)) or 'none'}",
                hint="make them with make_state(), and give them to every predict()" if wanted else None,
            )
        return given

    def trace(self, inputs: Mapping[str, Any], state: State | None = None) -> dict[str, Any]:
        """Computes every value of the program outside loops, by name: inputs, weights, intermediate values and outputs.

        Args:
            inputs: As for `predict`.
            state: As for `predict`.

        Returns:
            Arrays in their declared types; the label and the probabilities of a classifier as they are.
        """
        return self.executor.trace(tensors_from(inputs, self.interface, self.function), self._cells(state))

    @property
    def inputs(self) -> tuple[Feature, ...]:
        """What `predict` takes."""
        return self.interface.inputs

    @property
    def outputs(self) -> tuple[Feature, ...]:
        """What `predict` gives."""
        return self.interface.outputs

    @property
    def metadata(self) -> Metadata:
        """What the package says of itself."""
        return self.package.metadata

    @property
    def ops(self) -> tuple[Operation, ...]:
        """Operations in order of execution, constants left out."""
        return tuple(operation for operation in self.function.body.walk() if operation.type != "const")

    @property
    def placements(self) -> tuple[Placement, ...]:
        """Which executor takes each operation."""
        return self.executor.placements()

    @property
    def class_labels(self) -> tuple[str | int, ...] | None:
        """A classifier's labels in the order of its probabilities; None if it is not one."""
        return class_labels(self.function)


def classify_operation(function: Function) -> Operation | None:
    """Finds the `classify` operation of a classifier."""
    return next((operation for operation in function.body.operations if operation.type == "classify"), None)


def class_labels(function: Function) -> tuple[str | int, ...] | None:
    """Reads a classifier's labels; None if the function is not one, or computes them.

    Raises:
        PackageError: They are neither texts nor whole numbers.
    """
    classify = classify_operation(function)
    if classify is None:
        return None
    (classes,) = classify.arguments["classes"]
    if isinstance(classes, str):
        holders = (o for o in function.body.operations if o.type == "const" and o.outputs[0].name == classes)
        holder = next(holders, None)
        classes = "" if holder is None else holder.arguments["val"][0]
    if isinstance(classes, str):
        return None
    try:
        return tuple(label if isinstance(label, str) else int(label) for label in constant(classes))
    except (TypeError, ValueError) as error:
        raise PackageError(f"{classify}: classes must be texts or whole numbers: {error}") from error
