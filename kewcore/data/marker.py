"""The file `dataset.json` in a folder that kewcore wrote: where its images come from, and leave to replace it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kewcore.artefacts import write_json
from kewcore.errors import DataError, StorageError

MARKER_NAME = "dataset.json"


def read_marker(root: Path) -> dict[str, Any] | None:
    """Returns what the marker in a folder says, or None where there is none.

    Raises:
        DataError: There is a file of that name which is not a marker.
    """
    path = root / MARKER_NAME
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"'{path}' is not the marker that kewcore writes: {error}") from error
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        raise DataError(f"'{path}' is not the marker that kewcore writes: expected an object with a text 'kind'")
    return value


def write_marker(root: Path, kind: str, *, stand_in: bool, content: Mapping[str, Any]) -> None:
    """Writes the marker: `kind` of dataset, whether it is a stand-in for real photographs, and how it was made."""
    write_json(root / MARKER_NAME, {"schema_version": 1, "kind": kind, "stand_in": stand_in, **content})


def is_stand_in(root: Path) -> bool:
    """Tells whether a folder's images are the built-in sample set, or made from it."""
    marker = read_marker(root)
    return marker is not None and marker.get("stand_in") is True


def check_replaceable(out: Path) -> None:
    """Refuses to write a dataset over something that kewcore did not write.

    Raises:
        StorageError: `out` is a file, or a folder with content but without a marker.
    """
    if out.is_file():
        raise StorageError(f"cannot write a dataset to '{out}': it is a file", hint="choose a folder with --out")
    if out.is_dir() and any(out.iterdir()) and not (out / MARKER_NAME).is_file():
        raise StorageError(
            f"'{out}' holds files that kewcore did not write; it would be replaced",
            hint="choose another folder with --out, or empty this one",
        )
