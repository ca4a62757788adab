"""`--quantize auto` from a run to a package: what it finds, what it says, how it goes on, what it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finetune_runs import write_trainable_run
from small_networks import small_network

from kewcore.ane.chips import parse_chip
from kewcore.ane.published import accuracy_for
from kewcore.data.dataset import open_dataset
from kewcore.data.pixels import load_pixels
from kewcore.errors import DataError, ExportError, RunError, UnsupportedError
from kewcore.models.reference import KerasClassifier
from kewcore.runtime import PackageClassifier, load
from kewcore.runtime.program import Operation
from kewcore.training.lock import only_process
from kewcore.training.run import load_run
from kewcore_export.export import export_run
from kewcore_export.modes import parse_modes
from kewcore_export.search.budget import budget_of
from kewcore_export.search.settings import SearchSettings
from kewcore_export.verification import verify_package

pytestmark = [pytest.mark.parity, pytest.mark.slow]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_trainable_run(tmp_path_factory.mktemp("searched"), images_a_class=120)


def test_a_search_that_was_cut_off_goes_on_and_says_what_it_found(run: Path, tmp_path: Path) -> None:
    modes, budget = parse_modes(["auto"]), budget_of("2", None, None)
    (cut,) = export_run(run, modes, tmp_path, search=SearchSettings(budget, time_limit_s=0.5))
    assert cut.sidecar.search is not None
    assert cut.sidecar.search["stopped"]
    work = tmp_path / ".KewCNN-original-auto.work"
    assert (work / "journal.jsonl").is_file()
    with (
        only_process(work, "searching"),  # as another kewcore does
        pytest.raises(RunError, match=r"another process is making 'KewCNN-original-auto\.mlpackage' in"),
    ):
        export_run(run, modes, tmp_path, search=SearchSettings(budget))
    (found,) = export_run(run, modes, tmp_path, search=SearchSettings(budget))
    assert found.sidecar.search is not None
    search = found.sidecar.search
    assert not found.unchanged  # the first was not the last word
    assert not search["stopped"]
    assert found.size_bytes <= cut.size_bytes
    assert not list(tmp_path.glob(".*"))
    assert (tmp_path / "KewCNN-original-auto.search.png").read_bytes().startswith(b"\x89PNG")
    verify_package(found.path)
    # The figures on unseen images, from the package as it lies there.
    loaded = load_run(run)
    test = load_pixels(open_dataset(loaded.dataset_path, loaded.data).splits["test"], loaded.data)
    reference = KerasClassifier(run).probabilities(test.images)
    package = PackageClassifier(found.path).probabilities(test.images)
    assert search["estimate_accuracy"] == accuracy_for(parse_chip(search["chip"])).text
    assert search["unseen"]["images"] == len(test.labels)
    assert search["unseen"]["agreement"] == pytest.approx(np.mean(reference.argmax(1) == package.argmax(1)))
    assert search["unseen"]["accuracy"] == pytest.approx(np.mean(package.argmax(1) == test.labels))
    card = found.path.with_suffix(".md").read_text(encoding="utf-8")
    budget_and_trials = f"within a budget: drop of at most 2 pp. {search['trials']:,} packages were run"
    assert f"{budget_and_trials}\non {search['images']} images" in card
    agreement = f"{100 * search['unseen']['agreement']:.1f}"
    assert f"| top-1 agreement with TensorFlow | {agreement} % |" in card
    assert ("It does not keep there" in card) == bool(search["misses"])
    assert "Training after compression" not in card
    (again,) = export_run(run, modes, tmp_path, search=SearchSettings(budget))
    assert again.unchanged


def test_a_last_layer_whose_bias_is_all_zeros_gets_one(tmp_path: Path) -> None:
    run = write_trainable_run(tmp_path, images_a_class=120, head_bias=False)
    settings = SearchSettings(budget_of("2", None, None), time_limit_s=0)
    plain, found = (
        export_run(run, parse_modes([mode]), tmp_path / "out", search=settings)[0].path for mode in ("fp16", "auto")
    )
    assert "bias" not in last_layer(plain).inputs, "coremltools drops what is all zeros"
    assert "bias" in last_layer(found).inputs
    verify_package(found)


def last_layer(package: Path) -> Operation:
    return [one for one in load(package, "reference").ops if one.type in ("conv", "linear")][-1]


def test_no_package_is_small_enough(run: Path, tmp_path: Path) -> None:
    settings = SearchSettings(budget_of("0.5", None, "900"), time_limit_s=1)
    with pytest.raises(ExportError, match="packages that were run keeps the budget"):
        export_run(run, parse_modes(["auto"]), tmp_path, search=settings)


def test_too_few_images_to_judge_by(tmp_path: Path) -> None:
    small = write_trainable_run(tmp_path, images_a_class=40)
    with pytest.raises(DataError, match=r"needs 32 validation images or more to judge packages on, and '.*' has 12$"):
        export_run(small, parse_modes(["auto"]), tmp_path / "out")


def test_colour_models_are_refused(run_of: Callable[[Any], Path], tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="mode auto searches or trains on greyscale images only"):
        export_run(run_of(small_network(channels=3)), parse_modes(["auto"]), tmp_path)
