"""Benches of a small run with its real packages: TensorFlow and both executors, in processes of their own."""

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench_bed import Bed

from kewcore.errors import DataError, PackageError, RunError, UsageError
from kewcore.parity.agreement import compare
from kewcore_bench.candidates import candidate, history, newest_package, newest_packages, run_facts
from kewcore_bench.engines import process as engine_process
from kewcore_bench.engines.load import EngineSpec
from kewcore_bench.engines.process import running_engine
from kewcore_bench.evaluation import evaluate_subjects
from kewcore_bench.images import LabelledImages
from kewcore_bench.parity_run import cached
from kewcore_bench.run import BenchOptions, run_bench
from kewcore_bench.sources import labelled_images
from kewcore_bench.subjects import find_subject
from kewcore_bench.timing.load_time import measure_loads

pytestmark = pytest.mark.parity


@pytest.fixture(scope="module")
def images(bed: Bed) -> LabelledImages:
    return labelled_images([run_facts(bed.run).source], data=None)


def test_a_bench_from_end_to_end(bed: Bed, images: LabelledImages, tmp_path: Path) -> None:
    from kewcore.models.reference import KerasClassifier
    from kewcore.runtime import PackageClassifier

    options = BenchOptions(threads=1, rounds=3, predicts=2, starts=1, cache=tmp_path)
    result = run_bench([candidate(path) for path in bed.packages], images, options)
    (variant,) = result.variants
    reference = KerasClassifier(bed.run).probabilities(images.pixels)
    for path, package in zip(bed.packages, variant.packages, strict=True):
        expected = compare(reference, PackageClassifier(path, "reference").probabilities(images.pixels), images.labels)
        assert package.parity.top1_agreement == expected.top1_agreement
        assert package.parity.max_abs_dp == pytest.approx(expected.max_abs_dp, abs=2e-3)
        assert package.latency is not None
        assert package.latency.predicts == 6
        assert package.latency.median_ms > 0
        assert package.latency.engine.startswith("kewcore fast executor (ONNX Runtime ")
        assert package.latency_ratio is not None
    assert (variant.recipe, variant.variant, result.dataset.images) == ("tiny", "original", 30)
    assert variant.latency is not None
    assert variant.latency.engine.startswith("TensorFlow 2.")
    assert variant.packages[0].parity.top1_agreement == 1.0
    assert [len(one.opinions) for one in variant.gallery] == [3] * len(variant.gallery)
    assert variant.history["val_loss"] == (1.0, 0.8)

    (kept,) = tmp_path.glob("reference-*.npy")
    np.testing.assert_array_equal(np.load(kept), reference)
    np.save(kept, reference[:, ::-1])  # The next bench believes the cache, so this shows that it was used.
    again = run_bench(
        [candidate(bed.packages[0])], images, BenchOptions(rounds=0, executor="reference", cache=tmp_path)
    )
    assert again.variants[0].packages[0].parity.max_abs_dp > 0.1
    assert again.variants[0].packages[0].latency is None
    assert again.latency_options is None


def test_a_damaged_cache_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "reference-k.npy").write_bytes(b"\x93NUMPY damaged")
    assert cached(tmp_path, "k", 3) is None
    np.save(tmp_path / "reference-k.npy", np.zeros((2, 4), np.float32))
    assert cached(tmp_path, "k", 3) is None
    assert cached(tmp_path, "other", 3) is None
    assert cached(None, "k", 3) is None


def test_an_error_of_an_engine_arrives_as_it_was_raised(bed: Bed, images: LabelledImages, tmp_path: Path) -> None:
    np.save(tmp_path / "pixels.npy", images.pixels)
    missing = tmp_path / "none.mlpackage"
    with (
        pytest.raises(PackageError, match=r"none\.mlpackage"),
        running_engine(EngineSpec("package", missing, "auto", 1), tmp_path / "pixels.npy"),
    ):
        pass


def test_a_worker_that_dies_is_reported_with_its_last_words(bed: Bed, images: LabelledImages, tmp_path: Path) -> None:
    np.save(tmp_path / "pixels.npy", images.pixels)
    spec = EngineSpec("package", bed.packages[0], "auto", 1)
    with running_engine(spec, tmp_path / "pixels.npy") as engine:
        assert len(engine.time(1, 4)) == 4
        engine.channel.ask("time\tone\tfour")
        with pytest.raises(PackageError, match=r"ended before it answered \(exit code 1\)") as caught:
            engine.channel.answer()
    assert any("invalid literal for int" in note for note in caught.value.__notes__)


def test_a_worker_that_is_killed_or_silent_is_reported(
    bed: Bed, images: LabelledImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "pixels.npy", images.pixels)
    spec = EngineSpec("package", bed.packages[0], "auto", 1)
    with running_engine(spec, tmp_path / "pixels.npy") as engine:
        monkeypatch.setattr(engine_process, "ANSWER_WITHIN_S", 0.05)
        with pytest.raises(PackageError, match=r"fp16\.mlpackage' has not answered for 0 s"):
            engine.channel.answer()
        monkeypatch.undo()
        engine.channel.process.kill()
        with pytest.raises(PackageError, match="ended before it answered \\(killed by SIGKILL\\)") as caught:
            engine.time(1, 1)
    assert caught.value.hint == "it may have run out of memory"


