"""Is a package still what was exported? Files against the sidecar, the program's validity, and golden predictions.

Needs neither TensorFlow nor coremltools.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kewcore.data.images import loaded
from kewcore.errors import DataError, PackageError, UnsupportedError, UsageError
from kewcore.runtime.spec.files import read_whole
from kewcore_export.golden import package_probabilities
from kewcore_export.sidecar import PACKAGE_SUFFIX, InputRecord, Sidecar, file_hashes, golden_folder, load_sidecar
from kewcore_export.transaction import require_finished

# Largest difference in a probability between two hosts or executors that run the same package in fp16: a few units in
# the last place of logits around 8, where fp16 steps are 2**-7, change a probability by up to a quarter of that.
GOLDEN_TOLERANCE = 2e-3
_GOLDEN_LIMIT_BYTES = 1 << 28
"""Pixels of all golden images, and of each file; KewCNN's take 200 kB."""
_GOLDEN_LIMIT = 100
"""Golden cases; kewcore writes twelve."""
_PNG = b"\x89PNG\r\n\x1a\n"
"""What a PNG begins with. Source: PNG (Third Edition), 5.2."""


@dataclass(frozen=True)
class Verification:
    """What checking a package found.

    Attributes:
        package: Its path.
        files: How many files were compared.
        golden_cases: How many golden inputs were run.
        largest_difference: Between a golden probability as recorded and as computed here; None if none were run.
        problems: What differs; empty for a sound package.
    """

    package: Path
    files: int
    golden_cases: int
    largest_difference: float | None
    problems: tuple[str, ...]


def verify_package(package: Path) -> Verification:
    """Checks a package against its sidecar.

    The program is run only if every file is what it was.

    Raises:
        PackageError: There is no such package, or its sidecar is missing or unreadable.
    """
    sidecar, problems = _files_against_sidecar(package)
    files = len(sidecar.files) + len(sidecar.golden_files)
    if problems or not sidecar.golden:
        return Verification(package, files, 0, None, problems)
    try:
        difference = _golden_difference(package, sidecar)
    except (PackageError, UnsupportedError, UsageError) as error:
        return Verification(package, files, 0, None, (error.message,))
    if not difference <= GOLDEN_TOLERANCE:  # NaN is no answer either.
        problems = (f"golden probabilities differ by {difference:.2g}, more than {GOLDEN_TOLERANCE:g}",)
    return Verification(package, files, len(sidecar.golden), difference, problems)


def check_package_files(package: Path) -> Sidecar:
    """Holds every file of a package and of its golden folder against the sidecar; runs nothing.

    Returns:
        The sidecar.

    Raises:
        PackageError: There is no such package, its sidecar is missing or unreadable, or a file differs.
    """
    sidecar, problems = _files_against_sidecar(package)
    if problems:
        error = PackageError(
            f"package '{package}' is not what was exported", hint="export it again: kewcore export --force"
        )
        for problem in problems:
            error.add_note(problem)
        raise error
    return sidecar


def packages_in(folder: Path) -> list[Path]:
    """Lists the packages of a folder.

    Raises:
        PackageError: There is none.
    """
    require_finished(folder)
    found = sorted(folder.glob(f"*{PACKAGE_SUFFIX}"))
    if not found:
        raise PackageError(f"there is no package in '{folder}'", hint="write one first: kewcore export")
    return found


def _files_against_sidecar(package: Path) -> tuple[Sidecar, tuple[str, ...]]:
    if not package.is_dir():
        raise PackageError(
            f"there is no package at '{package}'", hint=f"give the path of a folder that ends in {PACKAGE_SUFFIX}"
        )
    sidecar = load_sidecar(package)
    golden = golden_folder(package)
    if golden.is_symlink():
        raise PackageError(f"'{golden}' is a symbolic link, which may lead anywhere", hint="put the folder there")
    problems = _differences("", sidecar.files, file_hashes(package))
    return sidecar, problems + _differences(f"{golden.name}/", sidecar.golden_files, file_hashes(golden))


def _differences(prefix: str, expected: Mapping[str, str], found: dict[str, str]) -> tuple[str, ...]:
    missing = [f"{prefix}{name} is missing" for name in sorted(set(expected) - set(found))]
    added = [f"{prefix}{name} was not exported" for name in sorted(set(found) - set(expected))]
    changed = [
        f"{prefix}{name} has changed: sha256 {found[name][:12]}…, exported as {digest[:12]}…"
        for name, digest in sorted(expected.items())
        if name in found and found[name] != digest
    ]
    return (*missing, *added, *changed)


def _golden_difference(package: Path, sidecar: Sidecar) -> float:
    taken = sidecar.input
    if len(sidecar.golden) > _GOLDEN_LIMIT:
        raise PackageError(f"there are {len(sidecar.golden)} golden cases, more than the limit of {_GOLDEN_LIMIT}")
    size_bytes = len(sidecar.golden) * taken.height * taken.width * taken.channels
    if size_bytes > _GOLDEN_LIMIT_BYTES:
        raise PackageError(f"the golden images would take {size_bytes} bytes, the limit is {_GOLDEN_LIMIT_BYTES}")
    images = [_golden_pixels(golden_folder(package) / case.image, taken) for case in sidecar.golden]
    computed = package_probabilities(package, images, sidecar.input.name, sidecar.class_names)
    counts = {len(case.package) for case in sidecar.golden}
    if counts != {computed.shape[1]}:
        raise PackageError(f"the package gives {computed.shape[1]} probabilities, the sidecar records another number")
    recorded = np.array([case.package for case in sidecar.golden], np.float32)
    return float(np.abs(computed - recorded).max())


def _golden_pixels(path: Path, taken: InputRecord) -> NDArray[np.uint8]:
    """Reads a golden image, uint8 `[H, W]` or `[H, W, 3]`, whose size and colours are those that the package takes."""
    content = read_whole(path, _GOLDEN_LIMIT_BYTES)
    if not content.startswith(_PNG):  # Pillow knows formats that start other programs
        raise PackageError(f"golden image '{path.name}' is no PNG")
    wanted = ("L" if taken.channels == 1 else "RGB", (taken.width, taken.height))
    try:
        with loaded(content) as image:
            if (image.mode, image.size) != wanted:
                raise PackageError(f"golden image '{path.name}' is {image.mode} of {image.size}, expected {wanted}")
            return np.asarray(image)
    except DataError as error:
        raise PackageError(f"golden image '{path.name}' cannot be read: {error.message}") from error
