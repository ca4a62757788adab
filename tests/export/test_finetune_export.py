"""`kewcore export --finetune`: packages that hold what training ended with, also after a SIGKILL in between."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finetune_runs import write_trainable_run

from kewcore.artefacts import sha256_tree
from kewcore.errors import ExportError, UsageError
from kewcore.runtime import load
from kewcore_export.export import export_run
from kewcore_export.exported_package import ExportedPackage
from kewcore_export.finetune.settings import FinetuneSettings
from kewcore_export.forms import parse_form
from kewcore_export.modes import parse_modes
from kewcore_export.search import smallest
from kewcore_export.search.budget import budget_of
from kewcore_export.search.settings import SearchSettings
from kewcore_export.sidecar import load_sidecar, sidecar_path

pytestmark = [pytest.mark.parity, pytest.mark.slow]

EPOCHS = 4
MODE = "rank-3-palette-1"
NAME = f"KewCNN-original-{MODE}-finetuned"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_trainable_run(tmp_path_factory.mktemp("finetune"))


@pytest.fixture(scope="module")
def exported(run: Path) -> dict[str, ExportedPackage]:
    modes = parse_modes([MODE, "prune-90"])
    packages = export_run(run, modes, run.parent / "packages", finetune=settings(run))
    return {package.sidecar.mode: package for package in packages}


def settings(run: Path) -> FinetuneSettings:
    return FinetuneSettings(EPOCHS, learning_rate=1e-2, batch_size=8, cache=run.parent / "cache")


def test_packages_say_how_they_learned(exported: dict[str, ExportedPackage]) -> None:
    package = exported[f"{MODE}-finetuned"]
    assert package.path.name == f"{NAME}.mlpackage"
    record: Any = load_sidecar(package.path).finetune
    assert (record["epochs"], record["seed"], len(record["history"])) == (EPOCHS, 42, EPOCHS + 1)
    # The parts of 120 images: 30 % are the test part, 15 % of the rest the validation part.
    assert (record["train_images"], record["val_images"]) == (72, 12)
    assert record["max_probability_difference"] <= 1e-2
    card = package.path.with_suffix(".md").read_text(encoding="utf-8")
    after = record["history"][record["best_epoch"]]["val_kl_nats"]
    assert f"the answers of the model that they came from:\n{EPOCHS} epochs over 72 training images" in card
    assert f"a mean divergence of\n{after:.1e} nats, {record['history'][0]['val_kl_nats']:.1e} before training." in card
    assert "How its weights got their forms" not in card
    assert not list(package.path.parent.glob(".*")), "checkpoints stay behind"


@pytest.mark.parametrize(("mode", "left"), [(f"{MODE}-finetuned", 0.6), ("prune-90-finetuned", 0.97)])
def test_training_brings_a_package_nearer_to_the_reference(
    mode: str, left: float, exported: dict[str, ExportedPackage]
) -> None:
    record: Any = exported[mode].sidecar.finetune
    divergences = [row["val_kl_nats"] for row in record["history"]]
    assert record["best_epoch"] > 0
    assert record["head_fitted"]  # which for pruned weights is most of what there is to gain
    assert divergences[record["best_epoch"]] < left * divergences[0]


def test_a_pruned_package_is_as_sparse_as_asked(exported: dict[str, ExportedPackage]) -> None:
    pruned = [one for one in exported["prune-90-finetuned"].sidecar.weights if one.form == "sparse"]
    assert pruned
    assert all(one.sparsity == pytest.approx(0.9, abs=1e-4) for one in pruned)


def test_a_package_of_equal_inputs_is_left_alone(run: Path, exported: dict[str, ExportedPackage]) -> None:
    modes, out = parse_modes([MODE]), run.parent / "packages"
    (again,) = export_run(run, modes, out, finetune=settings(run))
    assert again.unchanged
    (plain,) = export_run(run, modes, out)
    assert plain.path.name == f"KewCNN-original-{MODE}.mlpackage"
    assert plain.sidecar.finetune is None
    other = replace(settings(run), epochs=EPOCHS + 1)
    assert load_sidecar(again.path).inputs_sha256 != plain.sidecar.inputs_sha256
    assert other.decisive != settings(run).decisive


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("w8a8", "--finetune trains weights, and mode w8a8 quantises activations too"),
        ("fp16", "--finetune recovers what compression loses, and mode fp16 compresses nothing"),
    ],
)
def test_modes_with_nothing_to_learn_are_refused(run: Path, tmp_path: Path, mode: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        export_run(run, parse_modes([mode]), tmp_path, finetune=settings(run))


def test_weights_that_do_not_match_are_never_shipped(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kewcore_export import making

    def broken(*args: Any, **kwargs: Any) -> Any:
        found = finetuned(*args, **kwargs)
        name = next(iter(found.opened.weights))
        wrong = {**found.opened.weights, name: np.nextafter(found.opened.weights[name], np.float32(9))}
        return replace(found, opened=replace(found.opened, weights=wrong))

    finetuned = making.finetuned
    monkeypatch.setattr(making, "finetuned", broken)
    short = replace(settings(run), epochs=1)
    with pytest.raises(ExportError, match="does not decode to the values that training ended with"):
        export_run(run, parse_modes(["int8"]), tmp_path, finetune=short)
    assert not list(tmp_path.glob("*.mlpackage"))


def test_a_search_without_time_to_train_names_its_package_for_what_it_is(tmp_path: Path) -> None:
    run = write_trainable_run(tmp_path, images_a_class=120)
    modes, out, finetune = parse_modes(["auto"]), tmp_path / "out", replace(settings(run), epochs=1)
    search = SearchSettings(budget_of("50", None, None), time_limit_s=0)
    (package,) = export_run(run, modes, out, search=search, finetune=finetune)
    assert package.path.name == "KewCNN-original-auto.mlpackage"
    assert package.sidecar.mode == load(package.path).metadata.user_defined["kewcore.mode"] == "auto"
    assert package.sidecar.finetune is None
    # What is found again under that name, were the search not one that more time may better.
    sidecar = json.loads(sidecar_path(package.path).read_text(encoding="utf-8"))
    sidecar["search"]["stopped"] = False
    sidecar_path(package.path).write_text(json.dumps(sidecar), encoding="utf-8")
    (again,) = export_run(run, modes, out, search=search, finetune=finetune)
    assert again.unchanged
    assert again.path == package.path


def test_training_that_the_time_limit_cut_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Only forms that lose much, so that training has much to win back.
    harsh = parse_form(MODE)
    monkeypatch.setattr("kewcore_export.search.search.form_families", lambda *_, whole: ((harsh,),))
    run, search = write_trainable_run(tmp_path, images_a_class=120), SearchSettings(budget_of(None, None, "60kB"))
    modes, out, finetune = parse_modes(["auto"]), tmp_path / "out", replace(settings(run), epochs=1)
    left_s: list[float] = []

    def out_of_time(*arguments: Any) -> Any:
        left_s.append(arguments[-1])
        return better_by_learning(*arguments[:-1], 0.0)

    better_by_learning = smallest.better_by_learning
    with monkeypatch.context() as patched:
        patched.setattr(smallest, "better_by_learning", out_of_time)
        (cut,) = export_run(run, modes, out, search=search, finetune=finetune)
    assert left_s[0] < search.time_limit_s  # what the search left: training has no limit of its own
    assert cut.path.name == "KewCNN-original-auto.mlpackage"
    assert cut.sidecar.search is not None
    assert cut.sidecar.search["stopped"]
    (found,) = export_run(run, modes, out, search=search, finetune=finetune)
    assert found.sidecar.search is not None
    assert (found.sidecar.search["stopped"], found.sidecar.search["trials"]) == (False, 0)  # the search was whole
    assert found.path.name == "KewCNN-original-auto-finetuned.mlpackage"
    assert found.sidecar.mode == load(found.path).metadata.user_defined["kewcore.mode"] == "auto-finetuned"
    # With a bound on the size alone, training is for a smaller divergence.
    (after,) = divergences_kept(found, trained=True)
    assert after < min(divergences_kept(found, trained=False))
    assert not list(out.glob(".*"))
    (again,) = export_run(run, modes, out, search=search, finetune=finetune)
    assert again.unchanged
    assert again.path == found.path


def divergences_kept(package: ExportedPackage, *, trained: bool) -> list[float]:
    search: Any = package.sidecar.search
    kept = [one for one in search["tried"] if not one["misses"] and one["trained"] == trained]
    return [one["ran"]["figures"]["mean_kl_nats"] for one in kept]


def command(run: Path, out: str) -> list[str]:
    options = ["--quantize", MODE, "--finetune", "--finetune-epochs", str(EPOCHS), "--out", out]
    return [sys.executable, "-m", "kewcore", "export", str(run), *options]


def epochs_done(out: Path) -> int:
    note = out / f".{NAME}.work" / "weights" / "checkpoint" / "checkpoint.json"
    try:
        return len(json.loads(note.read_text(encoding="utf-8"))["history"]) - 1
    except (FileNotFoundError, NotADirectoryError):
        return -1


def test_a_killed_training_ends_as_one_that_was_not(run: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        command(run, "killed"), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as child:
        deadline = time.monotonic() + 200
        while epochs_done(tmp_path / "killed") < 1:
            assert child.poll() is None, "the training ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / f"{NAME}.mlpackage").exists()
    for out in ("killed", "unbroken"):
        done = subprocess.run(command(run, out), cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        assert ("fine-tuning goes on after epoch" in done.stderr) == (out == "killed")
    killed, unbroken = (tmp_path / out / f"{NAME}.mlpackage" for out in ("killed", "unbroken"))
    assert sha256_tree(killed) == sha256_tree(unbroken)
    shutil.rmtree(tmp_path / ".kewcore")
