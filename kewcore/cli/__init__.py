"""The command line: `main` is the boundary at which a `KewError` becomes a message and an exit code."""

import os
import sys


def main() -> None:
    """Runs the kewcore command: entry point of the `kewcore` script."""
    quieten_libraries()
    from kewcore.cli.app import app
    from kewcore.errors import KewError

    try:
        app()
    except KewError as error:
        print(f"error: {error.message}", file=sys.stderr)
        for note in getattr(error, "__notes__", ()):
            print(f"  {note}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept, nothing is half written", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def quieten_libraries() -> None:
    """Silences TensorFlow's and oneDNN's start-up lines, unless the user set their variables."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    os.environ.setdefault("ABSL_MIN_LOG_LEVEL", "3")
