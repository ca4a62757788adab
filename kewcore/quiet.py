"""Imports of libraries that talk on stderr while they load."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Swallows what the block writes to stderr, also from C++; when the block fails, it is shown after all.

    File descriptor 2 is redirected, since TensorFlow and coremltools write there without asking Python. Use it around
    imports only: other threads' lines are swallowed too.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as swallowed:
        os.dup2(swallowed.fileno(), 2)
        try:
            yield
        except BaseException:
            sys.stderr.flush()
            os.dup2(saved, 2)
            swallowed.seek(0)
            os.write(2, swallowed.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
