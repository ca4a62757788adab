"""`kewcore bench` and `kewcore evaluate` as a person runs them."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kewcore_command import kewcore_here

from kewcore_export.transaction import replacing_together

pytestmark = [pytest.mark.cli, pytest.mark.parity]
KEWCORE = Path(sys.executable).with_name("kewcore")


def kewcore(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([KEWCORE, *arguments], cwd=folder, capture_output=True, text=True, timeout=120)


def test_bare_bench_takes_all_packages_and_writes_the_report(folder: Path) -> None:
    done = kewcore(folder, "bench", "--rounds", "3", "--starts", "1", "--threads", "1")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].strip() == "tiny original: 30 test images"
    rows = [line.split()[0] for line in lines if line.strip().startswith(("TensorFlow", "fp16", "palette"))]
    assert rows == ["TensorFlow", "fp16", "palette-1", "fp16", "palette-1"]  # parity and latency; accuracy in depth
    assert any(line.strip().startswith("tiny original: recall by class, %") for line in lines)
    assert all(len(line) <= 100 for line in lines)
    assert "benching the newest packages: packages/tiny-original-fp16.mlpackage, " in done.stderr
    assert "not a device figure" in done.stderr
    for name in ("bench.html", "bench.json", "bench.md"):
        assert (folder / "reports" / name).stat().st_size > 500
        assert f"wrote reports/{name}  " in done.stderr
    assert "wrote packages/tiny-original-fp16.json" in done.stderr
    found = json.loads((folder / "reports" / "bench.json").read_text())
    assert (found["schema_version"], found["kind"]) == (1, "bench")
    assert found["variants"][0]["packages"][0]["latency"]["threads"] == 1


def test_packages_that_cannot_be_written_to_are_benched_all_the_same(folder: Path) -> None:
    with replacing_together(folder / "packages"):
        done = kewcore(folder, "bench", "--no-latency", "--no-html", "--json", "--limit", "6", "--out", "busy")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["dataset"]["images"] == 6
    warning = "warning: sidecars and model cards do not hold these figures: another kewcore command is writing into"
    assert warning in done.stderr


def workers_of(parent: int) -> list[int]:
    # -ww: whole command lines, however long the path of the Python in them is.
    words = ["ps", "-ww", "-eo", "pid,ppid,args"]
    listing = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listing.splitlines()[1:]]
    return [
        int(pid) for pid, ppid, command in rows if int(ppid) == parent and "kewcore_bench.engines.worker" in command
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_bench_that_is_stopped_leaves_no_worker_behind(folder: Path, number: signal.Signals, code: int) -> None:
    command = [KEWCORE, "bench", "--rounds", "100000", "--limit", "6", "--out", "stopped"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, preexec_fn=hear_interrupts) as bench:
        try:
            deadline = time.monotonic() + 180
            while len(workers := workers_of(bench.pid)) < 3 and time.monotonic() < deadline:
                time.sleep(0.2)
            assert len(workers) == 3, "TensorFlow and two packages are timed at the same time"
            bench.send_signal(number)
            assert bench.wait(60) == code
        finally:
            bench.kill()  # the end of the block waits for it, and it would go on for hours
    deadline = time.monotonic() + 60
    while any(map(lives, workers)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not any(map(lives, workers))
    assert not (folder / "stopped").exists()


def hear_interrupts() -> None:
    """Undoes what a shell does to jobs in the background: they ignore SIGINT, and so would the child."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def lives(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("bench", "none.mlpackage"), 6, "no package at 'none.mlpackage'"),
        (("bench", "--data", "none"), 3, "no dataset at 'none'"),
        (("evaluate", "data"), 2, "'data' is neither a run, a package nor an ONNX file"),
        (("evaluate", "none"), 2, "there is nothing at 'none': expected a run, a package or an ONNX file"),
        (("bench", "--out", "bad.toml"), 10, "cannot write to 'bad.toml': 'bad.toml' is a file"),
        (("evaluate", "--out", "bad.toml"), 10, "cannot write to 'bad.toml': 'bad.toml' is a file"),
        (("train", "--out", "bad.toml"), 10, "cannot write to 'bad.toml': 'bad.toml' is a file"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(
    folder: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    (folder / "bad.toml").write_text("a file")
    done = kewcore_here(folder, *arguments[:1], "--out", "nothing", *arguments[1:])
    assert (done.returncode, done.stdout) == (code, "")
    assert f"error: {message}" in done.stderr
    assert not (folder / "nothing").exists()


def test_evaluate_compares_a_run_with_its_package(folder: Path) -> None:
    done = kewcore(folder, "evaluate", "runs/tiny/original", "packages/tiny-original-palette-1.mlpackage")
    assert done.returncode == 0, done.stderr
    assert "McNemar's exact p" in done.stdout
    assert "tiny-original, by class; on the right what each class was called" in done.stdout
    found = json.loads((folder / "reports" / "evaluation.json").read_text())
    accuracy = found["comparison"]["parity"]["accuracy"]
    first, second = (one["metrics"]["accuracy"] for one in found["evaluations"])
    assert accuracy["drop_pp"] == pytest.approx(100 * (first - second))
    assert len(list((folder / "reports").glob("*.png"))) == 6


def test_evaluate_takes_the_newest_run_and_the_part_that_was_asked_for(folder: Path) -> None:
    done = kewcore(folder, "evaluate", "--split", "val", "--json", "--out", "val")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["kind"], found["dataset"]["split"], found["dataset"]["images"]) == ("evaluation", "val", 9)
    assert found["comparison"] is None
    assert "evaluating the newest runs: runs/tiny/original" in done.stderr
