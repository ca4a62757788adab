"""What can be evaluated: runs, packages with and without a sidecar, ONNX files; and that they answer alike."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from bench_bed import CLASS_NAMES, SIDE, Bed

from kewcore.errors import PackageError, UsageError
from kewcore.runtime import to_onnx
from kewcore_bench.candidates import run_facts
from kewcore_bench.evaluation import evaluate_subjects
from kewcore_bench.images import LabelledImages
from kewcore_bench.report.evaluation_plots import write_plots
from kewcore_bench.sources import labelled_images
from kewcore_bench.subjects import find_subject, find_subjects, load_classifier

pytestmark = pytest.mark.parity


@pytest.fixture(scope="module")
def images(bed: Bed) -> LabelledImages:
    return labelled_images([run_facts(bed.run).source], data=None)


@pytest.fixture
def alone(bed: Bed, tmp_path: Path) -> Path:
    """A package without its sidecar, under an awkward name."""
    return shutil.copytree(bed.packages[0], tmp_path / "blüten [1] copy.mlpackage")


def without_metadata(package: Path, key: str) -> None:
    """Takes an entry out of a package's metadata, with coremltools' own message classes."""
    from kewcore_export.coremltools_import import import_coremltools

    ct = import_coremltools()
    file = package / "Data/com.apple.CoreML/model.mlmodel"
    model = ct.proto.Model_pb2.Model.FromString(file.read_bytes())
    del model.description.metadata.userDefined[key]
    file.write_bytes(model.SerializeToString())


def test_a_run_its_package_and_its_onnx_file_are_evaluated_alike(
    bed: Bed, images: LabelledImages, tmp_path: Path
) -> None:
    to_onnx(bed.packages[0], tmp_path / "tiny.onnx")
    subjects = find_subjects([bed.run, bed.packages[0], tmp_path / "tiny.onnx", bed.run])
    assert [one.name for one in subjects] == ["tiny-original", "tiny-original-fp16", "tiny", "tiny-original#2"]
    result, tables = evaluate_subjects(subjects, images)
    assert len({one.metrics.accuracy for one in result.evaluations}) == 1
    assert result.comparison is None
    assert max(float(np.abs(table - tables[0]).max()) for table in tables) < 2e-3
    pair, _ = evaluate_subjects(subjects[:2], images)
    assert pair.comparison is not None
    assert pair.comparison.parity.accuracy is not None
    assert (pair.comparison.first, pair.comparison.second) == ("tiny-original", "tiny-original-fp16")
    assert pair.comparison.parity.accuracy.mcnemar_p == 1.0
    plots = write_plots(tmp_path, "tiny", result.evaluations[0].metrics, images.labels, tables[0])
    assert [one.path.name for one in plots] == ["tiny-confusion.png", "tiny-roc.png", "tiny-reliability.png"]


def test_an_onnx_file_does_not_know_its_dataset(bed: Bed, tmp_path: Path) -> None:
    to_onnx(bed.packages[0], tmp_path / "tiny.onnx")
    source = find_subject(tmp_path / "tiny.onnx").source
    assert source.class_names == CLASS_NAMES
    with pytest.raises(UsageError, match=r"it is not known what '.*tiny\.onnx' was trained on") as caught:
        labelled_images([source], data=None)
    assert caught.value.hint == "say --data DIR"
    with pytest.raises(UsageError, match="is neither a run, a package nor an ONNX file"):
        find_subject(tmp_path)
    with pytest.raises(UsageError, match=r"there is nothing at '.*/none': expected a run, a package or an ONNX file"):
        find_subject(tmp_path / "none")


def test_a_package_without_a_sidecar_says_itself_what_it_takes(
    bed: Bed, alone: Path, images: LabelledImages, capsys: pytest.CaptureFixture[str]
) -> None:
    subject, recorded = find_subject(alone), find_subject(bed.packages[0])
    assert capsys.readouterr().err == ""
    assert (subject.name, subject.source.class_names) == ("blüten [1] copy", CLASS_NAMES)
    assert (subject.source.data.height, subject.source.data.width) == (SIDE, SIDE)
    assert subject.source.data.resize == recorded.source.data.resize
    assert (subject.source.dataset, subject.source.fingerprint) == (None, None)
    ours, theirs = (load_classifier(one).probabilities(images.pixels) for one in (subject, recorded))
    np.testing.assert_array_equal(ours, theirs)
    found = labelled_images([subject.source], data=bed.data)
    assert evaluate_subjects([subject], found)[0].evaluations[0].metrics.n == 30


def test_where_nothing_says_how_to_resize_a_warning_says_what_was_taken(
    alone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to_onnx(alone, tmp_path / "with.onnx")
    find_subject(tmp_path / "with.onnx")
    assert capsys.readouterr().err == ""
    without_metadata(alone, "kewcore.resize")
    to_onnx(alone, tmp_path / "without.onnx")
    for path in (alone, tmp_path / "without.onnx"):
        assert find_subject(path).source.data.resize == "centre-crop"
        expected = f"warning: '{path}' does not say how photographs are brought to 32 x 32 pixels: taking centre-crop\n"
        assert capsys.readouterr().err == expected


def test_a_package_takes_the_split_of_its_run_and_else_that_of_its_recipe(bed: Bed, tmp_path: Path) -> None:
    root = bed.run.parents[2]
    shutil.copytree(root / "runs", tmp_path / "runs")
    shutil.copytree(root / "packages", tmp_path / "packages")
    note = tmp_path / "runs/tiny/original/run.json"
    facts = json.loads(note.read_text())
    facts["data"]["split_seed"] = 7
    note.write_text(json.dumps(facts))
    package = tmp_path / "packages" / bed.packages[0].name
    assert find_subject(package).source.data.split_seed == 7
    shutil.rmtree(tmp_path / "runs")
    travelled = find_subject(package).source
    assert (travelled.data.split_seed, travelled.dataset) == (42, None)


def test_a_damaged_sidecar_is_not_passed_over(alone: Path) -> None:
    alone.with_suffix(".json").write_text("{")
    with pytest.raises(PackageError, match=r"sidecar '.*copy\.json' cannot be read"):
        find_subject(alone)
    with pytest.raises(PackageError, match=r"no package at '.*none\.mlpackage': expected a folder"):
        find_subject(alone.with_name("none.mlpackage"))
