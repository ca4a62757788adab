"""Other people's engines, for comparison: an ONNX file that tf2onnx made, in plain ONNX Runtime and in OpenVINO.

Both are extras (`pip install kewcore[peers]`). They get what they are best at: their own thread count, latency hints,
float32, and one fixed input of `[1, H, W, 1]`.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import DependencyError, PackageError
from kewcore.quiet import silenced_stderr

_CONVERT = """
import sys
import tensorflow as tf
import keras
import tf2onnx
model = keras.models.load_model(sys.argv[1], compile=False)
shape = [1, *model.input_shape[1:]]
function = tf.function(lambda image: model(image, training=False))
signature = [tf.TensorSpec(shape, tf.float32, name="image")]
tf2onnx.convert.from_function(function, input_signature=signature, output_path=sys.argv[2])
"""


def convert_with_tf2onnx(keras_model: Path, out: Path) -> Path:
    """Converts a Keras model with tf2onnx at its default settings, in a process of its own.

    Args:
        keras_model: A `.keras` file.
        out: The ONNX file to write.

    Raises:
        DependencyError: tf2onnx is not installed.
        PackageError: It fails.
    """
    command = [sys.executable, "-c", _CONVERT, str(keras_model), str(out)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if "No module named 'tf2onnx'" in ended.stderr:
        raise DependencyError("tf2onnx is not installed", hint="pip install 'kewcore[peers]'")
    if ended.returncode != 0:
        raise PackageError(f"tf2onnx failed on '{keras_model}': {ended.stderr.strip().splitlines()[-1:]}")
    return out


def load_onnxruntime(path: Path, threads: int) -> tuple[str, Any]:
    """Loads an ONNX file in ONNX Runtime with its default options but for the number of threads.

    Returns:
        The engine's name with its version, and a function from uint8 `[N, H, W]` to float32 `[N, C]`.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    (name,) = (one.name for one in session.get_inputs())

    def predict(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows = [session.run(None, {name: image[None, :, :, None].astype(np.float32)})[0] for image in pixels]
        return np.concatenate(rows)

    return f"tf2onnx in ONNX Runtime {onnxruntime.__version__}", predict


def import_openvino() -> Any:
    """Imports OpenVINO.

    Raises:
        DependencyError: It is not installed.
    """
    try:
        with silenced_stderr():
            import openvino
    except ImportError as error:
        raise DependencyError("openvino is not installed", hint="pip install 'kewcore[peers]'") from error
    return openvino


def load_openvino(path: Path, threads: int) -> tuple[str, Any]:
    """Loads an ONNX file in OpenVINO, in float32, for the shortest latency.

    Returns:
        The engine's name with its version, and a function from uint8 `[N, H, W]` to float32 `[N, C]`.

    Raises:
        DependencyError: OpenVINO is not installed.
    """
    ov = import_openvino()
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = ov.Core().compile_model(str(path), "CPU", settings).create_infer_request()

    def predict(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows = []
        for image in pixels:
            answer = request.infer([image[None, :, :, None].astype(np.float32)])
            rows.append(np.array(next(iter(answer.values()))))
        return np.concatenate(rows)

    return f"OpenVINO {ov.__version__.split('-')[0]} (float32)", predict
