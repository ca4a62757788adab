"""LiteRT, formerly TensorFlow Lite: the run's network converted in float32, in the interpreter with XNNPACK.

The interpreter is that of `ai-edge-litert` where it is installed (an extra), otherwise the one inside TensorFlow.
"""

import warnings
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.quiet import silenced_stderr
from kewcore_bench.engines.conversion import convert
from kewcore_bench.engines.engine import Engine

_CONVERT = """
import sys
import tempfile
import tensorflow as tf
import keras
from pathlib import Path
model = keras.models.load_model(sys.argv[1], compile=False)
with tempfile.TemporaryDirectory() as folder:
    model.export(folder, verbose=False)
    Path(sys.argv[2]).write_bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())
"""


def convert_to_litert(keras_model: Path, out: Path) -> Path:
    """Converts a Keras model with TensorFlow's converter at its default settings, in a process of its own.

    Args:
        keras_model: A `.keras` file.
        out: The `.tflite` file to write.

    Raises:
        DependencyError: TensorFlow is not installed.
        ExportError: It fails.
    """
    return convert(_CONVERT, keras_model, out, "tensorflow")


def import_interpreter() -> tuple[str, Any]:
    """Imports an interpreter: the name of what brings it with its version, and the class.

    Raises:
        DependencyError: Neither ai-edge-litert nor TensorFlow is installed.
    """
    if find_spec("ai_edge_litert") is not None:
        from importlib.metadata import version

        with silenced_stderr():
            from ai_edge_litert.interpreter import Interpreter
        return f"LiteRT {version('ai-edge-litert')}", Interpreter
    from kewcore.models.tensorflow import import_tensorflow

    tf = import_tensorflow()
    return f"LiteRT of TensorFlow {tf.__version__}", tf.lite.Interpreter


def load_litert(path: Path, threads: int) -> Engine:
    """Loads a `.tflite` file; each batch size gets an interpreter of its own, whose shapes are fixed.

    Raises:
        DependencyError: Neither ai-edge-litert nor TensorFlow is installed.
    """
    name, interpreter_class = import_interpreter()

    @cache
    def interpreter(batch_size: int) -> Any:
        with silenced_stderr(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TensorFlow's own interpreter moves to ai-edge-litert
            made = interpreter_class(model_path=str(path), num_threads=threads)
            (taken,) = made.get_input_details()
            made.resize_tensor_input(taken["index"], [batch_size, *taken["shape"][1:]], strict=True)
            made.allocate_tensors()
        return made

    given = interpreter(1)
    input_index, output_index = given.get_input_details()[0]["index"], given.get_output_details()[0]["index"]

    def predict_batch(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        asked = interpreter(len(pixels))
        asked.set_tensor(input_index, pixels[..., np.newaxis].astype(np.float32))
        asked.invoke()
        answer: NDArray[np.float32] = asked.get_tensor(output_index)
        return answer

    return Engine(f"{name} (float32)", (), None, predict_batch, predict_batch)
