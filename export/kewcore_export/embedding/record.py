"""What `kewcore embed` wrote into a target, so that it never touches what it did not."""

import json
from collections.abc import Mapping
from pathlib import Path

from kewcore import __version__
from kewcore.errors import PackageError
from kewcore_export.embedding.places import MODELS_FOLDER

RECORD = f"{MODELS_FOLDER}/kewcore-embed.json"
_SCHEMA_VERSION = 1


def read_record(folder: Path) -> dict[str, str]:
    """Reads what was written into the folder of a target.

    Returns:
        SHA-256 by path in the folder, but for the record itself; empty where nothing was embedded yet.

    Raises:
        PackageError: The record is damaged.
    """
    path = folder / RECORD
    if not path.exists():
        return {}
    hint = "to write everything anew, whatever is there: --force"
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PackageError(f"record '{path}' cannot be read: {error}", hint=hint) from error
    if not isinstance(table, dict) or table.get("schema_version") != _SCHEMA_VERSION:
        raise PackageError(f"record '{path}' is not of schema_version {_SCHEMA_VERSION}", hint=hint)
    files = table.get("files")
    if not isinstance(files, dict) or not all(isinstance(digest, str) for digest in files.values()):
        raise PackageError(f"record '{path}': 'files' must hold SHA-256 digests", hint=hint)
    if any(name.startswith("/") or ".." in name.split("/") for name in files):
        raise PackageError(f"record '{path}': 'files' must stay in the target's folder", hint=hint)
    return files


def record_content(files: Mapping[str, str]) -> bytes:
    """Writes a record as JSON."""
    table = {"schema_version": _SCHEMA_VERSION, "kewcore_version": __version__, "files": dict(sorted(files.items()))}
    return (json.dumps(table, indent=2, ensure_ascii=False) + "\n").encode()
