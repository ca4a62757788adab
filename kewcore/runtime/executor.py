"""What an executor is: something that computes a function's outputs from its inputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from kewcore.runtime.program import Operation
from kewcore.runtime.state import StateCell

Values = dict[str, Any]
"""Values by name: arrays of the declared type; a label or a dictionary for the outputs of `classify`."""
ExecutorName = Literal["reference", "onnx"]
Precision = Literal["typed", "fp32"]
"""`typed` rounds every fp16-typed value to fp16; `fp32` leaves values between operations unrounded. See ADR 0011."""


@dataclass(frozen=True)
class Placement:
    """Which executor takes an operation.

    Attributes:
        operation: The operation.
        executor: `reference` or `onnx`.
        reason: Why the fast executor does not take it; empty where it does, or where it was not asked.
    """

    operation: Operation
    executor: ExecutorName
    reason: str = ""


class Executor(Protocol):
    """Runs one function of a verified program."""

    @property
    def name(self) -> ExecutorName:
        """Short name, as in `load(executor=…)`."""
        ...

    def run(self, inputs: Mapping[str, Any], states: Mapping[str, StateCell]) -> Values:
        """Computes the outputs of the function from its inputs, both by name; states change in place."""
        ...

    def run_many(self, inputs: Sequence[Mapping[str, Any]]) -> list[Values]:
        """Computes the outputs for each of several inputs; not with states."""
        ...

    def trace(self, inputs: Mapping[str, Any], states: Mapping[str, StateCell]) -> Values:
        """Computes every value of the program outside blocks, by name, without rewrites."""
        ...

    def placements(self) -> tuple[Placement, ...]:
        """Says which executor takes each operation, constants left out."""
        ...
