"""Packages and ONNX files as image classifiers: uint8 pixels in, probabilities out.

Both classes answer to the protocol `kewcore.parity.classifier.Classifier`.
"""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.console import progress
from kewcore.errors import PackageError, UnsupportedError, UsageError
from kewcore.runtime.executor import Precision
from kewcore.runtime.loading import ExecutorChoice, available_threads, load
from kewcore.runtime.model import Model
from kewcore.runtime.onnx_executor import BATCH
from kewcore.runtime.package import Feature, FeatureKind

Pixels = NDArray[np.uint8]
Probabilities = NDArray[np.float32]
_SHOWN_FROM_IMAGES = 8
"""Fewer are done before a pool of threads or a progress bar is worth it."""
CLASS_NAMES_KEY = "kewcore.class_names"
"""Key of the class names, as a JSON list, in the metadata of ONNX files."""
RESIZE_KEY = "kewcore.resize"
"""Key of the resize policy in the metadata of packages and ONNX files; see `kewcore.data.images`."""
_GREYSCALE = {"GRAYSCALE", "GRAYSCALE_FLOAT16"}


class PackageClassifier:
    """A package as a classifier of greyscale images.

    Images do not influence each other. The fast executor takes several at once, each thread its own, which
    serves more images a second than several threads an image.

    Args:
        path: The package folder.
        executor: As in `kewcore.runtime.load`.
        threads: Threads in all; None takes the processors that this process may use.
        precision: As in `kewcore.runtime.load`.
        function_name: As in `kewcore.runtime.load`.

    Raises:
        UnsupportedError: The package is not a classifier of one greyscale image.
        PackageError: The package is malformed.
    """

    def __init__(
        self,
        path: str | Path,
        executor: ExecutorChoice = "auto",
        threads: int | None = None,
        *,
        precision: Precision = "typed",
        function_name: str | None = None,
    ) -> None:
        self.workers = threads or available_threads()
        self.model: Model = load(path, executor, threads=1, precision=precision, function_name=function_name)
        labels = self.model.class_labels
        if labels is None:
            raise UnsupportedError(f"'{path}' is not a classifier: its program does not end in 'classify'")
        self.class_names: tuple[str, ...] = tuple(map(str, labels))
        self._labels = labels
        self._input = _greyscale_input(self.model, path)
        self._probabilities = _probabilities_output(self.model, path)

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images that it takes."""
        height, width = self._input.shape
        return height, width

    @property
    def resize(self) -> str | None:
        """How photographs are brought to that size, as the package's metadata say; None where they do not."""
        return self.model.metadata.user_defined.get(RESIZE_KEY)

    def probabilities(self, pixels: Pixels) -> Probabilities:
        """Classifies images.

        Args:
            pixels: uint8 `[N, H, W]`, 0…255, at the package's size.

        Returns:
            float32 `[N, C]` in the order of `class_names`.

        Raises:
            UsageError: The images have another type or size.
        """
        _check_pixels(pixels, self.image_size)
        return _in_batches(self._classify, pixels, len(self.class_names), self.workers)

    def _classify(self, images: Pixels) -> Any:
        results = self.model.predict_many([{self._input.name: image} for image in images])
        return [[result[self._probabilities][label] for label in self._labels] for result in results]


class OnnxClassifier:
    """An ONNX file that `to_onnx` wrote, as a classifier of greyscale images.

    Args:
        path: The file.
        threads: Threads in all; None takes the processors that this process may use.

    Raises:
        PackageError: The file is missing, is not ONNX, or does not name its classes.
    """

    def __init__(self, path: str | Path, threads: int | None = None) -> None:
        from kewcore.runtime.onnx_executor import run_session, session_of

        path = Path(path)
        self._run = run_session
        self.workers = threads or available_threads()
        try:
            content = path.read_bytes()
        except OSError as error:
            raise PackageError(f"cannot read ONNX file '{path}': {error.strerror}") from error
        try:
            self._session = session_of(content, threads=1, spinning=False)
        except UnsupportedError as error:
            error.add_note(f"in '{path}'")
            raise
        entries = self._session.get_modelmeta().custom_metadata_map
        self.class_names: tuple[str, ...] = _class_names(entries.get(CLASS_NAMES_KEY), path)
        self.resize: str | None = entries.get(RESIZE_KEY)
        inputs, (self._output, *_) = self._session.get_inputs(), self._session.get_outputs()
        shape = inputs[0].shape if len(inputs) == 1 and inputs[0].type == "tensor(float)" else []
        if len(shape) != 4 or shape[:2] != [1, 1] or not all(isinstance(size, int) for size in shape):
            listing = ", ".join(f"'{one.name}' ({one.type} {one.shape})" for one in inputs) or "nothing"
            raise UnsupportedError(f"'{path}' must take one image, tensor(float) [1, 1, H, W], it takes {listing}")
        self._input_name: str = inputs[0].name
        self.image_size: tuple[int, int] = (shape[2], shape[3])

    def probabilities(self, pixels: Pixels) -> Probabilities:
        """Classifies images; see `PackageClassifier.probabilities`.

        Raises:
            UsageError: The images have another type or size.
        """
        _check_pixels(pixels, self.image_size)
        return _in_batches(
            lambda images: [self._classify(image) for image in images], pixels, len(self.class_names), self.workers
        )

    def _classify(self, image: Pixels) -> Any:
        feed = {self._input_name: image[None, None].astype(np.float32)}
        (output,) = self._run(self._session, feed, [self._output.name])
        if np.size(output) != len(self.class_names):
            raise PackageError(
                f"output '{self._output.name}' gives {np.size(output)} numbers for {len(self.class_names)} classes"
            )
        return np.ravel(output)


def _greyscale_input(model: Model, path: str | Path) -> Feature:
    (feature, *others) = model.inputs or (None,)
    if feature is None or others or feature.kind is not FeatureKind.IMAGE or feature.colour_space not in _GREYSCALE:
        listing = ", ".join(f"'{f.name}' ({f})" for f in model.inputs) or "nothing"
        raise UnsupportedError(f"'{path}' must take one greyscale image, it takes {listing}")
    return feature


def _probabilities_output(model: Model, path: str | Path) -> str:
    for feature in model.outputs:
        if feature.kind is FeatureKind.DICTIONARY:
            return feature.name
    raise UnsupportedError(f"'{path}' gives no dictionary of probabilities")


def _class_names(text: str | None, path: Path) -> tuple[str, ...]:
    try:
        names = json.loads(text or "null")
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise PackageError(
            f"'{path}' does not name its classes under '{CLASS_NAMES_KEY}'",
            hint="write it from a package with kewcore.runtime.to_onnx",
        )
    return tuple(names)


def _check_pixels(pixels: Pixels, size: tuple[int, int]) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[1:] != size:
        raise UsageError(
            f"pixels must be uint8 [N, {size[0]}, {size[1]}], got {pixels.dtype} {list(pixels.shape)}",
        )


def _in_batches(classify: Callable[[Pixels], Any], pixels: Pixels, classes: int, workers: int) -> Probabilities:
    """Classifies images on several threads, some at a time, in order."""
    rows = np.empty((len(pixels), classes), np.float32)
    if len(pixels) < _SHOWN_FROM_IMAGES:
        if len(pixels):
            rows[:] = classify(pixels)
        return rows
    batches = [pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH)]
    with ThreadPoolExecutor(workers) as pool, progress("classifying", len(pixels)) as advance:
        done = 0
        for found in pool.map(classify, batches):
            rows[done : done + len(found)] = found
            done += len(found)
            advance(len(found))
    return rows
