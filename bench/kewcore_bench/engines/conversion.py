"""Other converters, each run in a process of its own: what they import and print stays there."""

import subprocess
import sys
from pathlib import Path

from kewcore.errors import DependencyError, ExportError

PEERS_HINT = "pip install 'kewcore[peers]'"


def convert(script: str, keras_model: Path, out: Path, converter: str) -> Path:
    """Runs a Python script that converts a Keras model.

    Args:
        script: Python source; it finds the Keras model and the file to write as its two arguments.
        keras_model: A `.keras` file.
        out: The file to write.
        converter: Name of the library that converts, as it is imported.

    Raises:
        DependencyError: The library is not installed.
        ExportError: It fails; the message ends with the last line that it said.
    """
    command = [sys.executable, "-c", script, str(keras_model), str(out)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if f"No module named '{converter}'" in ended.stderr:
        raise DependencyError(f"{converter} is not installed", hint=PEERS_HINT)
    if ended.returncode != 0 or not out.is_file():
        said = ended.stderr.strip().splitlines()
        raise ExportError(f"{converter} failed on '{keras_model}': {said[-1] if said else f'exit {ended.returncode}'}")
    return out
