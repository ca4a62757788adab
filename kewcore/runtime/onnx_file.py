"""Writing a package as an ONNX model, for Netron and other runtimes, and showing that it answers as the package."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kewcore.artefacts import Artefact, check_writable, write_bytes
from kewcore.errors import CheckFailedError, StorageError, UnsupportedError
from kewcore.runtime.classifier import CLASS_NAMES_KEY, RESIZE_KEY
from kewcore.runtime.executor import Precision
from kewcore.runtime.labels import class_labels, classify_operation
from kewcore.runtime.lowering.plan import GraphSegment, Plan, ReferenceSegment, model_proto, plan
from kewcore.runtime.lowering.quantized_pools import pool_before_quantization
from kewcore.runtime.lowering.rewrites import pool_before_activation
from kewcore.runtime.onnx_executor import run_session, session_of
from kewcore.runtime.package import Feature, FeatureKind, Interface, Package
from kewcore.runtime.program import Function, TensorType
from kewcore.runtime.reference import ReferenceExecutor
from kewcore.runtime.spec.package import read_package
from kewcore.runtime.verifier import verify

LEAST_SNR_DB = 20.0
"""An ONNX model whose outputs lie further from the reference executor's is wrong, not merely rounded elsewhere: sums in
another order, carried through the 119 fp16 convolutions of U²-Net, left 49 dB."""
_LIMIT_BYTES = 2**31 - 1
"""Protobuf writes no message of 2 GiB or more."""


@dataclass(frozen=True)
class OutputAgreement:
    """How one output of the ONNX model compares with the reference executor's, on the same random input.

    Attributes:
        name: The output.
        largest_difference: Largest absolute difference.
        snr_db: Signal to noise ratio in dB; infinite where all elements are equal.
    """

    name: str
    largest_difference: float
    snr_db: float

    @property
    def finite_snr_db(self) -> float | None:
        """The ratio, or None where it is infinite, which JSON has no number for."""
        return self.snr_db if np.isfinite(self.snr_db) else None


def to_onnx(path: str | Path, out: str | Path, *, precision: Precision = "typed") -> Artefact:
    """Writes a package as one ONNX file that `onnx.checker` accepts.

    Inputs and outputs have the package's names. Images are float32 `[1, C, H, W]`, 0…255; fp16-typed arrays are
    float32. A classifier's file gives its probabilities as a tensor, under the name of the package's dictionary, and
    its label; its metadata name its classes and, where the package does, how photographs are brought to size.

    Args:
        path: The package folder.
        out: The file to write.
        precision: `typed` rounds fp16-typed values to fp16, `fp32` does not.

    Returns:
        The file.

    Raises:
        UnsupportedError: An operation has no lowering to ONNX, all of them are listed; or the model takes 2 GiB.
        PackageError: The package is malformed.
        StorageError: The file cannot be written.
    """
    return write_bytes(checked_target(Path(out), overwrite=True), onnx_model(path, precision=precision))


def checked_target(out: Path, *, overwrite: bool) -> Path:
    """Makes sure, before any work, that a file can be written.

    Raises:
        StorageError: It cannot, or it is there already and `overwrite` is false.
    """
    if out.is_dir():
        raise StorageError(f"cannot write '{out}': it is a folder, expected the name of a file")
    if out.exists() and not overwrite:
        raise StorageError(f"'{out}' is there already", hint="give --force to write over it, or another --out")
    check_writable(out.parent)
    return out


def onnx_model(path: str | Path, *, precision: Precision = "typed") -> bytes:
    """Makes what `to_onnx` writes; arguments and errors are the same."""
    from onnx import checker, shape_inference

    package = read_package(Path(path))
    function = _main(package)
    planned = plan(pool_before_activation(pool_before_quantization(function)), precision)
    model = model_proto(_only_graph(planned, path), planned.types, function.name)
    entries = {"kewcore.source": package.path.name, "kewcore.precision": precision}
    _name_outputs(model, function)
    labels = class_labels(function)
    if labels is not None:
        entries[CLASS_NAMES_KEY] = json.dumps([str(label) for label in labels])
        _add_label(model, function, labels)
    if resize := package.metadata.user_defined.get(RESIZE_KEY):
        entries[RESIZE_KEY] = resize
    for key, value in sorted(entries.items()):
        model.metadata_props.add(key=key, value=value)
    if model.ByteSize() > _LIMIT_BYTES:
        raise UnsupportedError(f"'{path}' as ONNX takes {model.ByteSize()} bytes, more than one file can hold")
    try:
        checker.check_model(model, full_check=True)
    except (checker.ValidationError, shape_inference.InferenceError) as error:
        raise UnsupportedError(f"'{path}' cannot be written as ONNX: {error}") from error
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def agreement_with_reference(
    path: str | Path, model: bytes, *, precision: Precision = "typed", seed: int = 0
) -> tuple[OutputAgreement, ...]:
    """Runs an ONNX model in plain ONNX Runtime and its package in the reference executor, on the same random input.

    Args:
        path: The package folder.
        model: What `onnx_model` made of it.
        precision: As it was made with.
        seed: Seed of the input: 0…255 for images, standard normal numbers, or whole numbers below 2.

    Raises:
        CheckFailedError: An output is further off than rounding explains; see `LEAST_SNR_DB`.
    """
    package = read_package(Path(path))
    function = _main(package)
    interface = package.interfaces[package.default_function]
    feed = _random_inputs(function, interface, np.random.default_rng(seed))
    expected = ReferenceExecutor(function, precision).trace(feed, {})
    session = session_of(model, threads=1, spinning=False)
    names = [output.name for output in session.get_outputs()]
    widened = {name: array.astype(np.float32) if array.dtype == np.float16 else array for name, array in feed.items()}
    given = dict(zip(names, run_session(session, widened), strict=True))
    rows = tuple(_compared(name, given[name], expected[name]) for name in names)
    for row in rows:
        if not row.snr_db >= LEAST_SNR_DB:
            raise CheckFailedError(
                f"output '{row.name}' of the ONNX model is {row.snr_db:.1f} dB from the package's, expected at least "
                f"{LEAST_SNR_DB:.0f}",
                hint="this is a fault of kewcore; please report it with the package",
            )
    return rows


def _main(package: Package) -> Function:
    verify(package, package.default_function)
    return package.program.functions[package.default_function]


def _compared(name: str, given: Any, expected: Any) -> OutputAgreement:
    if isinstance(expected, dict):
        given, expected = np.ravel(given), list(expected.values())
    if isinstance(expected, str | int):
        same = str(np.asarray(given)[()]) == str(expected)
        return OutputAgreement(name, 0.0 if same else np.inf, np.inf if same else -np.inf)
    signal, noise = np.asarray(expected, np.float64), np.asarray(given, np.float64) - np.asarray(expected, np.float64)
    equal = np.array_equal(given, expected, equal_nan=True)
    snr_db = np.inf if equal else 10 * np.log10(np.square(signal).sum() / np.square(noise).sum())
    return OutputAgreement(name, 0.0 if equal else float(np.abs(noise).max()), float(snr_db))


def _random_inputs(function: Function, interface: Interface, rng: np.random.Generator) -> dict[str, Any]:
    features = {feature.name: feature for feature in interface.inputs}
    inputs = {}
    for named in function.inputs:
        if not isinstance(named.type, TensorType):
            raise UnsupportedError(f"input '{named.name}' is a {named.type}; only tensors go into an ONNX file")
        inputs[named.name] = _random(named.type, features[named.name], rng)
    return inputs


def _random(type_: TensorType, feature: Feature, rng: np.random.Generator) -> Any:
    sizes = type_.shape or ()
    usual = feature.shape[-len(sizes) :] if sizes else ()  # the sizes to take where several are possible
    usual = (1,) * (len(sizes) - len(usual)) + usual
    shape = tuple(one if size is None else size for size, one in zip(sizes, usual, strict=True))
    dtype = type_.dtype.numpy
    if feature.kind is FeatureKind.IMAGE:
        return rng.integers(0, 256, shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype) if type_.dtype.is_float else rng.integers(0, 2, shape, dtype)


def _add_label(model: Any, function: Function, labels: tuple[str | int, ...]) -> None:
    """Gives the probabilities their name in the package, and adds the label of the largest."""
    from onnx import TensorProto, helper

    classify = classify_operation(function)
    if classify is None:
        return
    name, probabilities = (output.name for output in classify.outputs)
    _rename(model, str(classify.arguments["probabilities"][0]), probabilities)
    kind = TensorProto.STRING if isinstance(labels[0], str) else TensorProto.INT64
    classes, index, flat, row = (f"{name}__{part}" for part in ("classes", "index", "flat", "row"))
    values = [label.encode() if isinstance(label, str) else label for label in labels]
    model.graph.initializer.append(helper.make_tensor(classes, kind, [len(labels)], values))
    model.graph.initializer.append(helper.make_tensor(flat, TensorProto.INT64, [1], [-1]))
    model.graph.node.append(helper.make_node("Reshape", [probabilities, flat], [row], name=f"{name}.Reshape"))
    model.graph.node.append(helper.make_node("ArgMax", [row], [index], name=f"{name}.ArgMax", axis=0, keepdims=0))
    model.graph.node.append(helper.make_node("Gather", [classes, index], [name], name=f"{name}.Gather"))
    model.graph.output.append(helper.make_tensor_value_info(name, kind, []))


def _rename(model: Any, old: str, new: str) -> None:
    """Renames an output of the graph, under whichever name it goes."""
    for value in model.graph.output:
        if value.name in {old, f"{old}__out"}:
            for node in model.graph.node:
                for names in (node.input, node.output):
                    for position, name in enumerate(names):
                        if name == value.name:
                            names[position] = new
            value.name = new


def _only_graph(planned: Plan, path: str | Path) -> GraphSegment:
    graphs = [segment for segment in planned.segments if isinstance(segment, GraphSegment)]
    rest = [
        segment
        for segment in planned.segments
        if isinstance(segment, ReferenceSegment) and segment.operation.type != "classify"
    ]
    if rest or len(graphs) != 1:
        lines = "\n".join(f"  - {segment.operation}: {segment.reason}" for segment in rest) or "  - nothing to compute"
        raise UnsupportedError(f"'{path}' cannot be written as one ONNX graph:\n{lines}")
    return graphs[0]


def _name_outputs(model: Any, function: Function) -> None:
    """Gives outputs their names back; a value that is also an input of the graph keeps its suffix."""
    taken = {value.name for value in model.graph.input} | {name for node in model.graph.node for name in node.output}
    for value in model.graph.output:
        plain = value.name.removesuffix("__out")
        if plain not in taken:
            for node in model.graph.node:
                if value.name in node.output:
                    node.output[list(node.output).index(value.name)] = plain
            value.name = plain
