"""The models of a pipeline, by name; which of them kewcore does not run; and the message of a suppression."""

from collections.abc import Iterator
from typing import Any

from kewcore.errors import PackageError
from kewcore.runtime.spec import schema
from kewcore.runtime.suppression import Suppression

MAX_DEPTH = 8
"""Pipelines in pipelines; coremltools makes one level."""
_PIPELINES = ("pipeline", "pipelineClassifier", "pipelineRegressor")


def named_parts(model: Any) -> dict[str, Any]:
    """Returns the models of a pipeline by their names, in order; empty for other models.

    Raises:
        PackageError: The pipeline is empty, or its names do not fit its models.
    """
    kind = model.WhichOneof("Type")
    if kind not in _PIPELINES:
        return {}
    pipeline = model.pipeline if kind == "pipeline" else getattr(model, kind).pipeline
    names = list(pipeline.names) or [f"model{number}" for number in range(len(pipeline.models))]
    if not pipeline.models:
        raise PackageError("the pipeline has no models")
    if len(set(names)) != len(pipeline.models) or len(names) != len(pipeline.models):
        raise PackageError(f"the pipeline has {len(pipeline.models)} models and names {names}; each needs its own")
    return dict(zip(names, pipeline.models, strict=True))


def unsupported_models(model: Any, where: str = "", depth: int = 0) -> Iterator[str]:
    """Says which models kewcore does not run: the model itself, or the parts of a pipeline, by name and kind.

    Raises:
        PackageError: Pipelines are nested too deeply, or malformed.
    """
    kind = model.WhichOneof("Type")
    if depth > MAX_DEPTH:
        raise PackageError(f"pipelines are nested more than {MAX_DEPTH} deep")
    if kind is None:
        yield f"holds a model of kind '{_unlisted_kind(model) or 'nothing'}'{where}"
    for name, part in named_parts(model).items():
        yield from unsupported_models(part, f" as part '{name}' of its pipeline", depth + 1)


def suppression_from(message: Any) -> Suppression:
    """Reads a `NonMaximumSuppression` message."""
    labels = message.WhichOneof("ClassLabels")
    return Suppression(
        iou_threshold=message.iouThreshold,
        confidence_threshold=message.confidenceThreshold,
        per_class=message.pickTop.perClass,
        class_labels=tuple(getattr(message, labels).vector) if labels else (),
        confidence_input=message.confidenceInputFeatureName,
        coordinates_input=message.coordinatesInputFeatureName,
        iou_threshold_input=message.iouThresholdInputFeatureName,
        confidence_threshold_input=message.confidenceThresholdInputFeatureName,
        confidence_output=message.confidenceOutputFeatureName,
        coordinates_output=message.coordinatesOutputFeatureName,
    )


def _unlisted_kind(model: Any) -> str | None:
    """Finds which unlisted member of the oneof in `Model` a message holds, by its field number."""
    from google.protobuf.unknown_fields import UnknownFieldSet

    numbers = {field.field_number for field in UnknownFieldSet(model)}
    return next((name for number, name in schema.OTHER_MODEL_KINDS.items() if number in numbers), None)
