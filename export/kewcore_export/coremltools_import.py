"""The only door to coremltools: imported and run without its start-up noise.

On Linux coremltools logs eight lines about missing proxies and two about library versions, tqdm draws bars, and
TensorFlow's C++ side writes to the stderr descriptor before its own log level applies. None of it tells the user
anything. Errors are exceptions and pass through unchanged; what was silenced is shown under --verbose.
"""

import logging
import sys
from types import ModuleType

from kewcore.errors import DependencyError
from kewcore.quiet import silenced_stderr


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
