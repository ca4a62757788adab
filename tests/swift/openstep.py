"""Property lists in the old text form, as Xcode writes its projects: `{ key = value; list = (a, b, ); }`."""

import re
from typing import Any

_TOKEN = re.compile(r'\s*(?://[^\n]*\n|/\*.*?\*/|("(?:\\.|[^"\\])*")|([{}();=,])|([A-Za-z0-9_./$<>@:-]+))', re.DOTALL)


def parse(text: str) -> Any:
    """Reads one value; text that is not of this form is a `ValueError`."""
    tokens, position = [], 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"not a property list at {text[position : position + 40]!r}")
        tokens += [token for token in match.groups() if token is not None]
        position = match.end()
    value, rest = _value(tokens)
    if rest:
        raise ValueError(f"more than one value: {rest[:3]}")
    return value


def _value(tokens: list[str]) -> tuple[Any, list[str]]:
    first, *rest = tokens
    if first == "{":
        table: dict[str, Any] = {}
        while rest[0] != "}":
            key, equals, *rest = rest
            value, rest = _value(rest)
            end, *rest = rest
            if (equals, end) != ("=", ";") or key.strip('"') in table:
                raise ValueError(f"key {key} is not followed by '= value;', or comes twice")
            table[key.strip('"')] = value
        return table, rest[1:]
    if first == "(":
        entries = []
        while rest[0] != ")":
            value, rest = _value(rest)
            end, *rest = rest
            if end != ",":
                raise ValueError(f"{value} in a list is not followed by a comma")
            entries.append(value)
        return entries, rest[1:]
    if first in "});=,":
        raise ValueError(f"a value was expected, got {first}")
    return first.strip('"'), rest
