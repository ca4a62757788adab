"""Results as JSON: the dataclasses of `kewcore_bench.result` and `kewcore.parity`, field by field."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import Field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeAlias

SCHEMA_VERSION = 1
_NUMBERS = re.compile(r"\[\n\s*((?:[-+.\deE]+|null)(?:,\n\s*(?:[-+.\deE]+|null))*)\n\s*\]")

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def to_json(value: Any) -> Json:
    """Turns a result into JSON values.

    A dataclass becomes an object of its fields; pictures (`kewcore_bench.result.PICTURE`) are left out. JSON knows no
    infinity: the SNR of equal outputs becomes null.

    Args:
        value: A result dataclass, or anything inside one.

    Raises:
        TypeError: Something that has no place in a result.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: to_json(getattr(value, one.name)) for one in stored_fields(type(value))}
    if isinstance(value, Mapping):
        return {str(key): to_json(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [to_json(inner) for inner in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(f"a result cannot hold {type(value).__name__}")


def stored_fields(kind: type[Any]) -> list[Field[Any]]:
    """Lists the fields of a result dataclass that are part of its JSON."""
    return [one for one in fields(kind) if not one.metadata.get("picture")]


def json_text(value: Mapping[str, Json]) -> str:
    """Writes a JSON object as indented text with a row of numbers on one line, which halves the file of a bench."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    # Inside a JSON string a line break is escaped, so what is matched here can only be an array.
    return _NUMBERS.sub(lambda row: "[" + " ".join(row[1].split()) + "]", text) + "\n"


def to_object(value: Any) -> dict[str, Json]:
    """Turns a result dataclass into a JSON object; see `to_json`."""
    found = to_json(value)
    if not isinstance(found, dict):
        raise TypeError(f"{type(value).__name__} is not an object")
    return found
