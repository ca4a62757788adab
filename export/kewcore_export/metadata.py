"""What a package says of itself in Core ML's metadata."""

from collections.abc import Mapping
from typing import Any

from kewcore import __version__
from kewcore.recipes import ExportRecipe
from kewcore.runtime.classifier import RESIZE_KEY
from kewcore_export.modes import Mode
from kewcore_export.sidecar import EngineRecord, InputRecord, RunRecord

PREVIEW_TYPE_KEY = "com.apple.coreml.model.preview.type"


def describe_model(
    model: Any,
    export: ExportRecipe,
    run: RunRecord,
    image: InputRecord,
    class_names: tuple[str, ...],
    mode: Mode,
    engine: EngineRecord,
) -> Any:
    """Copies a protobuf `Model`, with metadata and descriptions of input and outputs.

    Nothing in it depends on when or where the package is made.
    """
    copy = type(model)()
    copy.CopyFrom(model)
    metadata = copy.description.metadata
    metadata.author, metadata.license = export.author, export.license
    metadata.versionString = export.version
    metadata.shortDescription = export.description
    metadata.userDefined.clear()
    for key, value in _user_defined(run, image, class_names, mode, engine).items():
        metadata.userDefined[key] = value
    colour = "Greyscale" if image.channels == 1 else "RGB"
    sentences = {
        image.name: f"{colour} photograph, {image.width} x {image.height} pixels, resized by '{image.resize}'",
        "classLabel": "Most probable class",
        "classLabel_probs": "Probability of each class",
    }
    for feature in (*copy.description.input, *copy.description.output):
        feature.shortDescription = sentences.get(feature.name, "")
    return copy


def _user_defined(
    run: RunRecord, image: InputRecord, class_names: tuple[str, ...], mode: Mode, engine: EngineRecord
) -> Mapping[str, str]:
    return {
        PREVIEW_TYPE_KEY: "imageClassifier",
        "classes": ",".join(class_names),
        "kewcore.version": __version__,
        "kewcore.mode": mode.name,
        "kewcore.target": engine.target,
        "kewcore.min_chip": engine.min_chip,
        "kewcore.rewrites": ",".join(engine.rewrites),
        "kewcore.recipe": run.recipe,
        "kewcore.variant": run.variant,
        "kewcore.model_sha256": run.model_sha256,
        "kewcore.dataset_fingerprint": run.dataset_fingerprint,
        "kewcore.dataset_is_stand_in": "true" if run.stand_in else "false",
        RESIZE_KEY: image.resize,
    }
