"""Training one variant of a recipe from start to finished run; whatever is done already is kept."""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kewcore.artefacts import replacing_folder, write_json
from kewcore.console import say
from kewcore.data.pixels import Pixels, load_pixels
from kewcore.training.checkpoint import Checkpoint
from kewcore.training.epochs import best_epoch, new_model, run_epochs
from kewcore.training.job import Job
from kewcore.training.lock import only_process
from kewcore.training.logs import write_history
from kewcore.training.provenance import git_commit, host, versions
from kewcore.training.run import SCHEMA_VERSION, Run, load_run


@dataclass(frozen=True)
class Options:
    """How to go about training; none of it decides the weights.

    Attributes:
        cache: Folder for decoded pixels.
        skip_bad: Leave out images that cannot be decoded.
        restart: Discard a finished or unfinished training of the same variant that is damaged or has other settings;
            one with these settings is kept, or carried on with.
    """

    cache: Path
    skip_bad: bool = False
    restart: bool = False


def train_variants(jobs: list[Job], options: Options) -> list[tuple[Run, bool]]:
    """Trains jobs one after the other, or resumes them, or finds that they are done.

    All of them are checked before the first one starts, so that none fails after hours for what could be seen at once.

    Args:
        jobs: What to train.
        options: Cache, and what to do with what is in the way.

    Returns:
        Each run, and whether it was there already.

    Raises:
        UsageError: A recipe does not fit its network or its classes.
        DataError: A variant has no images to train on, or images cannot be decoded.
        RunError: A run or an unfinished training with other settings is in the way, and `restart` was not given;
            another process trains the same variant; or the loss is no longer a number.
        StorageError: The run cannot be written.
    """
    for job in jobs:
        job.check()
        if job.finished(restart=options.restart) is None:
            job.unfinished(restart=options.restart)
    return [_train(job, options) for job in jobs]


def _train(job: Job, options: Options) -> tuple[Run, bool]:
    if (run := job.finished(restart=options.restart)) is not None:
        say(f"{job.variant}: already trained, in {job.folder}")
        return run, True
    with only_process(job.work, f"training '{job.variant}'"):
        if (run := job.finished(restart=options.restart)) is not None:  # by the process that was in here before
            return run, True
        checkpoint = job.unfinished(restart=options.restart)
        if checkpoint is not None:
            say(f"{job.variant}: carrying on after epoch {len(checkpoint.history)}")
        train, val = _pixels(job, options)
        checkpoint = run_epochs(job, train, val, checkpoint)
        _finish(job, checkpoint, train, val)
        shutil.rmtree(job.work)
    return load_run(job.folder), False


def _pixels(job: Job, options: Options) -> tuple[Pixels, Pixels]:
    splits = job.dataset.splits
    extra = splits["synthetic"] if job.variant == "synthetic" else ()
    train, val = (
        load_pixels(items, job.recipe.data, cache=options.cache, skip_bad=options.skip_bad)
        for items in ((*splits["train"], *extra), splits["val"])
    )
    return train, val


def _finish(job: Job, checkpoint: Checkpoint, train: Pixels, val: Pixels) -> None:
    model = new_model(job)
    for variable, value in zip(model.trainable_variables, checkpoint.best_weights, strict=True):
        variable.assign(value)
    best = best_epoch(checkpoint.history)
    row = checkpoint.history[best - 1]
    with replacing_folder(job.folder) as staging:
        model.save(staging / "model.keras")
        write_history(staging / "history.csv", checkpoint.history)
        shutil.copytree(job.work / "tensorboard", staging / "tensorboard")
        metrics = {
            "schema_version": SCHEMA_VERSION,
            "split": "val",
            "best_epoch": best,
            "epochs": len(checkpoint.history),
            "loss": row["val_loss"],
            "accuracy": row["val_accuracy"],
            "images": len(val.labels),
        }
        write_json(staging / "metrics.json", metrics)
        write_json(staging / "run.json", _facts(job, checkpoint, train, val))


def _facts(job: Job, checkpoint: Checkpoint, train: Pixels, val: Pixels) -> dict[str, Any]:
    recipe, dataset = job.recipe, job.dataset
    return {
        "schema_version": SCHEMA_VERSION,
        "recipe": recipe.name,
        "title": recipe.title,
        "variant": job.variant,
        "seed": job.seed,
        "data": asdict(recipe.data) | {"classes": list(dataset.class_names)},
        "dataset": {
            "path": str(dataset.root.resolve()),
            "fingerprint": dataset.fingerprint,
            "stand_in": dataset.stand_in,
            "counts": {split: len(items) for split, items in dataset.splits.items()},
            "skipped": len(dataset.skipped) + len(train.skipped) + len(val.skipped),
        },
        "settings": dict(checkpoint.settings),
        "export": asdict(recipe.export),
        "versions": versions(),
        "host": host(),
        "git_commit": git_commit(),
        "wall_time_s": round(checkpoint.elapsed_s, 3),
        "peak_memory_bytes": checkpoint.peak_memory_bytes,
    }
