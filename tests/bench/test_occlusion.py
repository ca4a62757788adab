"""Occlusion maps: which places are hidden, in real engines, and how maps are shown."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from bench_bed import Bed
from PIL import Image

from kewcore_bench.candidates import run_facts
from kewcore_bench.depth.occlusion import GREY, choose_images, corners, measure_occlusion, window_and_stride
from kewcore_bench.depth.occlusion_result import OcclusionMap, OcclusionSample
from kewcore_bench.engines.load import EngineSpec
from kewcore_bench.report.occlusion_view import largest_difference, sample_view
from kewcore_bench.result import Sample
from kewcore_bench.sources import labelled_images


@pytest.mark.unit
def test_the_published_window_at_the_published_size_and_in_proportion_elsewhere() -> None:
    assert window_and_stride(500, 500) == (50, 25)
    assert window_and_stride(128, 200) == (13, 6)
    assert window_and_stride(4, 4) == (1, 1)
    tops, lefts = corners(500, 100, 50, 25)
    assert (len(tops), tops[0], tops[-1]) == (19, 0, 450)
    assert lefts == [0, 25, 50]


@pytest.mark.unit
def test_images_are_chosen_class_by_class_in_the_order_of_the_gallery() -> None:
    gallery = [Sample(Path(name), name[0], ()) for name in ("a1", "a2", "b1", "a3", "c1", "b2")]
    assert choose_images(gallery, 4) == [Path("a1"), Path("b1"), Path("c1"), Path("a2")]
    assert len(choose_images(gallery, 99)) == 6
    assert choose_images([], 3) == []


@pytest.mark.parity
def test_a_map_says_what_the_engine_says_of_each_hidden_place(bed: Bed) -> None:
    """Some values are asked for once more, one image at a time, from classifiers in this process."""
    from kewcore.models.reference import KerasClassifier
    from kewcore.runtime import PackageClassifier

    images = labelled_images([run_facts(bed.run).source], data=None, limit=9)
    engines = {
        "TensorFlow": EngineSpec("tensorflow", bed.run, "auto", 1),
        "coarse": EngineSpec("package", bed.packages[1], "auto", 1),
    }
    asked = [images.files[7], images.files[2]]
    found = measure_occlusion(engines, images, asked, what="tiny")
    assert [one.file for one in found] == asked
    keras, package = KerasClassifier(bed.run), PackageClassifier(bed.packages[1], "reference")
    window, stride = window_and_stride(*images.pixels.shape[1:])
    for one, index in zip(found, (7, 2), strict=True):
        label = int(images.labels[index])
        assert (one.label, one.window, one.stride) == (images.class_names[label], window, stride)
        assert [each.name for each in one.maps] == ["TensorFlow", "coarse"]
        for each, classifier in zip(one.maps, (keras, package), strict=True):
            plain = classifier.probabilities(images.pixels[index : index + 1])[0, label]
            assert each.probability == pytest.approx(plain, abs=2e-3)
            assert (len(each.drops), len(each.drops[0])) == (30, 30)
            for row, column in ((0, 0), (11, 17), (29, 29)):
                hidden = np.array(images.pixels[index])
                hidden[row * stride :, column * stride :][:window, :window] = GREY
                expected = plain - classifier.probabilities(hidden[None])[0, label]
                assert each.drops[row][column] == pytest.approx(expected, abs=2e-3)


def sample(*maps: list[list[float]]) -> OcclusionSample:
    drawn = tuple(OcclusionMap(f"engine {i}", 0.5, tuple(map(tuple, rows))) for i, rows in enumerate(maps))
    return OcclusionSample(Path("leaf.png"), "a_leaf", 50, 25, drawn)


@pytest.mark.unit
def test_maps_are_told_in_words_and_coloured_by_sign_on_one_scale() -> None:
    reference = [[0.0, 0.1, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, -0.4]]
    package = [[0.0, 0.1, 0.0], [0.0, 0.0, 0.0], [0.2, 0.0, -0.4]]
    view = sample_view(sample(reference, package))
    assert (view.label, view.photograph, view.largest) == ("a leaf", None, "0.40")
    first, second = view.maps
    assert first.description == "engine 0: hiding the top middle costs most, +0.10"
    assert second.description == "engine 1: hiding the bottom left costs most, +0.20"
    assert first.difference == ""
    assert second.difference.startswith("largest difference 0.2000, correlation 0.9")
    png = np.asarray(Image.open(io.BytesIO(base64.b64decode(first.overlay.partition(",")[2]))))
    assert png.shape == (3, 3, 4)
    assert png[0, 0, 3] == 0  # nothing changed: nothing is drawn
    assert png[2, 2, 3] == 215  # the largest change on the page's scale
    assert png[0, 1, 3] == round(215 / 2)  # a quarter of it: the square root is drawn
    assert png[0, 1, 0] > png[0, 1, 2]  # orange: it leans on this
    assert png[2, 2, 2] > png[2, 2, 0]  # blue
    assert largest_difference([sample(reference, package)]) == pytest.approx(0.2)
    assert largest_difference([]) == 0


@pytest.mark.unit
def test_a_map_without_any_change_has_no_correlation() -> None:
    flat = [[0.0, 0.0]]
    view = sample_view(sample(flat, flat))
    assert view.maps[1].difference == "largest difference 0.0000"
    assert view.largest == "0.01"  # so that rounding is not shown in full colour