def test_a_package_that_cannot_be_loaded_has_a_reason_instead_of_a_time(
    bed: Bed, images: LabelledImages, tmp_path: Path
) -> None:
    np.save(tmp_path / "pixels.npy", images.pixels)
    missing = EngineSpec("package", tmp_path / "none.mlpackage", "auto", 1)
    found, failures = measure_loads({"none": missing}, tmp_path / "pixels.npy", title="loading")
    assert (found, failures.keys()) == ({}, {"none"})
    assert "none.mlpackage" in failures["none"]


def test_other_classes_are_refused(bed: Bed, images: LabelledImages) -> None:
    other = replace(images, class_names=("x", "y", "z"))
    with pytest.raises(PackageError, match="has the classes circle, stripes, grey; the images have x, y, z"):
        run_bench([candidate(bed.packages[0])], other, BenchOptions(rounds=0))
    with pytest.raises(UsageError, match="has the classes circle, stripes, grey; the images have x, y, z"):
        evaluate_subjects([find_subject(bed.packages[0])], other)


def test_packages_are_found_by_themselves_and_with_their_run(bed: Bed, tmp_path: Path) -> None:
    assert set(newest_packages(bed.packages[0].parent)) == set(bed.packages)
    with pytest.raises(PackageError, match="there is no package in"):
        newest_package(tmp_path)
    assert candidate(bed.packages[1]).mode == "palette-1"
    (tmp_path / "foreign.mlpackage").mkdir()
    with pytest.raises(PackageError, match="there is no package that kewcore exported in"):
        newest_packages(tmp_path)
    (tmp_path / "a-later.mlpackage").mkdir()
    os.utime(tmp_path / "foreign.mlpackage", ns=(1, 1))
    assert newest_package(tmp_path) == tmp_path / "a-later.mlpackage"
    with pytest.raises(PackageError, match=r"no package at '.*x\.mlpackage': expected a folder"):
        candidate(tmp_path / "x.mlpackage")
    alone = tmp_path / "packages" / bed.packages[0].name
    shutil.copytree(bed.packages[0], alone)
    shutil.copy(bed.packages[0].with_suffix(".json"), alone.with_suffix(".json"))
    run = tmp_path / "runs" / "tiny" / "original"
    missing = f"run '{run}', from which '{alone}' was exported, is not there: a bench needs the TensorFlow original"
    with pytest.raises(RunError, match=re.escape(missing)) as caught:
        candidate(alone)
    assert caught.value.hint is not None
    assert "evaluate, predict and verify need no run" in caught.value.hint
    run.mkdir(parents=True)
    with pytest.raises(RunError, match=r"it holds no run\.json") as caught:
        candidate(alone)
    assert "says that it was exported from that run" in caught.value.__notes__[0]


def test_a_run_that_was_trained_anew_is_noticed(bed: Bed, tmp_path: Path) -> None:
    root = bed.run.parents[2]
    shutil.copytree(root / "runs", tmp_path / "runs")
    shutil.copytree(root / "packages", tmp_path / "packages")
    with (tmp_path / "runs/tiny/original/model.keras").open("ab") as stream:
        stream.write(b" ")
    with pytest.raises(PackageError, match="was exported from another model than run") as caught:
        candidate(tmp_path / "packages" / bed.packages[0].name)
    assert caught.value.hint == "export it again: kewcore export"


def test_a_dataset_that_has_changed_is_refused_unless_named(
    bed: Bed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(bed.data, tmp_path / "data")
    (tmp_path / "data/test/grey/0.png").unlink()
    facts = json.loads((bed.run / "run.json").read_text())
    facts["dataset"]["path"] = str(tmp_path / "data")
    shutil.copytree(bed.run, tmp_path / "run")
    (tmp_path / "run/run.json").write_text(json.dumps(facts))
    source = run_facts(tmp_path / "run").source
    with pytest.raises(DataError, match=r"has changed since '.*run' was trained") as caught:
        labelled_images([source], data=None)
    assert caught.value.hint == f"to measure on it as it is now: --data {tmp_path / 'data'}"
    found = labelled_images([source], data=tmp_path / "data", limit=12)
    assert (found.facts.images, found.facts.available) == (12, 29)
    assert "its test part may hold images that were learnt from" in capsys.readouterr().err
    with pytest.raises(UsageError, match="take different images or classes"):
        labelled_images([source, replace(source, data=replace(source.data, height=16))], data=tmp_path / "data")


def test_damaged_runs_are_named(bed: Bed, tmp_path: Path) -> None:
    shutil.copytree(bed.run, tmp_path / "run")
    note = tmp_path / "run/run.json"
    facts = json.loads(note.read_text())
    without_width = {key: value for key, value in facts["data"].items() if key != "width"}
    note.write_text(json.dumps({**facts, "data": without_width}))
    with pytest.raises(RunError, match=r"run\.json' is damaged: \[data\] lacks \['width'\]"):
        run_facts(tmp_path / "run")
    note.write_text(json.dumps({**facts, "data": {**facts["data"], "resize": "squash"}}))
    with pytest.raises(RunError, match="must be one of fit, fill, centre-crop, got 'squash'"):
        run_facts(tmp_path / "run")
    note.write_text(json.dumps(facts))
    (tmp_path / "run/history.csv").write_text("epoch,loss\n1,low\n")
    with pytest.raises(RunError, match="is not a table of numbers"):
        history(tmp_path / "run")
    (tmp_path / "run/model.keras").unlink()
    with pytest.raises(RunError, match=r"holds no model\.keras"):
        run_facts(tmp_path / "run")
