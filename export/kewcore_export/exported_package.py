"""What an export gives: a package with its sidecar, card, golden inputs and, of a search, a picture."""

from dataclasses import dataclass
from pathlib import Path

from kewcore.artefacts import Artefact, describe, storage_errors
from kewcore.errors import PackageError
from kewcore_export.search.plot import plot_path
from kewcore_export.sidecar import Sidecar, card_path, file_hashes, golden_folder, load_sidecar, sidecar_path


@dataclass(frozen=True)
class ExportedPackage:
    """A package that was written, or found as it would have been written.

    Attributes:
        path: Of the `.mlpackage`.
        sidecar: What its sidecar says.
        size_bytes: Of all its files.
        unchanged: True where it was there already, made from the same inputs.
        artefacts: Package, sidecar, card, golden folder, and the picture of a search.
    """

    path: Path
    sidecar: Sidecar
    size_bytes: int
    unchanged: bool
    artefacts: tuple[Artefact, ...]


def exported_package(package: Path, sidecar: Sidecar, *, unchanged: bool) -> ExportedPackage:
    """Describes a package and what lies beside it.

    Raises:
        StorageError: One of them cannot be read.
    """
    with storage_errors(package):
        paths = [package, sidecar_path(package), card_path(package), golden_folder(package)]
        if sidecar.search is not None:
            paths.append(plot_path(package))
        artefacts = tuple(describe(path) for path in paths)
    return ExportedPackage(package, sidecar, artefacts[0].size_bytes, unchanged, artefacts)


def unchanged_package(package: Path, inputs_sha256: str) -> ExportedPackage | None:
    """Finds a package that is there already, whole and made from the same inputs; None where it is to be made.

    One whose search ran out of time is to be made again: more time may find a smaller one.
    """
    try:
        sidecar = load_sidecar(package)
    except PackageError:
        return None
    if sidecar.inputs_sha256 != inputs_sha256 or not package.is_dir():
        return None
    if file_hashes(package) != sidecar.files or not card_path(package).is_file():
        return None
    if file_hashes(golden_folder(package)) != sidecar.golden_files:
        return None
    if sidecar.search is not None and (sidecar.search.get("stopped") or not plot_path(package).is_file()):
        return None
    return exported_package(package, sidecar, unchanged=True)
