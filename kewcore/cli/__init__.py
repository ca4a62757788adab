"""The command line: `main` is the boundary at which a `KewError` becomes a message and an exit code."""

import io
import os
import sys
from pathlib import Path

INTERRUPTED = "interrupted; what was finished is kept, nothing is half written"


def main() -> None:
    """Runs the kewcore command: entry point of the `kewcore` script."""
    open_closed_streams()
    quieten_libraries()
    take_any_file_name()
    from kewcore.cli.app import app
    from kewcore.console import printable
    from kewcore.errors import KewError

    try:
        app()
    except KewError as error:
        print(printable(f"error: {error.message}"), file=sys.stderr)
        for note in getattr(error, "__notes__", ()):
            print(printable(f"  {note}"), file=sys.stderr)
        if error.hint:
            print(printable(f"hint: {error.hint}"), file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # while modules load; later, kewcore.cli.commands answers
        print(INTERRUPTED, file=sys.stderr)
        sys.exit(130)


def open_closed_streams() -> None:
    """Opens the null device for streams that the caller closed, as `2>&-` does.

    Python would print what is meant for a missing stderr on stdout, and the next file opened would take its number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 (open to the end)


def take_any_file_name() -> None:
    """Lets paths that are no valid UTF-8, which Unix allows, come in through stdin and be shown on stdout."""
    for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def quieten_libraries() -> None:
    """Silences TensorFlow's and oneDNN's start-up lines, unless the user set their variables."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    os.environ.setdefault("ABSL_MIN_LOG_LEVEL", "3")
