"""What a Package.swift says of its targets, read without Swift.

A manifest is a program; only targets that it writes out are seen, which is how nearly all are written. Where targets
come from code, folders are taken by SwiftPM's convention and nothing is known of their resources.
Source: SwiftPM's `Documentation/PackageDescription.md` and its `PackageBuilder.predefinedSourceDirectories`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kewcore.errors import PackageError

MANIFEST = "Package.swift"
_SOURCE_FOLDERS = ("Sources", "Source", "src", "srcs")
_TARGET = re.compile(r"\.(?:target|executableTarget)\s*\(")
_COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|("(?:\\.|[^"\\\n])*")', re.DOTALL)
_OPENING, _CLOSING = "([{", ")]}"


@dataclass(frozen=True)
class SwiftTarget:
    """A target of a Swift package.

    Attributes:
        name: Its name.
        folder: Where its sources lie.
        copied: What its resources copy as it is, as paths in `folder`; None where the manifest does not say.
    """

    name: str
    folder: Path
    copied: tuple[str, ...] | None


def swift_targets(package: Path) -> list[SwiftTarget]:
    """Lists the targets of a Swift package that have sources, but for tests and plugins.

    Args:
        package: Folder with a Package.swift.

    Raises:
        PackageError: The manifest cannot be read.
    """
    try:
        text = _without_comments((package / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PackageError(f"'{package / MANIFEST}' cannot be read: {error}") from error
    found = {target.name: target for target in _written_out(text, package)}
    for folder in _by_convention(package):
        found.setdefault(folder.name, SwiftTarget(folder.name, folder, None))
    return sorted(found.values(), key=lambda target: target.name)


def _written_out(text: str, package: Path) -> Iterator[SwiftTarget]:
    for match in _TARGET.finditer(text):
        arguments = dict(_arguments(text, match.end()))
        name = _string(arguments.get("name", ""))
        if name is None:
            continue
        path = _string(arguments.get("path", ""))
        folders = [package / path] if path else [package / root / name for root in _SOURCE_FOLDERS]
        folder = next((one for one in folders if one.is_dir()), None)
        if folder is not None:
            copied = re.findall(r'\.copy\s*\(\s*"([^"]*)"', arguments.get("resources", ""))
            yield SwiftTarget(name, folder, tuple(one.strip("/") for one in copied))


def _by_convention(package: Path) -> Iterator[Path]:
    for root in _SOURCE_FOLDERS:
        for folder in sorted((package / root).glob("*/")):
            if any(folder.rglob("*.swift")):
                yield folder


def _without_comments(text: str) -> str:
    return _COMMENT_OR_STRING.sub(lambda match: match[1] or " ", text)


def _arguments(text: str, start: int) -> Iterator[tuple[str, str]]:
    """Gives the labelled arguments of the call whose parenthesis opened just before `start`."""
    depth, begin, position = 0, start, start
    while position < len(text):
        character = text[position]
        if character == '"':
            literal = _COMMENT_OR_STRING.match(text, position)
            position = literal.end() if literal else position + 1
            continue
        if (character == "," and depth == 0) or (character in _CLOSING and depth == 0):
            label, colon, value = text[begin:position].partition(":")
            if colon:
                yield label.strip(), value.strip()
            begin = position + 1
            if character != ",":
                return
        depth += (character in _OPENING) - (character in _CLOSING)
        position += 1


def _string(value: str) -> str | None:
    match = re.fullmatch(r'"([^"\\]*)"', value)
    return match[1] if match else None
