"""How many messages and operations a specification has, before memory is taken for them.

Protobuf's wire format is walked as the schema describes it; nothing is decoded.
Source: https://protobuf.dev/programming-guides/encoding/.
"""

from typing import Any

from kewcore.errors import PackageError
from kewcore.runtime.limits import MESSAGE_LIMIT, OPERATION_LIMIT
from kewcore.runtime.spec.messages import model_class

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_MESSAGE_TYPE = 11


def check_message_count(content: bytes, path: str) -> None:
    """Makes sure that a serialised specification holds no more messages than may be decoded.

    What is malformed is left to protobuf to say.

    Raises:
        PackageError: It holds more.
    """
    waiting: list[tuple[Any, int, int]] = [(model_class().DESCRIPTOR, 0, len(content))]
    fields: dict[str, dict[int, Any]] = {}
    count = 0
    while waiting:
        descriptor, position, end = waiting.pop()
        if descriptor.full_name not in fields:
            fields[descriptor.full_name] = _messages_by_number(descriptor)
        known = fields[descriptor.full_name]
        while position < end:
            count += 1  # fields that are no messages, such as a name repeated without end, take memory too
            if count > MESSAGE_LIMIT:
                raise PackageError(f"'{path}' holds more than {MESSAGE_LIMIT} fields and messages")
            key, position = _varint(content, position, end)
            kind = key & 7
            if kind == _VARINT:
                _, position = _varint(content, position, end)
            elif kind == _LENGTH:
                length, position = _varint(content, position, end)
                inner = known.get(key >> 3)
                if inner is not None and position + length <= end:
                    waiting.append((inner, position, position + length))
                position += length
            else:
                position += {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}.get(kind, end)


def check_operation_count(model: Any, path: str) -> None:
    """Makes sure that a specification holds no more operations than may be verified.

    Raises:
        PackageError: It holds more.
    """
    models, blocks, count = [model], [], 0
    while models:
        one = models.pop()
        for pipeline in (one.pipeline, one.pipelineClassifier.pipeline, one.pipelineRegressor.pipeline):
            models.extend(pipeline.models)
        blocks += [b for f in one.mlProgram.functions.values() for b in f.block_specializations.values()]
    while blocks:
        block = blocks.pop()
        count += len(block.operations)
        if count > OPERATION_LIMIT:
            raise PackageError(f"'{path}' holds more than {OPERATION_LIMIT} operations")
        blocks.extend(inner for operation in block.operations for inner in operation.blocks)


def _messages_by_number(descriptor: Any) -> dict[int, Any]:
    return {field.number: field.message_type for field in descriptor.fields if field.type == _MESSAGE_TYPE}


def _varint(content: bytes, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while position < end:
        byte = content[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
        if shift > 63:
            break
    return value, end
