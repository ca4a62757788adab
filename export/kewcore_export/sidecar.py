"""The sidecar: a JSON file beside each package that says where it came from and what it should answer.

Reading one needs neither TensorFlow nor coremltools.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kewcore.artefacts import Artefact, files_in, sha256_file, write_json
from kewcore.errors import PackageError
from kewcore.runtime.spec.files import read_whole, size_of_files
from kewcore_export.activations.record import ActivationRecord, OperationRecord, TensorRecord
from kewcore_export.json_records import hashes_from, is_number, list_from, record_from, table_from, texts_from
from kewcore_export.transaction import require_finished

SCHEMA_VERSION = 1
SIDECAR_LIMIT_BYTES = 16 << 20
"""Size of a sidecar; those of KewCNN have 10 kB."""
_PACKAGE_LIMIT_BYTES = 64 << 30
"""All files of a package, which are read to be hashed: sparse files take no room on the disk, but time."""
PACKAGE_SUFFIX = ".mlpackage"
_OPTIONAL = ("activations", "search", "finetune")


@dataclass(frozen=True)
class InputRecord:
    """The image that a package takes.

    Attributes:
        name: Of the model's input.
        height: Rows.
        width: Columns.
        channels: 1 for greyscale, 3 for RGB.
        colour: `greyscale` or `rgb`.
        resize: How a photograph is brought to that size: `fit`, `fill` or `centre-crop`.
    """

    name: str
    height: int
    width: int
    channels: int
    colour: str
    resize: str


@dataclass(frozen=True)
class RunRecord:
    """The training run that a package came from.

    Attributes:
        path: Of the run's folder, relative to the sidecar's folder where it can be.
        recipe: Its recipe.
        variant: `original` or `synthetic`.
        model_sha256: SHA-256 of `model.keras`.
        dataset_fingerprint: Of the data that it was trained on.
        stand_in: True where that data only stands in for the real data set.
    """

    path: str
    recipe: str
    variant: str
    model_sha256: str
    dataset_fingerprint: str
    stand_in: bool


@dataclass(frozen=True)
class EngineRecord:
    """What a package's graph was rewritten for.

    Attributes:
        target: `ane`, the Neural Engine, or `any`.
        min_chip: The oldest chip whose limits were kept.
        rewrites: By the name of each rewrite that changed something, a line for each place.
    """

    target: str
    min_chip: str
    rewrites: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class WeightRecord:
    """One constant of the weights file, as it came out.

    Attributes:
        name: Of the value in the program.
        op: Name of the op that takes it.
        op_type: Type of that op.
        parameter: Which of the op's parameters it is.
        shape: Its dimensions.
        form: `float`, `linear`, `palette`, `vector-palette`, `sparse` or `sparse-palette`.
        bits: Of a stored element.
        granularity: What shares a scale or palette.
        size_bytes: In the weights file, scales and palettes included, without alignment.
        snr_db: Signal-to-noise ratio against the float32 weight; None where nothing was lost.
        sparsity: Part of zeros.
        reason: Why it is not stored as the mode says; empty where it is.
    """

    name: str
    op: str
    op_type: str
    parameter: str
    shape: tuple[int, ...]
    form: str
    bits: int
    granularity: str
    size_bytes: int
    snr_db: float | None
    sparsity: float
    reason: str


@dataclass(frozen=True)
class GoldenCase:
    """An input with known answers.

    Attributes:
        image: PNG in the sidecar's golden folder, already at the model's size.
        reference: Probabilities of the TensorFlow model, in the order of the class names.
        package: Probabilities of the package, run by kewcore's runtime.
    """

    image: str
    reference: tuple[float, ...]
    package: tuple[float, ...]


@dataclass(frozen=True)
class Sidecar:
    """Everything that is known of a package.

    Attributes:
        name: Of the package, without suffix.
        mode: Compression mode.
        deployment_target: Oldest system that can run it.
        kewcore_version: That wrote it.
        inputs_sha256: Of everything that decides its content: a package with the same one need not be written again.
        run: Where it came from.
        input: What it takes.
        class_names: In the order of its probabilities.
        softmax_added: True where the Keras model ended in logits.
        engine: What its graph was rewritten for; None in packages from before there were rewrites.
        activations: How activations were quantised; None where they are floats.
        search: How the forms of its weights were found, as `kewcore_export.search.record.SearchRecord` has it; None
            where a mode says them.
        finetune: How its weights learned after compression, as `kewcore_export.finetune.record.FinetuneRecord` has it;
            None where they did not.
        files: SHA-256 by path inside the package.
        golden_files: SHA-256 by name inside the golden folder.
        float32_bytes: What the weights take in float32.
        weights: What became of each constant.
        golden: Inputs with known answers.
        parity: Figures of `kewcore bench`; None until measured.
    """

    name: str
    mode: str
    deployment_target: str
    kewcore_version: str
    inputs_sha256: str
    run: RunRecord
    input: InputRecord
    class_names: tuple[str, ...]
    softmax_added: bool
    engine: EngineRecord | None
    activations: ActivationRecord | None
    search: Mapping[str, Any] | None
    finetune: Mapping[str, Any] | None
    files: Mapping[str, str]
    golden_files: Mapping[str, str]
    float32_bytes: int
    weights: tuple[WeightRecord, ...]
    golden: tuple[GoldenCase, ...]
    parity: Mapping[str, Any] | None


def sidecar_path(package: Path) -> Path:
    """Gives the path of a package's sidecar."""
    return package.with_suffix(".json")


