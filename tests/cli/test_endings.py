"""How commands end that are interrupted, or whose reader goes away."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.cli
KEWCORE = Path(sys.executable).with_name("kewcore")


def test_ctrl_c_ends_with_130_a_word_and_nothing_half_written(tmp_path: Path) -> None:
    """SIGINT goes to the whole process group, workers included, as a terminal sends it."""
    with subprocess.Popen(
        [KEWCORE, "data", "sample", "--images", "400", "--out", "drawings"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as child:  # fmt: skip
        deadline = time.monotonic() + 60
        while not list(tmp_path.rglob("*.jpg")):
            assert child.poll() is None, "the drawing ended before it could be interrupted"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(child.pid, signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert out == ""
    assert err.splitlines()[-1] == "interrupted; what was finished is kept, nothing is half written"
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_reader_that_has_gone_is_no_failed_check(form: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([KEWCORE, "doctor", "--fast", *form], stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize("closed", [[0], [1], [2], [1, 2], [0, 1, 2]])
def test_closed_streams_are_neither_a_crash_nor_mixed_up(closed: list[int], tmp_path: Path) -> None:
    def close() -> None:
        for descriptor in closed:
            os.close(descriptor)

    done = subprocess.run(
        [KEWCORE, "data", "sample", "--images", "12", "--json"],
        cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        preexec_fn=close,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert 1 in closed or json.loads(done.stdout)["kind"] == "sample"
    assert 2 in closed or "wrote data/sample" in done.stderr


def test_names_in_tables_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    from kewcore.cli.output import print_table

    print_table("[x] :leaf:", ["[b]"], [["photos/[bold]:snake: é"]])
    assert [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip("─ ")] == [
        "[x] :leaf:",
        "[b]",
        "photos/[bold]:snake: é",
    ]
