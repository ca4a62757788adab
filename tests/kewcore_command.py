"""The kewcore command run in this process, for what ends before any work: a process of its own costs seconds."""

import contextlib
import io
import subprocess
import sys
from pathlib import Path
from unittest import mock

from kewcore.cli import main
from kewcore.console import set_verbosity, verbosity


def kewcore_here(folder: Path, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """Runs the entry point of the `kewcore` script in a folder; gives what a process of its own would have given."""
    out, err = io.StringIO(), io.StringIO()
    before = verbosity()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "stdin", io.StringIO(stdin)),
        mock.patch.object(sys, "argv", ["kewcore", *arguments]),
    ):
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        finally:
            set_verbosity(before)
    return subprocess.CompletedProcess(["kewcore", *arguments], code, out.getvalue(), err.getvalue())
