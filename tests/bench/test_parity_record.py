"""What a bench has measured lies beside the package afterwards: in its sidecar and its card, and nowhere by half."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from bench_bed import Bed

from kewcore.artefacts import sha256_tree
from kewcore.errors import PackageError, StorageError
from kewcore_bench.candidates import candidate, run_facts
from kewcore_bench.result import BenchResult
from kewcore_bench.run import BenchOptions, record_parity, run_bench
from kewcore_bench.sources import labelled_images
from kewcore_export.sidecar import card_path, load_sidecar, sidecar_path
from kewcore_export.transaction import replacing_together
from kewcore_export.verification import verify_package

pytestmark = pytest.mark.parity


@pytest.fixture(scope="module")
def benched(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> BenchResult:
    """A bench of a copy of both packages."""
    root = shutil.copytree(bed.run.parents[2], tmp_path_factory.mktemp("benched") / "bed")
    images = labelled_images([run_facts(bed.run).source], data=None)
    packages = [candidate(root / "packages" / package.name) for package in bed.packages]
    return run_bench(packages, images, BenchOptions(rounds=0))


def test_the_sidecar_has_the_figures_and_is_else_as_it_was(benched: BenchResult) -> None:
    measured = benched.variants[0].packages[1]
    before = load_sidecar(measured.path)
    written = record_parity(benched)
    assert [one.path for one in written[2:]] == [sidecar_path(measured.path), card_path(measured.path)]
    after = load_sidecar(measured.path)
    assert replace(after, parity=None) == replace(before, parity=None)
    assert after.parity is not None
    assert after.parity["top1_agreement_interval"].keys() == {"low", "high", "level"}
    assert (after.parity["images"], after.parity["split"]) == (30, "test")
    assert after.parity["top1_agreement"] == measured.parity.top1_agreement
    assert after.parity["dataset_fingerprint"] == benched.dataset.fingerprint
    assert verify_package(measured.path).problems == ()


def test_the_card_has_them_with_their_intervals(benched: BenchResult) -> None:
    measured = benched.variants[0].packages[1]
    record_parity(benched)
    card = card_path(measured.path).read_text()
    accuracy = measured.parity.accuracy
    assert accuracy is not None
    same = 30 - len(measured.disagreement_files)
    interval = measured.parity.top1_agreement_interval
    right = round(30 * accuracy.second_accuracy)
    assert (
        f"| top-1 agreement with TensorFlow | {same} of 30, {100 * same / 30:.1f} % "
        f"| {100 * interval.low:.1f} to {100 * interval.high:.1f} % |\n"
    ) in card
    assert f"| accuracy of the package | {right} of 30, {100 * right / 30:.1f} % | " in card
    assert f"on 30 images of the\ntest part of the data set with fingerprint `{benched.dataset.fingerprint}`" in card
    assert f"| drop of accuracy, percentage points | {accuracy.drop_pp:+.2f} | " in card
    assert f"| logit SNR | {measured.parity.logit_snr_db:.1f} dB |" in card
    for part in ("## Use", "## Data", "## Figures", "## Limits"):
        assert part in card
    assert "have not been measured yet" not in card


def test_a_card_says_before_a_bench_that_nothing_was_measured(bed: Bed) -> None:
    assert "have not been measured yet: `kewcore bench` writes" in card_path(bed.packages[0]).read_text()


def test_neither_is_written_where_one_cannot_be(benched: BenchResult, tmp_path: Path) -> None:
    folder = benched.variants[0].packages[0].path.parent
    before = sha256_tree(folder)
    with replacing_together(folder), pytest.raises(StorageError, match="another kewcore command is writing"):
        record_parity(benched)
    assert sha256_tree(folder) == before
    gone = replace(benched.variants[0].packages[0], path=tmp_path / "gone.mlpackage")
    lost = replace(benched, variants=(replace(benched.variants[0], packages=(gone,)),))
    with pytest.raises(PackageError, match="no package at"):
        record_parity(lost)
