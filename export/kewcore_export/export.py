"""`export_run`: packages from one training run, in as many modes as asked, from one conversion."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore import __version__
from kewcore.ane.chips import parse_chip
from kewcore.artefacts import Artefact, check_writable, describe, sha256_file, storage_errors
from kewcore.console import progress
from kewcore.data.dataset import open_dataset
from kewcore.errors import ExportError, PackageError, UnsupportedError
from kewcore.models.reference import load_keras_model
from kewcore.training.lock import only_process
from kewcore.training.run import Run, load_run
from kewcore_export.activations.compressed import Calibration, calibrate_and_compress
from kewcore_export.activations.images import calibration_images
from kewcore_export.activations.quantize import with_costs_together
from kewcore_export.activations.settings import CalibrationSettings
from kewcore_export.compressed_program import CompressedProgram, compress_program, write_program
from kewcore_export.compression import choose_forms
from kewcore_export.conversion import INPUT_NAME, Conversion, ConvertedProgram, converted
from kewcore_export.finetune.check import checked
from kewcore_export.finetune.images import tuning_items
from kewcore_export.finetune.settings import FinetuneSettings, finetuned_mode
from kewcore_export.finetune.tuning import Tuned, finetuned
from kewcore_export.golden import (
    golden_cases,
    golden_images,
    package_probabilities,
    reference_probabilities,
    write_golden,
)
from kewcore_export.keras_graph import ClassifierGraph, check_class_names, check_finite, classifier_graph
from kewcore_export.measured_weights import check_range, measured_weights
from kewcore_export.metadata import describe_model
from kewcore_export.model_card import model_card
from kewcore_export.modes import Mode
from kewcore_export.package import WEIGHTS_FILE
from kewcore_export.rewrites.rewrite import AppliedRewrite
from kewcore_export.rewrites.settings import RewriteSettings, rewrite_settings
from kewcore_export.search.plot import draw_front, plot_path
from kewcore_export.search.settings import SearchSettings
from kewcore_export.search.smallest import smallest_program
from kewcore_export.sidecar import (
    PACKAGE_SUFFIX,
    EngineRecord,
    InputRecord,
    RunRecord,
    Sidecar,
    card_path,
    file_hashes,
    golden_folder,
    load_sidecar,
    save_sidecar,
    sidecar_path,
)
from kewcore_export.targets import TARGETS, Target
from kewcore_export.transaction import finish_interrupted, replacing_together


@dataclass(frozen=True)
class ExportedPackage:
    """A package that `export_run` wrote, or found as it would have written it.

    Attributes:
        path: Of the `.mlpackage`.
        sidecar: What its sidecar says.
        size_bytes: Of all its files.
        unchanged: True where it was there already, made from the same inputs.
        artefacts: Package, sidecar, card and golden folder.
    """

    path: Path
    sidecar: Sidecar
    size_bytes: int
    unchanged: bool
    artefacts: tuple[Artefact, ...]


@dataclass(frozen=True)
class _Job:
    mode: Mode
    target: Target
    package: Path
    inputs_sha256: str
    calibration: Calibration
    search: SearchSettings
    finetune: FinetuneSettings | None

    @property
    def takes_long(self) -> bool:
        """Whether it shows a progress of its own, and goes on after a cut: a search, or a training."""
        return self.mode.searches or self.finetune is not None

    @property
    def work(self) -> Path:
        """Folder of what a search or a training goes on from."""
        return self.package.with_name(f".{self.package.stem}.work")


@dataclass(frozen=True)
class _Original:
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


def export_run(
    run: Path,
    modes: Sequence[Mode],
    out: Path,
    *,
    deployment_target: Target | None = None,
    rewrites: RewriteSettings | None = None,
    calibration: CalibrationSettings | None = None,
    search: SearchSettings | None = None,
    finetune: FinetuneSettings | None = None,
    force: bool = False,
) -> list[ExportedPackage]:
    """Exports a training run as Core ML packages.

    Args:
        run: Folder of the run.
        modes: How to store the weights; one package each.
        out: Folder for packages.
        deployment_target: Oldest system to serve; None takes the lowest that each mode allows.
        rewrites: For which engine the graph is rewritten, and how; None takes those for the Neural Engine.
        calibration: How activations are calibrated in modes that quantise them; None takes the defaults.
        search: What mode `auto` keeps, and how it searches; None takes the defaults.
        finetune: How compressed weights learn from the model that they came from; None leaves them as they are.
        force: Write packages again that are there already, made from the same inputs.

    Returns:
        The packages, in the order of `modes`.

    Raises:
        RunError: The run is missing or damaged; or another process searches or trains for the same package.
        ExportError: A mode does not work for the target or for this model's weights; or these are no numbers.
        UnsupportedError: The model cannot be converted.
        DataError: Images to calibrate, search or train on are missing or cannot be used.
        UsageError: A mode is to be fine-tuned that has nothing to learn.
        StorageError: The packages cannot be written; those before are complete.
    """
    loaded = load_run(run)
    record = _record(loaded, out)
    finish_interrupted(out)
    rewrites = rewrites or rewrite_settings()
    calibration, search = calibration or CalibrationSettings(), search or SearchSettings()
    if finetune is not None:
        modes = [finetuned_mode(mode) for mode in modes]
    jobs = [
        _job(loaded, record, mode, out, deployment_target, rewrites, calibration, search, finetune) for mode in modes
    ]
    found = {job.package: None if force else _unchanged(job) for job in jobs}
    missing = [job for job in jobs if found[job.package] is None]
    if missing:
        check_writable(out)
        found.update({package.path: package for package in _export(loaded, record, missing, out, rewrites)})
    return [package for job in jobs if (package := found[job.package])]


def _record(run: Run, out: Path) -> RunRecord:
    return RunRecord(
        path=Path(os.path.relpath(run.path.resolve(), out.resolve())).as_posix(),
        recipe=run.recipe,
        variant=run.variant,
        model_sha256=sha256_file(run.model_path),
        dataset_fingerprint=run.dataset_fingerprint,
        stand_in=run.stand_in,
    )


def _job(
    run: Run,
    record: RunRecord,
    mode: Mode,
    out: Path,
    wanted: Target | None,
    rewrites: RewriteSettings,
    calibration: CalibrationSettings,
    search: SearchSettings,
    finetune: FinetuneSettings | None,
) -> _Job:
    target = wanted or mode.default_target
    if target < mode.lowest_target:
        raise ExportError(
            f"mode {mode.name} needs deployment target {mode.lowest_target.name}, got {target.name}",
            hint=f"leave out --deployment-target, or give {mode.lowest_target.name} or a newer one",
        )
    inputs: dict[str, Any] = {
        "run": {key: value for key, value in asdict(record).items() if key != "path"},
        "class_names": run.class_names,
        "resize": run.data.resize,
        "export": asdict(run.export),
        "mode": asdict(mode),
        "target": target.name,
        "rewrites": [rewrites.engine, rewrites.min_chip.name if rewrites.names else None, rewrites.names],
        "versions": [__version__, _coremltools_version()],
    }
    images = None
    if mode.quantizes_activations:
        # The run's own data is known by its fingerprint; it need not be there if the package is.
        images = None if calibration.folder is None else calibration_images(run, calibration)
        inputs["calibration"] = {**asdict(calibration), "folder": None if images is None else images.fingerprint}
    if mode.searches:
        data = _fingerprint(run, search.folder)
        chip = rewrites.min_chip.name
        inputs["search"] = {"budget": asdict(search.budget), "data": data, "seed": search.seed, "chip": chip}
    if finetune is not None:
        inputs["finetune"] = {**finetune.decisive, "data": _fingerprint(run, finetune.folder)}
    name = f"{run.title}-{run.variant}-{mode.name}"
    return _Job(
        mode,
        target,
        out / f"{name}{PACKAGE_SUFFIX}",
        hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest(),
        Calibration(calibration, images),
        search,
        finetune,
    )


def _fingerprint(run: Run, folder: Path | None) -> str | None:
    """Names the content of another dataset than the run's own, which is known already."""
    return None if folder is None else open_dataset(folder, run.data).fingerprint


