"""One epoch after the other: train, validate, checkpoint, log, and stop when it gets no better.

Everything random is drawn from the seed and the epoch or step, never from a running stream: so two trainings with one
seed are equal, and one that was killed and resumed ends with the weights of one that was not.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.console import progress, say
from kewcore.data.pixels import Pixels
from kewcore.errors import RunError
from kewcore.memory import peak_memory_bytes
from kewcore.models.tensorflow import import_tensorflow
from kewcore.recipes import TrainingRecipe
from kewcore.training.augment import apply_transforms, random_transforms
from kewcore.training.checkpoint import Checkpoint, save_checkpoint
from kewcore.training.class_weights import class_weights
from kewcore.training.job import Job
from kewcore.training.logs import TensorBoardLog
from kewcore.training.step import MICRO_BATCH_SIZE, TrainingStep, initial_state, learning_rate


def run_epochs(job: Job, train: Pixels, val: Pixels, checkpoint: Checkpoint | None) -> Checkpoint:
    """Trains until the schedule says that it is enough.

    Args:
        job: What to train; checkpoints and logs go to its work folder.
        train: Training images.
        val: Validation images.
        checkpoint: Where to carry on; None to begin.

    Returns:
        The state after the last epoch, and the best weights.

    Raises:
        RunError: The loss is no longer a number.
        StorageError: A checkpoint cannot be written.
    """
    schedule = job.recipe.training
    import_tensorflow().config.experimental.enable_op_determinism()
    if checkpoint is None:
        state = initial_state([variable.numpy() for variable in new_model(job).trainable_variables])
        checkpoint = Checkpoint(job.settings(), state, state.weights, (), 0.0, 0)
    weights = class_weights(job.class_weights, train.labels, job.dataset.class_names, schedule.published_class_weights)
    step = TrainingStep(job.network, checkpoint.state, job.seed)
    log = TensorBoardLog(job.work / "tensorboard", checkpoint.history)
    while not is_done(checkpoint.history, schedule):
        epoch = len(checkpoint.history) + 1
        label = f"{job.variant} epoch {epoch}/{schedule.epochs}"
        start = time.monotonic()
        rate = learning_rate(step.steps, schedule)
        loss, accuracy = _train_epoch(step, train, weights, schedule, np.random.default_rng([job.seed, epoch]), label)
        val_loss, val_accuracy = _validate(step, val)
        if not (math.isfinite(loss) and math.isfinite(val_loss)):
            raise RunError(
                f"{label}: the loss became {loss}, on the validation part {val_loss}",
                hint="lower the recipe's learning_rate",
            )
        row = {
            "epoch": float(epoch),
            "loss": loss,
            "accuracy": accuracy,
            "val_loss": val_loss,
            "val_accuracy": val_accuracy,
            "learning_rate": rate,
            "seconds": round(time.monotonic() - start, 3),
        }
        checkpoint = _after(checkpoint, step, row)
        save_checkpoint(job.work / "checkpoint", checkpoint)
        log.add(row)
        _tell_epoch(label, row, best=best_epoch(checkpoint.history) == epoch, left=schedule.epochs - epoch)
    log.close()
    return checkpoint


def new_model(job: Job) -> Any:
    """Builds the job's Keras model with the first weights that its seed gives."""
    import_tensorflow()
    import keras

    keras.utils.set_random_seed(job.seed)
    data = job.recipe.data
    return job.network.build(data.height, data.width, len(job.dataset.class_names))


def is_done(history: Sequence[Mapping[str, float]], schedule: TrainingRecipe) -> bool:
    """Tells whether all epochs are over, or `patience` of them without a lower validation loss."""
    return len(history) >= schedule.epochs or len(history) - best_epoch(history) >= schedule.patience


def best_epoch(history: Sequence[Mapping[str, float]]) -> int:
    """Returns the number of the epoch with the lowest validation loss, the earliest of equals; 0 before the first."""
    losses = [row["val_loss"] for row in history]
    return losses.index(min(losses)) + 1 if losses else 0


def _after(checkpoint: Checkpoint, step: TrainingStep, row: Mapping[str, float]) -> Checkpoint:
    history = (*checkpoint.history, row)
    state = step.state()
    return replace(
        checkpoint,
        state=state,
        best_weights=state.weights if best_epoch(history) == len(history) else checkpoint.best_weights,
        history=history,
        elapsed_s=checkpoint.elapsed_s + row["seconds"],
        peak_memory_bytes=max(checkpoint.peak_memory_bytes, peak_memory_bytes()),
    )


def _train_epoch(
    step: TrainingStep,
    train: Pixels,
    weights: NDArray[np.float32],
    schedule: TrainingRecipe,
    rng: np.random.Generator,
    label: str,
) -> tuple[float, float]:
    """Returns mean loss and accuracy over the images, each as it was before its step."""
    order = rng.permutation(len(train.labels))
    height, width = train.images.shape[1:]
    transforms = random_transforms(len(order), height, width, schedule.augmentation, rng)
    loss_sum, right = 0.0, 0
    with progress(label, len(order)) as advance:
        for start in range(0, len(order), schedule.batch_size):
            # Sorted, so that a memory-mapped file is read forwards; the order inside a batch changes no sum's terms.
            rows = np.sort(order[start : start + schedule.batch_size])
            images = apply_transforms(train.images[rows], transforms[start : start + len(rows)])
            loss, batch_right = step.train_batch(
                images, train.labels[rows], weights, learning_rate(step.steps, schedule)
            )
            loss_sum += loss * len(rows)
            right += batch_right
            done = start + len(rows)
            advance(len(rows), note=f"loss {loss_sum / done:.3f}  accuracy {right / done:.3f}")
    return loss_sum / len(order), right / len(order)


def _validate(step: TrainingStep, val: Pixels) -> tuple[float, float]:
    """Returns mean loss and accuracy, without augmentation, dropout and class weights."""
    loss_sum, right = 0.0, 0
    for start in range(0, len(val.labels), MICRO_BATCH_SIZE):
        part = slice(start, start + MICRO_BATCH_SIZE)
        loss, batch_right = step.score_batch(np.asarray(val.images[part]), val.labels[part])
        loss_sum += loss
        right += batch_right
    return loss_sum / len(val.labels), right / len(val.labels)


def _tell_epoch(label: str, row: Mapping[str, float], *, best: bool, left: int) -> None:
    left_s = left * row["seconds"]
    most = f", at most {left_s:.0f} s left" if left_s < 120 else f", at most {left_s / 60:.0f} min left"
    say(
        f"{label}: val_loss {row['val_loss']:.4f}, val_accuracy {row['val_accuracy']:.3f}{' (best)' if best else ''}"
        + (most if left else "")
    )
