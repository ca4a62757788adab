"""`embed_packages`: packages, sidecars, labels and golden cases into a target of somebody else's project."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kewcore.artefacts import Artefact, describe, files_in, sha256_file
from kewcore.errors import PackageError, StorageError
from kewcore_export.embedding.contents import (
    Content,
    kept_contents,
    named,
    owner,
    package_contents,
    swift_contents,
    write_contents,
)
from kewcore_export.embedding.places import MODELS_FOLDER, SWIFT_FILE, Place, find_place
from kewcore_export.embedding.record import RECORD, read_record, record_content
from kewcore_export.sidecar import PACKAGE_SUFFIX
from kewcore_export.transaction import finish_interrupted, replacing_together

State = Literal["added", "updated", "unchanged", "kept", "removed"]


@dataclass(frozen=True)
class EmbeddedPackage:
    """What became of one package.

    Attributes:
        name: Of the package.
        state: `added`, `updated` or `unchanged`, of those that were named; `kept` or `removed`, of earlier ones.
        files: How many files it has in the target.
        size_bytes: Of these files.
    """

    name: str
    state: State
    files: int
    size_bytes: int


@dataclass(frozen=True)
class Embedding:
    """What `embed_packages` did.

    Attributes:
        place: The target.
        packages: What became of each package.
        artefacts: The folder of models and the Swift file; empty where nothing had to be written.
    """

    place: Place
    packages: tuple[EmbeddedPackage, ...]
    artefacts: tuple[Artefact, ...]


def embed_packages(
    packages: Sequence[Path],
    into: Path,
    *,
    target: str | None = None,
    golden: bool = True,
    only: bool = False,
    force: bool = False,
) -> Embedding:
    """Copies packages into a Swift package or Xcode project, with a Swift file that names models and labels.

    Nothing is written if all is there already. Other files in the folder of models stay; files that this function
    wrote and somebody changed since, and files in the way that it did not write, are refused.

    Args:
        packages: Packages that kewcore exported.
        into: See `find_place`.
        target: Name of the target.
        golden: Whether the golden cases go with them.
        only: Remove packages that were embedded earlier and are not named now.
        force: Overwrite what was changed or is in the way.

    Raises:
        UsageError: `into` is no such place, or names cannot be told apart in Swift.
        PackageError: A package is not what was exported.
        StorageError: Files are in the way, or cannot be written; nothing has changed then.
    """
    place = find_place(into, target)
    finish_interrupted(place.folder)
    record = _record(place.folder, force)
    sources = named(packages)
    earlier = sorted({name for path in record if (name := owner(path)) is not None} - set(sources))
    kept = [] if only else earlier
    contents: dict[str, Content] = {}
    for package in sources.values():
        contents |= package_contents(package, golden=golden)
    contents |= kept_contents(place.folder, record, kept)
    contents |= swift_contents(
        sources | {name: place.folder / MODELS_FOLDER / f"{name}{PACKAGE_SUFFIX}" for name in kept}
    )
    there = {path: sha256_file(place.folder / path) for path in _standing(place.folder)}
    if not force:
        _check_overwriting(place.folder, contents, record, there)
    wanted = {path: content.sha256 for path, content in contents.items()}
    artefacts: tuple[Artefact, ...] = ()
    if wanted != record or any(there.get(path) != digest for path, digest in wanted.items()):
        foreign = {path: Content(place.folder / path, digest) for path, digest in there.items() if path not in record}
        foreign.pop(RECORD, None)
        _write(place.folder, foreign | contents, record_content(wanted))
        artefacts = (describe(place.folder / MODELS_FOLDER), describe(place.folder / SWIFT_FILE))
    outcome = [_outcome(place.folder, name, wanted, record, there) for name in sources]
    outcome += [
        EmbeddedPackage(name, "kept" if name in kept else "removed", *_extent(place.folder, name, wanted))
        for name in earlier
    ]
    return Embedding(place, tuple(outcome), artefacts)


def _record(folder: Path, force: bool) -> dict[str, str]:
    try:
        return read_record(folder)
    except PackageError:
        if force:
            return {}
        raise


def _standing(folder: Path) -> Iterator[str]:
    for path in files_in(folder / MODELS_FOLDER):
        yield path.relative_to(folder).as_posix()
    if (folder / SWIFT_FILE).is_file():
        yield SWIFT_FILE


def _check_overwriting(
    folder: Path, contents: Mapping[str, Content], record: Mapping[str, str], there: Mapping[str, str]
) -> None:
    """Refuses to lose what a person made: changes of files that were embedded, and files of their own."""
    changed, in_the_way = [], []
    for path, digest in sorted(there.items()):
        if path == RECORD or (path in contents and contents[path].sha256 == digest):
            continue
        if path in record and record[path] != digest:
            changed.append(path)
        elif path not in record and path in contents:
            in_the_way.append(path)
    if not changed and not in_the_way:
        return
    error = StorageError(
        f"{len(changed) + len(in_the_way)} files in '{folder}' are not as `kewcore embed` left them",
        hint="keep them under other names; or overwrite them with --force",
    )
    for path in changed:
        error.add_note(f"{path}: changed since it was embedded")
    for path in in_the_way:
        error.add_note(f"{path}: not written by kewcore embed")
    raise error


def _write(folder: Path, contents: Mapping[str, Content], record: bytes) -> None:
    with replacing_together(folder) as staging:
        write_contents(staging, contents)
        (staging / RECORD).write_bytes(record)


def _outcome(
    folder: Path, name: str, wanted: Mapping[str, str], record: Mapping[str, str], there: Mapping[str, str]
) -> EmbeddedPackage:
    own = {path: digest for path, digest in wanted.items() if owner(path) == name}
    before = {path: there.get(path, "") for path in record if owner(path) == name}
    state: State = "unchanged" if own == before else "updated" if before else "added"
    return EmbeddedPackage(name, state, *_extent(folder, name, wanted))


def _extent(folder: Path, name: str, wanted: Mapping[str, str]) -> tuple[int, int]:
    paths = [folder / path for path in wanted if owner(path) == name]
    return len(paths), sum(path.stat().st_size for path in paths)
