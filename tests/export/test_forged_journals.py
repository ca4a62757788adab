"""A journal may come with somebody else's files: whoever reads moves nothing, whoever writes believes none of it."""

import fcntl
import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from embeddable import make_package

from kewcore.artefacts import sha256_file, sha256_tree
from kewcore.errors import PackageError
from kewcore_bench.candidates import newest_package, newest_packages
from kewcore_bench.subjects import find_subject
from kewcore_export.sidecar import load_sidecar
from kewcore_export.transaction import finish_interrupted, replacing_together
from kewcore_export.verification import packages_in, verify_package

pytestmark = pytest.mark.unit

JOURNAL = ".export-journal-x"


@pytest.fixture
def download(tmp_path: Path) -> Path:
    """An unpacked archive with a package, beside files of its reader."""
    (tmp_path / ".bashrc").write_text("mine")
    folder = tmp_path / "download"
    (folder / JOURNAL).mkdir(parents=True)
    make_package(folder, "X-synthetic-int8")
    (folder / ".bashrc").write_text("theirs")
    (folder / "notes").write_text("mine")
    return folder


def forge(folder: Path, entries: object) -> None:
    (folder / JOURNAL / ".digests.json").write_text(json.dumps(entries))


def read(folder: Path) -> list[Callable[[], object]]:
    package = folder / "X-synthetic-int8.mlpackage"
    return [
        lambda: load_sidecar(package),
        lambda: verify_package(package),
        lambda: find_subject(package),
        lambda: packages_in(folder),
        lambda: newest_package(folder),
        lambda: newest_packages(folder),
    ]


@pytest.mark.parametrize("number", range(6))
def test_reading_moves_nothing(number: int, download: Path) -> None:
    (download / JOURNAL / "notes").write_text("theirs")
    forge(download, {"../.bashrc": "0", "notes": sha256_file(download / JOURNAL / "notes")})
    before = sha256_tree(download.parent)
    with pytest.raises(PackageError, match=f"was cut off, or these files come from elsewhere: '{JOURNAL}'") as caught:
        read(download)[number]()
    assert sha256_tree(download.parent) == before
    assert caught.value.hint == (
        "if you exported there, run the same kewcore export again, which finishes it; else delete that"
    )


@pytest.mark.parametrize("name", ["../.bashrc", "..", ".", "", "/etc/x", "a/b", "a\0b", JOURNAL, ".digests.json"])
def test_names_that_lead_elsewhere_are_refused_before_anything_is_moved(name: str, download: Path) -> None:
    (download / JOURNAL / "notes").write_text("theirs")
    forge(download, {"notes": sha256_file(download / JOURNAL / "notes"), name: "0"})
    before = sha256_tree(download.parent)
    with pytest.raises(PackageError, match="which is no plain name of a file in that folder") as caught:
        finish_interrupted(download)
    assert caught.value.message.startswith(f"'{download / JOURNAL}' is no journal that kewcore left: it names ")
    with pytest.raises(PackageError, match="no plain name"), replacing_together(download):
        pass
    assert sha256_tree(download.parent) == before


@pytest.mark.parametrize("name", ["notes", "\ud800", "n" * 5000])
def test_items_that_are_not_what_the_journal_says(name: str, download: Path) -> None:
    (download / JOURNAL / "notes").write_text("other")
    forge(download, {name: sha256_file(download / ".bashrc")})
    with pytest.raises(PackageError, match="it has nothing to make "):
        finish_interrupted(download)
    assert (download / "notes").read_text() == "mine"


@pytest.mark.parametrize("content", [[], {"notes": 1}, {"notes": None}, 7, "notes"])
def test_other_types(content: object, download: Path) -> None:
    forge(download, content)
    with pytest.raises(PackageError, match="must be an object of texts"):
        finish_interrupted(download)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "9" * 5000])
def test_lists_that_are_not_json(text: str, download: Path) -> None:
    (download / JOURNAL / ".digests.json").write_text(text)
    with pytest.raises(PackageError, match="is not JSON"):
        finish_interrupted(download)


def test_a_list_without_end_is_not_read(download: Path) -> None:
    with (download / JOURNAL / ".digests.json").open("w") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(PackageError, match="more than the limit of"):
        finish_interrupted(download)


@pytest.mark.parametrize("place", [f"{JOURNAL}/.digests.json", f"{JOURNAL}/notes", "notes"])
@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_fifos_and_links_neither_hang_nor_are_followed(kind: str, place: str, download: Path) -> None:
    digest = sha256_file(download.parent / ".bashrc")
    (download / JOURNAL / "notes").write_text("mine")
    (download / "notes").write_text("old")
    forge(download, {"notes": digest})
    (download / place).unlink()
    if kind == "fifo":
        os.mkfifo(download / place)
    else:
        (download / place).symlink_to(download.parent / ".bashrc")
    if place == "notes":  # the journal is in order: what stands in its way is exchanged, and what it means is not asked
        finish_interrupted(download)
        assert (download / "notes").read_text() == "mine"
        assert not (download / "notes").is_symlink()
    else:
        with pytest.raises(PackageError, match="is no journal that kewcore left"):
            finish_interrupted(download)
    assert (download.parent / ".bashrc").read_text() == "mine"


def test_a_journal_that_is_a_link_or_a_file(download: Path) -> None:
    (download / JOURNAL).rename(download.parent / "elsewhere")
    (download / JOURNAL).symlink_to(download.parent / "elsewhere")
    for _ in range(2):
        with pytest.raises(PackageError, match="is no journal that kewcore left: it is no folder"):
            finish_interrupted(download)
        (download / JOURNAL).unlink()
        (download / JOURNAL).write_text("x")


def test_a_reader_waits_for_a_command_that_is_exchanging(download: Path) -> None:
    forge(download, {})
    descriptor = os.open(download, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)

    def finish() -> None:
        shutil.rmtree(download / JOURNAL)
        os.close(descriptor)

    threading.Timer(0.2, finish).start()
    assert packages_in(download) == [download / "X-synthetic-int8.mlpackage"]
