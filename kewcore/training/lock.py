"""One process at a time in a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kewcore.artefacts import storage_errors
from kewcore.errors import RunError

_NAME = "lock"


@contextmanager
def only_process(folder: Path, doing: str) -> Iterator[None]:
    """Keeps every other process out of `folder` for the length of the block; the folder is made where it is missing.

    The lock is the system's, so it goes with the process, however that ends. The block may remove the folder.

    Args:
        folder: The folder.
        doing: What other processes are told is going on there.

    Raises:
        RunError: Another process is in there.
        StorageError: The folder cannot be made.

    Source: flock(2).
    """
    import fcntl

    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / _NAME).open("w")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError(
                f"another process is {doing} in '{folder}'", hint="wait for it, or choose another folder with --out"
            ) from error
        yield
