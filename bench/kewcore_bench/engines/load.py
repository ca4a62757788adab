"""Engines that a bench sets side by side: what each is, and how its worker process loads it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kewcore.runtime.loading import ExecutorChoice
from kewcore_bench.engines import coreml as coreml_engine
from kewcore_bench.engines import keras_engines, litert, peers
from kewcore_bench.engines.engine import Engine

EngineKind = Literal["tensorflow", "keras", "package", "litert", "onnxruntime", "openvino", "coreml"]


@dataclass(frozen=True)
class EngineSpec:
    """One engine: what runs which model.

    Attributes:
        kind: `tensorflow` and `keras` for a run's Keras model, `package` for an `.mlpackage` in kewcore's runtime and
            `coreml` for one in Core ML; `litert`, `onnxruntime` and `openvino` for a file of another converter.
        path: The run's folder, the package, or the converter's file.
        executor: Of a package: `auto`, `reference` or `onnx`; ignored for others.
        threads: Threads that the engine may compute with.
        slowdown: Part of its own time that each timed prediction wastes. Only `bench/gate_error_rates.py` sets it, to
            see whether a regression of that size is found.
        compute_units: What Core ML may use, such as `CPU_AND_NE`; ignored for others.
        cores: Logical cores that the process is held to; empty leaves it to the system.
    """

    kind: EngineKind
    path: Path
    executor: ExecutorChoice
    threads: int
    slowdown: float = 0.0
    compute_units: str = "ALL"
    cores: tuple[int, ...] = ()


def check_available(spec: EngineSpec) -> None:
    """Refuses an engine that this machine cannot have, before a process is started for it.

    Raises:
        UnsupportedError: It is Core ML, and this is not a Mac.
    """
    if spec.kind == "coreml":
        coreml_engine.check_mac()


def import_libraries(spec: EngineSpec) -> None:
    """Imports what the engine stands on, so that its load time counts the model alone.

    Raises:
        DependencyError: A library is not installed.
    """
    match spec.kind:
        case "tensorflow" | "keras":
            keras_engines.import_on_threads(spec.threads)
        case "litert":
            litert.import_interpreter()
        case "openvino":
            peers.import_openvino()
        case "onnxruntime":
            import onnxruntime
        case "coreml":
            import coremltools  # noqa: F401
        case "package":
            if spec.executor != "reference":
                import onnx  # noqa: F401
                import onnxruntime  # noqa: F401


def load_engine(spec: EngineSpec) -> Engine:
    """Loads an engine in this process; `kewcore_bench.engines.worker` does it in a process of the engine's own.

    Raises:
        RunError: The Keras model cannot be loaded.
        PackageError: The package cannot be loaded.
        UnsupportedError: The executor cannot run the package, or this machine has no such engine.
        DependencyError: A library is not installed.
    """
    match spec.kind:
        case "tensorflow":
            return keras_engines.load_function(spec.path)
        case "keras":
            return keras_engines.load_call(spec.path)
        case "litert":
            return litert.load_litert(spec.path, spec.threads)
        case "onnxruntime":
            return peers.load_onnxruntime(spec.path, spec.threads)
        case "openvino":
            return peers.load_openvino(spec.path, spec.threads)
        case "coreml":
            return coreml_engine.load_coreml(spec.path, spec.compute_units)
        case "package":
            return _package(spec)


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
        predict_batch=predict,
    )


def _package_label(executor: str) -> str:
    if executor == "reference":
        return f"kewcore reference executor (NumPy {np.__version__})"
    import onnxruntime

    from kewcore.runtime.native import kernels

    own = kernels()[0]
    return f"kewcore fast executor (ONNX Runtime {onnxruntime.__version__}{f', {own} kernels' if own else ''})"
