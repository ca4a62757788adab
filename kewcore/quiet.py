"""Keeping off the screen what libraries write to stderr of themselves while they load and work."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from kewcore.console import detail


@contextmanager
def silenced_stderr() -> Iterator[None]:
    """Keeps everything that the block writes to stderr, from Python or from C++, off the screen.

    File descriptor 2 is redirected, since TensorFlow and coremltools write there without asking Python; other threads'
    lines are held back too. All of them are shown afterwards under --verbose. An exception passes through.
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
            for line in filter(None, sink.read().decode(errors="replace").split("\n")):
                detail(line.rpartition("\r")[2])  # of a progress bar that draws over itself, what was last