def card_path(package: Path) -> Path:
    """Gives the path of a package's model card."""
    return package.with_suffix(".md")


def golden_folder(package: Path) -> Path:
    """Gives the path of the folder with a package's golden inputs."""
    return package.with_suffix(".golden")


def file_hashes(folder: Path) -> dict[str, str]:
    """Hashes every file below a folder of a package, by its POSIX path in it.

    Raises:
        PackageError: A file cannot be read, together they are absurdly large, or there is something else than files.
    """
    size_bytes = size_of_files(folder)
    if size_bytes > _PACKAGE_LIMIT_BYTES:
        raise PackageError(f"'{folder}' has {size_bytes} bytes, more than the limit of {_PACKAGE_LIMIT_BYTES}")
    try:
        return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files_in(folder, PackageError)}
    except OSError as error:
        raise PackageError(f"cannot read the files of '{folder}': {error.strerror}") from error


def load_sidecar(package: Path) -> Sidecar:
    """Reads the sidecar of a package.

    Args:
        package: Path of the `.mlpackage`.

    Raises:
        PackageError: There is none, or it is not what kewcore writes.
    """
    path = sidecar_path(package)
    require_finished(path.parent)
    if not os.path.lexists(path):
        raise PackageError(
            f"package '{package}' has no sidecar '{path.name}'",
            hint="only packages that kewcore exported have one; write it again with `kewcore export`",
        )
    content = read_whole(path, SIDECAR_LIMIT_BYTES)
    try:
        value = json.loads(content.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise PackageError(f"sidecar '{path}' cannot be read: {error}") from error
    try:
        return _sidecar_from(value)
    except PackageError as error:
        error.add_note(f"in sidecar '{path}'")
        raise


def save_sidecar(sidecar: Sidecar, path: Path) -> Artefact:
    """Writes a sidecar as JSON, whole or not at all; and says only of what was done how it was done."""
    table = {key: value for key, value in asdict(sidecar).items() if key not in _OPTIONAL or value is not None}
    return write_json(path, {"schema_version": SCHEMA_VERSION, **table})


def _sidecar_from(value: Any) -> Sidecar:
    table = table_from(value, "the sidecar")
    version = table.get("schema_version")
    if version != SCHEMA_VERSION:
        raise PackageError(
            f"sidecar has schema_version {version!r}, this kewcore reads {SCHEMA_VERSION}",
            hint="export the package again, or use the kewcore that wrote it",
        )
    absent = dict.fromkeys(("engine", *_OPTIONAL))
    parts = absent | {key: item for key, item in table.items() if key != "schema_version"}
    parity, search, finetune = (parts.get(key) for key in ("parity", "search", "finetune"))
    return record_from(
        Sidecar,
        parts,
        run=record_from(RunRecord, table_from(parts.get("run"), "run")),
        input=record_from(InputRecord, table_from(parts.get("input"), "input")),
        engine=_engine(parts.get("engine")),
        activations=_activations(parts.get("activations")),
        search=None if search is None else table_from(search, "search"),
        finetune=None if finetune is None else table_from(finetune, "finetune"),
        weights=tuple(
            record_from(WeightRecord, table_from(w, "a weight")) for w in list_from(parts.get("weights"), "weights")
        ),
        golden=tuple(_golden(case) for case in list_from(parts.get("golden"), "golden")),
        class_names=texts_from(parts.get("class_names"), "class_names"),
        files=hashes_from(parts.get("files"), "files"),
        golden_files=hashes_from(parts.get("golden_files"), "golden_files"),
        parity=None if parity is None else table_from(parity, "parity"),
    )


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")


def _golden(value: Any) -> GoldenCase:
    table = table_from(value, "a golden case")
    numbers = {}
    for key in ("reference", "package"):
        entries = list_from(table.get(key), f"golden.{key}")
        if not all(is_number(n) for n in entries):
            raise PackageError(f"golden.{key} must be a list of numbers, got {entries!r}")
        numbers[key] = tuple(float(n) for n in entries)
    case = record_from(GoldenCase, table, **numbers)
    if Path(case.image).name != case.image:
        raise PackageError(f"golden image '{case.image}' must be a file name without folders")
    return case


def _engine(value: Any) -> EngineRecord | None:
    if value is None:
        return None
    table = table_from(value, "engine")
    rewrites = table_from(table.get("rewrites"), "engine.rewrites")
    return record_from(
        EngineRecord, table, rewrites={name: texts_from(places, f"engine.{name}") for name, places in rewrites.items()}
    )


def _activations(value: Any) -> ActivationRecord | None:
    if value is None:
        return None
    table = table_from(value, "activations")
    operations = list_from(table.get("operations"), "activations.operations")
    tensors = list_from(table.get("tensors"), "activations.tensors")
    return record_from(
        ActivationRecord,
        table,
        equalized=texts_from(table.get("equalized"), "activations.equalized"),
        operations=tuple(record_from(OperationRecord, table_from(one, "an operation")) for one in operations),
        tensors=tuple(record_from(TensorRecord, table_from(one, "a tensor")) for one in tensors),
    )
