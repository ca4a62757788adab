"""Writing artefacts whole or not at all, and naming what was written by size and SHA-256."""

import ctypes
import errno
import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kewcore.errors import KewError, StorageError

_CHUNK_BYTES = 1 << 20
_DEPTH_LIMIT = 64
"""Folders in folders; what kewcore reads and writes is not ten deep, and no system takes paths of any length."""


@dataclass(frozen=True)
class Artefact:
    """A file or folder that a command wrote.

    Attributes:
        path: Where it lies.
        size_bytes: Bytes of the file, or of all files in the folder.
        sha256: Hex digest of the file; for a folder see `sha256_tree`.
    """

    path: Path
    size_bytes: int
    sha256: str


def describe(path: Path) -> Artefact:
    """Measures and hashes a file or folder that was written."""
    if path.is_dir():
        return Artefact(path, sum(f.stat().st_size for f in files_in(path)), sha256_tree(path))
    return Artefact(path, path.stat().st_size, sha256_file(path))


def files_in(folder: Path, error: type[KewError] = StorageError) -> list[Path]:
    """Lists all files below `folder`, sorted by their POSIX path; no file where there is no folder.

    Args:
        folder: The folder itself may be reached through a link.
        error: The kind of error to raise.

    Raises:
        KewError: Of that kind: something below is neither a file nor a folder, such as a FIFO or a link, which may lead
            out of it; folders are nested too deeply, or cannot be listed.
    """
    found: list[Path] = []
    waiting = [(folder, 1)] if os.path.lexists(folder) else []
    try:
        while waiting:
            inside, depth = waiting.pop()
            if depth > _DEPTH_LIMIT:
                raise error(f"folders in '{folder}' are nested more than {_DEPTH_LIMIT} deep")
            for path in inside.iterdir():
                kind = path.lstat().st_mode
                if stat.S_ISDIR(kind):
                    waiting.append((path, depth + 1))
                elif stat.S_ISREG(kind):
                    found.append(path)
                else:
                    what = "a symbolic link" if stat.S_ISLNK(kind) else "neither a file nor a folder"
                    raise error(f"'{path}' is {what}", hint="put the file itself there, or remove it")
    except OSError as problem:
        raise error(f"cannot list the files of '{folder}': {problem.strerror}") from problem
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def sha256_file(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes as hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_tree(folder: Path) -> str:
    """Returns one SHA-256 for a folder: the digest over the lines `<sha256>  <relative POSIX path>` of its files.

    The same as `cd folder && find . -type f | sed 's|^./||' | LC_ALL=C sort | xargs sha256sum | sha256sum`.
    """
    digest = hashlib.sha256()
    for path in files_in(folder):
        digest.update(f"{sha256_file(path)}  ".encode() + os.fsencode(path.relative_to(folder).as_posix()) + b"\n")
    return digest.hexdigest()


def check_writable(folder: Path) -> None:
    """Refuses a folder that cannot be written to, before work is done whose result would go there.

    Args:
        folder: One that is there, or will be made, with those above it.

    Raises:
        StorageError: A file stands where it or one above it should be, or permission is missing.
    """
    with storage_errors(folder):
        standing = next(path for path in (folder, *folder.parents) if path.exists())
        if not standing.is_dir():
            raise StorageError(f"cannot write to '{folder}': '{standing}' is a file", hint="choose a folder with --out")
        if not os.access(standing, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def write_bytes(path: Path, content: bytes) -> Artefact:
    """Writes a file whole or not at all: a temporary file beside it, flushed to disk, then renamed.

    Raises:
        StorageError: The file cannot be written; nothing at `path` has changed.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    return Artefact(path, len(content), hashlib.sha256(content).hexdigest())


def write_text(path: Path, text: str) -> Artefact:
    """Writes UTF-8 text whole or not at all; see `write_bytes`."""
    return write_bytes(path, text.encode())


def write_json(path: Path, value: Mapping[str, Any]) -> Artefact:
    """Writes an object as indented JSON, whole or not at all; NaN and infinity are refused, since JSON has none."""
    return write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def replacing_folder(destination: Path) -> Iterator[Path]:
    """Gives an empty staging folder that becomes `destination` when the block ends without an error.

    The staging folder is a hidden sibling, so that the last step is one atomic exchange. After a crash at any moment
    `destination` is either what it was before or the complete new folder; a stale staging folder is removed by the
    next call for the same destination.

    Args:
        destination: The folder to create or replace; of a symbolic link, the folder that it points to.

    Yields:
        The staging folder.

    Raises:
        StorageError: The disk is full, a permission is missing, a file stands where the folder should go, or the
            folder is the one that this process works in, which would be left in the old content.
    """
    with storage_errors(destination):
        destination = destination.resolve()
        if destination == Path.cwd():
            raise StorageError(
                f"cannot write folder '{destination}': it is the working folder", hint="choose another with --out"
            )
        if destination.exists() and not destination.is_dir():
            raise StorageError(f"cannot write folder '{destination}': a file of that name exists")
        destination.parent.mkdir(parents=True, exist_ok=True)
        for stale in destination.parent.glob(f".{destination.name}.staging-*"):
            shutil.rmtree(stale)
        staging = Path(tempfile.mkdtemp(dir=destination.parent, prefix=f".{destination.name}.staging-"))
    try:
        with storage_errors(destination):
            staging.chmod(0o755)
            yield staging
            for path in files_in(staging):
                flush_to_disk(path)
            swap_into_place(staging, destination)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def swap_into_place(staged: Path, destination: Path) -> None:
    """Moves `staged` to `destination`; what was there before, file or folder, ends up at `staged`, in one atomic step.

    Source: renameat2(2) with RENAME_EXCHANGE on Linux, renamex_np(2) with RENAME_SWAP on macOS. Where
    neither serves (an old file system), two renames do it, with an instant between them at which the destination is
    missing and the old content lies at `<destination>.old`.
    """
    if not os.path.lexists(destination):
        staged.rename(destination)
    elif not _exchange(staged, destination):
        aside = destination.with_name(destination.name + ".old")
        destination.rename(aside)
        staged.rename(destination)
        aside.rename(staged)
    flush_to_disk(destination.parent)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns an `OSError` of the block into a `StorageError` that names `path` and says what to do."""
    hints = {
        errno.ENOSPC: "free some disk space and run the same command again; nothing was half written",
        errno.EDQUOT: "free some of your disk quota and run the same command again; nothing was half written",
        errno.EACCES: "check the folder's permissions, or choose another with --out",
        errno.EROFS: "the file system is read-only; choose another folder with --out",
    }
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"cannot write '{path}': {reason}", hint=hints.get(error.errno or 0)) from error


def _exchange(a: Path, b: Path) -> bool:
    """Exchanges two paths atomically; False where the system or file system cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    at_fdcwd_linux, swap = -100, 2
    if sys.platform == "linux" and hasattr(libc, "renameat2"):
        result = libc.renameat2(at_fdcwd_linux, os.fsencode(a), at_fdcwd_linux, os.fsencode(b), swap)
    elif sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        result = libc.renamex_np(os.fsencode(a), os.fsencode(b), swap)
    else:
        return False
    if result == 0:
        return True
    code = ctypes.get_errno()
    if code in {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}:
        return False
    raise OSError(code, os.strerror(code), str(b))


def flush_to_disk(path: Path) -> None:
    """Waits until what the system holds back of a file, or of a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
