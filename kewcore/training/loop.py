"""One training loop for all recipes: epochs, early stopping, checkpoints, and the finished run.

Everything random is drawn from the seed and the epoch or step, never from a running stream: so two trainings with one
seed are equal, and one that was killed and resumed ends with the weights of one that was not.
"""

import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.artefacts import replacing_folder, storage_errors, write_json
from kewcore.console import progress, say
from kewcore.data.dataset import Dataset
from kewcore.data.pixels import Pixels, load_pixels
from kewcore.errors import DataError, RunError
from kewcore.models.networks import Network, find_network
from kewcore.models.tensorflow import import_tensorflow
from kewcore.recipes import Recipe, TrainingRecipe, Variant
from kewcore.training.augment import apply_transforms, random_transforms
from kewcore.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from kewcore.training.class_weights import class_weights
from kewcore.training.logs import TensorBoardLog, write_history
from kewcore.training.provenance import git_commit, host, peak_memory_bytes, versions
from kewcore.training.run import SCHEMA_VERSION, Run, load_run
from kewcore.training.step import TrainingStep, initial_state, learning_rate

#: Raised whenever a change makes the same settings give other weights.
TRAINING_VERSION = 1


@dataclass(frozen=True)
class Options:
    """How to train, beside the recipe.

    Attributes:
        seed: Seed of weights, order, augmentation and dropout.
        cache: Folder for decoded pixels.
        skip_bad: Leave out images that cannot be decoded.
        restart: Discard an unfinished or finished training of the same variant that has other settings.
    """

    seed: int
    cache: Path
    skip_bad: bool = False
    restart: bool = False


def train_variant(recipe: Recipe, variant: Variant, dataset: Dataset, runs: Path, options: Options) -> tuple[Run, bool]:
    """Trains one variant, or resumes it, or finds that it is done.

    Args:
        recipe: Data, network and schedule.
        variant: `original` trains on the training part, class-weighted; `synthetic` adds the synthetic images.
        dataset: The images; the test part is not touched.
        runs: Folder of runs; the run becomes `runs/<recipe>/<variant>/`.
        options: Seed, cache and what to do with what is in the way.

    Returns:
        The run, and whether it was there already.

    Raises:
        RunError: A run or an unfinished training with other settings is in the way, and `restart` was not given.
        DataError: The variant has no images to train on.
    """
    folder = runs / recipe.name / variant
    work = folder.with_name(f".{variant}.training")
    if variant == "synthetic" and not dataset.splits["synthetic"]:
        raise DataError(
            f"dataset '{dataset.root}' has no synthetic images, which the variant 'synthetic' is trained on",
            hint="put them into its folder synthetic/<class>/, or train one variant: --variant original",
        )
    settings = _settings(recipe, variant, dataset, options.seed)
    if (folder / "run.json").exists():
        run = load_run(folder)
        if run.settings == settings:
            say(f"{variant}: already trained, in {folder}")
            return run, True
        if not options.restart:
            raise _in_the_way(f"a run of '{variant}' with other settings is", folder, run.settings, settings)
    checkpoint = _resumable(work, settings, restart=options.restart)
    with storage_errors(work):
        work.mkdir(parents=True, exist_ok=True)
    train, val = _pixels(recipe, variant, dataset, options)
    checkpoint = _run_epochs(recipe, variant, train, val, options.seed, settings, checkpoint, work)
    _finish(recipe, variant, dataset, checkpoint, work, folder)
    shutil.rmtree(work)
    return load_run(folder), False


def _settings(recipe: Recipe, variant: Variant, dataset: Dataset, seed: int) -> dict[str, Any]:
    return {
        "training_version": TRAINING_VERSION,
        "network": recipe.network,
        "variant": variant,
        "seed": seed,
        "dataset_fingerprint": dataset.fingerprint,
        "height": recipe.data.height,
        "width": recipe.data.width,
        "resize": recipe.data.resize,
        **_plain(asdict(recipe.training)),
    }


def _plain(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: dict(value) if isinstance(value, Mapping) else value for key, value in table.items()}


