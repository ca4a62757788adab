"""The whole main job in small: every step really runs, within the memory that the README promises."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.cli, pytest.mark.parity, pytest.mark.slow]
KEWCORE = Path(sys.executable).with_name("kewcore")
MODES = ("fp16", "int8", "palette-4")


def quickstart(folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [KEWCORE, "quickstart", "--images", "60", "--epochs", "1", "--json"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)


def test_quickstart_runs_the_main_job_and_reuses_it(tmp_path: Path) -> None:
    first = quickstart(tmp_path)
    assert first.returncode == 0, first.stderr
    found = json.loads(first.stdout)
    assert (found["schema_version"], found["kind"], found["dataset"]["stand_in"]) == (1, "bench", True)
    assert [one["variant"] for one in found["variants"]] == ["original", "synthetic"]
    for variant in found["variants"]:
        assert {package["mode"] for package in variant["packages"]} == set(MODES)
        for package in variant["packages"]:
            assert package["parity"]["n"] == 45
            assert package["latency_ratio"]["value"] > 0
    assert "4 of 4: kewcore bench --out report" in first.stderr
    report = (tmp_path / "quickstart" / "report" / "bench.html").read_text(encoding="utf-8")
    assert "Stand-in data" in report
    if sys.platform == "linux":  # kibibytes there, bytes on macOS
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < 4e9

    second = quickstart(tmp_path)
    assert second.returncode == 0, second.stderr
    assert "original: already trained" in second.stderr
    assert second.stderr.count("unchanged packages/") == 6
