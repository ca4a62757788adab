"""The reference of every parity figure: a Keras model, evaluated by TensorFlow on the CPU."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.console import progress
from kewcore.errors import RunError
from kewcore.models.tensorflow import import_tensorflow

_BATCH_SIZE = 8  # 8 images of 500x500 hold 0.4 GB of activations; larger batches are no faster on a CPU


class KerasClassifier:
    """A Keras classifier on the CPU; it answers to `kewcore.parity.classifier.Classifier`."""

    def __init__(self, run: Path) -> None:
        """Loads `model.keras` and the labels of a run.

        Args:
            run: A run folder.

        Raises:
            RunError: The folder is not a run, or its model cannot be loaded.
        """
        self.run = run
        self._class_names = _class_names(run)
        self.model = load_keras_model(run / "model.keras")
        if self.model.output_shape[-1] != len(self._class_names):
            raise RunError(
                f"'{run}': the model has {self.model.output_shape[-1]} outputs, "
                f"and run.json names {len(self._class_names)} classes"
            )
        tf = import_tensorflow()
        self._predict = tf.function(
            lambda pixels: self.model(tf.cast(pixels, tf.float32), training=False),
            input_signature=[tf.TensorSpec([None, *self.model.input_shape[1:]], tf.uint8)],
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Labels in the order of the probability columns."""
        return self._class_names

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classifies images in small batches.

        Args:
            pixels: uint8 `[N, H, W]`, 0…255.

        Returns:
            float32 `[N, C]`, rows sum to 1.
        """
        tf = import_tensorflow()
        answers = []
        with tf.device("/CPU:0"), progress("TensorFlow", len(pixels)) as advance:
            for start in range(0, len(pixels), _BATCH_SIZE):
                batch = np.asarray(pixels[start : start + _BATCH_SIZE])[..., np.newaxis]
                answers.append(self._predict(tf.constant(batch)).numpy())
                advance(len(batch))
        return np.concatenate(answers) if answers else np.empty((0, len(self._class_names)), np.float32)


def load_keras_model(path: Path) -> Any:
    """Loads a `.keras` file without compiling it.

    Raises:
        RunError: The file is missing or Keras cannot read it.
    """
    if not path.is_file():
        raise RunError(f"no model at '{path}'", hint="train one first: kewcore train")
    tf = import_tensorflow()
    import keras

    try:
        with tf.device("/CPU:0"):
            return keras.models.load_model(os.fspath(path), compile=False, safe_mode=True)
    except (ValueError, TypeError, OSError, KeyError) as error:
        raise RunError(f"cannot load model '{path}': {str(error).splitlines()[0]}") from error


def _class_names(run: Path) -> tuple[str, ...]:
    path = run / "run.json"
    try:
        names = json.loads(path.read_text(encoding="utf-8"))["data"]["classes"]
    except FileNotFoundError as error:
        raise RunError(f"no run at '{run}': run.json is missing", hint="train one first: kewcore train") from error
    except (ValueError, KeyError, OSError) as error:
        raise RunError(f"'{path}' is damaged: {error}") from error
    return tuple(names)
