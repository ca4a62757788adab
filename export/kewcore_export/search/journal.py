"""What a search has measured so far, on disk after every step, so that a search that was cut off goes on."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kewcore.artefacts import storage_errors
from kewcore.console import detail


class Journal:
    """Results by key, one JSON line each.

    A journal of other inputs (another run, other data, another version) is set aside: it says nothing of this search.
    Lines that hold no result, such as a last one that was cut off, are passed over.

    Args:
        path: The file.
        inputs: What all results depend on.

    Raises:
        StorageError: The file cannot be read or begun.
    """

    def __init__(self, path: Path, inputs: Mapping[str, Any]) -> None:
        self._path = path
        digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
        lines = _lines(path)
        self._results: dict[str, Any] = {}
        if lines and lines[0] == {"inputs_sha256": digest}:
            self._results = {line["key"]: line["result"] for line in lines[1:] if _holds_result(line)}
            detail(f"{len(self._results)} results taken from {path}")
            self._append("\n")  # ends a line that was cut off
            return
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"inputs_sha256": digest}) + "\n", encoding="utf-8")

    def get(self, key: str) -> Any | None:
        """Returns the result of a key, or None."""
        return self._results.get(key)

    def put(self, key: str, result: Any) -> None:
        """Keeps the result of a key.

        Args:
            key: What was measured.
            result: As JSON has it.

        Raises:
            StorageError: It cannot be written.
        """
        self._results[key] = result
        self._append(json.dumps({"key": key, "result": result}) + "\n")

    def _append(self, text: str) -> None:
        with storage_errors(self._path), self._path.open("a", encoding="utf-8") as stream:
            stream.write(text)


def _holds_result(line: dict[str, Any]) -> bool:
    return isinstance(line.get("key"), str) and "result" in line


def _lines(path: Path) -> list[dict[str, Any]]:
    with storage_errors(path):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return []
    found = []
    for line in content.splitlines():
        try:
            value = json.loads(line.decode("utf-8"))
        except ValueError:  # no JSON, or no UTF-8
            continue
        if isinstance(value, dict):
            found.append(value)
    return found
