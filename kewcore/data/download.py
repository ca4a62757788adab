"""Downloading one large file: resumable, verified by size, recorded with its SHA-256."""

import http.client
import json
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from kewcore.artefacts import Artefact, sha256_file, storage_errors, write_json
from kewcore.console import progress, say, warn
from kewcore.errors import DownloadError, StorageError

_CHUNK_BYTES = 1 << 18
_WORTH_RETRYING = frozenset({408, 425, 429, 500, 502, 503, 504})
_NETWORK_ERRORS = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)


@dataclass(frozen=True)
class _Response:
    """What a server answered: where its bytes begin, how long the whole file is, and which version it is."""

    stream: Any
    start: int
    total: int | None
    validator: str | None


def download(url: str, target: Path, *, tries: int = 6, backoff_s: float = 1.0, timeout_s: float = 60.0) -> Artefact:
    """Downloads a file, going on where an earlier attempt stopped.

    Bytes go to `<target>.part`. A broken attempt is resumed with `Range` and `If-Range`, so that a file that changed
    on the server starts afresh instead of being patched together; a server that ignores ranges starts afresh as well.
    What was written is named in `<target>.json`: URL, size, SHA-256 and the server's validator. If that record and
    the file agree, nothing is downloaded.

    Args:
        url: An http or https address.
        target: The file to write.
        tries: Attempts in a row that bring nothing before giving up.
        backoff_s: Pause after the first failure; it doubles with each one in a row.
        timeout_s: Longest silence of the server.

    Returns:
        The file with size and SHA-256.

    Raises:
        DownloadError: The server refuses, sends another length than it announced, or cannot be reached.
        StorageError: The file cannot be written; what has come so far is kept.

    Source: RFC 9110, 13.1.5 (If-Range) and 14 (range requests).
    """
    if not _is_address(url):
        raise DownloadError(f"cannot download '{url}': expected an address such as https://host/file")
    if (kept := _kept(url, target)) is not None:
        say(f"'{target}' is there already; nothing downloaded")
        return kept
    part, note = target.with_name(target.name + ".part"), target.with_name(target.name + ".part.json")
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        failures = 0
        while True:
            before = part.stat().st_size if part.exists() else 0
            try:
                validator = _attempt(url, part, note, timeout_s)
                break
            except _NETWORK_ERRORS as error:
                problem = _final_problem(url, error)
                if problem is not None:
                    raise problem from error
                failures = 1 if part.exists() and part.stat().st_size > before else failures + 1
                if failures >= tries:
                    raise DownloadError(
                        f"'{url}' could not be downloaded in {tries} attempts: {_reason(error)}",
                        hint=f"run the same command again: it goes on from {part.stat().st_size} bytes"
                        if part.exists()
                        else "check the network, or give another address with --url",
                    ) from error
                warn(f"{_reason(error)}; trying again")
                time.sleep(backoff_s * 2 ** (failures - 1))
        digest = sha256_file(part)
        artefact = Artefact(target, part.stat().st_size, digest)
        part.replace(target)
        write_json(record_path(target), _recorded(url, artefact) | {"validator": validator})
        note.unlink(missing_ok=True)
    return artefact


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets or a port that make no sense
        return False
    return whole and url.isprintable() and " " not in url


