"""Engines that a bench sets side by side: what each is called, and how its worker process loads it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kewcore.runtime.loading import ExecutorChoice
from kewcore_bench import peers

EngineKind = Literal["tensorflow", "package", "onnxruntime", "openvino"]
Predict: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True)
class EngineSpec:
    """One engine: what runs which model.

    Attributes:
        kind: `tensorflow` for a run's Keras model, `package` for an `.mlpackage` in kewcore's runtime; `onnxruntime`
            and `openvino` for an ONNX file of another converter in these.
        path: The run's folder, the package, or the ONNX file.
        executor: Of a package: `auto`, `reference` or `onnx`; ignored for TensorFlow.
        threads: Threads that the engine may compute with.
    """

    kind: EngineKind
    path: Path
    executor: ExecutorChoice
    threads: int


@dataclass(frozen=True)
class Engine:
    """A loaded engine.

    Attributes:
        label: Name with version, such as `TensorFlow 2.18.1 (tf.function, CPU)`.
        class_names: Labels in the order of the probability columns.
        predict: uint8 `[N, H, W]` → float32 `[N, C]`, in batches as the engine likes them.
        predict_one: uint8 `[1, H, W]` → the answer as the engine gives it: what a latency is measured on.
    """

    label: str
    class_names: tuple[str, ...]
    predict: Predict
    predict_one: Callable[[NDArray[np.uint8]], object]


def import_libraries(spec: EngineSpec) -> None:
    """Imports what the engine stands on, so that its load time counts the model alone."""
    if spec.kind == "tensorflow":
        from kewcore.models.tensorflow import import_tensorflow

        tf = import_tensorflow()
        tf.config.threading.set_intra_op_parallelism_threads(spec.threads)
        tf.config.threading.set_inter_op_parallelism_threads(spec.threads)
    elif spec.kind == "openvino":
        peers.import_openvino()
    elif spec.kind == "onnxruntime":
        import onnxruntime
    elif spec.executor != "reference":
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401


def load_engine(spec: EngineSpec) -> Engine:
    """Loads an engine in this process; `kewcore_bench.worker` does it in a process of the engine's own.

    Raises:
        RunError: The Keras model cannot be loaded.
        PackageError: The package cannot be loaded.
        UnsupportedError: The executor cannot run the package.
    """
    if spec.kind == "tensorflow":
        return _tensorflow(spec)
    return _package(spec) if spec.kind == "package" else _peer(spec)


def _tensorflow(spec: EngineSpec) -> Engine:
    from kewcore.models.reference import KerasClassifier
    from kewcore.models.tensorflow import import_tensorflow

    tf = import_tensorflow()
    classifier = KerasClassifier(spec.path)
    model: Any = classifier.model
    shape = [1, *model.input_shape[1:]]
    function = tf.function(lambda image: model(tf.cast(image, tf.float32), training=False))
    # A concrete function of batch 1 spares TensorFlow the shape checks of every call: the reference at its best.
    concrete = function.get_concrete_function(tf.TensorSpec(shape, tf.uint8))

    def predict_one(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with tf.device("/CPU:0"):
            probabilities: NDArray[np.float32] = concrete(tf.constant(pixels.reshape(shape))).numpy()
        return probabilities

    label = f"TensorFlow {tf.__version__} (tf.function, CPU)"
    return Engine(label, classifier.class_names, classifier.probabilities, predict_one)


def _package(spec: EngineSpec) -> Engine:
    from kewcore.runtime import PackageClassifier, load

    model = load(spec.path, spec.executor, spec.threads)
    name = model.inputs[0].name if model.inputs else ""
    many: PackageClassifier | None = None

    def predict(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        # Many images go through faster one to a thread than one by one on all threads: a second session, made if asked.
        nonlocal many
        many = many or PackageClassifier(spec.path, spec.executor, spec.threads)
        return many.probabilities(pixels)

    return Engine(
        label=_package_label(model.executor.name),
        class_names=tuple(str(label) for label in model.class_labels or ()),
        predict=predict,
        predict_one=lambda pixels: model.predict({name: pixels[0]}),
    )


def _peer(spec: EngineSpec) -> Engine:
    load = peers.load_openvino if spec.kind == "openvino" else peers.load_onnxruntime
    label, predict = load(spec.path, spec.threads)
    return Engine(label, (), predict, predict)


def _package_label(executor: str) -> str:
    if executor == "reference":
        return f"kewcore reference executor (NumPy {np.__version__})"
    import onnxruntime

    return f"kewcore fast executor (ONNX Runtime {onnxruntime.__version__})"
