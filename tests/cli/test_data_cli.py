"""`kewcore data` as a person runs it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.cli

CLASSES = ("flower", "fruit", "leaf", "plant_tag", "stem", "whole_plant")


def kewcore(*arguments, cwd=None):
    command = [sys.executable, "-m", "kewcore", "data", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    return folder, kewcore("sample", "--images", 12, "--sheet", cwd=folder)


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for name in CLASSES:
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(10):
            Image.fromarray(rng.integers(0, 256, (20, 20), dtype=np.uint8)).save(
                tmp_path / "photos" / name / f"{i}.png"
            )
    return tmp_path / "photos"


def test_sample_writes_the_set_and_its_sheet(sample):
    folder, run = sample
    assert run.returncode == 0, run.stderr
    assert "Sample set (a stand-in for Kew-MNIST)" in run.stdout
    assert "a stand-in for Kew-MNIST" in run.stderr
    assert "wrote data/sample  " in run.stderr
    assert "sha256 " in run.stderr
    assert len(list((folder / "data/sample/train").rglob("*.jpg"))) == 12
    with Image.open(folder / "data/sample-sheet.png") as sheet:
        assert sheet.format == "PNG"
        assert min(sheet.size) > 500


def test_sample_again_draws_nothing(sample):
    run = kewcore("sample", "--images", 12, "--json", cwd=sample[0])
    assert run.returncode == 0
    result = json.loads(run.stdout)
    assert (result["schema_version"], result["kind"], result["stand_in"], result["reused"]) == (1, "sample", True, True)
    assert sum(result["counts"]["train"].values()) == 12


def test_sample_too_small(tmp_path):
    run = kewcore("sample", "--images", 3, cwd=tmp_path)
    assert run.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_info_of_the_sample_set(sample):
    run = kewcore("info", cwd=sample[0])
    assert run.returncode == 0
    assert "data/sample (the sample set, a stand-in)" in run.stdout
    assert "500x500: " in run.stdout
    assert "fingerprint  " in run.stdout
    assert json.loads(kewcore("info", "--json", cwd=sample[0]).stdout)["stand_in"] is True


def test_prepare_prints_the_balance(sample, photos, tmp_path):
    run = kewcore("prepare", photos, "--synthetic", sample[0] / "data/sample", "--out", tmp_path / "out")
    assert run.returncode == 0, run.stderr
    rows = {line.split()[0]: line.split()[1:] for line in run.stdout.splitlines() if line.strip()}
    assert rows["class"] == ["original", "added", "total", "change"]
    assert rows["plant_tag"] == ["6", "+0", "6", "+0.0", "%"]
    assert rows["fruit"] == ["6", "+2", "8", "+33.3", "%"]
    assert "train 36, val 6, test 18, synthetic 6, left out 0" in run.stdout


def test_the_bad_image_folder(photos, tmp_path):
    (photos / "leaf" / "zero.png").write_bytes(b"")
    (photos / "leaf" / "cut.png").write_bytes((photos / "leaf" / "0.png").read_bytes()[:200])
    (photos / "stem" / "text.jpg").write_text("not an image")
    run = kewcore("prepare", photos, "--out", tmp_path / "out")
    assert run.returncode == 3
    assert run.stdout == ""
    assert f"error: 3 files in '{photos}' cannot be used:" in run.stderr
    for name in ("leaf/zero.png: the file is empty", "leaf/cut.png: cannot be decoded", "stem/text.jpg: not an image"):
        assert f"{photos}/{name}" in run.stderr
    assert "hint: repair or remove them, or leave them out with --skip-bad" in run.stderr
    run = kewcore("prepare", photos, "--out", tmp_path / "out", "--skip-bad", "--json")
    assert run.returncode == 0
    assert {Path(one["path"]).name for one in json.loads(run.stdout)["skipped"]} == {"zero.png", "cut.png", "text.jpg"}


def test_fetch_says_what_it_cannot_do(tmp_path):
    run = kewcore("fetch", "imagenet", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (2, "error: cannot fetch 'imagenet'; known: kew-mnist\n")
    run = kewcore("fetch", "--pixel-order", "diagonal", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (2, "error: --pixel-order must be column or row, got 'diagonal'\n")
    run = kewcore("fetch", "--url", "nowhere.Rdata", cwd=tmp_path)
    assert run.returncode == 9
    assert "error: cannot read 'nowhere.Rdata': it is no file on this machine, and no address such as" in run.stderr
