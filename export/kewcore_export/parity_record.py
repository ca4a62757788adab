"""Measured parity, put beside the package that it was measured on: into its sidecar and its model card, together."""

from dataclasses import replace
from pathlib import Path

from kewcore.artefacts import Artefact, describe
from kewcore.recipes import ExportRecipe
from kewcore.runtime.spec.package import read_package
from kewcore_export.measured_parity import MeasuredParity, parity_json
from kewcore_export.model_card import model_card
from kewcore_export.sidecar import card_path, load_sidecar, save_sidecar, sidecar_path
from kewcore_export.transaction import replacing_together


def record_parity(package: Path, parity: MeasuredParity) -> tuple[Artefact, Artefact]:
    """Writes parity into the sidecar of a package and renders its card anew: both or neither.

    Returns:
        Sidecar and card.

    Raises:
        PackageError: The package or its sidecar is missing or damaged.
        StorageError: They cannot be written, or another process is writing into the folder.
    """
    metadata = read_package(package).metadata
    about = ExportRecipe(metadata.author, metadata.license, metadata.version, metadata.description)
    size_bytes = describe(package).size_bytes
    with replacing_together(package.parent) as staging:
        sidecar = replace(load_sidecar(package), parity=parity_json(parity))
        staged = staging / package.name
        save_sidecar(sidecar, sidecar_path(staged))
        card = model_card(sidecar, about, size_bytes, parity)
        card_path(staged).write_text(card, encoding="utf-8")
    return describe(sidecar_path(package)), describe(card_path(package))
