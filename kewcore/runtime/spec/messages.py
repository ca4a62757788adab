"""Protobuf message classes made from the table in `schema`, in a descriptor pool of their own.

A pool of its own means that coremltools, which registers the same names in protobuf's default pool, can live in the
same process; making the classes from a table means that any protobuf from 5 on serves.
"""

from functools import cache
from typing import Any

from kewcore.runtime.spec import schema

_PACKAGE = "kewcore.coreml"
_SCALARS = {
    "double": 1,
    "float": 2,
    "int64": 3,
    "uint64": 4,
    "int32": 5,
    "bool": 8,
    "string": 9,
    "bytes": 12,
}
"""Field types by name. Source: the enum `FieldDescriptorProto.Type` in protobuf's descriptor.proto."""
_MESSAGE_TYPE, _OPTIONAL, _REPEATED = 11, 1, 3


@cache
def model_class() -> Any:
    """Returns the message class of `Model`, the root of every `.mlmodel` file."""
    return message_classes()["Model"]


@cache
def message_classes() -> dict[str, Any]:
    """Returns every message class by its name in the table."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="kewcore/coreml.proto", package=_PACKAGE, syntax="proto3")
    declared = [
        line.partition(":")
        for table in (schema.FEATURES, schema.MODEL, schema.PROGRAM)
        for line in table.replace("\n    ;", ";").strip().splitlines()
    ]
    messages: dict[str, Any] = {}
    for name, _, _ in sorted(declared, key=lambda row: row[0].count(".")):
        outer, _, inner = name.rpartition(".")
        message = messages[outer].nested_type.add() if outer else file.message_type.add()
        message.name = inner
        messages[name] = message
    for name, _, fields in declared:
        for field in filter(None, (text.strip() for text in fields.split(";"))):
            _add_field(messages[name], name, field)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in messages
    }


def _add_field(message: Any, message_name: str, text: str) -> None:
    """Adds one field written as in the table, such as `3 operations *Operation`."""
    number, name, kind, *oneof = text.split()
    field = message.field.add(name=name, number=int(number), label=_OPTIONAL)
    if kind.startswith("map<"):
        key, value = kind[4:-1].split(",")
        entry = message.nested_type.add(name=f"{name[0].upper()}{name[1:]}Entry".replace("_s", "S"))
        entry.options.map_entry = True
        _set_type(entry.field.add(name="key", number=1, label=_OPTIONAL), key)
        _set_type(entry.field.add(name="value", number=2, label=_OPTIONAL), value)
        field.label = _REPEATED
        _set_type(field, f"{message_name}.{entry.name}")
        return
    if kind.startswith("*"):
        field.label = _REPEATED
    _set_type(field, kind.lstrip("*"))
    if oneof:
        group = oneof[0].lstrip("|")
        names = [declared.name for declared in message.oneof_decl]
        if group not in names:
            message.oneof_decl.add(name=group)
            names.append(group)
        field.oneof_index = names.index(group)


def _set_type(field: Any, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = _MESSAGE_TYPE
        field.type_name = f".{_PACKAGE}.{kind}"