def _attempt(url: str, part: Path, note: Path, timeout_s: float) -> str | None:
    """Makes one request and appends what comes; returns the server's validator when the file is whole."""
    have, validator = _resumable(url, part, note)
    response = _request(url, have, validator, timeout_s)
    with response.stream:
        if response.start != have:
            say("the server starts the file afresh")
        if response.total is not None:
            free = shutil.disk_usage(part.parent).free
            if response.total - response.start > free:
                raise StorageError(
                    f"'{url}' has {response.total} bytes, but {part.parent} has {free} left",
                    hint="free some disk space, or choose another folder with --out",
                )
        write_json(note, {"url": url, "validator": response.validator, "total": response.total})
        with part.open("r+b" if response.start else "wb") as file:
            file.seek(response.start)
            file.truncate()
            total_mb = (response.total or 0) // 1_000_000 + 1
            with progress("downloading", total_mb, "MB") as advance:
                advance(response.start // 1_000_000)
                _copy(response.stream, file, advance, response.start)
    size = part.stat().st_size
    if response.total is not None and size < response.total:
        raise ConnectionError(f"the connection ended after {size} of {response.total} bytes")
    if response.total is not None and size > response.total:
        part.unlink()
        raise DownloadError(f"'{url}' brought {size} bytes, but {response.total} were announced")
    return response.validator


def _copy(source: Any, file: BinaryIO, advance: Callable[..., None], position: int) -> None:
    while chunk := source.read(_CHUNK_BYTES):
        file.write(chunk)
        megabytes = (position + len(chunk)) // 1_000_000 - position // 1_000_000
        position += len(chunk)
        if megabytes:
            advance(megabytes)


def _resumable(url: str, part: Path, note: Path) -> tuple[int, str | None]:
    """Says how much of the same file is there, and which version of it; 0 where that is not known."""
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        size = part.stat().st_size
    except (OSError, ValueError):
        return 0, None
    validator = known.get("validator") if isinstance(known, dict) and known.get("url") == url else None
    if not isinstance(validator, str) or (isinstance(known.get("total"), int) and size > known["total"]):
        return 0, None
    return size, validator


def _request(url: str, have: int, validator: str | None, timeout_s: float) -> _Response:
    headers = {"User-Agent": "kewcore", "Accept-Encoding": "identity"}
    if have and validator is not None:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    try:
        stream = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout_s)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and have:  # the part is as long as the file, or longer than a file that shrank
                total = _range_total(error.headers.get("Content-Range"))
                if total == have:
                    return _Response(_Nothing(), have, total, validator)
                return _request(url, 0, None, timeout_s)
        raise
    etag, modified = stream.headers.get("ETag"), stream.headers.get("Last-Modified")
    strong = etag if etag and not etag.startswith("W/") else modified
    if stream.status == 206:
        begin = re.match(r"bytes (\d+)-", stream.headers.get("Content-Range", ""))
        if begin is None or int(begin[1]) != have:
            stream.close()
            return _request(url, 0, None, timeout_s)
        return _Response(stream, have, _range_total(stream.headers.get("Content-Range")), strong)
    length = stream.headers.get("Content-Length")
    return _Response(stream, 0, int(length) if length and length.isdecimal() else None, strong)


class _Nothing:
    """A response without a body."""

    def __enter__(self) -> "_Nothing":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def read(self, size: int) -> bytes:
        return b""


def _range_total(header: str | None) -> int | None:
    total = re.search(r"/(\d+)$", header or "")
    return int(total[1]) if total else None


def _final_problem(url: str, error: BaseException) -> DownloadError | None:
    """Returns the error to stop with at once, or None when another attempt may help."""
    if isinstance(error, urllib.error.HTTPError) and error.code not in _WORTH_RETRYING:
        return DownloadError(
            f"'{url}' cannot be downloaded: the server answered {error.code} {error.reason}",
            hint="give another address with --url",
        )
    return None


def _reason(error: BaseException) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return f"the server cannot be reached: {error.reason}"
    return str(error) or type(error).__name__


def record_path(target: Path) -> Path:
    """Returns where the size, SHA-256 and origin of a downloaded file are recorded."""
    return target.with_name(target.name + ".json")


def _recorded(url: str, artefact: Artefact) -> dict[str, Any]:
    return {"url": url, "size_bytes": artefact.size_bytes, "sha256": artefact.sha256}


def _kept(url: str, target: Path) -> Artefact | None:
    """Returns the file that an earlier download finished, if it is still what was recorded."""
    try:
        record = json.loads(record_path(target).read_text(encoding="utf-8"))
        artefact = Artefact(target, target.stat().st_size, sha256_file(target))
    except (OSError, ValueError):
        return None
    return artefact if isinstance(record, dict) and record.items() >= _recorded(url, artefact).items() else None
