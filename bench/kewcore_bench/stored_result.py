"""What a `bench.json` holds, written and read back: strictly, so that what only looks like a result is refused."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from kewcore.errors import DataError
from kewcore_bench.gates.judging import Verdict
from kewcore_bench.result import BenchResult
from kewcore_bench.result_checks import check_consistent
from kewcore_bench.schema import SCHEMA_VERSION, Json, stored_fields, to_json, to_object

T = TypeVar("T")

_WORDS: dict[Any, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}
_LARGEST_BYTES = 200_000_000


@dataclass(frozen=True)
class StoredResult:
    """What a `bench.json` holds.

    Attributes:
        result: What the bench found; pictures are not part of it.
        verdicts: On the gates that were set, if any.
    """

    result: BenchResult
    verdicts: tuple[Verdict, ...]


def read_result(path: Path) -> StoredResult:
    """Reads a `bench.json` that this or an older kewcore of the same schema wrote.

    Raises:
        DataError: The file cannot be read, is not JSON, is no result of a bench, is of another schema, or is damaged.
    """
    value = _parsed(path)
    where = f"result '{path}'"
    if not isinstance(value, dict) or value.get("kind") != "bench":
        found = value.get("kind") if isinstance(value, dict) else None
        raise DataError(
            f"{where} is not from kewcore bench" + (f": its kind is {found!r:.40}" if found is not None else ""),
            hint="kewcore bench writes bench.json into its --out folder",
        )
    if value.get("schema_version") != SCHEMA_VERSION:
        raise DataError(
            f"{where} has schema_version {value.get('schema_version')!r:.20}; this kewcore reads {SCHEMA_VERSION}",
            hint="run kewcore bench again, or read it with the kewcore that wrote it",
        )
    rest = {key: inner for key, inner in value.items() if key not in {"schema_version", "kind", "gates"}}
    try:
        verdicts = from_json(tuple[Verdict, ...], value.get("gates", []), "gates")
        result = from_json(BenchResult, rest, "")
        check_consistent(result)
    except DataError as error:
        raise DataError(f"{where} is damaged: {error.message}", hint="run kewcore bench again") from error
    return StoredResult(result, verdicts)


def stored_object(result: BenchResult, verdicts: Sequence[Verdict]) -> dict[str, Json]:
    """Makes the JSON object of a `bench.json`: what `read_result` reads."""
    head: dict[str, Json] = {"schema_version": SCHEMA_VERSION, "kind": "bench"}
    return {**head, **to_object(result), "gates": to_json(verdicts)}


def from_json(kind: type[T], value: Any, where: str = "") -> T:
    """Makes a value of a result's type from JSON: what `kewcore_bench.schema.to_json` wrote gives the same again.

    Fields with a default may be missing, since older files lack them; an unknown one is refused. A null where a number
    must stand is infinity, which JSON has no word for.

    Args:
        kind: A result dataclass, or the type of anything inside one.
        value: From JSON.
        where: Its place, for messages.

    Raises:
        DataError: The value is not of the type.
    """
    return cast(T, _value(kind, value, where))


def _value(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        if value is None and NoneType in arguments:
            return None
        return _value(next(one for one in arguments if one is not NoneType), value, where)
    if origin is tuple:
        return _tuple(arguments, value, where)
    if origin is Literal:
        if value not in arguments:
            raise _unfit(where, f"one of {', '.join(map(str, arguments))}", value)
        return value
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise _unfit(where, "an object", value)
        return {key: _value(arguments[1], inner, f"{where}.{key:.40}") for key, inner in value.items()}
    if is_dataclass(kind):
        return _dataclass(cast(type[Any], kind), value, where)
    return _plain(kind, value, where)


def _tuple(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _unfit(where, "a list", value)
    if kinds[-1] is not Ellipsis and len(kinds) != len(value):
        raise DataError(f"{where} must hold {len(kinds)} values, has {len(value)}")
    each = [kinds[0]] * len(value) if kinds[-1] is Ellipsis else kinds
    return tuple(_value(kind, inner, f"{where}[{i}]") for i, (kind, inner) in enumerate(zip(each, value, strict=True)))


def _dataclass(kind: type[Any], value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _unfit(where, "an object", value)
    known = {one.name: one for one in stored_fields(kind)}
    place = f"{where}." if where else ""
    if unknown := sorted(set(value) - set(known)):
        raise DataError(f"'{place}{unknown[0]:.40}' is not known here")
    hints = get_type_hints(kind)
    given = {}
    for name, one in known.items():
        if name in value:
            given[name] = _value(hints[name], value[name], place + name)
        elif one.default is MISSING and one.default_factory is MISSING:
            raise DataError(f"'{place}{name}' is missing")
    return kind(**given)


def _plain(kind: Any, value: Any, where: str) -> Any:
    if kind is float and value is None:
        return math.inf
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) < 2**53 else _refuse(where, kind, value)
    wanted = str if kind is Path else kind
    if type(value) is not wanted:
        return _refuse(where, kind, value)
    return Path(value) if kind is Path else value


def _refuse(where: str, kind: Any, value: Any) -> Any:
    raise _unfit(where, _WORDS[kind], value)


def _unfit(where: str, wanted: str, value: Any) -> DataError:
    return DataError(f"'{where}' must be {wanted}, got {json.dumps(value)[:40]}")


def _parsed(path: Path) -> Any:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise DataError(f"result '{path}' has more than {_LARGEST_BYTES // 10**6} MB: it is not from kewcore bench")
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except FileNotFoundError as error:
        raise DataError(
            f"there is no result '{path}'", hint="run kewcore bench first, or name its bench.json"
        ) from error
    except OSError as error:
        raise DataError(f"cannot read result '{path}': {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # Not JSON, not UTF-8, or nested beyond all measure.
        raise DataError(f"result '{path}' is not JSON: {error}") from error


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
