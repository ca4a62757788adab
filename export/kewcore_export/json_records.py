"""Frozen dataclasses from JSON that somebody may have edited: what is wrong with a key or type is named."""

import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar, cast

from kewcore.errors import PackageError

_Record = TypeVar("_Record")
_SIMPLE = {"str": str, "int": int, "bool": bool}


def record_from(kind: type[_Record], table: Mapping[str, Any], **built: Any) -> _Record:
    """Makes a dataclass of an object with exactly its fields.

    Args:
        kind: The dataclass. Texts, whole numbers, truth values, numbers and rows of whole numbers are checked.
        table: The object.
        built: Fields of other types, which the caller has checked.

    Raises:
        PackageError: A key is missing or unknown, or a value has the wrong type.
    """
    names = {field.name for field in fields(cast(Any, kind))}
    if missing := sorted(names - set(table)):
        raise PackageError(f"{kind.__name__} lacks {', '.join(missing)}")
    if unknown := sorted(set(table) - names):
        raise PackageError(f"{kind.__name__} has unknown keys {', '.join(unknown)}")
    values = {**table, **built}
    for field in fields(cast(Any, kind)):
        values[field.name] = _checked(kind.__name__, field.name, str(field.type), values[field.name])
    return kind(**values)


def is_number(value: Any) -> bool:
    """Whether a value is a number that a float can hold; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def hashes_from(value: Any, name: str) -> dict[str, str]:
    """Reads digests by name.

    Raises:
        PackageError: It is no object of texts.
    """
    table = table_from(value, name)
    if not all(isinstance(digest, str) for digest in table.values()):
        raise PackageError(f"'{name}' must hold SHA-256 digests")
    return table


def texts_from(value: Any, name: str) -> tuple[str, ...]:
    """Reads a row of texts.

    Raises:
        PackageError: It is none.
    """
    entries = list_from(value, name)
    if not all(isinstance(entry, str) for entry in entries):
        raise PackageError(f"'{name}' must be a list of texts")
    return tuple(entries)


def table_from(value: Any, name: str) -> dict[str, Any]:
    """Reads an object.

    Raises:
        PackageError: It is none.
    """
    if not isinstance(value, dict):
        raise PackageError(f"{name} must be an object, got {type(value).__name__}")
    return value


def list_from(value: Any, name: str) -> list[Any]:
    """Reads a list.

    Raises:
        PackageError: It is none.
    """
    if not isinstance(value, list):
        raise PackageError(f"'{name}' must be a list, got {type(value).__name__}")
    return value


def _checked(kind: str, name: str, annotation: str, value: Any) -> Any:
    annotation = annotation.removeprefix("<class '").removesuffix("'>")
    if annotation in _SIMPLE:
        if type(value) is not _SIMPLE[annotation]:
            raise PackageError(f"{kind}.{name} must be of type {annotation}, got {value!r}")
    elif annotation == "tuple[int, ...]":
        if not isinstance(value, list) or not all(type(n) is int for n in value):
            raise PackageError(f"{kind}.{name} must be a list of whole numbers, got {value!r}")
        return tuple(value)
    elif annotation.startswith("float") and not (is_number(value) or (value is None and "None" in annotation)):
        raise PackageError(f"{kind}.{name} must be a number, got {value!r}")
    return value
