"""The one error tree of kewcore: every failure that a user can cause or meet is a `KewError`.

A message names the thing, what was expected and what came. `hint` says what to do about it. `exit_code` is what the
command line ends with; see the table in docs/errors.md. Context is added with `add_note` and the same object re-raised.
"""

from typing import ClassVar


class KewError(Exception):
    """Base of all errors that kewcore raises on purpose.

    Args:
        message: What went wrong: the thing, what was expected, what came.
        hint: What the user can do about it, or None.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class CheckFailedError(KewError):
    """A check ran and its bound was missed: parity, latency, size, integrity."""

    exit_code = 1


class UsageError(KewError):
    """The command, its options or a file of options make no sense."""

    exit_code = 2


class DataError(KewError):
    """A dataset, an image or a label file cannot be used."""

    exit_code = 3


class RunError(KewError):
    """A training run is missing, damaged, or was made with other settings."""

    exit_code = 4


class ExportError(KewError):
    """A model cannot be converted or compressed as asked."""

    exit_code = 5


class PackageError(KewError):
    """A package or its sidecar is missing, malformed, or does not do what it says."""

    exit_code = 6


class UnsupportedError(KewError):
    """The input is valid but holds something that kewcore does not take; or this machine cannot do it."""

    exit_code = 7


class DependencyError(KewError):
    """A library that this command needs is not installed."""

    exit_code = 8


class DownloadError(KewError):
    """A download failed or brought something else than expected."""

    exit_code = 9


class StorageError(KewError):
    """A file or folder cannot be written: disk full, no permission, something in the way."""

    exit_code = 10
