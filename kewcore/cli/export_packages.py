"""`kewcore export`: the packages that were written, as a table or as JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kewcore_export.exported_package import ExportedPackage


def print_packages(packages: Sequence["ExportedPackage"]) -> None:
    """Prints one row a package, and what quantised activations, a search and a training did."""
    from kewcore.cli.export_activations import print_activations
    from kewcore.cli.export_finetune import print_finetune
    from kewcore.cli.export_search import print_search
    from kewcore.cli.output import print_table

    columns = ["package", "mode", "target", "size", "of float32", "zeros", "worst weight SNR"]
    print_table("", columns, [_row(package) for package in packages], left=3)
    for package in packages:
        if package.sidecar.activations is not None:
            print_activations(package.path.stem, package.sidecar.activations)
        if package.sidecar.search is not None:
            print_search(package.path.stem, package.size_bytes, package.sidecar.search)
        if package.sidecar.finetune is not None:
            print_finetune(package.path.stem, package.sidecar.finetune)


def package_json(package: "ExportedPackage") -> dict[str, Any]:
    """Says in JSON what was exported."""
    from dataclasses import asdict

    return {
        "path": str(package.path),
        "mode": package.sidecar.mode,
        "deployment_target": package.sidecar.deployment_target,
        "engine": asdict(package.sidecar.engine) if package.sidecar.engine else None,
        "activations": asdict(package.sidecar.activations) if package.sidecar.activations else None,
        "size_bytes": package.size_bytes,
        "float32_bytes": package.sidecar.float32_bytes,
        "unchanged": package.unchanged,
        "sha256": package.artefacts[0].sha256,
        "weights": [asdict(weight) for weight in package.sidecar.weights],
        "search": package.sidecar.search,
        "finetune": package.sidecar.finetune,
    }


def _row(package: "ExportedPackage") -> list[str]:
    from kewcore.cli.output import human_size

    sidecar = package.sidecar
    return [
        package.path.stem,
        sidecar.mode,
        sidecar.deployment_target,
        human_size(package.size_bytes),
        f"{package.size_bytes / sidecar.float32_bytes:.3f}",
        _zeros(package),
        _worst_snr(package),
    ]


def _zeros(package: "ExportedPackage") -> str:
    """Says which part of all weights came out as zero."""
    from math import prod

    sizes = [(prod(weight.shape), weight.sparsity) for weight in package.sidecar.weights]
    return f"{sum(size * part for size, part in sizes) / max(1, sum(size for size, _ in sizes)):.1%}"


def _worst_snr(package: "ExportedPackage") -> str:
    measured = [(w.snr_db, w.op) for w in package.sidecar.weights if w.snr_db is not None]
    if not measured:
        return "exact"
    snr_db, op = min(measured)
    return f"{snr_db:.1f} dB ({op})"
