"""Reads a package into a `Package`; nothing is executed, and no size or path in it is believed unchecked."""

from pathlib import Path
from typing import Any

from kewcore.errors import KewError, PackageError, UnsupportedError
from kewcore.runtime.limits import PLAIN_SPECIFICATION_BYTES, SPECIFICATION_LIMIT_BYTES
from kewcore.runtime.opset import opset_from_label
from kewcore.runtime.package import Package, Pipeline
from kewcore.runtime.program import Block, Function, NamedType, Operation, Program, TensorValue, Value
from kewcore.runtime.spec.counting import check_message_count, check_operation_count
from kewcore.runtime.spec.features import interfaces_from, metadata_from
from kewcore.runtime.spec.files import read_whole, size_of_files
from kewcore.runtime.spec.manifest import inside, model_file_of
from kewcore.runtime.spec.messages import model_class
from kewcore.runtime.spec.pipeline import named_parts, suppression_from, unsupported_models
from kewcore.runtime.spec.values import FindWeights, type_from, value_from
from kewcore.runtime.spec.weights import WeightsFile
from kewcore.runtime.suppression import Suppression

_BLOB_PREFIX = "@model_path/"


def read_package(path: Path) -> Package:
    """Reads an `.mlpackage` that holds an ML Program, a pipeline, or a non-maximum suppression.

    Args:
        path: The package folder.

    Raises:
        PackageError: The package is missing or malformed.
        UnsupportedError: It holds another kind of model, as a whole or in a pipeline, or an opset that is not known.
    """
    path = Path(path)
    model_file = model_file_of(path)
    opened: dict[str, WeightsFile] = {}

    def find_weights(name: str) -> WeightsFile:
        if not name.startswith(_BLOB_PREFIX):
            raise PackageError(f"weights file {name!r} must start with '{_BLOB_PREFIX}'")
        if name not in opened:
            opened[name] = WeightsFile(inside(model_file.parent, name.removeprefix(_BLOB_PREFIX), where="the program"))
        return opened[name]

    model = _parse(model_file)
    check_operation_count(model, str(path))
    if unsupported := list(unsupported_models(model)):
        listing = "; ".join(unsupported)
        raise UnsupportedError(
            f"'{path}' {listing}; kewcore runs ML Programs and pipelines of them",
            hint="convert the original model with convert_to='mlprogram'",
        )
    return _package(model, path, size_of_files(path), find_weights)


def _package(model: Any, path: Path, size_bytes: int, find_weights: FindWeights) -> Package:
    """Reads a model and, if it is a pipeline, the models in it."""
    kind = str(model.WhichOneof("Type"))
    interfaces, default = interfaces_from(model.description)
    content: Program | Pipeline | Suppression
    if kind == "mlProgram":
        content = _program(model.mlProgram, find_weights)
    elif kind == "nonMaximumSuppression":
        content = suppression_from(model.nonMaximumSuppression)
    else:
        parts = {}
        for name, part in named_parts(model).items():
            try:
                parts[name] = _package(part, path, size_bytes, find_weights)
            except KewError as error:
                error.add_note(f"in part '{name}' of the pipeline")
                raise
        content = Pipeline(parts)
    return Package(
        path=path,
        specification_version=model.specificationVersion,
        interfaces=interfaces,
        default_function=default,
        metadata=metadata_from(model.description.metadata),
        kind=kind,
        content=content,
        size_bytes=size_bytes,
    )


def _parse(model_file: Path) -> Any:
    from google.protobuf.message import DecodeError

    content = read_whole(model_file, SPECIFICATION_LIMIT_BYTES)
    if len(content) > PLAIN_SPECIFICATION_BYTES:
        check_message_count(content, str(model_file))
    try:
        return model_class().FromString(content)
    except DecodeError as error:
        raise PackageError(f"'{model_file}' is not a Core ML specification: {error}") from error


def _program(message: Any, find_weights: FindWeights) -> Program:
    functions = {}
    for name, function in message.functions.items():
        try:
            functions[name] = _function(name, function, find_weights)
        except (PackageError, UnsupportedError) as error:
            error.add_note(f"in function '{name}'")
            raise
    if not functions:
        raise PackageError("the program has no function")
    return Program(message.version, functions)


def _function(name: str, message: Any, find_weights: FindWeights) -> Function:
    opset = opset_from_label(message.opset)
    if message.opset not in message.block_specializations:
        raise PackageError(f"the function says opset '{message.opset}', but has no block for it")
    return Function(
        name=name,
        inputs=_named_types(message.inputs),
        opset=opset,
        body=_block(message.block_specializations[message.opset], find_weights),
    )


def _block(message: Any, find_weights: FindWeights) -> Block:
    return Block(
        inputs=_named_types(message.inputs),
        operations=tuple(_operation(operation, find_weights) for operation in message.operations),
        outputs=tuple(message.outputs),
    )


def _operation(message: Any, find_weights: FindWeights) -> Operation:
    outputs = ", ".join(output.name for output in message.outputs)
    try:
        attributes = {key: value_from(value, find_weights) for key, value in sorted(message.attributes.items())}
        return Operation(
            type=message.type,
            name=_own_name(attributes.get("name")) or outputs,
            inputs={
                key: tuple(
                    binding.name if binding.WhichOneof("binding") == "name" else value_from(binding.value, find_weights)
                    for binding in argument.arguments
                )
                for key, argument in sorted(message.inputs.items())
            },
            attributes=attributes,
            outputs=_named_types(message.outputs),
            blocks=tuple(_block(block, find_weights) for block in message.blocks),
        )
    except (PackageError, UnsupportedError) as error:
        error.add_note(f"in op '{outputs}' ({message.type})")
        raise


def _own_name(value: Value | None) -> str | None:
    if isinstance(value, TensorValue) and value.storage.problem(value.type) is None:
        return str(value.numpy()[()]) if value.type.shape == () else None
    return None


def _named_types(messages: Any) -> tuple[NamedType, ...]:
    return tuple(NamedType(message.name, type_from(message.type)) for message in messages)
