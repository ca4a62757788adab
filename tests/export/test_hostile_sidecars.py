"""What lies beside a package comes from anywhere too: sidecars, golden images, links, FIFOs, folders without end."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embeddable import make_package
from PIL import Image

from kewcore.artefacts import describe, files_in, sha256_file
from kewcore.errors import PackageError, StorageError
from kewcore_export import verification
from kewcore_export.sidecar import file_hashes, golden_folder, load_sidecar, sidecar_path
from kewcore_export.verification import verify_package

pytestmark = pytest.mark.unit


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return make_package(tmp_path)


def nest(folder: Path, depth: int) -> None:
    """Makes folders in folders, deeper than any path may be long."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


@pytest.mark.parametrize("place", [lambda package: package, golden_folder])
@pytest.mark.parametrize(
    ("put", "message"),
    [
        (lambda path: path.symlink_to("/etc/passwd"), "is a symbolic link"),
        (lambda path: path.symlink_to("/"), "is a symbolic link"),
        (lambda path: path.symlink_to("/dev/zero"), "is a symbolic link"),
        (os.mkfifo, "is neither a file nor a folder"),
    ],
)
def test_links_and_fifos_are_refused(put: Callable[[Path], None], message: str, place: Any, package: Path) -> None:
    put(place(package) / "odd")
    with pytest.raises(PackageError) as caught:
        verify_package(package)
    assert caught.value.message == f"'{place(package) / 'odd'}' {message}"


def test_a_golden_folder_that_is_a_link(package: Path) -> None:
    shutil.rmtree(golden_folder(package))
    golden_folder(package).symlink_to("/")
    with pytest.raises(PackageError, match="is a symbolic link, which may lead anywhere"):
        verify_package(package)


def test_folders_without_end(package: Path) -> None:
    nest(package, 3000)
    try:
        with pytest.raises(PackageError, match="are nested more than 64 deep"):
            verify_package(package)
        with pytest.raises(StorageError, match="are nested more than 64 deep"):
            describe(package)
    finally:  # what removes temporary folders calls itself for each
        while (package / "d/d").exists():
            (package / "d/d").rename(package.parent / "rest")
            (package / "d").rmdir()
            (package.parent / "rest").rename(package / "d")


def test_errors_of_the_system_become_package_errors(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("kewcore_export.sidecar.sha256_file", refuse)
    with pytest.raises(PackageError, match=r"cannot read the files of .*: Permission denied"):
        file_hashes(package)
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(PackageError, match=r"cannot list the files of .*: Permission denied"):
        file_hashes(package)


def test_a_huge_file_is_not_hashed(package: Path) -> None:
    with (package / "zeros").open("w") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(PackageError, match=r"has 1099511627\d{3} bytes, more than the limit of 68719476736"):
        verify_package(package)


def test_names_that_are_no_text(package: Path) -> None:
    Path(os.fsdecode(os.fsencode(package) + b"/\xff")).write_text("x")
    assert verify_package(package).problems == ("\udcff was not exported",)
    assert len(describe(package).sha256) == 64


def test_files_are_listed_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b/x", "b.x", "B", "a/c/d"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert [str(path.relative_to(tmp_path)) for path in files_in(tmp_path)] == sorted(["b/x", "b.x", "B", "a/c/d"])
    assert files_in(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("put", "message"),
    [
        (os.mkfifo, "is not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "cannot read"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.write_bytes(b" " * ((16 << 20) + 1)), "has 16777217 bytes, more than the limit of 16777216"),
        (lambda path: path.write_bytes(b"\xff{}"), "cannot be read: 'utf-8' codec"),
        (lambda path: path.write_text("[" * 100_000), "cannot be read: maximum recursion depth"),
    ],
)
def test_sidecars_that_are_no_files_or_no_text(put: Callable[[Path], None], message: str, package: Path) -> None:
    sidecar_path(package).unlink()
    put(sidecar_path(package))
    with pytest.raises(PackageError, match=message):
        load_sidecar(package)


def with_golden(package: Path, content: bytes, copies: int = 1) -> Path:
    """Puts other bytes into the golden image, with a sidecar that fits."""
    (image,) = golden_folder(package).iterdir()
    image.write_bytes(content)
    value = json.loads(sidecar_path(package).read_text())
    value["golden_files"] = {image.name: sha256_file(image)}
    value["golden"] *= copies
    sidecar_path(package).write_text(json.dumps(value))
    return package


def png(mode: str, size: tuple[int, int], path: Path) -> bytes:
    Image.new(mode, size).save(path, "png")
    return path.read_bytes()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n", "is no PNG"),
        (b"\x89PNG\r\n\x1a\n", "cannot be read: image of 8 bytes: not an image"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + bytes(17), "cannot be read: "),
        (b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\0\0\0\0", "cannot be read: "),
        (("L", (5, 4)), "is L of (5, 4), expected ('L', (4, 4))"),
        (("RGB", (4, 4)), "is RGB of (4, 4), expected ('L', (4, 4))"),
    ],
)
def test_golden_images_that_are_none(content: Any, problem: str, package: Path, tmp_path: Path) -> None:
    drawn = content if isinstance(content, bytes) else png(*content, tmp_path / "drawn")
    (found,) = verify_package(with_golden(package, drawn)).problems
    assert found.startswith("golden image 'KewCNN-original-int8-golden-00.png' ")
    assert problem in found


def test_golden_cases_without_end(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = with_golden(package, png("L", (4, 4), tmp_path / "drawn"), copies=101)
    assert verify_package(many).problems == ("there are 101 golden cases, more than the limit of 100",)
    monkeypatch.setattr(verification, "_GOLDEN_LIMIT", 1000)
    monkeypatch.setattr(verification, "_GOLDEN_LIMIT_BYTES", 1600)
    assert verify_package(many).problems == ("the golden images would take 1616 bytes, the limit is 1600",)


def test_a_golden_image_comes_as_it_was_written(tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (4, 4), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "golden.png")
    sidecar = load_sidecar(make_package(tmp_path))
    assert np.array_equal(verification._golden_pixels(tmp_path / "golden.png", sidecar.input), pixels)
