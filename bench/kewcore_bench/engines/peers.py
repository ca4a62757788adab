"""Other people's engines, for comparison: an ONNX file that tf2onnx made, in plain ONNX Runtime and in OpenVINO.

Both are extras (`pip install kewcore[peers]`). They get what they are best at: their own thread count, latency hints,
float32, and one fixed shape for each batch size.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import DependencyError
from kewcore.quiet import silenced_stderr
from kewcore_bench.engines.conversion import PEERS_HINT, convert
from kewcore_bench.engines.engine import Engine

_BATCH = "batch"
_CONVERT = f"""
import sys
import tensorflow as tf
import keras
import onnx
import tf2onnx
model = keras.models.load_model(sys.argv[1], compile=False)
shape = [None, *model.input_shape[1:]]
function = tf.function(lambda image: model(image, training=False))
signature = [tf.TensorSpec(shape, tf.float32, name="image")]
converted, _ = tf2onnx.convert.from_function(function, input_signature=signature)
for value in (*converted.graph.input, *converted.graph.output):
    value.type.tensor_type.shape.dim[0].dim_param = "{_BATCH}"
onnx.save(converted, sys.argv[2])
"""


def convert_with_tf2onnx(keras_model: Path, out: Path) -> Path:
    """Converts a Keras model with tf2onnx at its default settings, in a process of its own.

    The batch size stays open; the engines fix it as they load the file.

    Args:
        keras_model: A `.keras` file.
        out: The ONNX file to write.

    Raises:
        DependencyError: tf2onnx is not installed.
        ExportError: It fails.
    """
    return convert(_CONVERT, keras_model, out, "tf2onnx")


def load_onnxruntime(path: Path, threads: int) -> Engine:
    """Loads an ONNX file in ONNX Runtime with its default options but for threads and a fixed batch size."""
    import onnxruntime

    content = path.read_bytes()

    @cache  # One session for each batch size, made when it is first asked for.
    def session(batch_size: int) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_free_dimension_override_by_name(_BATCH, batch_size)
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    (name,) = (one.name for one in session(1).get_inputs())

    def predict_batch(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        answers: list[NDArray[np.float32]] = session(len(pixels)).run(
            None, {name: pixels[..., np.newaxis].astype(np.float32)}
        )
        return answers[0]

    return Engine(f"tf2onnx in ONNX Runtime {onnxruntime.__version__}", (), None, predict_batch, predict_batch)


def import_openvino() -> Any:
    """Imports OpenVINO.

    Raises:
        DependencyError: It is not installed.
    """
    try:
        with silenced_stderr():
            import openvino
    except ImportError as error:
        raise DependencyError("openvino is not installed", hint=PEERS_HINT) from error
    return openvino


def load_openvino(path: Path, threads: int) -> Engine:
    """Loads an ONNX file in OpenVINO, in float32, for the shortest latency.

    Raises:
        DependencyError: OpenVINO is not installed.
    """
    ov = import_openvino()
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    core = ov.Core()

    @cache
    def request(batch_size: int) -> Any:
        model = core.read_model(str(path))
        shape = model.inputs[0].get_partial_shape()
        model.reshape([batch_size, *(shape[axis].get_length() for axis in range(1, len(shape)))])
        return core.compile_model(model, "CPU", settings).create_infer_request()

    def predict_batch(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        answer = request(len(pixels)).infer([pixels[..., np.newaxis].astype(np.float32)])
        return np.array(next(iter(answer.values())))

    request(1)
    label = f"OpenVINO {ov.__version__.split('-')[0]} (float32)"
    return Engine(label, (), None, predict_batch, predict_batch)
