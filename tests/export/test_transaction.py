"""Old or new, never half: a process is killed at every single step of an export's writing, and disks fill up."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kewcore.artefacts import sha256_tree
from kewcore.errors import StorageError
from kewcore_export.transaction import finish_interrupted, replacing_together

pytestmark = pytest.mark.unit

NAMES = ("model.golden", "model.json", "model.mlpackage")

# For k = 1, 2, ... forks a process that replaces the content of the folder `k` and dies by SIGKILL, or meets a full
# disk, at its k-th call of the system functions by which files and folders are made, filled, flushed, exchanged and
# removed. Ends with the first that never gets so far, and prints what each process died of.
WORKER = """
import builtins, errno, io, os, signal, sys
from pathlib import Path

root, fault, before = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
sys.path.insert(0, sys.argv[4])
from test_transaction import fill
from kewcore import artefacts
from kewcore.errors import StorageError
from kewcore_export.transaction import replacing_together

def replace_with_fault(folder, fatal):
    calls = 0

    def counted(function):
        def call(*arguments, **keywords):
            nonlocal calls
            calls += 1
            if calls == fatal:
                if fault == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return function(*arguments, **keywords)
        return call

    for name in ("open", "write", "fsync", "rename", "replace", "mkdir", "unlink", "rmdir", "chmod"):
        setattr(os, name, counted(getattr(os, name)))
    artefacts._exchange = counted(artefacts._exchange)
    io.open = builtins.open = counted(builtins.open)
    try:
        with replacing_together(folder) as staging:
            fill(staging, "new")
    except StorageError as error:
        return 10 if "No space left on device" in error.message else 99
    return 0 if calls < fatal else 1

fatal, codes = 0, []
while not codes or codes[-1] != 0:
    fatal += 1
    folder = root / str(fatal)
    folder.mkdir(parents=True)
    if before == "old":
        fill(folder, "old")
    child = os.fork()
    if not child:
        os._exit(replace_with_fault(folder, fatal))
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(*codes)
"""


def fill(folder: Path, word: str) -> None:
    for name in NAMES[::2]:
        (folder / name / "inner").mkdir(parents=True)
        (folder / name / "inner" / "weight.bin").write_text(word)
        (folder / name / "list").write_text(word)
    (folder / NAMES[1]).write_text(word)


def state(folder: Path) -> dict[str, str]:
    found = {}
    for name in NAMES:
        path = folder / name
        if path.is_dir():
            texts = {(path / "list").read_text(), (path / "inner" / "weight.bin").read_text()}
            assert len(texts) == 1, f"half of {name}"
            found[name] = texts.pop()
        elif path.exists():
            found[name] = path.read_text()
    return found


def faults(root: Path, fault: str, before: str) -> list[int]:
    """Runs the worker; gives the exit codes of its processes, without the last one, which met no fault."""
    command = [sys.executable, "-c", WORKER, root, fault, before, Path(__file__).parent]
    return [int(c) for c in subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()][:-1]


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
@pytest.mark.parametrize("before", ["old", "nothing"])
def test_killed_at_any_call_the_next_command_finds_all_old_or_all_new(before: str, tmp_path: Path) -> None:
    codes = faults(tmp_path, "kill", before)
    assert len(codes) > 40
    assert set(codes) == {-signal.SIGKILL}
    old = dict.fromkeys(NAMES, "old") if before == "old" else {}
    outcomes = []
    for number in range(1, len(codes) + 1):
        folder = tmp_path / str(number)
        state(folder)  # no single artefact is ever half
        finish_interrupted(folder)
        after = state(folder)
        assert after in (old, dict.fromkeys(NAMES, "new")), f"killed at call {number}"
        outcomes.append(after == old)
        with replacing_together(folder) as staging:
            fill(staging, "newer")
        assert hidden(folder) == []
        assert state(folder) == dict.fromkeys(NAMES, "newer")
    assert outcomes == sorted(outcomes, reverse=True), "the old until one moment, the new from then on"
    assert set(outcomes) == {True, False}


@pytest.mark.slow
def test_a_full_disk_at_any_call_is_a_clear_error_and_harms_nothing(tmp_path: Path) -> None:
    codes = faults(tmp_path, "full", "old")
    # 10: a StorageError that says so; 1: a fault while cleaning up, after everything was in place.
    assert set(codes) == {10, 1}
    for number in range(1, len(codes) + 1):
        folder = tmp_path / str(number)
        finish_interrupted(folder)
        assert state(folder) in [dict.fromkeys(NAMES, word) for word in ("old", "new")], f"full at call {number}"


def test_an_error_inside_leaves_everything_as_it_was(tmp_path: Path) -> None:
    fill(tmp_path, "old")
    before = sha256_tree(tmp_path)

    def fail(staging: Path) -> None:
        fill(staging, "new")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with (
        pytest.raises(StorageError, match="No space left on device") as caught,
        replacing_together(tmp_path) as staging,
    ):
        fail(staging)
    assert caught.value.hint == "free some disk space and run the same command again; nothing was half written"
    assert sha256_tree(tmp_path) == before


def test_ctrl_c_leaves_everything_as_it_was(tmp_path: Path) -> None:
    fill(tmp_path, "old")
    before = sha256_tree(tmp_path)

    def interrupt(staging: Path) -> None:
        fill(staging, "new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), replacing_together(tmp_path) as staging:
        interrupt(staging)
    assert sha256_tree(tmp_path) == before


def test_two_commands_do_not_write_into_one_folder_at_once(tmp_path: Path) -> None:
    message = f"another kewcore command is writing into '{tmp_path}'"
    with replacing_together(tmp_path) as first:
        (first / "a").write_text("a")
        with pytest.raises(StorageError, match="another kewcore command is writing") as caught:
            replacing_together(tmp_path).__enter__()
    assert caught.value.message == message
    assert (tmp_path / "a").read_text() == "a"