def _unchanged(job: _Job) -> ExportedPackage | None:
    try:
        sidecar = load_sidecar(job.package)
    except PackageError:
        return None
    if sidecar.inputs_sha256 != job.inputs_sha256 or not job.package.is_dir():
        return None
    if file_hashes(job.package) != sidecar.files or not card_path(job.package).is_file():
        return None
    if file_hashes(golden_folder(job.package)) != sidecar.golden_files:
        return None
    if sidecar.search is not None and (sidecar.search.get("stopped") or not plot_path(job.package).is_file()):
        return None  # more time may find a smaller one
    return _exported(job.package, sidecar, unchanged=True)


def _export(
    run: Run, record: RunRecord, jobs: list[_Job], out: Path, rewrites: RewriteSettings
) -> list[ExportedPackage]:
    exported: list[ExportedPackage] = []
    plain = [job for job in jobs if not job.takes_long]
    with ExitStack() as stack:
        with progress(f"exporting {run.variant}", len(plain) + 1, "steps") as advance:
            original = _original(run, record)
            _check_colour(original.graph, jobs)
            conversion = stack.enter_context(converted(original.graph, run.class_names, TARGETS["iOS15"], rewrites))
            advance(1, "converted")
            for job in plain:
                if job.target > conversion.newest_target:
                    conversion = stack.enter_context(converted(original.graph, run.class_names, job.target, rewrites))
                exported.append(_write(original, job, conversion, _engine(rewrites, conversion.rewrites), out))
                advance(1, job.mode.name)
        for job in jobs:
            if job.takes_long:
                with only_process(job.work, f"making '{job.package.name}'"):
                    conversion = stack.enter_context(converted(original.graph, run.class_names, job.target, rewrites))
                    exported.append(_write(original, job, conversion, _engine(rewrites, conversion.rewrites), out))
                    _remove_work(job, exported[-1].sidecar)
    return exported


