"""Killed trainings, for real: a child process gets SIGKILL, and the same command carries on."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kewcore.data.dataset import open_dataset
from kewcore.errors import RunError
from kewcore.models.reference import load_keras_model
from kewcore.recipes import load_recipe
from kewcore.training.checkpoint import Checkpoint, save_checkpoint
from kewcore.training.job import Job
from kewcore.training.lock import only_process
from kewcore.training.run import load_run
from kewcore.training.step import initial_state

pytestmark = [pytest.mark.parity, pytest.mark.slow]

RECIPE = """
name = "tiny"
title = "Tiny"
[data]
classes = ["bars", "spots"]
height = 64
width = 64
resize = "fill"
test_fraction = 0.3
val_fraction = 0.2
split_seed = 42
[model]
network = "kewcnn"
[training]
epochs = 4
batch_size = 8
learning_rate = 1e-3
decay_rate = 0.88
decay_steps = 5
patience = 10
class_weights = "balanced"
[training.augmentation]
horizontal_flip = true
rotation = 0.08
translation = 0.08
zoom = 0.05
[export]
author = "nobody"
license = "MIT"
version = "1.0"
description = "Tells bars from spots."
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from PIL import Image

    root = tmp_path_factory.mktemp("resume")
    (root / "tiny.toml").write_text(RECIPE, encoding="utf-8")
    rng = np.random.default_rng(5)
    for name in ("bars", "spots"):
        (root / "data" / name).mkdir(parents=True)
        for number in range(40):
            noise = rng.integers(0, 120, (64, 64))
            pattern = np.arange(64) // 8 % 2 * 100 if name == "bars" else rng.random((64, 64)) * 100
            pixels = (noise + pattern).astype(np.uint8)
            Image.fromarray(pixels).save(root / "data" / name / f"{number}.png")
    return root


def command(folder: Path, out: str, *more: str) -> list[str]:
    options = ["--recipe", "tiny.toml", "--variant", "original", "--data", "data", "--out", out, *more]
    return [sys.executable, "-m", "kewcore", "train", *options]


def run(folder: Path, out: str, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, out, *more), cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )


def epochs_done(folder: Path, out: str) -> int:
    note = folder / out / "tiny" / ".original.training" / "checkpoint" / "checkpoint.json"
    try:
        return len(json.loads(note.read_text(encoding="utf-8"))["history"])
    except (FileNotFoundError, NotADirectoryError):
        return 0


