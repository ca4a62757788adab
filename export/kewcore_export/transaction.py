"""Replacing several files and folders of one folder together, so that a crash leaves all old ones or all new ones.

The new ones are staged in a hidden folder. Renaming that folder to its journal name is the moment of decision: before
it nothing has changed, after it every name is exchanged for the staged one, and whoever finds a journal left behind by
a crash finishes the exchange. The journal carries the digest of every new item, so that finishing can be repeated.
"""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kewcore.artefacts import describe, files_in, flush_to_disk, storage_errors, swap_into_place
from kewcore.errors import PackageError, StorageError

_STAGING_PREFIX = ".export-staging-"
_JOURNAL_PREFIX = ".export-journal-"
_JOURNAL_FILE = ".digests.json"


@contextmanager
def replacing_together(folder: Path) -> Iterator[Path]:
    """Gives an empty staging folder whose contents replace their namesakes in `folder` when the block ends well.

    Args:
        folder: Where the artefacts lie; made if missing.

    Yields:
        The staging folder.

    Raises:
        StorageError: The disk is full, a permission is missing, or another process is exporting into the folder.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder) as held:
        if not held:
            raise StorageError(
                f"another kewcore command is writing into '{folder}'",
                hint="wait for it to end, or choose another folder with --out",
            )
        with storage_errors(folder):
            _finish_journals(folder)
            _remove_stale(folder)
            staging = Path(tempfile.mkdtemp(dir=folder, prefix=_STAGING_PREFIX))
        try:
            with storage_errors(folder):
                yield staging
                _commit(staging, folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def finish_interrupted(folder: Path) -> None:
    """Completes what a crashed command had decided to write into `folder`; does nothing where there is nothing."""
    if not any(folder.glob(f"{_JOURNAL_PREFIX}*")):
        return
    with _locked(folder) as held, storage_errors(folder):
        if held:
            _finish_journals(folder)
            _remove_stale(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _commit(staging: Path, folder: Path) -> None:
    digests = {item.name: describe(item).sha256 for item in sorted(staging.iterdir())}
    (staging / _JOURNAL_FILE).write_text(json.dumps(digests), encoding="utf-8")
    staging.chmod(0o755)
    for path in files_in(staging):
        flush_to_disk(path)
    for path in sorted(staging.rglob("*/")):
        flush_to_disk(path)
    flush_to_disk(staging)
    journal = folder / staging.name.replace(_STAGING_PREFIX, _JOURNAL_PREFIX)
    staging.rename(journal)
    flush_to_disk(folder)
    _finish_journals(folder)


def _finish_journals(folder: Path) -> None:
    for journal in sorted(folder.glob(f"{_JOURNAL_PREFIX}*")):
        digests = json.loads((journal / _JOURNAL_FILE).read_text(encoding="utf-8"))
        for name, digest in digests.items():
            destination, staged = folder / name, journal / name
            if destination.exists() and describe(destination).sha256 == digest:
                continue
            if not staged.exists():
                raise PackageError(f"an interrupted export into '{folder}' left nothing to make '{name}' from")
            swap_into_place(staged, destination)
        # Renamed first: a journal that is half deleted must not be taken for one to finish.
        done = folder / journal.name.replace(_JOURNAL_PREFIX, _STAGING_PREFIX)
        journal.rename(done)
        shutil.rmtree(done, ignore_errors=True)


def _remove_stale(folder: Path) -> None:
    for stale in folder.glob(f"{_STAGING_PREFIX}*"):
        shutil.rmtree(stale)
