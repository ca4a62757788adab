"""`export_run`: packages from one training run, in as many modes as asked, from one conversion."""

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from kewcore.artefacts import check_writable, storage_errors
from kewcore.console import progress
from kewcore.errors import UnsupportedError
from kewcore.training.lock import only_process
from kewcore.training.run import Run, load_run
from kewcore_export.activations.settings import CalibrationSettings
from kewcore_export.conversion import converted
from kewcore_export.exported_package import ExportedPackage, unchanged_package
from kewcore_export.finetune.settings import FinetuneSettings, finetuned_mode
from kewcore_export.job import ExportSettings, Job, job_for, run_record
from kewcore_export.keras_graph import ClassifierGraph
from kewcore_export.making import make_package, original_of
from kewcore_export.modes import Mode
from kewcore_export.rewrites.settings import RewriteSettings, rewrite_settings
from kewcore_export.search.settings import SearchSettings
from kewcore_export.sidecar import RunRecord, Sidecar
from kewcore_export.targets import TARGETS, Target
from kewcore_export.transaction import finish_interrupted


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
    record = run_record(loaded, out)
    finish_interrupted(out)
    settings = ExportSettings(
        deployment_target,
        rewrites or rewrite_settings(),
        calibration or CalibrationSettings(),
        search or SearchSettings(),
        finetune,
    )
    if finetune is not None:
        modes = [finetuned_mode(mode) for mode in modes]
    jobs = [job_for(loaded, record, mode, out, settings) for mode in modes]
    found = {} if force else {job.package: package for job in jobs if (package := _unchanged(job))}
    missing = [job for job in jobs if job.package not in found]
    if missing:
        check_writable(out)
        found |= _export(loaded, record, missing, out, settings.rewrites)
    return [found[job.package] for job in jobs]


def _unchanged(job: Job) -> ExportedPackage | None:
    """Finds a job's package as it is; a search with training may have ended in one that is not trained."""
    jobs = (job, job.untrained) if job.mode.searches else (job,)
    found = (unchanged_package(one.package, one.inputs_sha256) for one in jobs)
    return next((package for package in found if package is not None), None)


def _export(
    run: Run, record: RunRecord, jobs: list[Job], out: Path, rewrites: RewriteSettings
) -> dict[Path, ExportedPackage]:
    """Makes packages, by the paths that were asked for."""
    exported: dict[Path, ExportedPackage] = {}
    plain = [job for job in jobs if not job.takes_long]
    with ExitStack() as stack:
        with progress(f"exporting {run.variant}", len(plain) + 1, "steps") as advance:
            original = original_of(run, record)
            _check_colour(original.graph, jobs)
            conversion = stack.enter_context(converted(original.graph, run.class_names, TARGETS["iOS15"], rewrites))
            advance(1, "converted")
            for job in plain:
                if job.target > conversion.newest_target:
                    conversion = stack.enter_context(converted(original.graph, run.class_names, job.target, rewrites))
                exported[job.package] = make_package(original, job, conversion, rewrites, out)
                advance(1, job.mode.name)
        for job in jobs:
            if job.takes_long:
                with only_process(job.work, f"making '{job.package.name}'"):
                    conversion = stack.enter_context(converted(original.graph, run.class_names, job.target, rewrites))
                    exported[job.package] = make_package(original, job, conversion, rewrites, out)
                    _remove_work(job, exported[job.package].sidecar)
    return exported


def _check_colour(graph: ClassifierGraph, jobs: list[Job]) -> None:
    """Refuses what reads photographs, which is done in greyscale, for models that take colour."""
    for job in jobs:
        if graph.channels != 1 and job.takes_long:
            raise UnsupportedError(
                f"mode {job.mode.name} searches or trains on greyscale images only, and this model takes colour",
                hint="export it in a mode that needs no images, such as int8",
            )


def _remove_work(job: Job, sidecar: Sidecar) -> None:
    """Removes what a later call will not go on from; a search that ran out of time is gone on with."""
    if sidecar.search is None or not sidecar.search["stopped"]:
        with storage_errors(job.work):
            shutil.rmtree(job.work)
