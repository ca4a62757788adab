"""`finetuned`: a compressed program learns from the model that it came from, and keeps its forms."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore import __version__
from kewcore.console import say
from kewcore.data.pixels import Pixels
from kewcore.models.tensorflow import import_tensorflow
from kewcore.recipes import Augmentation
from kewcore.training.checkpoint import Checkpoint
from kewcore.training.lock import only_process
from kewcore.training.run import Run
from kewcore_export.compressed_program import CompressedProgram, with_stored
from kewcore_export.finetune.epochs import Pupil, best_epoch, distilled, epoch_records, repeatable
from kewcore_export.finetune.examples import ExampleSource, Reference
from kewcore_export.finetune.head_start import with_fitted_head
from kewcore_export.finetune.images import TuningItems
from kewcore_export.finetune.opened import OpenedStudent, opened
from kewcore_export.finetune.parameters import TrainableForm
from kewcore_export.finetune.record import FinetuneRecord
from kewcore_export.finetune.settings import FinetuneSettings
from kewcore_export.finetune.step import by_form
from kewcore_export.keras_graph import ClassifierGraph
from kewcore_export.run_images import stratified
from kewcore_export.search.head import FIT_IMAGES, with_head_bias


@dataclass(frozen=True)
class Tuned:
    """A program after training.

    Attributes:
        program: With the values that were learned.
        opened: It as a student, with these values as the training's last pass computed with them.
        record: What is to be said of the training; it lacks the comparison with the package.
        images: Some validation images to compare on, uint8 `[N, H, W]`.
    """

    program: CompressedProgram
    opened: OpenedStudent
    record: FinetuneRecord
    images: NDArray[np.uint8]


def finetuned(
    run: Run,
    graph: ClassifierGraph,
    program: CompressedProgram,
    originals: Collection[str],
    items: TuningItems,
    settings: FinetuneSettings,
    work: Path,
) -> Tuned:
    """Trains a compressed program.

    Args:
        run: The run that it came from.
        graph: The run's classifier, which it learns from.
        program: The program.
        originals: Names of its constants before any was factorised.
        items: Images.
        settings: Schedule.
        work: Folder for checkpoints, from which a training that was cut off goes on.

    Raises:
        UnsupportedError: The program holds an operation that cannot be trained.
        DataError: An image cannot be decoded.
        ExportError: The training diverged.
        RunError: Another process trains in the folder.
        StorageError: A checkpoint cannot be written.
    """
    train, val = items.pixels(settings.cache)
    reference = reference_of(graph)
    with repeatable(), only_process(work, "fine-tuning"):
        start, fitted = _with_head(program, reference, train, graph.classes, settings.seed)
        split = start.student.split(start.coarse(originals) or start.student.weights)
        forms = start.forms(split.weights)
        source = ExampleSource(start.student, start.weights, split, reference)
        state = distilled(
            Pupil(start.student, split, forms, source),
            train,
            val,
            augmentation_of(run),
            settings,
            _inputs(run, start, items, settings),
            work / "checkpoint",
            f"fine-tuning {run.variant}",
        )
    best = best_epoch(state.history)
    if best == 0:
        say("fine-tuning brought no epoch nearer to the reference; the values before it are kept")
    learned = with_learned(start, forms, state.best_weights)
    return Tuned(learned.program, learned, _record(state, best, items, settings, fitted), val.images[:16])


def _with_head(
    program: CompressedProgram, reference: Reference, train: Pixels, classes: int, seed: int
) -> tuple[OpenedStudent, bool]:
    """Opens a program, fits the last layer, where there is one to fit, and says whether it did."""
    constants = tuple(plan.constant for plan in program.plans)
    start = opened(replace(program, model=with_head_bias(program.model, constants, classes)))
    fitted = with_fitted_head(start, reference, _fit_pixels(train, classes, seed), classes)
    return (start, False) if fitted is None else (opened(fitted), True)


def reference_of(graph: ClassifierGraph) -> Reference:
    """Makes a function from pixels uint8 `[N, H, W]` to logarithms of probabilities, of the Keras model."""
    tf = import_tensorflow()

    def logarithms(pixels: Any) -> Any:
        output = graph.model(tf.cast(pixels, tf.float32)[..., tf.newaxis], training=False)
        probabilities = tf.nn.softmax(output) if graph.softmax_added else output
        return tf.math.log(tf.maximum(probabilities, np.finfo(np.float32).tiny))

    return logarithms


def with_learned(start: OpenedStudent, forms: Mapping[str, TrainableForm], variables: Any) -> OpenedStudent:
    """Puts learned variables into a program.

    Returns:
        The program as a student, with the values that training computed with.
    """
    tf = import_tensorflow()
    stored, dense = {}, dict(start.weights)
    for name, (form, own) in zip(forms, by_form(forms, variables), strict=True):
        stored[name] = form.stored(own)
        dense[name] = form.dense([tf.constant(one) for one in own]).numpy()
    return OpenedStudent(start.student, with_stored(start.program, stored), dense)


def augmentation_of(run: Run) -> Augmentation:
    """Gives how the run varied its training images; not at all where it does not say."""
    values = run.settings.get("augmentation")
    return Augmentation(False, 0.0, 0.0, 0.0) if values is None else Augmentation(**values)


def _fit_pixels(train: Pixels, classes: int, seed: int) -> NDArray[np.uint8]:
    count = min(FIT_IMAGES, len(train.labels))
    chosen = sorted(stratified([int(label) for label in train.labels], classes, count, seed))
    return np.asarray(train.images[chosen])


def _inputs(run: Run, start: OpenedStudent, items: TuningItems, settings: FinetuneSettings) -> dict[str, Any]:
    """Everything that decides the learned values."""
    digest = hashlib.sha256()
    for name, values in start.weights.items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(values).data)
    return {
        "version": __version__,
        "weights": digest.hexdigest(),
        "forms": [f"{plan.constant.name} {plan.form}" for plan in start.program.plans],
        "data": items.fingerprint,
        "resize": run.data.resize,
        "augmentation": asdict(augmentation_of(run)),
        **settings.decisive,
    }


def _record(
    state: Checkpoint, best: int, items: TuningItems, settings: FinetuneSettings, head_fitted: bool
) -> FinetuneRecord:
    return FinetuneRecord(
        epochs=settings.epochs,
        best_epoch=best,
        learning_rate=settings.learning_rate,
        temperature=settings.temperature,
        batch_size=settings.batch_size,
        seed=settings.seed,
        train_images=len(items.train),
        val_images=len(items.val),
        data_fingerprint=items.fingerprint,
        head_fitted=head_fitted,
        history=epoch_records(state.history),
        peak_memory_bytes=state.peak_memory_bytes,
        max_probability_difference=0.0,
    )
