"""Figures that were taken elsewhere, such as by `kew-classify bench` on an iPhone: read, checked, and put beside ours.

They were not taken in the same rounds as anything here, so there is no ratio, and their labels name the device.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kewcore.errors import DataError, PackageError
from kewcore_bench.hosts import HostFacts
from kewcore_bench.result import BenchResult, VariantResult
from kewcore_bench.result_checks import check_latency
from kewcore_bench.stored_result import from_json
from kewcore_bench.timing.engine_result import EngineResult
from kewcore_export.sidecar import load_sidecar

SCHEMA_VERSION = 1
KIND = "device-bench"
_LARGEST_FILE_BYTES = 64 << 20
_HINT = "write one on the device: kew-classify bench MODEL --json > device.json"


@dataclass(frozen=True)
class DeviceBench:
    """What was timed on a device.

    Attributes:
        created: Date and time of the measurement, ISO 8601, UTC.
        host: The device.
        engines: One entry a model and choice of compute units; each has a latency and no ratio.
        inputs_sha256: Of the package, as its sidecar has it; None where it had no sidecar there.
    """

    created: str
    host: HostFacts
    engines: tuple[EngineResult, ...]
    inputs_sha256: str | None = None


def read_device_bench(path: Path) -> DeviceBench:
    """Reads what `kew-classify bench --json` wrote.

    Raises:
        DataError: The file cannot be read, or is not of that form.
    """
    where = f"device file '{path}'"
    value = _parsed(path, where)
    if not isinstance(value, dict) or value.get("kind") != KIND:
        raise DataError(f"{where} is not from kew-classify bench: expected an object of kind '{KIND}'", hint=_HINT)
    if value.get("schema_version") != SCHEMA_VERSION:
        raise DataError(
            f"{where} has schema_version {value.get('schema_version')!r:.20}; this kewcore reads {SCHEMA_VERSION}",
            hint="use a kew-classify of the same age",
        )
    try:
        found = from_json(
            DeviceBench, {key: one for key, one in value.items() if key not in {"schema_version", "kind"}}
        )
    except DataError as error:
        raise DataError(f"{where} is damaged: {error.message}", hint=_HINT) from error
    if not found.engines:
        raise DataError(f"{where} holds no figures: 'engines' is empty", hint=_HINT)
    for index, row in enumerate(found.engines):
        if row.latency is None:
            raise DataError(f"{where}: 'engines[{index}]' has no latency", hint=_HINT)
        try:
            check_latency(f"engines[{index}].latency", row.latency)
        except DataError as error:
            raise DataError(f"{where} is damaged: {error.message}", hint=_HINT) from error
        if row.ratio is not None:
            raise DataError(f"{where}: 'engines[{index}].ratio' must be null: nothing here ran in the same rounds")
    return found


def check_device(device: DeviceBench, packages: Mapping[str, Path], path: Path) -> None:
    """Refuses figures that are not of the packages of a bench; it is called before anything is measured.

    Args:
        device: What was timed elsewhere.
        packages: Those of the bench, by name.
        path: Where the figures were read, for messages.

    Raises:
        DataError: A row is of a package that the bench does not have, or of another export of it.
    """
    for row in device.engines:
        if row.subject not in packages:
            raise DataError(
                f"device file '{path}' has figures of '{row.subject}', which is not in this bench: "
                + ", ".join(packages),
                hint="bench the package that was on the device, too",
            )
        _check_same_export(row.subject, packages[row.subject], device, path)


def with_device(result: BenchResult, device: DeviceBench) -> BenchResult:
    """Adds a device's figures to the variants whose packages they are of; the result that was given stays as it is."""
    variants = tuple(
        replace(variant, engines=(*variant.engines, *(row for row in device.engines if _is_of(row, variant))))
        for variant in result.variants
    )
    return replace(result, variants=variants)


def _is_of(row: EngineResult, variant: VariantResult) -> bool:
    return any(package.name == row.subject for package in variant.packages)


def _check_same_export(name: str, package: Path, device: DeviceBench, path: Path) -> None:
    """Holds the device's package against ours, where both can say what they were made of."""
    try:
        ours = load_sidecar(package).inputs_sha256
    except PackageError:
        return
    if device.inputs_sha256 is not None and device.inputs_sha256 != ours:
        raise DataError(
            f"device file '{path}' has figures of another export of '{name}': made of "
            f"{device.inputs_sha256[:12]}…, this one of {ours[:12]}…",
            hint="put this package on the device and measure again",
        )


def _parsed(path: Path, where: str) -> Any:
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise DataError(f"{where} has more than {_LARGEST_FILE_BYTES} bytes", hint=_HINT)
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{where} cannot be read: {error.strerror}", hint=_HINT) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not JSON: {error}", hint=_HINT) from error
