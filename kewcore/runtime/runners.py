"""What predicts for a model: named features in, named features out, as `Model.predict` takes and gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kewcore.runtime.executor import Executor, ExecutorName, Placement
from kewcore.runtime.features import results_from, tensors_from
from kewcore.runtime.labels import class_labels
from kewcore.runtime.package import Interface
from kewcore.runtime.program import Function
from kewcore.runtime.state import StateCell

Features = Mapping[str, Any]


class Runner(Protocol):
    """Predicts for one model of any kind."""

    @property
    def name(self) -> ExecutorName:
        """Which executor computes, as in `load(executor=…)`."""
        ...

    @property
    def optional_inputs(self) -> frozenset[str]:
        """Names of the inputs that a prediction may leave out."""
        ...

    @property
    def class_labels(self) -> tuple[str | int, ...] | None:
        """Labels in the order of the probabilities; None where there are none."""
        ...

    def predict(self, inputs: Features, states: Mapping[str, StateCell]) -> dict[str, Any]:
        """Computes the outputs; see `Model.predict`."""
        ...

    def predict_many(self, inputs: Sequence[Features]) -> list[dict[str, Any]]:
        """Computes the outputs for each of several inputs; see `Model.predict_many`."""
        ...

    def trace(self, inputs: Features, states: Mapping[str, StateCell]) -> dict[str, Any]:
        """Computes every value; see `Model.trace`."""
        ...

    def placements(self) -> tuple[Placement, ...]:
        """Says which executor takes each operation, constants left out."""
        ...


@dataclass(frozen=True)
class ProgramRunner:
    """Runs one function of an ML Program.

    Attributes:
        function: A verified function.
        interface: Its inputs and outputs.
        executor: What computes it.
    """

    function: Function
    interface: Interface
    executor: Executor

    @property
    def name(self) -> ExecutorName:
        """The executor's name."""
        return self.executor.name

    @property
    def optional_inputs(self) -> frozenset[str]:
        """Inputs with a default value."""
        return frozenset(f.name for f in self.interface.inputs if f.optional and f.default is not None)

    @property
    def class_labels(self) -> tuple[str | int, ...] | None:
        """The labels of the `classify` operation."""
        return class_labels(self.function)

    def predict(self, inputs: Features, states: Mapping[str, StateCell]) -> dict[str, Any]:
        """Converts the inputs, computes, and converts the results."""
        tensors = tensors_from(inputs, self.interface, self.function)
        return results_from(self.executor.run(tensors, states), self.interface)

    def predict_many(self, inputs: Sequence[Features]) -> list[dict[str, Any]]:
        """Converts the inputs, computes together what can be, and converts the results."""
        tensors = [tensors_from(one, self.interface, self.function) for one in inputs]
        return [results_from(values, self.interface) for values in self.executor.run_many(tensors)]

    def trace(self, inputs: Features, states: Mapping[str, StateCell]) -> dict[str, Any]:
        """Converts the inputs and computes every value."""
        return self.executor.trace(tensors_from(inputs, self.interface, self.function), states)

    def placements(self) -> tuple[Placement, ...]:
        """The executor's."""
        return self.executor.placements()
