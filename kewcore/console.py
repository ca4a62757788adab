"""What a person sees while a command works: progress and commentary on stderr; never anything on stdout.

Rooms below the command line report through these functions, so that `--quiet`, `NO_COLOR` and a redirected stderr
mean the same everywhere. Off a terminal, a progress bar becomes an occasional plain line.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

Verbosity = Literal["quiet", "normal", "verbose"]


@dataclass
class _Settings:
    verbosity: Verbosity = "normal"


_settings = _Settings()
_PLAIN_INTERVAL_S = 10.0


def set_verbosity(verbosity: Verbosity) -> None:
    """Sets how much this process says on stderr; the command line calls this once."""
    _settings.verbosity = verbosity


def verbosity() -> Verbosity:
    """Returns how much this process says on stderr."""
    return _settings.verbosity


def say(message: str) -> None:
    """Prints a line of commentary on stderr, unless --quiet."""
    if _settings.verbosity != "quiet":
        print(message, file=sys.stderr, flush=True)


def detail(message: str) -> None:
    """Prints a line on stderr under --verbose only."""
    if _settings.verbosity == "verbose":
        print(message, file=sys.stderr, flush=True)


def warn(message: str) -> None:
    """Prints a warning on stderr, even under --quiet."""
    print(f"warning: {message}", file=sys.stderr, flush=True)


@contextmanager
def progress(label: str, total: int, unit: str = "images") -> Iterator[Callable[..., None]]:
    """Shows progress on stderr with time left: a bar on a terminal, a line every ten seconds elsewhere.

    Args:
        label: What is being done, such as `decoding`.
        total: How many steps there are.
        unit: What a step is.

    Yields:
        `advance(steps=1, note="")`: call it after each step; `note` is shown behind the bar (a loss, a file name).
    """
    if _settings.verbosity == "quiet":
        yield lambda steps=1, note="": None
    elif sys.stderr.isatty():
        with _bar(label, total, unit) as advance:
            yield advance
    else:
        yield _plain_lines(label, total, unit)


@contextmanager
def _bar(label: str, total: int, unit: str) -> Iterator[Callable[..., None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=total, note="")
        yield lambda steps=1, note="": bar.update(task, advance=steps, note=note)


def _plain_lines(label: str, total: int, unit: str) -> Callable[..., None]:
    start = time.monotonic()
    done, printed_at = 0, start

    def advance(steps: int = 1, note: str = "") -> None:
        nonlocal done, printed_at
        done += steps
        now = time.monotonic()
        if done < total and now - printed_at < _PLAIN_INTERVAL_S:
            return
        printed_at = now
        left_s = (now - start) / max(done, 1) * (total - done)
        tail = f", about {left_s:.0f} s left" if done < total else f", {now - start:.1f} s"
        say(f"{label}: {done}/{total} {unit}{tail}{'  ' + note if note else ''}")

    return advance
