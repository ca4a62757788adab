"""Epochs of distillation: train, validate, checkpoint; the epoch that comes nearest to the reference is kept.

Everything random is drawn from the seed and the epoch, so that a training that was killed and goes on ends with the
values of one that was not.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.console import progress, say
from kewcore.data.pixels import Pixels
from kewcore.errors import ExportError, RunError
from kewcore.memory import peak_memory_bytes
from kewcore.models.tensorflow import import_tensorflow
from kewcore.parity.snr import mean_kl_nats
from kewcore.recipes import Augmentation
from kewcore.training.augment import apply_transforms, random_transforms
from kewcore.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from kewcore.training.step import MICRO_BATCH_SIZE
from kewcore_export.finetune.examples import Examples, ExampleSource, joined
from kewcore_export.finetune.parameters import TrainableForm
from kewcore_export.finetune.record import EpochRecord
from kewcore_export.finetune.settings import FinetuneSettings
from kewcore_export.finetune.step import DistillationStep, first_state
from kewcore_export.finetune.student import Split, Student

_EXAMPLES_BYTES = 512 << 20
"""What the examples of an epoch may take at a time."""


@dataclass(frozen=True)
class Pupil:
    """What is trained.

    Attributes:
        student: The network.
        split: Where its trained part begins.
        forms: How each weight of that part is learned.
        source: Makes examples of images.
    """

    student: Student
    split: Split
    forms: Mapping[str, TrainableForm]
    source: ExampleSource


def distilled(
    pupil: Pupil,
    train: Pixels,
    val: Pixels,
    augmentation: Augmentation,
    settings: FinetuneSettings,
    inputs: Mapping[str, Any],
    folder: Path,
    label: str,
) -> Checkpoint:
    """Trains for all epochs, from where an earlier process was cut off.

    Args:
        pupil: What to train.
        train: Images to learn from; labels are not used.
        val: Images that epochs are judged on; labels are not used.
        augmentation: How training images are varied.
        settings: Schedule.
        inputs: Everything that decides the result, as JSON has it; a checkpoint of others is set aside.
        folder: Of the checkpoint.
        label: What progress is shown as.

    Returns:
        The state after the last epoch, and the variables of the best. Its history has a row an epoch, the first of
        them for the state before training.

    Raises:
        ExportError: The loss is no longer a number.
        StorageError: A checkpoint cannot be written.
    """
    checkpoint = _checkpoint(folder, inputs)
    start = first_state(pupil.forms) if checkpoint is None else checkpoint.state
    step = DistillationStep(pupil.student, pupil.split, pupil.forms, start, settings.temperature)
    judged_on = pupil.source.of(val.images)
    if checkpoint is None:
        history: tuple[Mapping[str, Any], ...] = (_judged(step, judged_on, EpochRecord(0, None, 0.0, 0.0, 0.0)),)
        checkpoint = Checkpoint(dict(inputs), start, start.weights, history, 0.0, peak_memory_bytes())
        save_checkpoint(folder, checkpoint)
    while len(checkpoint.history) <= settings.epochs:
        began = time.monotonic()
        epoch = len(checkpoint.history)
        loss = _train_epoch(
            step, pupil, train, augmentation, settings, epoch, f"{label} epoch {epoch}/{settings.epochs}"
        )
        row = _judged(step, judged_on, EpochRecord(epoch, loss, 0.0, 0.0, 0.0))
        if not (math.isfinite(loss) and math.isfinite(row["val_kl_nats"])):
            raise ExportError(
                f"fine-tuning diverged in epoch {epoch}: the loss became {loss}",
                hint="export without --finetune, or choose a gentler mode",
            )
        row["seconds"] = round(time.monotonic() - began, 3)
        history = (*checkpoint.history, row)
        state = step.state()
        best = best_epoch(history) == epoch
        checkpoint = replace(
            checkpoint,
            state=state,
            best_weights=state.weights if best else checkpoint.best_weights,
            history=history,
            elapsed_s=checkpoint.elapsed_s + row["seconds"],
            peak_memory_bytes=max(checkpoint.peak_memory_bytes, peak_memory_bytes()),
        )
        save_checkpoint(folder, checkpoint)
        say(
            f"{label} epoch {epoch}: divergence {row['val_kl_nats']:.4f} nats, before {history[0]['val_kl_nats']:.4f}; "
            f"agreement {row['val_agreement']:.1%}{' (best)' if best else ''}"
        )
    return checkpoint


@contextmanager
def repeatable() -> Iterator[None]:
    """Makes TensorFlow compute the same each time.

    It is also kept from joining operations: it fails on LeakyReLU behind a sum, and says so on stderr each time.
    """
    tf = import_tensorflow()
    tf.config.experimental.enable_op_determinism()
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"remapping": False})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"remapping": before.get("remapping", True)})


def best_epoch(history: Sequence[Mapping[str, Any]]) -> int:
    """Returns the epoch of least divergence; 0 for the state before training."""
    return int(min(history, key=lambda row: row["val_kl_nats"])["epoch"])


def epoch_records(history: Sequence[Mapping[str, Any]]) -> tuple[EpochRecord, ...]:
    """Reads a checkpoint's history."""
    return tuple(EpochRecord(**row) for row in history)