def _in_the_way(what: str, where: Path, there: Mapping[str, Any], asked: Mapping[str, Any]) -> RunError:
    keys = sorted(key for key in {*there, *asked} if there.get(key) != asked.get(key))
    differences = "; ".join(f"{key}: there {there.get(key)!r}, asked for {asked.get(key)!r}" for key in keys)
    return RunError(
        f"{what} in '{where}' ({differences})",
        hint="choose another folder with --out, or discard it with --restart",
    )


def _resumable(work: Path, settings: Mapping[str, Any], *, restart: bool) -> Checkpoint | None:
    folder = work / "checkpoint"
    if not folder.exists():
        return None
    if restart:
        shutil.rmtree(work)
        return None
    checkpoint = load_checkpoint(folder)
    if checkpoint.settings != settings:
        raise _in_the_way("an unfinished training with other settings is", work, checkpoint.settings, settings)
    say(f"{settings['variant']}: carrying on after epoch {len(checkpoint.history)}")
    return checkpoint


def _pixels(recipe: Recipe, variant: Variant, dataset: Dataset, options: Options) -> tuple[Pixels, Pixels]:
    extra = dataset.splits["synthetic"] if variant == "synthetic" else ()
    train = (*dataset.splits["train"], *extra)
    loaded = [
        load_pixels(items, recipe.data, cache=options.cache, skip_bad=options.skip_bad)
        for items in (train, dataset.splits["val"])
    ]
    return loaded[0], loaded[1]


def _run_epochs(
    recipe: Recipe,
    variant: Variant,
    train: Pixels,
    val: Pixels,
    seed: int,
    settings: Mapping[str, Any],
    checkpoint: Checkpoint | None,
    work: Path,
) -> Checkpoint:
    training = recipe.training
    network = find_network(recipe.network)
    tf = import_tensorflow()
    tf.config.experimental.enable_op_determinism()
    if checkpoint is None:
        state = initial_state(_initial_weights(network, recipe, seed))
        checkpoint = Checkpoint(settings, state, state.weights, (), 0.0, 0)
    choice = training.class_weights if variant == "original" else "none"
    names = recipe.data.classes or tuple(map(str, range(int(train.labels.max()) + 1)))
    weights = class_weights(choice, train.labels, names, training.published_class_weights)
    step = TrainingStep(network, checkpoint.state, seed)
    log = TensorBoardLog(work / "tensorboard", checkpoint.history)
    while not _is_done(checkpoint, training):
        epoch = len(checkpoint.history) + 1
        start = time.monotonic()
        rate = learning_rate(step.steps, training)
        label = f"{variant} epoch {epoch}/{training.epochs}"
        loss, accuracy = _train_epoch(step, train, weights, training, seed, epoch, label)
        val_loss, val_accuracy = _validate(step, val)
        better = all(val_loss < row["val_loss"] for row in checkpoint.history)
        seconds = time.monotonic() - start
        row = {
            "epoch": float(epoch),
            "loss": loss,
            "accuracy": accuracy,
            "val_loss": val_loss,
            "val_accuracy": val_accuracy,
            "learning_rate": rate,
            "seconds": round(seconds, 3),
        }
        state = step.state()
        checkpoint = replace(
            checkpoint,
            state=state,
            best_weights=state.weights if better else checkpoint.best_weights,
            history=(*checkpoint.history, row),
            elapsed_s=checkpoint.elapsed_s + seconds,
            peak_memory_bytes=max(checkpoint.peak_memory_bytes, peak_memory_bytes()),
        )
        save_checkpoint(work / "checkpoint", checkpoint)
        log.add(row)
        _tell_epoch(label, row, better=better, left=training.epochs - epoch)
    log.close()
    return checkpoint


def _initial_weights(network: Network, recipe: Recipe, seed: int) -> list[NDArray[np.float32]]:
    model = _build(network, recipe, seed)
    return [variable.numpy() for variable in model.trainable_variables]


def _build(network: Network, recipe: Recipe, seed: int) -> Any:
    import_tensorflow()
    import keras

    keras.utils.set_random_seed(seed)
    classes = recipe.data.classes
    if classes is None:
        raise DataError("the recipe must name its classes")
    return network.build(recipe.data.height, recipe.data.width, len(classes))


def _is_done(checkpoint: Checkpoint, training: TrainingRecipe) -> bool:
    epochs = len(checkpoint.history)
    return epochs >= training.epochs or epochs - best_epoch(checkpoint.history) >= training.patience > 0 < epochs


