"""Reading the files of a package: regular files only, never through a link, and no more than was measured.

Files are read rather than mapped into memory: a mapped file that somebody cuts short while it is in use ends the
process with SIGBUS, a read one ends in an error. Other things than files, such as a FIFO, are opened without waiting.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kewcore.artefacts import files_in
from kewcore.errors import PackageError

_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
"""Not every system has every flag."""


def size_of(path: Path) -> int:
    """Returns the bytes of a file.

    Raises:
        PackageError: It cannot be read, is a link, or is no regular file.
    """
    with _opened(path) as stream:
        return os.fstat(stream.fileno()).st_size


def size_of_files(package: Path) -> int:
    """Returns the bytes of all files of a package.

    Raises:
        PackageError: They cannot be listed, or a link or another thing than a file lies among them.
    """
    try:
        return sum(path.lstat().st_size for path in files_in(package, PackageError))
    except OSError as error:
        raise PackageError(f"cannot read '{package}': {error.strerror}") from error


def read_whole(path: Path, limit_bytes: int) -> bytes:
    """Reads a file that must not be larger than a limit.

    Raises:
        PackageError: It is larger, cannot be read, is a link, or is no regular file.
    """
    with _opened(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > limit_bytes:
            raise PackageError(f"'{path}' has {size} bytes, more than the limit of {limit_bytes}")
        return _read(stream, path, 0, size).tobytes()


def read_part(path: Path, offset: int, size_bytes: int) -> NDArray[np.uint8]:
    """Reads bytes of a file; call `size_of` first.

    Returns:
        uint8 `[size_bytes]`, read-only.

    Raises:
        PackageError: The file has become shorter, cannot be read, is a link, or is no regular file.
    """
    with _opened(path) as stream:
        if os.fstat(stream.fileno()).st_size < offset + size_bytes:
            raise _shorter(path)
        return _read(stream, path, offset, size_bytes)


def _read(stream: FileIO, path: Path, offset: int, size_bytes: int) -> NDArray[np.uint8]:
    content = np.empty(size_bytes, np.uint8)
    rest: memoryview = content.data
    stream.seek(offset)
    while len(rest):
        count = stream.readinto(rest)
        if not count:
            raise _shorter(path)
        rest = rest[count:]
    content.flags.writeable = False
    return content


def _shorter(path: Path) -> PackageError:
    return PackageError(
        f"'{path}' has become shorter since the package was opened", hint="nothing may change a package that is in use"
    )


@contextmanager
def _opened(path: Path) -> Iterator[FileIO]:
    try:
        with FileIO(os.open(path, _FLAGS), "r") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise PackageError(f"'{path}' is not a regular file")
            yield stream
    except OSError as error:
        raise PackageError(f"cannot read '{path}': {error.strerror}") from error
