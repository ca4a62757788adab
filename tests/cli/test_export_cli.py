"""`kewcore export` and `kewcore verify` as a person runs them."""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bench_bed import Bed
from kewcore_command import kewcore_here

from kewcore.cli.bare_quantize import with_bare_quantize

pytestmark = pytest.mark.cli


def kewcore(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TF_CPP")}
    command = [sys.executable, "-m", "kewcore", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize(
    "words, expected",
    [
        (["--quantize"], ["--quantize", "int8"]),
        (["--quantize", "palette-4"], ["--quantize", "palette-4"]),
        (["--quantize", "int8,fp16", "some-run"], ["--quantize", "int8,fp16", "some-run"]),
        (["--quantize", "some-run"], ["--quantize", "int8", "some-run"]),
        (["--quantize", "--force"], ["--quantize", "int8", "--force"]),
        (["--quantize", "missing-run"], ["--quantize", "missing-run"]),
        (["--quantize", "fp16", "--quantize"], ["--quantize", "fp16", "--quantize", "int8"]),
        (["some-run"], ["some-run"]),
    ],
)
def test_where_a_bare_quantize_gets_its_mode(
    words: list[str], expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some-run").mkdir()
    monkeypatch.chdir(tmp_path)
    assert with_bare_quantize(words) == expected


@pytest.mark.slow
def test_the_newest_runs_become_packages_that_verify_without_noise(bed: Bed, tmp_path: Path) -> None:
    for variant in ("original", "synthetic"):
        run = tmp_path / "runs" / "tiny" / variant
        shutil.copytree(bed.run, run)
        facts = json.loads((run / "run.json").read_text())
        (run / "run.json").write_text(json.dumps(facts | {"variant": variant}))
    first = kewcore(tmp_path, "export", "--quantize", "--quantize", "palette-4", "--json")
    assert first.returncode == 0, first.stderr
    value = json.loads(first.stdout)
    assert (value["schema_version"], value["kind"]) == (1, "export")
    assert [(Path(p["path"]).name, p["mode"], p["unchanged"]) for p in value["packages"]] == [
        (f"tiny-{variant}-{mode}.mlpackage", mode, False)
        for variant in ("original", "synthetic")
        for mode in ("int8", "palette-4")
    ]
    lines = first.stderr.splitlines()
    assert lines[0] == "exporting the newest runs: runs/tiny/original, runs/tiny/synthetic"
    assert sum(line.startswith("wrote packages/tiny-") and " sha256 " in line for line in lines) == 16
    assert all(line.startswith(("exporting ", "wrote packages/")) for line in lines), first.stderr

    second = kewcore(tmp_path, "export", "--quantize", "runs/tiny/original")
    assert second.returncode == 0
    assert "unchanged packages/tiny-original-int8.mlpackage" in second.stderr
    assert "worst weight SNR" in second.stdout

    pruned = kewcore(tmp_path, "export", "--quantize", "prune-75", "--quiet", "runs/tiny/original")
    (row,) = [line.split() for line in pruned.stdout.splitlines() if "tiny-original-prune-75" in line]
    weights = json.loads((tmp_path / "packages/tiny-original-prune-75.json").read_text())["weights"]
    counts = [(math.prod(weight["shape"]), weight["sparsity"]) for weight in weights]
    assert row[-4] == f"{sum(n * part for n, part in counts) / sum(n for n, _ in counts):.1%}"

    assert kewcore(tmp_path, "verify", "--quiet").returncode == 0
    weights = tmp_path / "packages/tiny-original-int8.mlpackage/Data/com.apple.CoreML/weights/weight.bin"
    weights.write_bytes(weights.read_bytes()[:-1])
    third = kewcore(tmp_path, "verify", "--json", "packages/tiny-original-int8.mlpackage")
    assert third.returncode == 1
    assert json.loads(third.stdout)["sound"] is False
    assert "error: 1 of 1 packages are not what was exported" in third.stderr
    assert "weight.bin has changed" in third.stderr


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["export"], 4, "error: there is no finished run in 'runs'"),
        (["export", "nowhere"], 4, "error: 'nowhere' is not a finished run: it holds no run.json"),
        (["export", "--quantize", "palette4"], 2, "error: there is no compression mode 'palette4'"),
        (["export", "--quantize", ""], 2, "error: there is no compression mode ''"),
        (["export", "--quantize", "int8", "--all-modes"], 2, "error: --all-modes and --quantize exclude each other"),
        (["export", "--deployment-target", "iOS9"], 2, "error: there is no deployment target 'iOS9'"),
        (["verify"], 6, "error: there is no package in 'packages'"),
        (["verify", "x.mlpackage"], 6, "error: there is no package at 'x.mlpackage'"),
    ],
)
def test_mistakes_are_answered_before_any_work(arguments: list[str], code: int, message: str, tmp_path: Path) -> None:
    result = kewcore_here(tmp_path, *arguments)
    assert result.stderr.splitlines()[0] == message
    assert result.returncode == code
    assert list(tmp_path.iterdir()) == []


def test_one_package_that_cannot_be_verified_does_not_hide_the_others(bed: Bed, tmp_path: Path) -> None:
    shutil.copytree(bed.packages[0].parent, tmp_path / "packages")
    shutil.copytree(bed.packages[0], tmp_path / "packages" / "a-foreign.mlpackage")
    done = kewcore(tmp_path, "verify", "--json")
    assert done.returncode == 1
    found = {Path(one["package"]).stem: one["problems"] for one in json.loads(done.stdout)["packages"]}
    assert found.pop("a-foreign") == ["package 'packages/a-foreign.mlpackage' has no sidecar 'a-foreign.json'"]
    assert found == {package.stem: [] for package in bed.packages}
    assert "error: 1 of 3 packages are not what was exported" in done.stderr
    alone = kewcore(tmp_path, "verify", "packages/a-foreign.mlpackage")
    assert alone.returncode == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--keep-float", "1"], "--keep-float says nothing without --quantize w8a8"),
        (
            ["--quantize", "auto", "--calibrate-method", "mse"],
            "--calibrate-method says nothing without --quantize w8a8",
        ),
        (["--max-drop", ""], "--max-drop says nothing without --quantize auto"),
        (["--time-limit", "5"], "--time-limit says nothing without --quantize auto"),
        (["--finetune-epochs", "2"], "--finetune-epochs says nothing without --finetune"),
        (["--calibration", "x"], "--calibration says nothing without --quantize w8a8 or --quantize auto or --finetune"),
    ],
)
def test_options_that_would_be_ignored_are_refused(options: list[str], message: str, tmp_path: Path) -> None:
    result = kewcore_here(tmp_path, "export", *options, "--out", "packages")
    assert result.returncode == 2
    assert result.stderr.splitlines()[0] == f"error: {message}"
