"""TensorFlow on a run's Keras model: as a traced function, which is the reference, and as Keras' plain call."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.models.reference import KerasClassifier
from kewcore.models.tensorflow import import_tensorflow
from kewcore_bench.engines.engine import Engine


def import_on_threads(threads: int) -> None:
    """Imports TensorFlow and tells it how many threads it has, which it must know before its first op."""
    tf = import_tensorflow()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def load_function(run: Path) -> Engine:
    """Loads a run's model as concrete functions, one for each batch size.

    A concrete function spares TensorFlow the shape checks of every call: the reference at its best.

    Raises:
        RunError: The Keras model cannot be loaded.
    """
    tf = import_tensorflow()
    classifier = KerasClassifier(run)
    model: Any = classifier.model
    function = tf.function(lambda image: model(tf.cast(image, tf.float32), training=False))

    @cache
    def concrete(batch_size: int) -> Any:
        return function.get_concrete_function(tf.TensorSpec([batch_size, *model.input_shape[1:]], tf.uint8))

    def predict_batch(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with tf.device("/CPU:0"):
            answer: NDArray[np.float32] = concrete(len(pixels))(tf.constant(pixels[..., np.newaxis])).numpy()
        return answer

    concrete(1)
    label = f"TensorFlow {tf.__version__} (tf.function, CPU)"
    return Engine(label, classifier.class_names, classifier.probabilities, predict_batch, predict_batch)


def load_call(run: Path) -> Engine:
    """Loads a run's model to be called as Keras users do, op by op.

    Raises:
        RunError: The Keras model cannot be loaded.
    """
    tf = import_tensorflow()
    import keras

    classifier = KerasClassifier(run)
    model: Any = classifier.model

    def predict_batch(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with tf.device("/CPU:0"):
            answer: NDArray[np.float32] = model(pixels[..., np.newaxis].astype(np.float32), training=False).numpy()
        return answer

    label = f"Keras {keras.__version__} (call, TensorFlow {tf.__version__}, CPU)"
    return Engine(label, classifier.class_names, classifier.probabilities, predict_batch, predict_batch)
