"""Robustness of a small run's packages, each engine in a process of its own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench_bed import Bed

from kewcore.errors import PackageError, RunError
from kewcore.parity.agreement import compare
from kewcore_bench.candidates import run_facts
from kewcore_bench.depth.corruptions import corrupt
from kewcore_bench.depth.robustness import CASES, measure_robustness
from kewcore_bench.engines.load import EngineSpec
from kewcore_bench.images import LabelledImages
from kewcore_bench.sources import labelled_images

pytestmark = pytest.mark.parity


@pytest.fixture(scope="module")
def images(bed: Bed) -> LabelledImages:
    return labelled_images([run_facts(bed.run).source], data=None, limit=9)


def test_figures_are_those_of_images_corrupted_one_by_one(bed: Bed, images: LabelledImages, tmp_path: Path) -> None:
    from kewcore.models.reference import KerasClassifier
    from kewcore.runtime import PackageClassifier

    path = bed.packages[1]
    packages = {"coarse": EngineSpec("package", path, "auto", 1)}
    reference = EngineSpec("tensorflow", bed.run, "auto", 1)
    facts = run_facts(bed.run)

    def measured(seed: int = 4) -> object:
        return measure_robustness(
            reference, packages, images, model_sha256=facts.model_sha256, what="tiny", cache=tmp_path, seed=seed
        )

    found = measured()
    assert isinstance(found, dict)
    assert [(one.corruption, one.strength) for one in found["coarse"]] == list(CASES)
    keras, package = KerasClassifier(bed.run), PackageClassifier(path, "reference")
    for one in found["coarse"][::7]:
        pixels = np.stack(
            [corrupt(image, one.corruption, one.strength, seed=4, index=i) for i, image in enumerate(images.pixels)]
        )
        expected = compare(keras.probabilities(pixels), package.probabilities(pixels), images.labels)
        assert one.top1_agreement == expected.top1_agreement
        assert one.max_abs_dp == pytest.approx(expected.max_abs_dp, abs=2e-3)
        assert expected.accuracy is not None
        assert one.accuracy.drop_pp == expected.accuracy.drop_pp

    kept = sorted(tmp_path.glob("reference-*.npy"))
    assert len(kept) == len(CASES)
    reference = replace(reference, path=tmp_path / "gone")  # The second time TensorFlow is not asked.
    assert measured() == found
    kept[0].unlink()
    with pytest.raises(RunError, match="no run at"):
        measured()


def test_an_engine_with_other_classes_is_refused(bed: Bed, images: LabelledImages) -> None:
    other = replace(images, class_names=("x", "y", "z"))
    spec = EngineSpec("package", bed.packages[0], "reference", 1)
    with pytest.raises(PackageError, match="has the classes circle, stripes, grey; the images have x, y, z"):
        measure_robustness(spec, {}, other, model_sha256="", what="tiny", cache=None)
