"""Probabilities of reference and packages on the same images; the reference's are kept, since they never change."""

import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kewcore.artefacts import write_bytes
from kewcore.console import detail, progress
from kewcore.errors import PackageError
from kewcore_bench.engines.process import EngineProcess


def classify(engine: EngineProcess, what: str, images: int, class_names: tuple[str, ...]) -> NDArray[np.float32]:
    """Runs an engine over all its images, with progress.

    Args:
        engine: A running engine.
        what: Name for the progress line.
        images: How many images it has.
        class_names: What its classes must be.

    Returns:
        float32 `[N, C]`.

    Raises:
        PackageError: The classes differ; or as the engine raises.
    """
    check_classes(engine, class_names)
    with progress(what, images) as advance:
        return engine.probabilities(advance)


def check_classes(engine: EngineProcess, class_names: tuple[str, ...]) -> None:
    """Refuses an engine whose classes are not those of the images.

    Raises:
        PackageError: They differ.
    """
    if engine.load.class_names != class_names:
        raise PackageError(
            f"'{engine.spec.path}' has the classes {', '.join(engine.load.class_names)}; "
            f"the images have {', '.join(class_names)}",
            hint="compare models of the same classes, in the same order",
        )


def reference_key(model_sha256: str, pixels: NDArray[np.uint8], tensorflow_version: str) -> str:
    """Names a reference's probabilities by all that they depend on: the model, the pixels and TensorFlow.

    Args:
        model_sha256: Of `model.keras`.
        pixels: uint8 `[N, H, W]`.
        tensorflow_version: Such as `2.18.1`.
    """
    digest = hashlib.sha256(f"{model_sha256}\n{tensorflow_version}\n{pixels.shape}\n".encode())
    for image in pixels:
        digest.update(image.tobytes())
    return digest.hexdigest()[:32]


def cached(folder: Path | None, key: str, classes: int) -> NDArray[np.float32] | None:
    """Finds the probabilities of an earlier run; None when there are none, or the file is not what it should be."""
    path = folder / f"reference-{key}.npy" if folder is not None else None
    if path is None or not path.is_file():
        return None
    try:
        found: NDArray[np.float32] = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError):
        return None
    if found.ndim != 2 or found.shape[1] != classes or found.dtype != np.float32:
        return None
    detail(f"reference probabilities taken from {path}")
    return found


def keep(folder: Path | None, key: str, probabilities: NDArray[np.float32]) -> None:
    """Keeps a reference's probabilities for the next run.

    Raises:
        StorageError: The file cannot be written.
    """
    if folder is not None:
        buffer = io.BytesIO()
        np.save(buffer, probabilities, allow_pickle=False)
        write_bytes(folder / f"reference-{key}.npy", buffer.getvalue())
