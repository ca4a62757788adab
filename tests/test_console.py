"""Progress as it is seen: on a terminal of two widths, off a terminal, and not at all."""

import os
import pty
import re
import subprocess
import sys

import pytest

from kewcore import console

pytestmark = pytest.mark.unit
SCRIPT = """
from kewcore.console import progress
with progress("synthetic epoch 12/35", 2) as advance:
    advance(1, note="loss 1.968  accuracy 0.156")
    advance(1, note="loss [b] :leaf:")
"""


def on_terminal(columns: int, script: str = SCRIPT, **variables: str) -> list[str]:
    """Runs a script with stderr on a pseudo-terminal; returns every line that was drawn."""
    ours, theirs = pty.openpty()
    inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environment = {**inherited, "COLUMNS": str(columns), "TERM": "xterm-256color", **variables}
    with subprocess.Popen([sys.executable, "-c", script], stderr=theirs, env=environment) as child:
        os.close(theirs)
        drawn = b""
        try:
            while chunk := os.read(ours, 65536):
                drawn += chunk
        except OSError:  # what Linux says when the other side has closed
            pass
    os.close(ours)
    assert child.returncode == 0
    return drawn.decode().splitlines()


def plain(lines: list[str]) -> list[str]:
    shown = (re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", line).rstrip() for line in lines)
    return [line for line in shown if line]


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (80, r"synthetic epoch 12/35  ━{8} 2/2 0:00 loss \[b\] :leaf:"),
        (120, r"synthetic epoch 12/35  ━{28} 2/2 images 0:00 loss \[b\] :leaf:"),
    ],
)
def test_a_bar_fits_its_terminal_and_shows_notes_as_they_are(columns: int, line: str) -> None:
    lines = plain(on_terminal(columns))
    assert re.fullmatch(line, lines[-1])
    assert all(len(one) <= columns and "…" not in one for one in lines)


def test_commentary_is_folded_between_words_on_a_terminal_alone(capsys: pytest.CaptureFixture[str]) -> None:
    words = "Latency is the median: one image at a time, each engine in a process of its own"
    lines = plain(on_terminal(30, f"from kewcore.console import say; say({words!r})"))
    assert len(lines) == 3
    assert " ".join(lines) == words
    assert all(len(line) <= 30 for line in lines)
    console.say(words)
    assert capsys.readouterr().err == f"{words}\n"


def test_no_color_means_none() -> None:
    coloured = re.compile(r"\x1b\[[0-9;]*m")
    assert any(coloured.search(line) for line in on_terminal(80))
    assert not any(re.search(r"\x1b\[(3|4|9)[0-9;]*m", line) for line in on_terminal(80, NO_COLOR="1"))


def test_off_a_terminal_it_is_one_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("decoding", 2) as advance:
        advance()
        advance(note="[x]")
    written = capsys.readouterr()
    assert written.out == ""
    assert re.fullmatch(r"decoding: 2/2 images, 0\.\d s  \[x\]\n", written.err)


def test_inside_another_progress_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        with console.progress("classifying", 2) as advance:
            for _ in range(2):
                with console.progress("decoding", 1) as inner:
                    inner()
                advance()
    assert re.fullmatch(r"(classifying: 2/2 images, 0\.\d s\n){2}", capsys.readouterr().err)


def test_where_there_is_nothing_to_do_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("converting", 0, "files"):
        pass
    assert capsys.readouterr().err == ""


def test_quiet_says_nothing_but_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    console.set_verbosity("quiet")
    try:
        with console.progress("decoding", 1) as advance:
            advance()
        console.say("a word")
        console.warn("a warning")
    finally:
        console.set_verbosity("normal")
    written = capsys.readouterr()
    assert (written.out, written.err) == ("", "warning: a warning\n")
