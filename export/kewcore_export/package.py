"""The folder of a Core ML package: manifest, model and weights, byte for byte the same for the same content.

Source: `modelpackage/src/ModelPackage.cpp` in apple/coremltools 9.0. Item identifiers, random there, are derived from
the content here.
"""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kewcore.artefacts import sha256_file
from kewcore_export.weights_file import WeightsWriter

_NAMESPACE = uuid.UUID("5f6e0f0e-6f2e-5b0a-9d0c-6b6577636f72")
_AUTHOR = "com.apple.CoreML"
_FOLDER = Path("Data") / _AUTHOR
MODEL_FILE = _FOLDER / "model.mlmodel"
WEIGHTS_FILE = _FOLDER / "weights" / "weight.bin"


def write_package(package: Path, build: Callable[[WeightsWriter], Any]) -> None:
    """Writes a package into a new folder.

    Args:
        package: The folder to create.
        build: Writes the arrays of the program and returns its protobuf `Model`.
    """
    weights_path = package / WEIGHTS_FILE
    weights_path.parent.mkdir(parents=True)
    with weights_path.open("wb") as stream:
        weights = WeightsWriter(stream)
        model = build(weights)
        weights.close()
    # Protobuf orders map entries by chance unless told otherwise.
    (package / MODEL_FILE).write_bytes(model.SerializeToString(deterministic=True))
    manifest = _manifest(sha256_file(package / MODEL_FILE), sha256_file(weights_path))
    (package / "Manifest.json").write_text(json.dumps(manifest, indent=4, sort_keys=True) + "\n", encoding="utf-8")


def _manifest(model_sha256: str, weights_sha256: str) -> dict[str, Any]:
    def identifier(role: str) -> str:
        return str(uuid.uuid5(_NAMESPACE, f"{role} {model_sha256} {weights_sha256}")).upper()

    def item(name: str, description: str) -> dict[str, str]:
        return {"author": _AUTHOR, "description": description, "name": name, "path": f"{_AUTHOR}/{name}"}

    return {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": {
            identifier("model"): item("model.mlmodel", "CoreML Model Specification"),
            identifier("weights"): item("weights", "CoreML Model Weights"),
        },
        "rootModelIdentifier": identifier("model"),
    }
