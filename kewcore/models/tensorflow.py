"""TensorFlow, imported once and without its start-up lines."""

import os
from functools import cache
from typing import Any

from kewcore.errors import DependencyError
from kewcore.quiet import silenced_stderr


@cache
def import_tensorflow() -> Any:
    """Imports TensorFlow quietly, with Keras on top of it.

    Raises:
        DependencyError: TensorFlow is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        with silenced_stderr():
            import keras
            import tensorflow
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"this command needs TensorFlow, and '{error.name}' is not installed", hint="pip install kewcore"
        ) from error
    if keras.backend.backend() != "tensorflow":
        raise DependencyError(
            f"Keras must run on TensorFlow, but its backend is '{keras.backend.backend()}'",
            hint="unset KERAS_BACKEND, or set it to tensorflow",
        )
    return tensorflow
