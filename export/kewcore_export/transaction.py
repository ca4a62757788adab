"""Replacing several files and folders of one folder together, so that a crash leaves all old ones or all new ones.

The new ones are staged in a hidden folder. Renaming that folder to its journal name is the moment of decision: before
it nothing has changed, after it every name is exchanged for the staged one, and the next command that writes into the
folder finishes an exchange that a crash cut off. The journal carries the digest of every new item, so that finishing
can be repeated. Commands that only read move nothing, since a journal may have come with somebody else's package: they
refuse a folder with one. Nor does a writing command believe a journal: names that lead out of the folder, links, and
items that are not what the journal says are refused before the first is moved.
"""

import fcntl
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kewcore.artefacts import describe, files_in, flush_to_disk, storage_errors, swap_into_place
from kewcore.errors import KewError, PackageError, StorageError
from kewcore.runtime.spec.files import read_whole

_STAGING_PREFIX = ".export-staging-"
_JOURNAL_PREFIX = ".export-journal-"
_JOURNAL_FILE = ".digests.json"
_JOURNAL_LIMIT_BYTES = 1 << 20
"""Size of a journal's list; a real one has 400 bytes."""
_PATIENCE_S = 5.0
"""How long a reader waits for an exchange that another command is at: some milliseconds, on a slow disk a second."""
_LOOKS_EVERY_S = 0.05


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
    """Completes what a crashed command had decided to write into `folder`; does nothing where there is nothing.

    Only for commands that write into the folder; others call `require_finished`.

    Raises:
        PackageError: What lies there is no journal that kewcore left; nothing was moved.
        StorageError: It cannot be written.
    """
    if not _journals(folder):
        return
    with _locked(folder) as held, storage_errors(folder):
        if held:
            _finish_journals(folder)
            _remove_stale(folder)


def require_finished(folder: Path) -> None:
    """Makes sure that no command was cut off while it wrote into `folder`, which is only looked at.

    While another command is exchanging what lies there, it is waited for.

    Raises:
        PackageError: There is a journal, left by a crash or brought by somebody else's files.
    """
    end = time.monotonic() + _PATIENCE_S
    while journals := _journals(folder):
        with storage_errors(folder), _locked(folder) as held:
            pass
        if (held and _journals(folder)) or time.monotonic() > end:
            raise PackageError(
                f"writing into '{folder}' was cut off, or these files come from elsewhere: '{journals[0].name}'",
                hint="if you exported there, run the same kewcore export again, which finishes it; else delete that",
            )
        time.sleep(0 if held else _LOOKS_EVERY_S)


def _journals(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{_JOURNAL_PREFIX}*"))


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
    for journal in _journals(folder):
        for name in _unfinished(journal, folder):
            swap_into_place(journal / name, folder / name)
        # Renamed first: a journal that is half deleted must not be taken for one to finish.
        done = folder / journal.name.replace(_JOURNAL_PREFIX, _STAGING_PREFIX)
        journal.rename(done)
        shutil.rmtree(done, ignore_errors=True)


def _unfinished(journal: Path, folder: Path) -> list[str]:
    """Lists the names that are still to be exchanged, once everything that the journal says has been found true."""
    waiting = []
    for name, digest in _digests(journal).items():
        if _digest_of(folder / name) == digest:
            continue
        if _digest_of(journal / name) != digest:
            raise _refusal(journal, f"it has nothing to make {name!r:.200} from")
        waiting.append(name)
    return waiting


def _digests(journal: Path) -> dict[str, str]:
    """Reads which item has which digest."""
    if journal.is_symlink() or not journal.is_dir():
        raise _refusal(journal, "it is no folder")
    try:
        digests = json.loads(read_whole(journal / _JOURNAL_FILE, _JOURNAL_LIMIT_BYTES))
    except PackageError as error:
        raise _refusal(journal, error.message) from error
    except (ValueError, RecursionError) as error:
        raise _refusal(journal, f"its '{_JOURNAL_FILE}' is not JSON: {error}") from error
    if not isinstance(digests, dict) or not all(isinstance(digest, str) for digest in digests.values()):
        raise _refusal(journal, f"its '{_JOURNAL_FILE}' must be an object of texts")
    for name in digests:
        if not _is_plain(name):
            raise _refusal(journal, f"it names {name!r:.200}, which is no plain name of a file in that folder")
    return digests


def _is_plain(name: str) -> bool:
    """Whether a name is one part of a path, and none that this module itself gives."""
    own = name.casefold().startswith((_STAGING_PREFIX, _JOURNAL_PREFIX)) or name.casefold() == _JOURNAL_FILE
    return name not in {"", ".", ".."} and not own and not {"\0", "/", os.sep, os.altsep} & set(name)


def _digest_of(path: Path) -> str | None:
    """Gives the digest of a file or folder; None where there is none, or another thing, such as a link."""
    try:
        kind = path.lstat().st_mode
        return describe(path).sha256 if stat.S_ISREG(kind) or stat.S_ISDIR(kind) else None
    except (OSError, ValueError, KewError):  # ValueError: a name that the system has no bytes for
        return None


def _refusal(journal: Path, reason: str) -> PackageError:
    return PackageError(
        f"'{journal}' is no journal that kewcore left: {reason}",
        hint="nothing was moved; delete it, or choose another folder",
    )


def _remove_stale(folder: Path) -> None:
    for stale in folder.glob(f"{_STAGING_PREFIX}*"):
        try:
            shutil.rmtree(stale)
        except RecursionError as error:
            raise StorageError(f"cannot remove '{stale}': its folders are nested too deeply") from error
