"""Options that mean the same in every command."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kewcore import console


def _set_quiet(value: bool) -> bool:
    if value:
        console.set_verbosity("quiet")
    return value


def _set_verbose(value: bool) -> bool:
    if value:
        console.set_verbosity("verbose")
    return value


Quiet = Annotated[bool, typer.Option("--quiet", "-q", callback=_set_quiet, help="No progress and no commentary.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", callback=_set_verbose, help="More commentary on stderr.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, with a schema_version.")]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder of images.",
        show_default="the one that the model was trained on; for train the sample set",
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**31 - 1, help="Seed of everything random.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out images that cannot be read, and count them.")]


class ExecutorName(StrEnum):
    """What `--executor` takes; see kewcore.runtime.load."""

    AUTO = "auto"
    REFERENCE = "reference"
    ONNX = "onnx"


Executor = Annotated[
    ExecutorName,
    typer.Option(
        "--executor", help="What runs packages: NumPy by the specification, or ONNX Runtime where it is installed."
    ),
]
