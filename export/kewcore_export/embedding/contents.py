"""The files that a target gets: copies of packages and what lies beside them, labels, and the Swift file."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kewcore.artefacts import sha256_file
from kewcore.errors import PackageError, UsageError
from kewcore_export.embedding.places import MODELS_FOLDER, SWIFT_FILE
from kewcore_export.embedding.swift_source import swift_source
from kewcore_export.sidecar import PACKAGE_SUFFIX, Sidecar, golden_folder, load_sidecar, sidecar_path
from kewcore_export.verification import check_package_files


@dataclass(frozen=True)
class Content:
    """What a file is to hold.

    Attributes:
        source: A file to copy, or the bytes themselves.
        sha256: Of them.
    """

    source: Path | bytes
    sha256: str


def package_contents(package: Path, *, golden: bool) -> dict[str, Content]:
    """Lists the files of one package, after holding every one against its sidecar.

    Returns:
        What each file of the target's folder is to hold, by its path there.

    Raises:
        PackageError: The package or its sidecar is missing or damaged, or a file is not what was exported.
    """
    sidecar = check_package_files(package)
    name = f"{MODELS_FOLDER}/{package.stem}"
    found = {
        f"{name}{PACKAGE_SUFFIX}/{inside}": Content(package / inside, digest)
        for inside, digest in sidecar.files.items()
    }
    if golden:
        images = golden_folder(package)
        found |= {
            f"{name}.golden/{image}": Content(images / image, digest) for image, digest in sidecar.golden_files.items()
        }
    beside = sidecar_path(package)
    found[f"{name}.json"] = Content(beside, sha256_file(beside))
    found[f"{name}.labels.txt"] = _bytes("".join(f"{label}\n" for label in sidecar.class_names))
    return found


def kept_contents(folder: Path, record: Mapping[str, str], names: Sequence[str]) -> dict[str, Content]:
    """Lists the files of packages that were embedded earlier and stay.

    Raises:
        PackageError: One of them is no longer what was embedded.
    """
    found = {}
    for path, digest in record.items():
        if owner(path) not in names:
            continue
        if not (folder / path).is_file() or sha256_file(folder / path) != digest:
            raise PackageError(
                f"'{folder / path}' is no longer what was embedded",
                hint=f"embed {owner(path)} again too, or leave it out with --only",
            )
        found[path] = Content(folder / path, digest)
    return found


def swift_contents(packages: Mapping[str, Path]) -> dict[str, Content]:
    """Writes the Swift file for packages, given by name and path.

    Raises:
        PackageError: A sidecar is damaged.
        UsageError: Names cannot be told apart in Swift.
    """
    models = {}
    for name in sorted(packages):
        sidecar = load_sidecar(packages[name])
        models[name] = (_title(name, sidecar), sidecar.class_names)
    return {SWIFT_FILE: _bytes(swift_source(MODELS_FOLDER, models))}


def owner(path: str) -> str | None:
    """Tells which package a file in the target's folder belongs to; None for the Swift file."""
    folder, _, inside = path.partition("/")
    if folder != MODELS_FOLDER:
        return None
    top = inside.partition("/")[0]
    for ending in (PACKAGE_SUFFIX, ".golden", ".labels.txt", ".json"):
        if top.endswith(ending):
            return top.removesuffix(ending)
    return None


def named(packages: Sequence[Path]) -> dict[str, Path]:
    """Gives packages by their names.

    Raises:
        UsageError: Two have the same name.
    """
    found: dict[str, Path] = {}
    for package in packages:
        other = found.setdefault(package.stem, package)
        if other.resolve() != package.resolve():
            raise UsageError(f"'{other}' and '{package}' have the same name", hint="embed one of them")
    return found


def write_contents(staging: Path, contents: Mapping[str, Content]) -> None:
    """Writes files below a folder, and holds every copy against its digest.

    Raises:
        PackageError: A file changed while it was copied.
    """
    for path, content in contents.items():
        destination = staging / path
        destination.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content.source, bytes):
            destination.write_bytes(content.source)
        else:
            shutil.copyfile(content.source, destination)
        if sha256_file(destination) != content.sha256:
            raise PackageError(f"'{content.source!s}' changed while it was copied", hint="run the same command again")


def _title(name: str, sidecar: Sidecar) -> str:
    """Gives a package's name without variant and mode, which `kewcore export` puts behind it."""
    title, dash, _ = name.partition(f"-{sidecar.run.variant}-")
    return title if dash and title else name


def _bytes(text: str) -> Content:
    content = text.encode()
    return Content(content, hashlib.sha256(content).hexdigest())
