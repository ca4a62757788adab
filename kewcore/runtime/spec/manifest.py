"""`Manifest.json` and the paths in a package: none of them may leave the folder."""

import json
from pathlib import Path, PurePosixPath
from typing import Any

from kewcore.errors import PackageError
from kewcore.runtime.limits import MANIFEST_LIMIT_BYTES
from kewcore.runtime.spec.files import read_whole


def model_file_of(package: Path) -> Path:
    """Finds the specification file that a package's manifest names as its root.

    Raises:
        PackageError: There is no package, its manifest cannot be understood, or a path in it leaves the package.
    """
    if not package.is_dir():
        raise PackageError(
            f"no package at '{package}': expected a folder with a Manifest.json",
            hint="give the .mlpackage folder itself",
        )
    manifest = _read_manifest(package / "Manifest.json")
    items, root = manifest.get("itemInfoEntries"), manifest.get("rootModelIdentifier")
    if not isinstance(items, dict) or not isinstance(root, str):
        raise PackageError(f"'{package}/Manifest.json' lacks 'itemInfoEntries' or 'rootModelIdentifier'")
    item = items.get(root)
    if not isinstance(item, dict) or not isinstance(item.get("path"), str):
        raise PackageError(f"'{package}/Manifest.json' names root model '{root}', but has no item with a path for it")
    if (package / "Data").is_symlink():
        raise PackageError(f"'{package}/Data' is a symbolic link, which may lead out of the package")
    return inside(package / "Data", item["path"], where="Manifest.json")


def inside(folder: Path, relative: str, *, where: str) -> Path:
    """Resolves a path that a package wrote, and makes sure that it stays inside.

    Args:
        folder: The folder that the path is relative to.
        relative: The path as written, with `/` between its parts.
        where: What wrote it, for the message.

    Returns:
        The path of an existing regular file.

    Raises:
        PackageError: The path is empty, absolute, holds `..`, a backslash, a colon or a control character, passes
            through a symbolic link, or leads to something that is not a file.
    """
    parts = PurePosixPath(relative).parts
    bad = not parts or relative.startswith("/") or ".." in parts or any(ord(c) < 32 or c in "\\:\x7f" for c in relative)
    if bad:
        raise PackageError(f"{where} holds path {relative!r:.200}, which does not stay inside the package")
    path = folder
    try:
        for part in parts:
            path /= part
            if path.is_symlink():
                raise PackageError(f"{where} holds path {relative!r:.200}, which passes through a symbolic link")
        if not path.is_file():
            raise PackageError(f"{where} holds path {relative!r:.200}, but there is no such file in the package")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no valid text"
        raise PackageError(f"{where} holds path {relative!r:.200}, which cannot be looked up: {reason}") from error
    return path


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        if path.is_symlink() or not path.is_file():
            raise PackageError(f"'{path}' is missing: this is not an .mlpackage, or it is not complete")
        manifest = json.loads(read_whole(path, MANIFEST_LIMIT_BYTES).decode())
    except OSError as error:
        raise PackageError(f"cannot read '{path}': {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise PackageError(f"'{path}' is not valid JSON: {error}") from error
    if not isinstance(manifest, dict):
        raise PackageError(f"'{path}' must hold a JSON object, got {type(manifest).__name__}")
    return manifest
