"""Writing whole or not at all, under errors and under SIGKILL."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kewcore.artefacts import (
    check_writable,
    describe,
    replacing_folder,
    sha256_tree,
    swap_into_place,
    write_json,
    write_text,
)
from kewcore.errors import StorageError

pytestmark = pytest.mark.unit


def test_write_text_replaces_and_reports(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "note.txt"
    write_text(path, "old")
    written = write_text(path, "new")
    assert path.read_text() == "new"
    assert written.sha256 == hashlib.sha256(b"new").hexdigest()
    assert written.size_bytes == 3
    assert [p.name for p in path.parent.iterdir()] == ["note.txt"]


def test_json_has_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert not (tmp_path / "x.json").exists()


def test_an_error_in_the_block_leaves_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "run"
    with replacing_folder(target) as staging:
        (staging / "a").write_text("old")

    def fail() -> None:
        with replacing_folder(target) as staging:
            (staging / "a").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (target / "a").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(StorageError, match="a file of that name exists"), replacing_folder(tmp_path / "run"):
        pass
    assert (tmp_path / "run").read_text() == "a file"


def test_a_folder_that_cannot_be_written_to_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("a file")
    check_writable(tmp_path / "deep" / "reports")
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]
    for folder in (tmp_path / "notes", tmp_path / "notes" / "deep" / "reports"):
        with pytest.raises(StorageError) as caught:
            check_writable(folder)
        assert caught.value.message == f"cannot write to '{folder}': '{tmp_path / 'notes'}' is a file"
        assert caught.value.hint == "choose a folder with --out"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused_before_any_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(StorageError, match=r"cannot write '.*reports': Permission denied"):
            check_writable(tmp_path / "reports")
    finally:
        tmp_path.chmod(0o755)


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to("disk")
    for content in ("one", "two"):
        with replacing_folder(tmp_path / "run") as staging:
            (staging / "a").write_text(content)
    assert (tmp_path / "run").is_symlink()
    assert (tmp_path / "disk" / "a").read_text() == "two"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["disk", "run"]


def test_the_working_folder_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError, match="it is the working folder") as caught, replacing_folder(Path()):
        pass
    assert caught.value.hint == "choose another with --out"


def test_a_full_disk_is_told_as_that(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No space left on device") as caught, replacing_folder(tmp_path / "run"):
        raise OSError(28, os.strerror(28))
    assert "free some disk space" in (caught.value.hint or "")
    assert not (tmp_path / "run").exists()


def test_swap_exchanges_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("new")
    (tmp_path / "b").mkdir()
    swap_into_place(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "new"
    assert (tmp_path / "a").is_dir()


def test_tree_hash_is_the_one_of_the_shell(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "x").write_bytes(b"1")
    (tmp_path / "Z").write_bytes(b"2")
    shell = "find . -type f | sed 's|^./||' | LC_ALL=C sort | xargs sha256sum | sha256sum"
    said = subprocess.run(shell, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert sha256_tree(tmp_path) == said.split()[0]
    assert describe(tmp_path).size_bytes == 2


@pytest.mark.parametrize("moment", range(12))
def test_killed_at_any_write_the_folder_is_old_or_new(tmp_path: Path, moment: int) -> None:
    """A child replaces a folder and is killed at its n-th system call that changes the disk."""
    child = f"""
import os, signal, sys, shutil
from pathlib import Path
from kewcore import artefacts
calls = 0
def dying(function):
    def call(*a, **k):
        global calls
        if calls == {moment}: os.kill(os.getpid(), signal.SIGKILL)
        calls += 1
        return function(*a, **k)
    return call
for name in 'rename replace fsync mkdir unlink chmod rmdir'.split():
    setattr(os, name, dying(getattr(os, name)))
artefacts._exchange = dying(artefacts._exchange)
with artefacts.replacing_folder(Path('run')) as staging:
    for name in 'abc': artefacts.write_text(staging / name, 'new')
"""
    (tmp_path / "run").mkdir()
    for name in "abc":
        (tmp_path / "run" / name).write_text("old")
    done = subprocess.run([sys.executable, "-c", child], cwd=tmp_path, check=False, timeout=60)
    contents = [(tmp_path / "run" / name).read_text() for name in "abc"]
    assert contents in (["old"] * 3, ["new"] * 3)
    assert done.returncode in (0, -signal.SIGKILL)
    with replacing_folder(tmp_path / "run") as staging:
        (staging / "a").write_text("again")
    assert [p.name for p in tmp_path.iterdir()] == ["run"], "the next call clears what a crash left behind"
