"""What an Xcode project says of the folders that it builds, read from its project.pbxproj.

Source: Xcode 16 release notes, "Project Management" (buildable folders); the objects
`PBXFileSystemSynchronizedRootGroup` and `PBXFileReference` as Xcode writes them.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from kewcore.errors import PackageError

SUFFIX = ".xcodeproj"
# Xcode writes the class first in every object, so what follows it up to the next class is of this object.
_OBJECT = re.compile(r"\bisa = (PBXFileSystemSynchronizedRootGroup|PBXFileReference);(.*?)(?=\bisa = |\Z)", re.DOTALL)
_VALUE = r'{key} = ("[^"]*"|[^;\s]+);'


def source_folders(project: Path) -> list[Path]:
    """Lists the folders of an app's sources: those that the project builds as a whole, or else those beside it.

    Args:
        project: The `.xcodeproj`.

    Raises:
        PackageError: It cannot be read.
    """
    beside = project.parent
    built = [beside / path for kind, path, _ in _objects(project) if kind == "PBXFileSystemSynchronizedRootGroup"]
    folders = built or [folder for folder in sorted(beside.glob("*/")) if folder.suffix != SUFFIX]
    return [
        folder
        for folder in folders
        if not folder.name.endswith("Tests") and not folder.name.startswith(".") and any(folder.rglob("*.swift"))
    ]


def copies_whole(project: Path, folder: str) -> bool:
    """Tells whether the project copies a folder as it is, instead of building each file in it.

    Raises:
        PackageError: It cannot be read.
    """
    for kind, path, content in _objects(project):
        if kind == "PBXFileReference":
            if Path(path).name == folder and re.search(r"lastKnownFileType = folder;", content):
                return True
        elif (listed := re.search(r"explicitFolders = \((.*?)\);", content, re.DOTALL)) and folder in {
            Path(one.strip().strip('"')).name for one in listed[1].split(",")
        }:
            return True
    return False


def _objects(project: Path) -> Iterator[tuple[str, str, str]]:
    """Gives class, path and text of each folder and file that the project names."""
    try:
        text = (project / "project.pbxproj").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PackageError(f"Xcode project '{project}' cannot be read: {error}") from error
    for match in _OBJECT.finditer(text):
        path = re.search(_VALUE.format(key="path"), match[2])
        if path:
            yield match[1], path[1].strip('"'), match[2]