def _remove_work(job: _Job, sidecar: Sidecar) -> None:
    """Removes what a later call will not go on from; a search that ran out of time is gone on with."""
    if sidecar.search is None or not sidecar.search["stopped"]:
        with storage_errors(job.work):
            shutil.rmtree(job.work)


def _check_colour(graph: ClassifierGraph, jobs: list[_Job]) -> None:
    """Refuses what reads photographs, which is done in greyscale, for models that take colour."""
    for job in jobs:
        if graph.channels != 1 and job.takes_long:
            raise UnsupportedError(
                f"mode {job.mode.name} searches or trains on greyscale images only, and this model takes colour",
                hint="export it in a mode that needs no images, such as int8",
            )


def _original(run: Run, record: RunRecord) -> _Original:
    keras_model = load_keras_model(run.model_path)
    check_finite(keras_model)
    graph = classifier_graph(keras_model)
    check_class_names(graph, run.class_names)
    images = golden_images(graph.height, graph.width, graph.channels)
    float32_bytes = 4 * int(keras_model.count_params())
    return _Original(run, record, graph, float32_bytes, images, reference_probabilities(graph, images))


def _engine(rewrites: RewriteSettings, applied: tuple[AppliedRewrite, ...]) -> EngineRecord:
    by_name = {rewrite.name: rewrite.places for rewrite in applied}
    return EngineRecord(rewrites.engine, rewrites.min_chip.name, by_name)


def _write(original: _Original, job: _Job, conversion: Conversion, engine: EngineRecord, out: Path) -> ExportedPackage:
    run, graph, images = original.run, original.graph, original.images
    program = conversion.by_float_bits[job.mode.float_bits]
    colour = "greyscale" if graph.channels == 1 else "rgb"
    image = InputRecord(INPUT_NAME, graph.height, graph.width, graph.channels, colour, run.data.resize)
    described = describe_model(program.model, run.export, original.record, image, run.class_names, job.mode, engine)
    check_range(program.constants, conversion.float32, job.mode)
    choices = choose_forms(program.constants, job.mode.weights)
    program, quantized, found, tuned, trained = replace(program, model=described), None, None, None, None
    learn = None if job.finetune is None else _learner(original, job.finetune, program, job.work)
    if job.mode.searches:
        compressed, found, tuned = smallest_program(
            run,
            program,
            conversion.float32,
            job.target,
            parse_chip(engine.min_chip),
            job.search,
            lambda pixels: reference_probabilities(graph, list(pixels)),
            job.work / "journal.jsonl",
            learn,
        )
    elif job.mode.quantizes_activations:
        compressed, quantized = calibrate_and_compress(
            run, program, conversion.float32, choices, job.target, job.calibration
        )
    else:
        compressed = compress_program(program, conversion.float32, choices, job.target)
        if learn is not None:
            tuned = learn(compressed, "weights")
            compressed = tuned.program
    with replacing_together(out) as staging:
        package = staging / job.package.name
        model = write_program(compressed, package)
        if tuned is not None:
            trained = checked(tuned, package, np.stack(images))
        records = measured_weights(
            compressed.plans, compressed.float32, model, package / WEIGHTS_FILE, job.mode, trained=tuned is not None
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
            activations=None if quantized is None else with_costs_together(quantized, package),
            search=None if found is None else asdict(found),
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
        if found is not None:
            draw_front(found, size_bytes, plot_path(package))
    return _exported(job.package, sidecar, unchanged=False)


def _learner(
    original: _Original, settings: FinetuneSettings, program: ConvertedProgram, work: Path
) -> Callable[[CompressedProgram, str], Tuned]:
    """Makes what trains a compressed program; each attempt has a folder of its own name below `work`."""
    items = tuning_items(original.run, settings.folder)
    originals = [constant.name for constant in program.constants]
    return lambda compressed, attempt: finetuned(
        original.run, original.graph, compressed, originals, items, settings, work / attempt
    )


def _exported(package: Path, sidecar: Sidecar, *, unchanged: bool) -> ExportedPackage:
    with storage_errors(package):
        paths = [package, sidecar_path(package), card_path(package), golden_folder(package)]
        if sidecar.search is not None:
            paths.append(plot_path(package))
        artefacts = tuple(describe(path) for path in paths)
    return ExportedPackage(package, sidecar, artefacts[0].size_bytes, unchanged, artefacts)


def _coremltools_version() -> str:
    return version("coremltools")
