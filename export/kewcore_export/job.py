"""One package that is asked for: which mode, for which target, where to, and the digest of all that decides it."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kewcore import __version__
from kewcore.artefacts import sha256_file
from kewcore.data.dataset import open_dataset
from kewcore.errors import ExportError
from kewcore.training.run import Run
from kewcore_export.activations.compressed import Calibration
from kewcore_export.activations.images import calibration_images
from kewcore_export.activations.settings import CalibrationSettings
from kewcore_export.finetune.settings import FinetuneSettings, untrained_mode
from kewcore_export.golden import GOLDEN_SET
from kewcore_export.modes import Mode
from kewcore_export.rewrites.settings import RewriteSettings
from kewcore_export.search.settings import JUDGEMENT, SearchSettings
from kewcore_export.sidecar import PACKAGE_SUFFIX, RunRecord
from kewcore_export.targets import Target


@dataclass(frozen=True)
class ExportSettings:
    """What holds for all packages of an export.

    Attributes:
        deployment_target: Oldest system to serve; None takes the lowest that each mode allows.
        rewrites: For which engine the graph is rewritten, and how.
        calibration: How activations are calibrated in modes that quantise them.
        search: What mode `auto` keeps, and how it searches.
        finetune: How compressed weights learn from the model that they came from; None leaves them as they are.
    """

    deployment_target: Target | None
    rewrites: RewriteSettings
    calibration: CalibrationSettings
    search: SearchSettings
    finetune: FinetuneSettings | None


@dataclass(frozen=True)
class Job:
    """A package to make.

    Attributes:
        mode: How its weights are stored.
        target: Oldest system to serve.
        package: Of the `.mlpackage`.
        inputs_sha256: Of everything that decides its content.
        calibration: Images and settings for activations.
        search: As in `ExportSettings`.
        finetune: As in `ExportSettings`.
    """

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

    @property
    def untrained(self) -> "Job":
        """The same for a search of which no trained mix keeps the budget: its package is named after what it is."""
        mode = untrained_mode(self.mode)
        stem = self.package.stem.removesuffix(self.mode.name) + mode.name
        return replace(self, mode=mode, package=self.package.with_name(stem + PACKAGE_SUFFIX))


def run_record(run: Run, out: Path) -> RunRecord:
    """Says of a run what the sidecars of packages in `out` are to say."""
    return RunRecord(
        path=Path(os.path.relpath(run.path.resolve(), out.resolve())).as_posix(),
        recipe=run.recipe,
        variant=run.variant,
        model_sha256=sha256_file(run.model_path),
        dataset_fingerprint=run.dataset_fingerprint,
        stand_in=run.stand_in,
    )


def job_for(run: Run, record: RunRecord, mode: Mode, out: Path, settings: ExportSettings) -> Job:
    """Makes the job of one mode.

    Args:
        run: What to export.
        record: The same, as sidecars have it.
        mode: How to store the weights.
        out: Folder for packages.
        settings: What holds for all of them.

    Raises:
        ExportError: The mode does not work for the deployment target.
        DataError: Images to calibrate, search or train on are missing or cannot be used.
    """
    target = settings.deployment_target or mode.default_target
    if target < mode.lowest_target:
        raise ExportError(
            f"mode {mode.name} needs deployment target {mode.lowest_target.name}, got {target.name}",
            hint=f"leave out --deployment-target, or give {mode.lowest_target.name} or a newer one",
        )
    rewrites, search, finetune = settings.rewrites, settings.search, settings.finetune
    inputs: dict[str, Any] = {
        "run": {key: value for key, value in asdict(record).items() if key != "path"},
        "class_names": run.class_names,
        "resize": run.data.resize,
        "export": asdict(run.export),
        "mode": asdict(mode),
        "target": target.name,
        "rewrites": [rewrites.engine, rewrites.min_chip.name if rewrites.names else None, rewrites.names],
        "golden": GOLDEN_SET,
        "versions": [__version__, version("coremltools")],
    }
    images = None
    if mode.quantizes_activations:
        calibration = settings.calibration
        # The run's own data is known by its fingerprint; it need not be there if the package is.
        images = None if calibration.folder is None else calibration_images(run, calibration)
        inputs["calibration"] = {**asdict(calibration), "folder": None if images is None else images.fingerprint}
    if mode.searches:
        data = _fingerprint(run, search.folder)
        inputs["search"] = {
            "budget": asdict(search.budget),
            "data": data,
            "seed": search.seed,
            "chip": rewrites.min_chip.name,
            "judgement": JUDGEMENT,
        }
    if finetune is not None:
        inputs["finetune"] = {**finetune.decisive, "data": _fingerprint(run, finetune.folder)}
    return Job(
        mode,
        target,
        out / f"{run.title}-{run.variant}-{mode.name}{PACKAGE_SUFFIX}",
        hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest(),
        Calibration(settings.calibration, images),
        search,
        finetune,
    )


def _fingerprint(run: Run, folder: Path | None) -> str | None:
    """Names the content of another dataset than the run's own, which is known already."""
    return None if folder is None else open_dataset(folder, run.data).fingerprint
