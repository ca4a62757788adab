"""`kewcore train`: trains a recipe's variants."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kewcore.cli.options import Data, Json, Quiet, Seed, SkipBad, Verbose

CACHE = Path(".kewcore/cache")
SAMPLE = Path("data/sample")


class VariantChoice(StrEnum):
    """What `--variant` takes."""

    ORIGINAL = "original"
    SYNTHETIC = "synthetic"
    BOTH = "both"


class ClassWeightsChoice(StrEnum):
    """What `--class-weights` takes; see kewcore.training.class_weights."""

    BALANCED = "balanced"
    PUBLISHED = "published"
    NONE = "none"


def train(
    recipe: Annotated[str, typer.Option("--recipe", help="Name of a built-in recipe, or a .toml file.")] = "kewcnn",
    variant: Annotated[VariantChoice, typer.Option("--variant", help="Which variant to train.")] = VariantChoice.BOTH,
    data: Data = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of runs.")] = Path("runs"),
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Most epochs.", show_default="the recipe's")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, help="Images a step.", show_default="the recipe's")
    ] = None,
    class_weights: Annotated[
        ClassWeightsChoice | None,
        typer.Option("--class-weights", help="For the variant original.", show_default="the recipe's, balanced"),
    ] = None,
    seed: Seed = 42,
    restart: Annotated[
        bool, typer.Option("--restart", help="Discard a training of the same variant with other settings.")
    ] = False,
    skip_bad: SkipBad = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Trains the variants of a recipe; a run that is done is kept, one that was cut off carries on.

    Without --data it trains on the built-in sample set, a stand-in for real photographs. The test part of the data is
    not touched: `kewcore evaluate` and `kewcore bench` measure on it.

    Example: `kewcore train --data photos --epochs 8`
    """
    from dataclasses import replace

    from kewcore.artefacts import check_writable, describe
    from kewcore.cli.output import print_json, print_table, report_written
    from kewcore.console import say, warn
    from kewcore.data.dataset import open_dataset
    from kewcore.recipes import VARIANTS, load_recipe
    from kewcore.training.job import Job
    from kewcore.training.loop import Options, train_variants
    from kewcore.training.run import training_figures

    check_writable(out)
    problem = load_recipe(recipe)
    schedule = problem.training
    if epochs is not None:
        schedule = replace(schedule, epochs=epochs)
    if batch_size is not None:
        schedule = replace(schedule, batch_size=batch_size)
    if class_weights is not None:
        schedule = replace(schedule, class_weights=class_weights.value)
    dataset = open_dataset(data or sample_set(), problem.data, skip_bad=skip_bad)
    problem = replace(problem, training=schedule)
    if dataset.stand_in:
        say("the data is the sample set, a stand-in: its figures say nothing about real photographs")
    if dataset.skipped:
        warn(f"left out {len(dataset.skipped)} files of '{dataset.root}'; kewcore data info lists them")
    options = Options(cache=CACHE, skip_bad=skip_bad, restart=restart)
    asked = [name for name in VARIANTS if variant in {VariantChoice.BOTH, name}]
    jobs = [Job(problem, name, dataset, out / problem.name / name, seed) for name in asked]
    results = train_variants(jobs, options)
    report_written([describe(run.path / "model.keras") for run, reused in results if not reused])
    if json:
        runs = [{"path": str(run.path), "reused": reused, **training_figures(run)} for run, reused in results]
        print_json("train", {"stand_in": dataset.stand_in, "runs": runs})
        return
    rows = []
    for run, _ in results:
        figures = training_figures(run)
        rows.append(
            [
                run.variant,
                str(run.path),
                f"{figures['best_epoch']:.0f} of {figures['epochs']:.0f}",
                f"{figures['val_accuracy']:.3f}",
                f"{figures['val_loss']:.4f}",
                f"{figures['wall_time_s']:.0f} s",
                f"{figures['peak_memory_bytes'] / 1e9:.2f} GB",
            ]
        )
    columns = ["variant", "run", "best epoch", "val accuracy", "val loss", "time", "peak memory"]
    print_table("Runs" + (" on the sample set (a stand-in)" if dataset.stand_in else ""), columns, rows, left=2)


def sample_set() -> Path:
    """Returns the folder of the built-in sample set, made where it is missing."""
    from kewcore.console import say
    from kewcore.data.sample.make import make_sample_set

    if not SAMPLE.exists():
        say(f"no --data given: making the built-in sample set in {SAMPLE}")
        make_sample_set(SAMPLE, seed=7, images=160)
    return SAMPLE
