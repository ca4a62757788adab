"""Pipelines: models that hand features on to each other by name, checked before the first of them runs.

Source: `mlmodel/src/Validation/PipelineValidator.cpp` of github.com/apple/coremltools 9.0.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kewcore.errors import KewError
from kewcore.runtime.executor import ExecutorName, Placement
from kewcore.runtime.features import check_names
from kewcore.runtime.package import Feature, Interface
from kewcore.runtime.program import Binding, Block, Function, NamedType, Operation
from kewcore.runtime.runners import Features, Runner
from kewcore.runtime.state import StateCell


@dataclass(frozen=True)
class Part:
    """One model of a pipeline.

    Attributes:
        interface: Its inputs and outputs.
        function: Its program.
        runner: What predicts for it.
    """

    interface: Interface
    function: Function
    runner: Runner


@dataclass(frozen=True)
class PipelineRunner:
    """Runs one model after the other; each finds its inputs among those of the pipeline and the outputs before it.

    Attributes:
        parts: The models by name, in order.
        interface: Inputs and outputs of the pipeline.
    """

    parts: Mapping[str, Part]
    interface: Interface

    @property
    def name(self) -> ExecutorName:
        """`onnx` where it takes any of the parts."""
        return "onnx" if any(part.runner.name == "onnx" for part in self.parts.values()) else "reference"

    @property
    def optional_inputs(self) -> frozenset[str]:
        """Inputs that every part which takes them can do without."""
        needed = {
            feature.name
            for part in self.parts.values()
            for feature in part.interface.inputs
            if feature.name not in part.runner.optional_inputs
        }
        return frozenset(feature.name for feature in self.interface.inputs) - needed

    @property
    def class_labels(self) -> tuple[str | int, ...] | None:
        """The labels of the last part that has some."""
        labels = (part.runner.class_labels for part in reversed(tuple(self.parts.values())))
        return next((row for row in labels if row is not None), None)

    def predict(self, inputs: Features, states: Mapping[str, StateCell]) -> dict[str, Any]:
        """Predicts with each part, and gives what the pipeline's description names."""
        features = dict(inputs)
        for _, _, _, results in self._steps(inputs):
            features.update(results)
        return {feature.name: features[feature.name] for feature in self.interface.outputs}

    def predict_many(self, inputs: Sequence[Features]) -> list[dict[str, Any]]:
        """Predicts for one after the other."""
        return [self.predict(one, {}) for one in inputs]

    def trace(self, inputs: Features, states: Mapping[str, StateCell]) -> dict[str, Any]:
        """Traces each part; names carry the part's name before them, as in `model0/x`."""
        values: dict[str, Any] = {}
        for name, part, given, _ in self._steps(inputs):
            values |= {f"{name}/{key}": value for key, value in part.runner.trace(given, {}).items()}
        return values

    def placements(self) -> tuple[Placement, ...]:
        """Those of the parts."""
        return tuple(
            replace(placement, operation=_under(name, placement.operation))
            for name, part in self.parts.items()
            for placement in part.runner.placements()
        )

    def _steps(self, inputs: Features) -> Iterator[tuple[str, Part, Features, dict[str, Any]]]:
        """Yields each part with what it takes and what it gives."""
        check_names(inputs, self.interface, self.optional_inputs)
        features = dict(inputs)
        for name, part in self.parts.items():
            given = {f.name: features[f.name] for f in part.interface.inputs if f.name in features}
            try:
                results = part.runner.predict(given, {})
            except KewError as error:
                error.add_note(f"in part '{name}' of the pipeline")
                raise
            yield name, part, given, results
            features.update(results)


def joined(parts: Mapping[str, Part], interface: Interface) -> Function:
    """Returns the programs of a pipeline one after the other, for those who look at its operations and weights.

    Names of values and operations carry the part's name before them; what a part hands on has the name that it was
    given there. The opset is the newest.
    """
    body = Block(
        inputs=(),
        operations=tuple(_under(name, o) for name, part in parts.items() for o in part.function.body.operations),
        outputs=tuple(feature.name for feature in interface.outputs),
    )
    taken = {named.name: named for part in reversed(tuple(parts.values())) for named in part.function.inputs}
    inputs = tuple(taken[feature.name] for feature in interface.inputs if feature.name in taken)
    return Function("main", inputs, max(part.function.opset for part in parts.values()), body)


def pipeline_problems(parts: Mapping[str, Part], interface: Interface) -> Iterator[str]:
    """Says what does not fit between the parts of a pipeline."""
    available = {feature.name: (feature, "the pipeline") for feature in interface.inputs}
    for name, part in parts.items():
        for feature in part.interface.inputs:
            if feature.name in available:
                given, giver = available[feature.name]
                yield from _differences(f"part '{name}' takes '{feature.name}'", feature, giver, given)
            elif feature.name not in part.runner.optional_inputs:
                yield f"part '{name}' takes '{feature.name}', which neither the pipeline nor a part before it gives"
        if part.interface.states:
            yield f"part '{name}' has states, which parts of pipelines cannot have"
        available |= {feature.name: (feature, f"part '{name}'") for feature in part.interface.outputs}
    for feature in interface.outputs:
        if feature.name in available:
            given, giver = available[feature.name]
            yield from _differences(f"the pipeline gives '{feature.name}'", feature, giver, given)
        else:
            yield f"the pipeline gives '{feature.name}', which none of its parts does"


def _differences(taker: str, wanted: Feature, giver: str, given: Feature) -> Iterator[str]:
    """Compares kinds and, where neither varies, shapes; element types are converted."""
    flexible = any(f.shape_ranges or f.enumerated_shapes or not f.shape for f in (wanted, given))
    other_shape = not flexible and wanted.shape != given.shape
    if wanted.kind is not given.kind or wanted.colour_space != given.colour_space or other_shape:
        yield f"{taker} as {wanted}, but {giver} has it as {given}"


def _under(part: str, operation: Operation) -> Operation:
    """Puts the part's name before all names of an operation."""

    def named(values: tuple[NamedType, ...]) -> tuple[NamedType, ...]:
        return tuple(NamedType(f"{part}/{value.name}", value.type) for value in values)

    def bound(bindings: tuple[Binding, ...]) -> tuple[Binding, ...]:
        return tuple(f"{part}/{binding}" if isinstance(binding, str) else binding for binding in bindings)

    return replace(
        operation,
        name=f"{part}/{operation.name}",
        inputs={parameter: bound(bindings) for parameter, bindings in operation.inputs.items()},
        outputs=named(operation.outputs),
        blocks=tuple(
            Block(
                named(block.inputs),
                tuple(_under(part, inner) for inner in block.operations),
                tuple(f"{part}/{name}" for name in block.outputs),
            )
            for block in operation.blocks
        ),
    )
