"""Keras → ML Program: one conversion a run, in 16 and in 32 bits, ready to be compressed in every mode."""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import UnsupportedError
from kewcore.quiet import silenced_stderr
from kewcore_export.coremltools_import import import_coremltools
from kewcore_export.keras_graph import ClassifierGraph
from kewcore_export.package import WEIGHTS_FILE
from kewcore_export.program import StoredConstant, read_constants, stored_constants
from kewcore_export.rewrites.rewrite import AppliedRewrite
from kewcore_export.rewrites.rewriting import rewritten
from kewcore_export.rewrites.settings import AS_CONVERTED, RewriteSettings
from kewcore_export.targets import TARGETS, Target
from kewcore_export.tf_ops import register_missing_ops

INPUT_NAME = "image"


@dataclass(frozen=True)
class ConvertedProgram:
    """An uncompressed classifier program.

    Attributes:
        model: Protobuf `Model`: interface, program and metadata.
        weights: Its weights file.
        constants: What the weights file holds.
    """

    model: Any
    weights: Path
    constants: tuple[StoredConstant, ...]


@dataclass(frozen=True)
class Conversion:
    """What one conversion gives.

    Attributes:
        by_float_bits: The program in 16 and in 32 bits.
        float32: float32 values of the constants of both programs, before rounding, by name.
        newest_target: The newest deployment target as which the programs may be written unchanged.
        rewrites: What was rewritten in both.
    """

    by_float_bits: dict[int, ConvertedProgram]
    float32: dict[str, NDArray[np.float32]]
    newest_target: Target
    rewrites: tuple[AppliedRewrite, ...]


@contextmanager
def converted(
    graph: ClassifierGraph,
    class_names: tuple[str, ...],
    target: Target,
    rewrites: RewriteSettings = AS_CONVERTED,
) -> Iterator[Conversion]:
    """Converts a classifier; its files last as long as the block.

    Args:
        graph: The traced classifier.
        class_names: Labels in the order of its outputs.
        target: Opset in which the graph is written; programs for it also serve newer targets up to
            `Conversion.newest_target`.
        rewrites: Which rewrites to apply.

    Raises:
        UnsupportedError: The model holds an operation that coremltools cannot convert.
    """
    ct = import_coremltools()
    register_missing_ops()
    with TemporaryDirectory(prefix="kewcore-export-") as folder:
        with silenced_stderr():
            program, applied = rewritten(mil_program(graph, target), rewrites)
            programs = {bits: _serialised(ct, program, class_names, target, bits, Path(folder)) for bits in (16, 32)}
        yield Conversion(
            by_float_bits=programs,
            float32=_unrounded(programs[16], programs[32]),
            newest_target=_newest_target(program, target),
            rewrites=applied,
        )


def mil_program(graph: ClassifierGraph, target: Target) -> Any:
    """Converts a classifier to MIL, coremltools' in-memory program, in float32.

    Raises:
        UnsupportedError: The model holds an operation that coremltools cannot convert.
    """
    ct = import_coremltools()
    layouts = {1: ct.colorlayout.GRAYSCALE, 3: ct.colorlayout.RGB}
    shape = (1, graph.height, graph.width, graph.channels)
    try:
        return ct.convert(
            [graph.function],
            source="tensorflow",
            convert_to="milinternal",
            inputs=[ct.ImageType(name=INPUT_NAME, shape=shape, color_layout=layouts[graph.channels])],
            compute_precision=ct.precision.FLOAT32,
            minimum_deployment_target=ct.target[target.name],
        )
    except (NotImplementedError, ValueError, RuntimeError, KeyError, AttributeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise UnsupportedError(
            f"coremltools cannot convert this model: {' '.join(lines[:3]) or type(error).__name__}",
            hint="replace the layer that the name points at by layers with a Core ML counterpart",
        ) from error


def _serialised(
    ct: Any, program: Any, class_names: tuple[str, ...], target: Target, bits: int, folder: Path
) -> ConvertedProgram:
    path = folder / f"{bits}.mlpackage"
    with warnings.catch_warnings():
        # coremltools leaves a temporary folder of its own to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        package = ct.convert(
            copy.deepcopy(program),
            source="milinternal",
            convert_to="mlprogram",
            compute_precision=ct.precision.FLOAT16 if bits == 16 else ct.precision.FLOAT32,
            minimum_deployment_target=ct.target[target.name],
            classifier_config=ct.ClassifierConfig(list(class_names)),
            skip_model_load=True,
            package_dir=str(path),
        )
    model = package.get_spec()
    return ConvertedProgram(model, path / WEIGHTS_FILE, stored_constants(model))


def _unrounded(half: ConvertedProgram, full: ConvertedProgram) -> dict[str, NDArray[np.float32]]:
    # The two programs name constants differently, but the same constant rounds to the same bytes.
    exact = {name: array.astype(np.float32) for name, array in read_constants(full.model, full.weights).items()}
    with np.errstate(over="ignore"):  # What fp16 cannot hold becomes infinite there as well; see `check_range`.
        by_rounded = {(array.shape, array.astype(np.float16).tobytes()): array for array in exact.values()}
    rounded = read_constants(half.model, half.weights)
    return exact | {
        name: by_rounded.get((array.shape, array.tobytes()), array.astype(np.float32))
        for name, array in rounded.items()
    }


def _newest_target(program: Any, target: Target) -> Target:
    """Finds up to which target every op of a program still takes the same parameters."""
    from coremltools.converters.mil._deployment_compatibility import AvailableTarget
    from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

    newest = target
    for candidate in sorted(TARGETS.values()):
        if candidate < target:
            continue
        for op in program.functions["main"].operations:
            versions = SSAOpRegistry.core_ops.get(op.op_type, {})
            usable = [version for version in versions if version <= AvailableTarget[candidate.name]]
            latest = versions[max(usable)] if usable else type(op)
            if set(latest.input_spec.input_types) != set(op.input_spec.input_types):
                return newest
        newest = candidate
    return newest
