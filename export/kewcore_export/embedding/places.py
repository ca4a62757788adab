"""Where in a Swift package or Xcode project models belong, and what is still to be done there by hand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kewcore.errors import UsageError
from kewcore_export.embedding.swift_manifest import MANIFEST, SwiftTarget, swift_targets
from kewcore_export.embedding.xcode_project import SUFFIX, copies_whole, source_folders

MODELS_FOLDER = "KewModels"
SWIFT_FILE = "KewModels.swift"


@dataclass(frozen=True)
class Place:
    """Where models go: `KewModels` and `KewModels.swift` in the folder of a target.

    Attributes:
        kind: Whose target it is.
        name: Of the target.
        folder: Of its sources.
        to_do: What a person still has to do there, a sentence each; empty where all is ready.
    """

    kind: Literal["Swift package", "Xcode project"]
    name: str
    folder: Path
    to_do: tuple[str, ...]


def find_place(into: Path, target: str | None = None) -> Place:
    """Finds the target that models go into.

    Args:
        into: A Swift package, a folder with an Xcode project in it or one level below, the project, or the folder of
            a target's sources.
        target: Name of the target; None takes the only one, or the only app.

    Raises:
        UsageError: `into` is none of these, has no such target, or has several to choose from.
        PackageError: A Package.swift or project cannot be read.
    """
    if not into.is_dir():
        raise UsageError(f"there is no folder '{into}' to embed into", hint="give a Swift package or an Xcode folder")
    into = into.resolve()
    places = _places(into.parent if into.suffix == SUFFIX else into)
    if not places:
        places = [place for above in into.parents[:3] for place in _places(above, "") if place.folder == into]
    if not places:
        raise UsageError(
            f"'{into}' is neither a Swift package (no {MANIFEST} with targets) nor an Xcode folder (no {SUFFIX} in it)",
            hint="give the folder that holds one of them, or the folder of a target's sources",
        )
    return _chosen(into, places, target)


def _chosen(into: Path, places: list[Place], target: str | None) -> Place:
    named = [place for place in places if target in (None, place.name)]
    if not named:
        raise UsageError(
            f"'{into}' has no target '{target}' with sources", hint=f"it has {', '.join(p.name for p in places)}"
        )
    apps = [place for place in named if place.kind == "Xcode project"]
    if len(named) == 1 or len(apps) == 1:
        return (apps or named)[0]
    raise UsageError(
        f"'{into}' has several targets: {', '.join(place.name for place in named)}",
        hint=f"say which with --target, such as --target {named[0].name}",
    )


def _places(folder: Path, below: str = "*/") -> list[Place]:
    found = [_in_package(target) for target in swift_targets(folder)] if (folder / MANIFEST).is_file() else []
    for project in sorted({*folder.glob(f"*{SUFFIX}"), *folder.glob(f"{below}*{SUFFIX}")}):
        found += [_in_project(project, sources) for sources in source_folders(project)]
    return found


def _in_package(target: SwiftTarget) -> Place:
    line = f'resources: [.copy("{MODELS_FOLDER}")]'
    to_do: tuple[str, ...] = ()
    if target.copied is None:
        to_do = (f"see that target '{target.name}' has this in {MANIFEST}: {line}",)
    elif MODELS_FOLDER not in target.copied:
        to_do = (f"add to target '{target.name}' in {MANIFEST}: {line}",)
    return Place("Swift package", target.name, target.folder.resolve(), to_do)


def _in_project(project: Path, sources: Path) -> Place:
    to_do: tuple[str, ...] = ()
    if not copies_whole(project, MODELS_FOLDER):
        to_do = (
            f"in Xcode, let {project.name} copy {MODELS_FOLDER} as it is: select the folder, and in the File inspector "
            "choose Build Rules: Apply Once to Folder (Xcode 16 and later; before, drag the folder into the project, "
            f"as a folder reference, and {SWIFT_FILE} too)",
        )
    return Place("Xcode project", sources.name, sources.resolve(), to_do)
