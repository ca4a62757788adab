"""What a person sees while a command works: progress and commentary on stderr; never anything on stdout.

Rooms below the command line report through these functions, so that `--quiet`, `NO_COLOR` and a redirected stderr
mean the same everywhere. Off a terminal, a progress bar becomes an occasional plain line.
"""

import re
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.progress import Task

Verbosity = Literal["quiet", "normal", "verbose"]


@dataclass
class _Settings:
    verbosity: Verbosity = "normal"
    showing_progress: bool = False


_settings = _Settings()
_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_PLAIN_INTERVAL_S = 10.0
_WIDE_COLUMNS = 110  # what label, long bar, counts with their unit, time and a note need


def printable(text: str) -> str:
    """Escapes what would act on a terminal, such as the ESC in a name that a package brought, or turn its text round.

    Line breaks and tabs stay. Source: Unicode's categories Cc, Cs, Zl, Zp and its bidirectional controls.
    """
    return _ACTING.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


def set_verbosity(verbosity: Verbosity) -> None:
    """Sets how much this process says on stderr; the command line calls this once."""
    _settings.verbosity = verbosity


def verbosity() -> Verbosity:
    """Returns how much this process says on stderr."""
    return _settings.verbosity


def say(message: str) -> None:
    """Prints a line of commentary on stderr, unless --quiet."""
    if _settings.verbosity != "quiet":
        _write(message)


def detail(message: str) -> None:
    """Prints a line on stderr under --verbose only."""
    if _settings.verbosity == "verbose":
        _write(message)


def warn(message: str) -> None:
    """Prints a warning on stderr, even under --quiet."""
    _write(f"warning: {message}")


def _write(message: str) -> None:
    """Writes to stderr: folded between words on a terminal, which would fold inside them; elsewhere as one line."""
    text = printable(message)
    if sys.stderr.isatty():
        columns = shutil.get_terminal_size().columns
        fold = partial(textwrap.wrap, width=columns, break_long_words=False, break_on_hyphens=False)
        text = "\n".join(part for line in text.splitlines() for part in fold(line) or [""])
    print(text, file=sys.stderr, flush=True)


@contextmanager
def progress(label: str, total: int, unit: str = "images") -> Iterator[Callable[..., None]]:
    """Shows progress on stderr with time left: a bar on a terminal, a line every ten seconds elsewhere.

    Inside another progress it shows nothing: what the outer one counts is what the user waits for. Nor where there is
    nothing to do.

    Args:
        label: What is being done, such as `decoding`.
        total: How many steps there are.
        unit: What a step is.

    Yields:
        `advance(steps=1, note="")`: call it after each step; `note` is shown behind the bar (a loss, a file name).
    """
    if total == 0 or _settings.verbosity == "quiet" or _settings.showing_progress:
        yield lambda steps=1, note="": None
        return
    _settings.showing_progress = True
    try:
        if sys.stderr.isatty():
            with _bar(label, total, unit) as advance:
                yield advance
        else:
            yield _plain_lines(label, total, unit)
    finally:
        _settings.showing_progress = False


@contextmanager
def _bar(label: str, total: int, unit: str) -> Iterator[Callable[..., None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn
    from rich.table import Column
    from rich.text import Text

    class Written(ProgressColumn):
        """Text as it is, never taken for markup; `shrinks` where the terminal is too narrow for all columns."""

        def __init__(self, write: Callable[["Task"], str], *, shrinks: bool = False) -> None:
            super().__init__(Column(no_wrap=not shrinks))
            self._write = write

        def render(self, task: "Task") -> Text:
            return Text(self._write(task), no_wrap=True, overflow="ellipsis")

    console = Console(stderr=True)
    wide = console.width >= _WIDE_COLUMNS
    columns = (
        Written(lambda task: f"{task.description:<22}"),
        BarColumn(bar_width=28 if wide else 8),
        Written(lambda task: f"{task.completed:.0f}/{task.total:.0f}{' ' + unit if wide else ''}"),
        Written(_time_shown),
        Written(lambda task: str(task.fields["note"]), shrinks=True),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(label, total=total, note="")
        yield lambda steps=1, note="": bar.update(task, advance=steps, note=note)


def _time_shown(task: "Task") -> str:
    if task.finished:
        return _clock(task.elapsed)
    return f"{_clock(task.time_remaining)} left"


def _clock(seconds: float | None) -> str:
    """Writes a time as `m:ss` or `h:mm:ss`; as `-:--` where it is not known."""
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


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
