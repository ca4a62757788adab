"""What a dataset is made of: files with a class, files left out, and the names of the parts."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Split = Literal["train", "val", "test", "synthetic"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class Item:
    """One labelled image file.

    Attributes:
        path: The file.
        class_index: Index into the dataset's `class_names`.
        sha256: Hex digest of the file's bytes where it is known, otherwise None.
    """

    path: Path
    class_index: int
    sha256: str | None = None


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why."""

    path: Path
    reason: str


def listed(lines: Iterable[str]) -> str:
    """Lists offenders one a line, sorted and indented, for the message of an error."""
    return "".join(f"\n  {line}" for line in sorted(lines))


def without(items: Iterable[Item], skipped: Iterable[Skipped]) -> tuple[Item, ...]:
    """Returns the items that are not left out."""
    gone = {one.path for one in skipped}
    return tuple(item for item in items if item.path not in gone)
