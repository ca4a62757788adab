"""Results as JSON: the dataclasses of `kewcore_bench.result` and `kewcore.parity`, field by field."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

SCHEMA_VERSION = 1

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def to_json(value: Any) -> Json:
    """Turns a result into JSON values.

    A dataclass becomes an object of its fields; pictures (NumPy arrays) are left out. JSON knows no infinity: the SNR
    of equal outputs becomes null.

    Args:
        value: A result dataclass, or anything inside one.

    Raises:
        TypeError: Something that has no place in a result.
    """
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((one.name, getattr(value, one.name)) for one in fields(value))
        return {name: to_json(inner) for name, inner in pairs if not isinstance(inner, np.ndarray)}
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


def to_object(value: Any) -> dict[str, Json]:
    """Turns a result dataclass into a JSON object; see `to_json`."""
    found = to_json(value)
    if not isinstance(found, dict):
        raise TypeError(f"{type(value).__name__} is not an object")
    return found
