"""Swift identifiers from names that were not made for Swift: `plant_tag` becomes `plantTag`.

Source: The Swift Programming Language, "Lexical Structure" (identifiers, keywords); the API Design Guidelines (case).
"""

import re
import unicodedata
from collections.abc import Sequence

from kewcore.errors import UsageError

# What cannot name an enum's case without backticks: keywords of declarations, statements, expressions and patterns.
_KEYWORDS = frozenset((
    "_", "Any", "as", "associatedtype", "await", "borrowing", "break", "case", "catch", "class", "consuming",
    "continue", "default", "defer", "deinit", "do", "else", "enum", "extension", "fallthrough", "false",
    "fileprivate", "for", "func", "guard", "if", "import", "in", "init", "inout", "internal", "is", "let", "nil",
    "nonisolated", "open", "operator", "precedencegroup", "private", "protocol", "Protocol", "public", "repeat",
    "rethrows", "return", "self", "Self", "static", "struct", "subscript", "super", "switch", "throw", "throws",
    "true", "try", "Type", "typealias", "var", "where", "while",
))  # fmt: skip
_TAKEN = frozenset({"allCases"})  # by CaseIterable


def case_names(names: Sequence[str], what: str) -> tuple[str, ...]:
    """Gives each name a Swift identifier, in lower camel case, to be used as a case of an enum.

    Keywords come in backticks, and an identifier that would begin with a digit begins with `_`.

    Args:
        names: Such as class names.
        what: They are, for messages: `class`.

    Raises:
        UsageError: A name holds no letter or digit, or two names give the same identifier.
    """
    found: dict[str, str] = {}
    for name in names:
        identifier = _lower_camel(name, what)
        if identifier in found:
            raise UsageError(
                f"{what} names '{found[identifier]}' and '{name}' both become '{identifier}' in Swift",
                hint=f"rename one {what}",
            )
        found[identifier] = name
    return tuple(found)


def type_name(name: str, what: str) -> str:
    """Gives a name as that of a Swift type, in upper camel case.

    Raises:
        UsageError: It holds no letter or digit.
    """
    words = _words(name, what)
    joined = "".join(word[0].upper() + word[1:] for word in words)
    return f"_{joined}" if joined[0].isdigit() else joined


def string_literal(text: str) -> str:
    """Writes text as a Swift string literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{"".join(map(_visible, escaped))}"'


def _visible(character: str) -> str:
    """Writes what has no shape of its own, such as a line break, as its code point."""
    plain = character == " " or unicodedata.category(character)[0] not in "CZ"
    return character if plain else f"\\u{{{ord(character):x}}}"


def _lower_camel(name: str, what: str) -> str:
    first, *rest = _words(name, what)
    identifier = _lowered(first) + "".join(word[0].upper() + word[1:] for word in rest)
    if not (identifier[0].isalpha() or identifier[0] == "_"):
        identifier = f"_{identifier}"
    if identifier in _TAKEN:
        identifier += "_"
    return f"`{identifier}`" if identifier in _KEYWORDS else identifier


def _lowered(word: str) -> str:
    """Lowers the capitals that a word begins with, but for one that begins its next part: `URLPath`, `urlPath`."""
    capitals = next((index for index, letter in enumerate(word) if not letter.isupper()), len(word))
    if 1 < capitals < len(word) and word[capitals].islower():
        capitals -= 1
    return word[:capitals].lower() + word[capitals:]


def _words(name: str, what: str) -> list[str]:
    composed = unicodedata.normalize("NFC", name)
    parts = "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in composed)
    words = re.split(r" +", parts.strip(" "))
    if not any(words):
        raise UsageError(
            f"{what} name '{name}' has no letter or digit to make a Swift name of", hint=f"rename the {what}"
        )
    return words
