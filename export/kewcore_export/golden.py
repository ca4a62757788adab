"""Golden cases: inputs that lie beside a package with the answers it must give."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kewcore.errors import PackageError
from kewcore.models.tensorflow import import_tensorflow
from kewcore.runtime import load
from kewcore_export.keras_graph import ClassifierGraph
from kewcore_export.sidecar import GoldenCase

GOLDEN_SET = 2
"""Number of the set of images, raised when it changes: packages with another set are not taken for the same."""
PROBABILITIES_OUTPUT = "classLabel_probs"
"""As coremltools names the probabilities of a classifier."""
_SEED = 20240229
_CELLS = (3, 6, 12, 24, 48)
_GRAINS = 4
"""How fine a field is: its cells are of the 2, 3, 4 or 5 broadest sizes."""


def golden_images(height: int, width: int, channels: int) -> list[NDArray[np.uint8]]:
    """Draws the twelve golden inputs, the same for every package of a size.

    Of each kind four, from broad to fine: smooth random fields over all values; the same with a fifth of the contrast,
    from dark to light; and textured shapes on a light ground, as a photographed plant lies on paper. So a network that
    was trained on photographs gives them different labels, surely and unsurely.

    Returns:
        uint8 `[H, W]`, or `[H, W, 3]` for three channels.
    """
    fields = [_field([_SEED, case], _CELLS[: case % _GRAINS + 2], (height, width, channels)) for case in range(12)]
    texture = _field([_SEED, 12], _CELLS[2:], (height, width, channels))
    low_contrast = [0.1 + 0.2 * grain + 0.2 * field for grain, field in enumerate(fields[4:8])]
    shapes = [np.where(field > 0.62, 0.15 + 0.5 * texture, 0.95) for field in fields[8:]]
    images = [(image * 255).astype(np.uint8) for image in (*fields[:4], *low_contrast, *shapes)]
    return [image[..., 0] if channels == 1 else image for image in images]


def _field(seed: list[int], cells: tuple[int, ...], shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Draws a random field of several grains, between 0 and 1."""
    height, width, channels = shape
    generator = np.random.default_rng(seed)
    field = np.zeros(shape)
    for count in cells:
        coarse = generator.standard_normal((count, count, channels)) / count**0.5
        field += _enlarged(coarse, height, width)
    low, high = np.percentile(field, [2, 98])
    return np.asarray(np.clip((field - low) / (high - low), 0, 1), np.float64)


def write_golden(folder: Path, images: list[NDArray[np.uint8]]) -> list[str]:
    """Writes golden inputs as PNG files.

    They carry the name of the folder: in the bundle of an app, files of several packages may come to lie side by side.

    Returns:
        Their names in the folder.
    """
    folder.mkdir(parents=True)
    names = []
    for number, pixels in enumerate(images):
        names.append(f"{folder.stem}-golden-{number:02}.png")
        Image.fromarray(pixels).save(folder / names[-1], optimize=False)
    return names


def reference_probabilities(graph: ClassifierGraph, images: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Asks the TensorFlow model, on the CPU.

    Returns:
        float32 `[N, C]`.
    """
    tf = import_tensorflow()
    with tf.device("CPU:0"):
        rows = [
            graph.function(tf.constant(image.reshape(1, graph.height, graph.width, graph.channels), tf.float32)).numpy()
            for image in images
        ]
    return np.concatenate(rows)


def package_probabilities(
    package: Path, images: list[NDArray[np.uint8]], image_input: str, class_names: tuple[str, ...]
) -> NDArray[np.float32]:
    """Asks a package, through kewcore's runtime; loading it verifies the whole program first.

    Returns:
        float32 `[N, C]` in the order of the labels.

    Raises:
        PackageError: The package is malformed, has other labels, or gives no probabilities.
    """
    model = load(package)
    labels = model.class_labels or ()
    if tuple(map(str, labels)) != class_names:
        raise PackageError(f"the package has the labels {', '.join(map(str, labels))}, not {', '.join(class_names)}")
    if PROBABILITIES_OUTPUT not in {feature.name for feature in model.outputs}:
        raise PackageError(f"the package has no output '{PROBABILITIES_OUTPUT}'")
    rows = [model.predict({image_input: image})[PROBABILITIES_OUTPUT] for image in images]
    if not all(isinstance(row, dict) and set(labels) <= set(row) for row in rows):
        raise PackageError(f"the output '{PROBABILITIES_OUTPUT}' does not give a probability for every label")
    return np.array([[row[label] for label in labels] for row in rows], np.float32)


def golden_cases(
    names: list[str], reference: NDArray[np.float32], package: NDArray[np.float32]
) -> tuple[GoldenCase, ...]:
    """Puts inputs and answers together, rounded to seven digits."""

    def rounded(row: Any) -> tuple[float, ...]:
        return tuple(round(float(p), 7) for p in row)

    return tuple(
        GoldenCase(name, rounded(expected), rounded(answer))
        for name, expected, answer in zip(names, reference, package, strict=True)
    )


def _enlarged(coarse: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    rows = np.linspace(0, coarse.shape[0] - 1, height)
    columns = np.linspace(0, coarse.shape[1] - 1, width)
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    bottom, right = np.minimum(top + 1, coarse.shape[0] - 1), np.minimum(left + 1, coarse.shape[1] - 1)
    down, across = (rows - top)[:, None, None], (columns - left)[None, :, None]
    upper = coarse[top][:, left] * (1 - across) + coarse[top][:, right] * across
    lower = coarse[bottom][:, left] * (1 - across) + coarse[bottom][:, right] * across
    return np.asarray(upper * (1 - down) + lower * down)
