"""A loaded package: what it takes and gives, and predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kewcore.errors import UsageError
from kewcore.runtime.executor import Placement
from kewcore.runtime.out_of_memory import within_memory
from kewcore.runtime.package import Feature, Interface, Metadata, Package
from kewcore.runtime.program import Function, Operation, StateType
from kewcore.runtime.runners import Runner
from kewcore.runtime.state import State, StateCell


@dataclass(frozen=True)
class Model:
    """A verified function of a package, or a pipeline, with what predicts for it.

    Attributes:
        package: The package.
        function: The function that runs; the programs of a pipeline one after the other.
        interface: Its inputs and outputs.
        executor: What runs it.
    """

    package: Package
    function: Function
    interface: Interface
    executor: Runner

    def predict(self, inputs: Mapping[str, Any], state: State | None = None) -> dict[str, Any]:
        """Predicts with the keys, types and shapes of coremltools' `MLModel.predict`.

        Args:
            inputs: Inputs by name: PIL images or arrays `[H, W]` / `[H, W, 3]` for images, arrays for multiarrays,
                numbers for the thresholds of a detector.
            state: What `make_state` gave, for a stateful model; it changes in place.

        Returns:
            Outputs by name; a classifier gives its label and a dictionary of probabilities by label.

        Raises:
            UsageError: An input is missing, unknown, or has the wrong shape; or a stateful model gets no state.
        """
        with within_memory(f"a prediction of '{self.package.path}'"):
            return self.executor.predict(inputs, self._cells(state))

    def predict_many(self, inputs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Predicts for each of several inputs: the same answers, in less time where images can go through together.

        Args:
            inputs: As for `predict`, each.

        Returns:
            Outputs by name for each.

        Raises:
            UsageError: As `predict`; a stateful model has a prediction after the other.
        """
        with within_memory(f"{len(inputs)} predictions of '{self.package.path}'"):
            self._cells(None)
            return self.executor.predict_many(inputs)

    def make_state(self) -> State:
        """Makes the states of a stateful model, all zeros, to be given to each `predict` of one sequence.

        Raises:
            UsageError: The model has no states.
        """
        with within_memory(f"a state of '{self.package.path}'"):
            state = State(self.function)
        if not state.cells:
            raise UsageError(f"'{self.package.path}' has no states")
        return state

    def _cells(self, state: State | None) -> Mapping[str, StateCell]:
        wanted = {named.name for named in self.function.inputs if isinstance(named.type, StateType)}
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
            Arrays in their declared types, with `precision="fp32"` fp16-typed ones as the float32 that was computed;
            the label and the probabilities of a classifier as they are. Names in a pipeline begin with that of the
            part, as in `model0/x`.
        """
        with within_memory(f"a trace of '{self.package.path}'"):
            return self.executor.trace(inputs, self._cells(state))

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
        """A classifier's or detector's labels in the order of its probabilities; None if it is neither."""
        return self.executor.class_labels
