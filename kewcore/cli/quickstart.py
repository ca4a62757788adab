"""`kewcore quickstart`: the whole main job on the built-in sample set."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from kewcore.cli.options import Json, Quiet, Seed, Verbose

MODES = "fp16,int8,palette-4"
LATENCY_ROUNDS = 12
BATCH_SIZE = 16  # half the recipe's: so few images would make too few steps of 32


def quickstart(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for data, runs, packages and report.")
    ] = Path("quickstart"),
    images: Annotated[int, typer.Option("--images", min=60, help="Drawings in the training part.")] = 160,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Epochs a variant.")] = 12,
    seed: Seed = 42,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Draws the sample set, trains both variants, exports fp16, int8 and palette-4, and benches them all.

    Works offline, in minutes. A second run reuses what is done. The sample set is a stand-in: its figures say that the
    tools work, and nothing about real photographs. Each step is the command that it shows, run in the folder.

    Example: `kewcore quickstart --out /tmp/kewcore`
    """
    import time

    from kewcore.artefacts import check_writable, storage_errors
    from kewcore.console import say

    start = time.monotonic()
    check_writable(out)
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    talk = ["--quiet"] if quiet else ["--verbose"] if verbose else []
    schedule = ["--epochs", str(epochs), "--batch-size", str(BATCH_SIZE), "--seed", str(seed)]
    steps = [
        ["data", "sample", "--out", "data", "--images", str(images), "--seed", str(seed)],
        ["train", "--data", "data", *schedule, "--restart"],
        ["export", "--quantize", MODES],
        ["bench", "--out", "report", "--rounds", str(LATENCY_ROUNDS), *(["--json"] if json else [])],
    ]
    for number, step in enumerate(steps, start=1):
        say(f"{number} of {len(steps)}: kewcore {' '.join(step)}")
        _run([*step, *talk], out, result=number == len(steps))
    say(f"done in {time.monotonic() - start:.0f} s; the report: {out / 'report' / 'bench.html'}")


def _run(arguments: list[str], folder: Path, *, result: bool) -> None:
    """Runs a kewcore command in a process of its own, which gives back TensorFlow's memory when it ends.

    Only the last step's stdout is the result; what the others print there belongs to the commentary.
    """
    done = subprocess.run(
        [sys.executable, "-m", "kewcore", *arguments], cwd=folder, stdout=None if result else sys.stderr, check=False
    )
    if done.returncode:
        raise typer.Exit(done.returncode)
