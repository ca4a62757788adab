"""Writing the ONNX model that the fast executor runs, for Netron and other runtimes."""

import json
from pathlib import Path
from typing import Any

from kewcore.artefacts import Artefact, write_bytes
from kewcore.errors import UnsupportedError
from kewcore.runtime.classifier import CLASS_NAMES_KEY, RESIZE_KEY
from kewcore.runtime.executor import Precision
from kewcore.runtime.lowering.plan import GraphSegment, Plan, ReferenceSegment, model_proto, plan
from kewcore.runtime.lowering.rewrites import pool_before_activation
from kewcore.runtime.model import class_labels
from kewcore.runtime.program import Function
from kewcore.runtime.spec.package import read_package
from kewcore.runtime.verifier import verify


def to_onnx(path: str | Path, out: str | Path, *, precision: Precision = "typed") -> Artefact:
    """Writes a package as one ONNX file.

    A classifier's file gives its probabilities as a tensor; its metadata name its classes and, where the package does,
    how photographs are brought to size.

    Args:
        path: The package folder.
        out: The file to write.
        precision: `typed` rounds fp16-typed values to fp16, `fp32` does not.

    Returns:
        The file.

    Raises:
        UnsupportedError: An operation has no lowering to ONNX; all of them are listed.
        PackageError: The package is malformed.
        StorageError: The file cannot be written.
    """
    package = read_package(Path(path))
    verify(package, package.default_function)
    function = package.program.functions[package.default_function]
    planned = plan(pool_before_activation(function), precision)
    model = model_proto(_only_graph(planned, path), planned.types, function.name)
    entries = {"kewcore.source": package.path.name, "kewcore.precision": precision}
    labels = class_labels(function)
    if labels is not None:
        entries[CLASS_NAMES_KEY] = json.dumps([str(label) for label in labels])
    if resize := package.metadata.user_defined.get(RESIZE_KEY):
        entries[RESIZE_KEY] = resize
    for key, value in sorted(entries.items()):
        model.metadata_props.add(key=key, value=value)
    _name_outputs(model, function)
    return write_bytes(Path(out), model.SerializeToString(deterministic=True))


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