def kill_after(folder: Path, out: str, epochs: int, delay_s: float) -> None:
    with subprocess.Popen(
        command(folder, out), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as child:
        deadline = time.monotonic() + 200
        while epochs_done(folder, out) < epochs:
            assert child.poll() is None, "the training ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(delay_s)
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL


def weights(folder: Path, out: str) -> list[np.ndarray]:
    return load_keras_model(folder / out / "tiny" / "original" / "model.keras").get_weights()


@pytest.fixture(scope="module")
def unbroken(folder: Path) -> list[np.ndarray]:
    done = run(folder, "unbroken")
    assert done.returncode == 0, done.stderr
    return weights(folder, "unbroken")


def test_killed_twice_it_ends_with_the_weights_of_an_unbroken_run(folder: Path, unbroken: list[np.ndarray]) -> None:
    kill_after(folder, "killed", epochs=1, delay_s=0.02)
    assert not (folder / "killed" / "tiny" / "original").exists()
    kill_after(folder, "killed", epochs=2, delay_s=0.0)
    done = run(folder, "killed")
    assert done.returncode == 0, done.stderr
    assert "original: carrying on after epoch" in done.stderr
    for ours, theirs in zip(weights(folder, "killed"), unbroken, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    history = (folder / "killed" / "tiny" / "original" / "history.csv").read_text().splitlines()
    whole = (folder / "unbroken" / "tiny" / "original" / "history.csv").read_text().splitlines()
    assert [line.rsplit(",", 1)[0] for line in history] == [line.rsplit(",", 1)[0] for line in whole]
    assert not list((folder / "killed" / "tiny").glob(".original*"))


def test_a_finished_run_is_kept_and_another_seed_is_refused(folder: Path, unbroken: list[np.ndarray]) -> None:
    again = run(folder, "unbroken", "--json")
    assert json.loads(again.stdout)["runs"][0]["reused"] is True
    other = run(folder, "unbroken", "--seed", "7")
    assert other.returncode == 4
    assert "seed: there 42, asked for 7" in other.stderr
    assert "--restart" in other.stderr
    facts = load_run(folder / "unbroken" / "tiny" / "original").facts
    assert facts["seed"] == 42
    assert facts["dataset"]["counts"]["test"] == 24
    assert facts["peak_memory_bytes"] > 1e8


def test_the_log_of_a_run_is_there(folder: Path, unbroken: list[np.ndarray]) -> None:
    run_folder = folder / "unbroken" / "tiny" / "original"
    assert sorted(path.name for path in run_folder.iterdir()) == [
        "history.csv",
        "metrics.json",
        "model.keras",
        "run.json",
        "tensorboard",
    ]
    assert {path.name for path in (run_folder / "tensorboard").iterdir()} == {"train", "validation"}
    header, *rows = (run_folder / "history.csv").read_text().splitlines()
    assert header == "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds"
    assert len(rows) == 4


def test_a_second_process_is_told_of_the_first(folder: Path) -> None:
    work = folder / "shared" / "tiny" / ".original.training"
    with only_process(work, "training 'original'"):
        second = run(folder, "shared")
    assert second.returncode == 4
    assert "error: another process is training 'original' in 'shared/tiny/.original.training'" in second.stderr
    assert "hint: wait for it, or choose another folder with --out" in second.stderr
    assert sorted(path.name for path in work.iterdir()) == ["lock"]


def test_both_variants_are_checked_before_the_first_is_trained(folder: Path) -> None:
    done = run(folder, "both", "--variant", "both")
    assert done.returncode == 3
    assert "has no synthetic images, which the variant 'synthetic' is trained on" in done.stderr
    assert not (folder / "both").exists()


def test_restart_carries_on_with_what_has_these_settings(folder: Path, unbroken: list[np.ndarray]) -> None:
    kill_after(folder, "again", epochs=1, delay_s=0.0)
    done = run(folder, "again", "--restart")
    assert "original: carrying on after epoch" in done.stderr
    for ours, theirs in zip(weights(folder, "again"), unbroken, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def job(folder: Path, out: str, seed: int = 42) -> Job:
    recipe = load_recipe(str(folder / "tiny.toml"))
    dataset = open_dataset(folder / "data", recipe.data)
    return Job(recipe, "original", dataset, folder / out / "tiny" / "original", seed)


@pytest.mark.parametrize(
    ("name", "content"), [("metrics.json", "{"), ("metrics.json", '{"epochs": null}'), ("run.json", "[]")]
)
def test_restart_replaces_a_run_that_is_damaged(
    folder: Path, unbroken: list[np.ndarray], tmp_path: Path, name: str, content: str
) -> None:
    there = replace(job(folder, "unbroken"), folder=tmp_path / "original")
    shutil.copytree(folder / "unbroken" / "tiny" / "original", there.folder)
    found = there.finished(restart=True)
    assert found is not None
    assert found.path == there.folder
    (there.folder / name).write_text(content)
    with pytest.raises(RunError, match=f"'{there.folder}/{name}' is damaged: ") as caught:
        there.finished(restart=False)
    assert caught.value.hint == "train this variant again with --restart"
    assert there.finished(restart=True) is None


def test_restart_discards_what_has_other_settings_or_is_damaged(
    folder: Path, unbroken: list[np.ndarray], tmp_path: Path
) -> None:
    assert job(folder, "unbroken", seed=7).finished(restart=True) is None
    there = replace(job(folder, "unbroken"), folder=tmp_path / "original")
    assert there.unfinished(restart=False) is None
    state = initial_state([np.zeros(2, np.float32)])
    save_checkpoint(there.work / "checkpoint", Checkpoint({"seed": 7}, state, state.weights, (), 0.0, 0))
    with pytest.raises(
        RunError, match=r"an unfinished training with other settings is in .*seed: there 7, asked for 42"
    ):
        there.unfinished(restart=False)
    assert there.unfinished(restart=True) is None
    (there.work / "checkpoint" / "checkpoint.json").write_text("[]")
    with pytest.raises(RunError, match="is damaged"):
        there.unfinished(restart=False)
    assert there.unfinished(restart=True) is None


def test_classes_in_another_order_are_another_training(folder: Path, unbroken: list[np.ndarray]) -> None:
    (folder / "turned.toml").write_text(RECIPE.replace('["bars", "spots"]', '["spots", "bars"]'), encoding="utf-8")
    other = run(folder, "unbroken", "--recipe", "turned.toml")
    assert other.returncode == 4
    assert "classes: there ['bars', 'spots'], asked for ['spots', 'bars']" in other.stderr


def test_images_too_small_for_the_network_are_refused_at_once(folder: Path) -> None:
    (folder / "small.toml").write_text(RECIPE.replace("height = 64", "height = 31"), encoding="utf-8")
    done = run(folder, "small", "--recipe", "small.toml")
    assert done.returncode == 2
    assert done.stderr.startswith("error: the network needs images of at least 32x32 pixels, got height 31, width 64")
    assert not (folder / "small").exists()


def test_a_loss_that_is_no_number_stops_the_training(folder: Path) -> None:
    (folder / "wild.toml").write_text(RECIPE.replace("learning_rate = 1e-3", "learning_rate = 1e30"), encoding="utf-8")
    done = run(folder, "wild", "--recipe", "wild.toml")
    assert done.returncode == 4
    assert "error: original epoch 1/4: the loss became " in done.stderr
    assert "hint: lower the recipe's learning_rate" in done.stderr


def test_what_was_left_out_is_counted_in_the_run(folder: Path) -> None:
    shutil.copytree(folder / "data", folder / "worse")
    (folder / "worse" / "bars" / "zero.png").write_bytes(b"")
    for number in range(13):  # the test part, which is not decoded, takes 12 of each class
        cut = folder / "worse" / "spots" / f"{number}.png"
        cut.write_bytes(cut.read_bytes()[:1500])
    done = run(folder, "worse-runs", "--data", "worse", "--skip-bad", "--epochs", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert "warning: left out 1 files of 'worse'; kewcore data info lists them" in done.stderr
    undecodable = [int(count) for count in re.findall(r"left out (\d+) of \d+ images that cannot be", done.stderr)]
    assert sum(undecodable) >= 1
    assert json.loads(done.stdout)["runs"][0]["skipped"] == 1 + sum(undecodable)


def test_classes_may_be_left_to_the_folders(folder: Path) -> None:
    (folder / "open.toml").write_text(RECIPE.replace('classes = ["bars", "spots"]', ""), encoding="utf-8")
    done = run(folder, "open", "--recipe", "open.toml", "--epochs", "1")
    assert done.returncode == 0, done.stderr
    assert load_run(folder / "open" / "tiny" / "original").class_names == ("bars", "spots")