def best_epoch(history: Any) -> int:
    """Returns the number of the epoch with the lowest validation loss, the earliest of equals; 0 before the first."""
    losses = [row["val_loss"] for row in history]
    return losses.index(min(losses)) + 1 if losses else 0


def _train_epoch(
    step: TrainingStep,
    train: Pixels,
    weights: NDArray[np.float32],
    training: TrainingRecipe,
    seed: int,
    epoch: int,
    label: str,
) -> tuple[float, float]:
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(train.labels))
    height, width = train.images.shape[1:]
    transforms = random_transforms(len(order), height, width, training.augmentation, rng)
    loss_sum, right = 0.0, 0
    with progress(label, len(order)) as advance:
        for start in range(0, len(order), training.batch_size):
            # Sorted, so that a memory-mapped file is read forwards; the order inside a batch changes no sum's terms.
            rows = np.sort(order[start : start + training.batch_size])
            images = apply_transforms(train.images[rows], transforms[start : start + len(rows)])
            rate = learning_rate(step.steps, training)
            loss, batch_right = step.train_batch(images, train.labels[rows], weights, rate)
            loss_sum += loss * len(rows)
            right += batch_right
            done = start + len(rows)
            advance(len(rows), note=f"loss {loss_sum / done:.3f}  accuracy {right / done:.3f}")
    if not np.isfinite(loss_sum):
        raise RunError(f"the loss became {loss_sum} in epoch {epoch}", hint="lower the recipe's learning_rate")
    return loss_sum / len(order), right / len(order)


def _validate(step: TrainingStep, val: Pixels, batch_size: int = 8) -> tuple[float, float]:
    loss_sum, right = 0.0, 0
    for start in range(0, len(val.labels), batch_size):
        part = slice(start, start + batch_size)
        loss, batch_right = step.score_batch(np.asarray(val.images[part]), val.labels[part])
        loss_sum += loss
        right += batch_right
    return loss_sum / len(val.labels), right / len(val.labels)


def _tell_epoch(label: str, row: Mapping[str, float], *, better: bool, left: int) -> None:
    minutes = left * row["seconds"] / 60
    say(
        f"{label}: val_loss {row['val_loss']:.4f}, val_accuracy {row['val_accuracy']:.3f}"
        f"{' (best)' if better else ''}" + (f", at most {minutes:.1f} min left" if left else "")
    )


def _finish(
    recipe: Recipe, variant: Variant, dataset: Dataset, checkpoint: Checkpoint, work: Path, folder: Path
) -> None:
    model = _build(find_network(recipe.network), recipe, seed=0)
    for variable, value in zip(model.trainable_variables, checkpoint.best_weights, strict=True):
        variable.assign(value)
    best = best_epoch(checkpoint.history)
    row = checkpoint.history[best - 1]
    with replacing_folder(folder) as staging:
        model.save(staging / "model.keras")
        write_history(staging / "history.csv", checkpoint.history)
        shutil.copytree(work / "tensorboard", staging / "tensorboard")
        metrics = {
            "schema_version": SCHEMA_VERSION,
            "split": "val",
            "best_epoch": best,
            "epochs": len(checkpoint.history),
            "loss": row["val_loss"],
            "accuracy": row["val_accuracy"],
            "images": len(dataset.splits["val"]),
        }
        write_json(staging / "metrics.json", metrics)
        write_json(staging / "run.json", _facts(recipe, variant, dataset, checkpoint))


def _facts(recipe: Recipe, variant: Variant, dataset: Dataset, checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "recipe": recipe.name,
        "title": recipe.title,
        "variant": variant,
        "seed": checkpoint.settings["seed"],
        "data": asdict(recipe.data),
        "dataset": {
            "path": str(dataset.root.resolve()),
            "fingerprint": dataset.fingerprint,
            "stand_in": dataset.stand_in,
            "counts": {split: len(items) for split, items in dataset.splits.items()},
            "skipped": len(dataset.skipped),
        },
        "settings": dict(checkpoint.settings),
        "export": asdict(recipe.export),
        "versions": versions(),
        "host": host(),
        "git_commit": git_commit(),
        "wall_time_s": round(checkpoint.elapsed_s, 3),
        "peak_memory_bytes": checkpoint.peak_memory_bytes,
    }
