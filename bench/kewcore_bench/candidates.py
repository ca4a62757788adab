"""What is to be benched: packages, and the runs that they came from."""

import csv
import os
from dataclasses import dataclass
from pathlib import Path

from kewcore.artefacts import sha256_file
from kewcore.errors import PackageError, RunError
from kewcore.training.run import load_run
from kewcore_bench.sources import ImageSource
from kewcore_export.sidecar import PACKAGE_SUFFIX, load_sidecar, sidecar_path
from kewcore_export.transaction import require_finished

PACKAGES_FOLDER = Path("packages")


@dataclass(frozen=True)
class RunFacts:
    """What a bench needs to know of a run.

    Attributes:
        folder: Where it lies.
        recipe: Name of its recipe.
        variant: `original` or `synthetic`.
        source: The images that it is judged by.
        model_sha256: Of `model.keras`.
    """

    folder: Path
    recipe: str
    variant: str
    source: ImageSource
    model_sha256: str


@dataclass(frozen=True)
class Candidate:
    """A package to be benched.

    Attributes:
        path: The package.
        mode: Its compression mode.
        float32_bytes: What its weights take in float32.
        run: Where it came from.
    """

    path: Path
    mode: str
    float32_bytes: int
    run: RunFacts


def newest_packages(folder: Path = PACKAGES_FOLDER) -> list[Path]:
    """Finds the packages of the recipe that was exported last, all its variants and modes.

    Packages without a sidecar, which kewcore did not export, are passed over.

    Raises:
        PackageError: There is no package with a sidecar, or a sidecar is damaged.
    """
    require_finished(folder)
    packages = sorted(folder.glob(f"*{PACKAGE_SUFFIX}"))
    found = {path: load_sidecar(path).run.recipe for path in packages if sidecar_path(path).exists()}
    if not found:
        raise PackageError(
            f"there is no package that kewcore exported in '{folder}'",
            hint="export one first: kewcore export; or give the path of a package",
        )
    newest = max(found, key=lambda path: (sidecar_path(path).stat().st_mtime_ns, path.name))
    return [path for path, recipe in found.items() if recipe == found[newest]]


def newest_package(folder: Path = PACKAGES_FOLDER) -> Path:
    """Finds the package that was written last, whoever exported it.

    Raises:
        PackageError: There is none.
    """
    require_finished(folder)
    packages = [path for path in folder.glob(f"*{PACKAGE_SUFFIX}") if path.is_dir()]
    if not packages:
        raise PackageError(
            f"there is no package in '{folder}'", hint="export one first: kewcore export; or give the path of a package"
        )
    return max(packages, key=lambda path: (path.stat().st_mtime_ns, path.name))


def candidate(package: Path) -> Candidate:
    """Looks up a package's sidecar and run.

    Raises:
        PackageError: The package or its sidecar is missing, or its run has been trained anew since the export.
        RunError: The run is missing or damaged.
    """
    if not package.is_dir():
        raise PackageError(
            f"no package at '{package}': expected a folder ending in {PACKAGE_SUFFIX}",
            hint="without a path, kewcore bench takes the packages in ./packages",
        )
    sidecar = load_sidecar(package)
    folder = Path(os.path.normpath(package.parent / sidecar.run.path))
    if not folder.is_dir():
        raise RunError(
            f"run '{folder}', from which '{package}' was exported, is not there: a bench needs the TensorFlow original",
            hint="put the run there, or export it anew from where it is: kewcore export RUN; "
            "evaluate, predict and verify need no run",
        )
    try:
        run = run_facts(folder)
    except RunError as error:
        error.add_note(f"the sidecar of '{package}' says that it was exported from that run")
        raise
    if run.model_sha256 != sidecar.run.model_sha256:
        raise PackageError(
            f"package '{package}' was exported from another model than run '{run.folder}' holds now "
            f"(sha256 {sidecar.run.model_sha256[:12]}…, now {run.model_sha256[:12]}…)",
            hint="export it again: kewcore export",
        )
    return Candidate(package, sidecar.mode, sidecar.float32_bytes, run)


def run_facts(folder: Path) -> RunFacts:
    """Reads `run.json` of a run.

    Raises:
        RunError: There is no finished run in the folder, or its `run.json` lacks something.
    """
    run = load_run(folder)
    source = ImageSource(
        wanted_by=folder,
        data=run.data,
        class_names=run.class_names,
        dataset=run.dataset_path,
        fingerprint=run.dataset_fingerprint,
    )
    return RunFacts(folder, run.recipe, run.variant, source, model_sha256=sha256_file(run.model_path))


def history(run: Path) -> dict[str, tuple[float, ...]]:
    """Reads the columns of a run's `history.csv`; empty where there is none.

    Raises:
        RunError: The file is not a table of numbers.
    """
    path = run / "history.csv"
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            head, *table = csv.reader(stream)
        return {name: tuple(float(row[index]) for row in table) for index, name in enumerate(head)}
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise RunError(
            f"'{path}' is not a table of numbers: {error}",
            hint="move it away: a bench needs it for the chart of the training alone",
        ) from error
