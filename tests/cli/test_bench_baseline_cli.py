"""`kewcore bench` with `--engines`, `--baseline` and `--detectable`, as a person runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from kewcore_command import kewcore_here

pytestmark = [pytest.mark.cli, pytest.mark.parity]
KEWCORE = Path(sys.executable).with_name("kewcore")


def bench(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [KEWCORE, "bench", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)


@pytest.mark.slow
def test_a_slowdown_since_the_baseline_is_called(folder: Path) -> None:
    quick = ("packages/tiny-original-fp16.mlpackage", "--rounds", "6", "--starts", "3", "--threads", "1", "--no-html")
    first = bench(folder, *quick, "--engines", "package,coreml", "--batch-sizes", "2", "--detectable", "--out", "then")
    assert first.returncode == 0, first.stderr
    assert "smallest slowdown that a later bench, as noisy as this one, would call 95 times in 100" in first.stdout
    if sys.platform != "darwin":
        assert first.stdout.count("Core ML runs on macOS alone, and this is ") == 4
    path = folder / "then" / "bench.json"
    stored = json.loads(path.read_text())
    row = next(one for one in stored["variants"][0]["engines"] if one["engine"] == "package")
    assert [one["batch_size"] for one in row["throughput"]] == [2]
    assert (row["ratio"]["starts"], len(row["ratio"]["round_ratios"])) == (3, 6)
    assert "### Engines" in (folder / "then" / "bench.md").read_text()

    # As if the package had been a hundred times as fast beside TensorFlow when the baseline was made.
    row["ratio"]["round_ratios"] = [value / 100 for value in row["ratio"]["round_ratios"]]
    row["ratio"]["value"] /= 100
    row["ratio"]["interval"] = {"low": row["ratio"]["value"] / 2, "high": row["ratio"]["value"] * 2, "level": 0.95}
    row["latency"]["round_medians_ms"] = [value / 100 for value in row["latency"]["round_medians_ms"]]
    (folder / "old.json").write_text(json.dumps(stored))
    (folder / "gates.toml").write_text("[gates]\nmax_size_mb = 1\n")
    second = bench(folder, *quick, "--baseline", "old.json", "--gate", "gates.toml", "--out", "again")
    assert second.returncode == 1, second.stderr
    assert "REGRESSION" in second.stdout
    assert "tiny-original-fp16 in engine 'package' is " in second.stderr
    assert "slower beside TensorFlow than in the baseline: ratio " in second.stderr
    summary = (folder / "again" / "gates.md").read_text()
    assert summary.startswith(
        "## kewcore bench: all 1 gates held, 1 slower than in the baseline\n\n- tiny-original-fp16 in"
    )
    assert json.loads((folder / "again" / "gates.json").read_text())["held"]
    few = kewcore_here(folder, "bench", quick[0], "--starts", "2", "--baseline", "old.json")
    assert few.returncode == 2
    assert "latency can be judged from 3 starts on, got --starts 2" in few.stderr
    other = kewcore_here(folder, "bench", *quick[:-2], "2", "--baseline", "old.json")
    assert other.returncode == 2
    assert "was measured with --threads 1, this bench has 2" in other.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--engines", "keras,tflite"), 2, "unknown engine 'tflite'; known: tensorflow, keras, package, litert,"),
        (("--batch-sizes", "8,0"), 2, "--batch-sizes: expected whole numbers from 1 to 1024, got '0'"),
        (
            ("--max-slowdown", "0.05"),
            2,
            "--max-slowdown: expected a percentage such as 5%, from 0% to 1000%, got '0.05'",
        ),
        (
            ("--rounds", "9", "--starts", "3", "--no-latency"),
            2,
            "--rounds and --starts say how latency is measured, and",
        ),
        (("--network-order",), 2, "--network-order orders the table of --trace"),
        (("--detectable", "--no-latency"), 2, "--baseline and --detectable need the latency"),
        (("--baseline", "none.json"), 3, "none.json"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(
    tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = kewcore_here(tmp_path, "bench", *arguments)
    assert done.returncode == code, done.stderr
    assert message in " ".join(done.stderr.split())
    assert not list(tmp_path.iterdir())
