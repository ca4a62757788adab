"""The only door to coremltools: imported and run without its start-up noise.

On Linux coremltools logs eight lines about missing proxies and two about library versions, tqdm draws bars, and
TensorFlow's C++ side writes to the stderr descriptor before its own log level applies. None of it tells the user
anything. Errors are exceptions and pass through unchanged; what was silenced is shown under --verbose.
"""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from kewcore.console import detail
from kewcore.errors import DependencyError


def import_coremltools() -> ModuleType:
    """Imports coremltools quietly.

    Raises:
        DependencyError: It is not installed: there are wheels for macOS and for Linux on x86-64 only.
    """
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    try:
        with silenced_stderr():
            import coremltools
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"exporting needs coremltools, which is not installed here ({error})",
            hint="pip install coremltools==9.0; it has wheels for macOS and for Linux on x86-64 only. "
            "Packages made elsewhere can be inspected, run and verified without it",
        ) from error
    return sys.modules[coremltools.__name__]


@contextmanager
def silenced_stderr() -> Iterator[None]:
    """Keeps everything that the block writes to stderr, from Python or from C++, off the screen.

    The lines are shown afterwards under --verbose. An exception passes through.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as sink:
        saved = os.dup(2)
        python_stderr = sys.stderr
        try:
            os.dup2(sink.fileno(), 2)
            with open(os.dup(sink.fileno()), "w", encoding="utf-8", errors="replace") as text:  # noqa: PTH123
                sys.stderr = text
                yield
        finally:
            sys.stderr = python_stderr
            os.dup2(saved, 2)
            os.close(saved)
            sink.seek(0)
            for line in sink.read().decode(errors="replace").splitlines():
                detail(line.rpartition("\r")[2])
