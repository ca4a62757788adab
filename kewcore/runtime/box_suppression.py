"""Running the model behind a detector's network: boxes and confidences in, those that stay out.

Source: `mlmodel/src/Validation/NonMaximumSuppressionValidator.cpp` of github.com/apple/coremltools 9.0.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kewcore.errors import PackageError, UsageError
from kewcore.runtime.boxes import survivors
from kewcore.runtime.executor import ExecutorName, Placement
from kewcore.runtime.features import array_from, check_names, number_from, results_from
from kewcore.runtime.opset import Opset
from kewcore.runtime.package import Feature, FeatureKind, Interface, Package
from kewcore.runtime.program import Block, Function, NamedType, Operation, TensorType
from kewcore.runtime.registry import Array
from kewcore.runtime.runners import Features
from kewcore.runtime.state import StateCell
from kewcore.runtime.suppression import Suppression

_MOST_ROWS = 1 << 20
"""Rows of boxes that a package may ask to be filled up with zeros."""


@dataclass(frozen=True)
class SuppressionRunner:
    """Runs a non-maximum suppression; a few boxes, so NumPy serves with every executor.

    Attributes:
        suppression: The model.
        interface: Its inputs and outputs.
        function: The model in the form of a program, for those who look at its operation.
        name: The executor.
    """

    suppression: Suppression
    interface: Interface
    function: Function
    name: ExecutorName = "reference"

    @property
    def optional_inputs(self) -> frozenset[str]:
        """The thresholds."""
        return self.suppression.threshold_inputs

    @property
    def class_labels(self) -> tuple[str | int, ...] | None:
        """Labels of the columns of the confidences."""
        return self.suppression.class_labels or None

    def predict(self, inputs: Features, states: Mapping[str, StateCell]) -> dict[str, Any]:
        """Sorts the boxes by confidence and leaves those out that are too weak or overlap a stronger one.

        Raises:
            UsageError: An input is missing, unknown, or has the wrong shape; or a threshold is out of range.
            PackageError: There are too many boxes to compare.
        """
        check_names(inputs, self.interface, self.optional_inputs)
        suppression = self.suppression
        arrays = {name: self._array(name, inputs[name]) for name in (self._confidence, self._coordinates)}
        confidence, boxes = arrays[self._confidence], arrays[self._coordinates]
        if confidence.ndim != 2 or boxes.shape != (len(confidence), 4) or confidence.shape[1] < 1:
            raise UsageError(
                f"'{self._confidence}' must be [boxes, classes] and '{self._coordinates}' [boxes, 4], "
                f"got {list(confidence.shape)} and {list(boxes.shape)}"
            )
        iou_threshold = _threshold(inputs, suppression.iou_threshold_input, suppression.iou_threshold, 1.0)
        least = _threshold(inputs, suppression.confidence_threshold_input, suppression.confidence_threshold, np.inf)
        at_least, at_most = self._rows(len(confidence))
        try:
            chosen = survivors(boxes, confidence, iou_threshold, least, at_most, per_class=suppression.per_class)
        except ValueError as error:
            raise PackageError(f"{error}", hint="raise the confidence threshold") from error
        results = {
            suppression.confidence_output: _padded(confidence[chosen], at_least),
            suppression.coordinates_output: _padded(boxes[chosen], at_least),
        }
        return results_from(results, self.interface)

    def predict_many(self, inputs: Sequence[Features]) -> list[dict[str, Any]]:
        """Predicts for one after the other."""
        return [self.predict(one, {}) for one in inputs]

    def trace(self, inputs: Features, states: Mapping[str, StateCell]) -> dict[str, Any]:
        """Inputs and outputs."""
        return {**inputs, **self.predict(inputs, states)}

    def placements(self) -> tuple[Placement, ...]:
        """One operation."""
        reason = "a model of its own kind, not part of a program"
        return tuple(Placement(operation, "reference", reason) for operation in self.function.body.operations)

    @property
    def _confidence(self) -> str:
        return self.suppression.confidence_input

    @property
    def _coordinates(self) -> str:
        return self.suppression.coordinates_input

    def _array(self, name: str, value: Any) -> Array:
        feature = next(feature for feature in self.interface.inputs if feature.name == name)
        dtype = feature.dtype
        if dtype is None:
            raise PackageError(f"input '{name}' must be a multiarray, it is a {feature}")
        return array_from(value, feature, TensorType(dtype, feature.shape or None))

    def _rows(self, boxes: int) -> tuple[int, int]:
        """How many rows the outputs have at least, filled up with zeros, and at most."""
        outputs = {self.suppression.confidence_output, self.suppression.coordinates_output}
        at_least, at_most = 0, boxes
        for feature in self.interface.outputs:
            if feature.name in outputs and feature.shape_ranges:
                low, high = feature.shape_ranges[0]
                at_least, at_most = max(at_least, low), at_most if high is None else min(at_most, high)
            elif feature.name in outputs and len(feature.shape) == 2:
                at_least, at_most = feature.shape[0], min(at_most, feature.shape[0])
        return at_least, at_most


def with_thresholds(suppression: Suppression, interface: Interface) -> Interface:
    """Adds the inputs of the thresholds where a description leaves them out.

    Detectors are exported with thresholds that only the pipeline describes; apps change them all the same.
    """
    described = {feature.name for feature in interface.inputs}
    missing = sorted(suppression.threshold_inputs - described)
    added = tuple(Feature(name, FeatureKind.DOUBLE, optional=True) for name in missing)
    return replace(interface, inputs=(*interface.inputs, *added))


def as_function(suppression: Suppression, package: Package) -> Function:
    """Puts a suppression in the form of a program of one operation, for those who look at operations.

    The opset is the newest of the package's specification: version 6 came with iOS 15, as `CoreML5` did.
    """
    interface = package.interfaces[package.default_function]
    types = {f.name: TensorType(f.dtype, None) for f in (*interface.inputs, *interface.outputs) if f.dtype is not None}
    arguments = (suppression.confidence_input, suppression.coordinates_input, *sorted(suppression.threshold_inputs))
    results = (suppression.confidence_output, suppression.coordinates_output)
    operation = Operation(
        type="nonMaximumSuppression",
        name="nonMaximumSuppression",
        inputs={name: (name,) for name in arguments},
        attributes={},
        outputs=tuple(NamedType(name, types[name]) for name in results),
    )
    newest = min(max(package.specification_version - 1, min(Opset)), max(Opset))
    inputs = tuple(NamedType(name, types[name]) for name in arguments if name in types)
    return Function("main", inputs, Opset(newest), Block((), (operation,), results))


def suppression_problems(suppression: Suppression, interface: Interface) -> Iterator[str]:
    """Says what does not fit between a suppression and its description."""
    arrays = (suppression.confidence_input, suppression.coordinates_input)
    thresholds = dict.fromkeys(suppression.threshold_inputs, FeatureKind.DOUBLE)
    yield from _name_problems("input", interface.inputs, dict.fromkeys(arrays, FeatureKind.MULTI_ARRAY), thresholds)
    outputs = (suppression.confidence_output, suppression.coordinates_output)
    yield from _name_problems("output", interface.outputs, dict.fromkeys(outputs, FeatureKind.MULTI_ARRAY), {})
    if not 0 <= suppression.iou_threshold <= 1:
        yield f"the threshold of overlap must be 0…1, got {suppression.iou_threshold:g}"
    if not suppression.confidence_threshold >= 0:
        yield f"the threshold of confidence must be at least 0, got {suppression.confidence_threshold:g}"
    for feature in interface.outputs:
        rows = [low for low, _ in feature.shape_ranges[:1]] or list(feature.shape[:1])
        if rows and rows[0] > _MOST_ROWS:
            yield f"output '{feature.name}' asks for {rows[0]} rows, more than {_MOST_ROWS}"
    labels = len(suppression.class_labels)
    for feature in (*interface.inputs, *interface.outputs):
        is_confidence = feature.name in {suppression.confidence_input, suppression.confidence_output}
        if labels and is_confidence and len(feature.shape) == 2 and feature.shape[1] != labels:
            yield f"'{feature.name}' has {feature.shape[1]} columns, but there are {labels} class labels"


def _name_problems(
    what: str,
    features: tuple[Feature, ...],
    required: Mapping[str, FeatureKind],
    optional: Mapping[str, FeatureKind],
) -> Iterator[str]:
    described = {feature.name: feature for feature in features}
    for name in required:
        if name not in described:
            yield f"the description lacks {what} '{name}'"
    for name, feature in described.items():
        wanted = required.get(name) or optional.get(name)
        if wanted is None:
            yield f"{what} '{name}' of the description is none of the suppression's"
        elif feature.kind is not wanted:
            yield f"{what} '{name}' must be of kind {wanted.value}, it is {feature}"


def _threshold(inputs: Features, name: str, default: float, largest: float) -> float:
    if not name or name not in inputs:
        return default
    value = number_from(inputs[name], name)
    if not 0 <= value <= largest:
        raise UsageError(f"input '{name}' must be {'0…1' if largest == 1 else 'at least 0'}, got {value:g}")
    return value


def _padded(rows: Array, at_least: int) -> Array:
    missing = max(0, at_least - len(rows))
    return np.concatenate([rows, np.zeros((missing, rows.shape[1]), rows.dtype)])
