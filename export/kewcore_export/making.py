"""`make_package`: one package from a conversion, compressed, checked and written with all that belongs beside it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore import __version__
from kewcore.artefacts import describe
from kewcore.console import say
from kewcore.models.reference import load_keras_model
from kewcore.training.run import Run
from kewcore_export.activations.compressed import calibrate_and_compress
from kewcore_export.activations.quantize import QuantizedActivations, with_costs_together
from kewcore_export.compressed_program import CompressedProgram, compress_program, write_program
from kewcore_export.compression import choose_forms
from kewcore_export.conversion import INPUT_NAME, Conversion, ConvertedProgram
from kewcore_export.exported_package import ExportedPackage, exported_package
from kewcore_export.finetune.check import checked
from kewcore_export.finetune.images import tuning_items
from kewcore_export.finetune.settings import FinetuneSettings
from kewcore_export.finetune.tuning import Tuned, finetuned
from kewcore_export.golden import (
    golden_cases,
    golden_images,
    package_probabilities,
    reference_probabilities,
    write_golden,
)
from kewcore_export.job import Job
from kewcore_export.keras_graph import ClassifierGraph, check_class_names, check_finite, classifier_graph
from kewcore_export.measured_weights import check_range, measured_weights
from kewcore_export.metadata import describe_model
from kewcore_export.model_card import model_card
from kewcore_export.package import WEIGHTS_FILE
from kewcore_export.rewrites.settings import RewriteSettings
from kewcore_export.search.plot import draw_front, plot_path
from kewcore_export.search.record import SearchRecord
from kewcore_export.search.smallest import smallest_program
from kewcore_export.sidecar import (
    EngineRecord,
    InputRecord,
    RunRecord,
    Sidecar,
    card_path,
    file_hashes,
    golden_folder,
    save_sidecar,
    sidecar_path,
)
from kewcore_export.transaction import replacing_together


@dataclass(frozen=True)
class Original:
    """What all packages of a run are made from and measured by.

    Attributes:
        run: The run.
        record: What sidecars say of it.
        graph: Its classifier, traced.
        float32_bytes: What its weights take in float32.
        images: Golden inputs, uint8 `[H, W]` or `[H, W, 3]`.
        probabilities: TensorFlow's answers to them, float32 `[N, C]`.
    """

    run: Run
    record: RunRecord
    graph: ClassifierGraph
    float32_bytes: int
    images: list[NDArray[np.uint8]]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True)
class _Made:
    """A program that is ready to be written, and how it came about: only some of it in each mode."""

    program: CompressedProgram
    activations: QuantizedActivations | None = None
    search: SearchRecord | None = None
    tuned: Tuned | None = None


def original_of(run: Run, record: RunRecord) -> Original:
    """Loads a run's network and asks it about the golden images.

    Raises:
        ExportError: Its weights are no numbers.
        UnsupportedError: It is no classifier of images that can be converted.
    """
    keras_model = load_keras_model(run.model_path)
    check_finite(keras_model)
    graph = classifier_graph(keras_model)
    check_class_names(graph, run.class_names)
    images = golden_images(graph.height, graph.width, graph.channels)
    float32_bytes = 4 * int(keras_model.count_params())
    return Original(run, record, graph, float32_bytes, images, reference_probabilities(graph, images))


def make_package(
    original: Original, job: Job, conversion: Conversion, rewrites: RewriteSettings, out: Path
) -> ExportedPackage:
    """Makes one package, and replaces what was there of the same name.

    One that was to be trained and is not, as training brought nothing better, is `Job.untrained`.

    Args:
        original: What it is made from.
        job: What is asked for.
        conversion: Of the run, for the job's target or an older one.
        rewrites: For which engine that was rewritten.
        out: Folder for packages.

    Raises:
        ExportError: The mode does not work for these weights, or no package keeps the budget.
        StorageError: It cannot be written.
    """
    run, graph, images = original.run, original.graph, original.images
    colour = "greyscale" if graph.channels == 1 else "rgb"
    image = InputRecord(INPUT_NAME, graph.height, graph.width, graph.channels, colour, run.data.resize)
    places = {rewrite.name: rewrite.places for rewrite in conversion.rewrites}
    engine = EngineRecord(rewrites.engine, rewrites.min_chip.name, places)
    program = conversion.by_float_bits[job.mode.float_bits]

    def described(model: Any) -> Any:
        return describe_model(model, run.export, original.record, image, run.class_names, job.mode, engine)

    check_range(program.constants, conversion.float32, job.mode)
    made = _made(original, job, conversion, replace(program, model=described(program.model)), rewrites)
    if job.finetune is not None and made.tuned is None:
        job = job.untrained
        say(f"training brought nothing better within the budget: the untrained mix becomes {job.package.name}")
    finished = replace(made.program, model=described(made.program.model))
    with replacing_together(out) as staging:
        package = staging / job.package.name
        model = write_program(finished, package)
        trained = None if made.tuned is None else checked(made.tuned, package, np.stack(images))
        records = measured_weights(
            finished.plans, finished.float32, model, package / WEIGHTS_FILE, job.mode, trained=trained is not None
        )
        names = write_golden(golden_folder(package), images)
        sidecar = Sidecar(
            name=job.package.stem,
            mode=job.mode.name,
            deployment_target=job.target.name,
            kewcore_version=__version__,
            inputs_sha256=job.inputs_sha256,
            run=original.record,
            input=image,
            class_names=run.class_names,
            softmax_added=graph.softmax_added,
            engine=engine,
            activations=None if made.activations is None else with_costs_together(made.activations, package),
            search=None if made.search is None else asdict(made.search),
            finetune=None if trained is None else asdict(trained),
            files=file_hashes(package),
            golden_files=file_hashes(golden_folder(package)),
            float32_bytes=original.float32_bytes,
            weights=records,
            golden=golden_cases(
                names, original.probabilities, package_probabilities(package, images, INPUT_NAME, run.class_names)
            ),
            parity=None,
        )
        save_sidecar(sidecar, sidecar_path(package))
        size_bytes = describe(package).size_bytes
        card_path(package).write_text(model_card(sidecar, run.export, size_bytes), encoding="utf-8")
        if made.search is not None:
            draw_front(made.search, size_bytes, plot_path(package))
    return exported_package(job.package, sidecar, unchanged=False)


def _made(
    original: Original, job: Job, conversion: Conversion, program: ConvertedProgram, rewrites: RewriteSettings
) -> _Made:
    """Compresses a program in the way of the job's mode."""
    run, graph, float32 = original.run, original.graph, conversion.float32
    learn = None if job.finetune is None else _learner(original, job.finetune, program, job.work)
    if job.mode.searches:
        compressed, found, tuned = smallest_program(
            run,
            program,
            float32,
            job.target,
            rewrites.min_chip,
            job.search,
            lambda pixels: reference_probabilities(graph, list(pixels)),
            job.work / "journal.jsonl",
            learn,
        )
        return _Made(compressed, search=found, tuned=tuned)
    choices = choose_forms(program.constants, job.mode.weights)
    if job.mode.quantizes_activations:
        compressed, quantized = calibrate_and_compress(run, program, float32, choices, job.target, job.calibration)
        return _Made(compressed, activations=quantized)
    compressed = compress_program(program, float32, choices, job.target)
    if learn is None:
        return _Made(compressed)
    tuned = learn(compressed, "weights")
    return _Made(tuned.program, tuned=tuned)


def _learner(
    original: Original, settings: FinetuneSettings, program: ConvertedProgram, work: Path
) -> Callable[[CompressedProgram, str], Tuned]:
    """Makes what trains a compressed program; each attempt has a folder of its own name below `work`."""
    items = tuning_items(original.run, settings.folder)
    originals = [constant.name for constant in program.constants]
    return lambda compressed, attempt: finetuned(
        original.run, original.graph, compressed, originals, items, settings, work / attempt
    )
