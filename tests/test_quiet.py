"""What libraries write of themselves: held back, and shown under --verbose."""

import os
import sys

import pytest

from kewcore import console
from kewcore.quiet import silenced_stderr

pytestmark = pytest.mark.unit


def chatter() -> None:
    print("from Python", file=sys.stderr)
    sys.stderr.flush()
    os.write(2, b"from C++\n 10 %\r100 %\n")


def test_nothing_is_shown_and_stderr_comes_back(capfd: pytest.CaptureFixture[str]) -> None:
    with silenced_stderr():
        chatter()
    print("afterwards", file=sys.stderr)
    assert capfd.readouterr() == ("", "afterwards\n")


def test_under_verbose_it_is_shown_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    console.set_verbosity("verbose")
    try:
        with silenced_stderr():
            chatter()
            assert capfd.readouterr().err == ""
    finally:
        console.set_verbosity("normal")
    assert capfd.readouterr().err == "from Python\nfrom C++\n100 %\n"


@silenced_stderr()
def fail() -> None:
    chatter()
    raise ValueError("of the block")


def test_an_error_passes_through(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="of the block"):
        fail()
    os.write(2, b"afterwards")
    assert capfd.readouterr().err == "afterwards"
