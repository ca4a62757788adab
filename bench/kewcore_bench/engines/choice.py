"""Which engines a bench sets side by side: what `--engines` takes, and what each name stands for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

from kewcore.errors import UsageError
from kewcore.runtime.loading import ExecutorChoice
from kewcore_bench.candidates import Candidate, RunFacts
from kewcore_bench.engines.coreml import COMPUTE_UNITS
from kewcore_bench.engines.litert import convert_to_litert
from kewcore_bench.engines.load import EngineKind, EngineSpec
from kewcore_bench.engines.peers import convert_with_tf2onnx
from kewcore_bench.labels import REFERENCE_SUBJECT

REFERENCE_ENGINE: EngineKind = "tensorflow"
PLAIN_NAMES: Mapping[EngineKind, str] = MappingProxyType(
    {
        "tensorflow": "TensorFlow (tf.function)",
        "keras": "Keras (call)",
        "package": "kewcore",
        "litert": "LiteRT",
        "onnxruntime": "tf2onnx in ONNX Runtime",
        "openvino": "OpenVINO",
        "coreml": "Core ML",
    }
)
"""What `--engines` takes, in the order of the rows, with the name of an engine that did not start."""
DEFAULT_ENGINES: tuple[EngineKind, ...] = ("tensorflow", "package")

_LARGEST_BATCH = 1024

Converter: TypeAlias = Literal["litert", "tf2onnx"]
CONVERTERS: Mapping[Converter, tuple[str, Callable[[Path, Path], Path]]] = MappingProxyType(
    {"litert": ("network.tflite", convert_to_litert), "tf2onnx": ("network.onnx", convert_with_tf2onnx)}
)
"""Converters by name: the file that they write, and what writes it."""


@dataclass(frozen=True)
class Contender:
    """One engine with one model, before anything runs.

    Attributes:
        name: Tells it from the others of a bench.
        engine: Row of the table, such as `coreml-cpu-ne`.
        subject: `TensorFlow reference`, or the name of the package.
        path: The package, or the run whose network it is.
        mode: Of the package; empty for the reference's network.
        label: Name for an engine that does not start.
        spec: What its process is asked to load; with a converter, the path is the run's.
        converter: What must make its file first; None where it loads what is there.
    """

    name: str
    engine: str
    subject: str
    path: Path
    mode: str
    label: str
    spec: EngineSpec
    converter: Converter | None = None


def parse_engines(text: str) -> tuple[EngineKind, ...]:
    """Reads names with commas between them; `all` stands for every one.

    Returns:
        The names in the order of the rows, each once, the reference always among them.

    Raises:
        UsageError: A name is not known.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = ", ".join(PLAIN_NAMES)
    for name in names:
        if name not in {*PLAIN_NAMES, "all"}:
            raise UsageError(f"unknown engine '{name}'; known: {known}", hint="or say --engines all")
    if not names:
        raise UsageError("--engines names no engine", hint=f"known: {known}; or all")
    return tuple(name for name in PLAIN_NAMES if "all" in names or name in names or name == REFERENCE_ENGINE)


def parse_batch_sizes(text: str) -> tuple[int, ...]:
    """Reads batch sizes with commas between them; nothing gives none.

    Returns:
        The sizes in rising order, each once.

    Raises:
        UsageError: One is not a whole number from 1 to 1024.
    """
    sizes = set()
    for word in filter(None, map(str.strip, text.split(","))):
        if not word.isdecimal() or not 1 <= int(word) <= _LARGEST_BATCH:
            raise UsageError(f"--batch-sizes: expected whole numbers from 1 to {_LARGEST_BATCH}, got '{word}'")
        sizes.add(int(word))
    return tuple(sorted(sizes))


def contenders(
    run: RunFacts,
    packages: Sequence[Candidate],
    engines: Sequence[EngineKind],
    *,
    executor: ExecutorChoice,
    threads: int,
    cores: tuple[int, ...] = (),
) -> tuple[Contender, ...]:
    """Lists every engine with every model that it is asked to run, the reference first.

    Args:
        run: The run whose network it is about.
        packages: Packages of that run.
        engines: Names as `parse_engines` returns them.
        executor: Of packages in kewcore's runtime.
        threads: Of every engine.
        cores: Logical cores that every engine is held to.
    """

    def on_network(engine: EngineKind) -> Contender:
        converter: Converter | None = "litert" if engine == "litert" else None
        if engine in {"onnxruntime", "openvino"}:
            converter = "tf2onnx"
        spec = EngineSpec(engine, run.folder, executor, threads, cores=cores)
        return Contender(engine, engine, REFERENCE_SUBJECT, run.folder, "", PLAIN_NAMES[engine], spec, converter)

    def on_package(engine: str, label: str, one: Candidate, units: str = "ALL") -> Contender:
        kind: EngineKind = "package" if engine == "package" else "coreml"
        spec = EngineSpec(kind, one.path, executor, threads, compute_units=units, cores=cores)
        return Contender(f"{engine} {one.path}", engine, one.path.stem, one.path, one.mode, label, spec)

    found = [on_network(engine) for engine in engines if engine not in {"package", "coreml"}]
    if "package" in engines:
        found += [on_package("package", PLAIN_NAMES["package"], one) for one in packages]
    if "coreml" in engines:
        found += [
            on_package(engine, f"{PLAIN_NAMES['coreml']} ({units})", one, units)
            for one in packages
            for engine, units in COMPUTE_UNITS.items()
        ]
    return tuple(found)