def _checkpoint(folder: Path, inputs: Mapping[str, Any]) -> Checkpoint | None:
    if not folder.exists():
        return None
    try:
        found = load_checkpoint(folder)
    except RunError as error:
        say(f"fine-tuning starts anew: {error.message}")
        return None
    if found.settings != inputs:
        return None
    say(f"fine-tuning goes on after epoch {len(found.history) - 1}")
    return found


def _judged(step: DistillationStep, examples: Examples, row: EpochRecord) -> dict[str, Any]:
    answers, wanted = step.answers(examples), np.exp(examples.wanted)
    agreement = float(np.mean(answers.argmax(axis=1) == wanted.argmax(axis=1)))
    return asdict(replace(row, val_kl_nats=mean_kl_nats(wanted, answers), val_agreement=agreement))


def _train_epoch(
    step: DistillationStep,
    pupil: Pupil,
    train: Pixels,
    augmentation: Augmentation,
    settings: FinetuneSettings,
    epoch: int,
    label: str,
) -> float:
    """Returns the mean loss over the images of all passes, each as it was before its step."""
    generator = np.random.default_rng([settings.seed, epoch])
    order: NDArray[np.int64] = generator.permutation(len(train.images))
    height, width = train.images.shape[1:]
    transforms = random_transforms(len(order), height, width, augmentation, generator)
    passes = 1 if pupil.split.whole else settings.passes
    at_once, schedule = _images_at_once(pupil, train), _Schedule(len(order), passes, settings)
    loss_sum = 0.0
    for first in range(0, len(order), at_once):
        chunk = order[first : first + at_once]
        if pupil.split.whole:
            examples = _examples(pupil, train, chunk, transforms[first : first + at_once], lambda steps: None)
        else:
            with progress(f"{label}, features", len(chunk)) as advance:
                examples = _examples(pupil, train, chunk, transforms[first : first + at_once], advance)
        with progress(label, passes * len(chunk)) as advance:
            done = 0
            for _ in range(passes):
                rows = generator.permutation(len(chunk))
                for start in range(0, len(rows), settings.batch_size):
                    batch = examples.rows(np.sort(rows[start : start + settings.batch_size]))
                    loss_sum += len(batch.wanted) * step.train_batch(batch, schedule.rate(step.steps))
                    done += len(batch.wanted)
                    advance(len(batch.wanted), note=f"loss {loss_sum / (passes * first + done):.4f}")
    return loss_sum / (passes * len(order))


@dataclass(frozen=True)
class _Schedule:
    """How far a training is, by its updates."""

    images: int
    passes: int
    settings: FinetuneSettings

    def rate(self, steps: int) -> float:
        updates = self.settings.epochs * self.passes * math.ceil(self.images / self.settings.batch_size)
        return self.settings.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, steps / updates)))


def _images_at_once(pupil: Pupil, train: Pixels) -> int:
    probe = pupil.source.of(np.asarray(train.images[:1]))
    return max(MICRO_BATCH_SIZE, _EXAMPLES_BYTES // probe.image_bytes)


def _examples(
    pupil: Pupil,
    train: Pixels,
    chunk: NDArray[np.int64],
    transforms: NDArray[np.float32],
    advance: Callable[..., None],
) -> Examples:
    """Makes the examples of varied images, a few images at a time."""
    parts = []
    for start in range(0, len(chunk), MICRO_BATCH_SIZE):
        rows = chunk[start : start + MICRO_BATCH_SIZE]
        images = apply_transforms(train.images[rows], transforms[start : start + len(rows)])
        parts.append(pupil.source.of(images))
        advance(len(rows))
    return joined(parts)
