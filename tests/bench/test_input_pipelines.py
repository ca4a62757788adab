"""Other input pipelines: what they make of files whose pixels are known, and what that changes in answers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench_bed import Bed
from PIL import Image

from kewcore.data.images import read_image
from kewcore.data.placement import placed
from kewcore.errors import DataError
from kewcore.recipes import DataRecipe, load_recipe
from kewcore_bench.candidates import run_facts
from kewcore_bench.depth.pipeline_run import measure_pipelines
from kewcore_bench.depth.pipelines import PIPELINES
from kewcore_bench.engines.load import EngineSpec
from kewcore_bench.images import LabelledImages
from kewcore_bench.sources import labelled_images

pytestmark = pytest.mark.parity


def recipe(policy: str, height: int = 32, width: int = 48) -> DataRecipe:
    return replace(load_recipe("kewcnn").data, height=height, width=width, resize=policy)  # type: ignore[arg-type]


def coloured(folder: Path, size: tuple[int, int]) -> Path:
    levels = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    Image.fromarray(levels).save(folder / "x.png")
    return folder / "x.png"


def test_at_its_own_size_only_the_greys_differ(tmp_path: Path) -> None:
    file = coloured(tmp_path, (48, 32))
    red, green, blue = np.moveaxis(np.asarray(Image.open(file)).astype(float), -1, 0)
    own = read_image(file, height=32, width=48, policy="fill")
    found = {name: pipeline.decode(file, recipe("fill")).astype(float) for name, pipeline in PIPELINES.items()}
    by_601 = 0.299 * red + 0.587 * green + 0.114 * blue
    assert np.abs(own - by_601).max() <= 0.51
    assert np.abs(found["app-601"] - by_601).max() <= 1.2
    assert np.abs(found["tensorflow"] - by_601).max() <= 1.2
    assert np.abs(found["app-709"] - (0.2126 * red + 0.7152 * green + 0.0722 * blue)).max() <= 0.6
    np.testing.assert_array_equal(found["tensorflow"], found["tensorflow-aa"])


@pytest.mark.parametrize("policy", ["fill", "fit", "centre-crop"])
def test_frames_are_kewcores_own(tmp_path: Path, policy: str) -> None:
    # A smooth ramp: all antialiased filters give nearly the same, if they look at the same part of it.
    rows, columns = np.mgrid[:150, :231]
    ramp = np.clip(40 + rows * 0.5 + columns * 0.5, 0, 255).astype(np.uint8)
    Image.fromarray(np.stack([ramp] * 3, axis=-1)).save(tmp_path / "x.png")
    own = read_image(tmp_path / "x.png", height=32, width=48, policy=policy)  # type: ignore[arg-type]
    for name, pipeline in PIPELINES.items():
        found = pipeline.decode(tmp_path / "x.png", recipe(policy))
        assert found.shape == (32, 48), name
        inside = np.abs(found.astype(int) - own)
        assert np.median(inside) <= 1, name
        assert inside.mean() < 2, name
    if policy == "fit":
        assert placed((231, 150), (recipe("fit").width, recipe("fit").height), "fit").inner == (48, 31)


def test_without_antialiasing_fine_patterns_come_out_wrong(tmp_path: Path) -> None:
    stripes = np.zeros((128, 192), np.uint8)
    stripes[:, ::4] = 255
    Image.fromarray(stripes).save(tmp_path / "x.png")
    own = read_image(tmp_path / "x.png", height=32, width=48, policy="fill").astype(int)
    plain = PIPELINES["tensorflow"].decode(tmp_path / "x.png", recipe("fill"))
    smooth = PIPELINES["tensorflow-aa"].decode(tmp_path / "x.png", recipe("fill"))
    assert np.abs(smooth - own).mean() < 2
    assert np.abs(plain - own).mean() > 30


def test_what_cannot_be_decoded_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"no image")
    for name in ("tensorflow", "app-601"):
        with pytest.raises(DataError, match=r"x\.jpg' cannot be decoded"):
            PIPELINES[name].decode(tmp_path / "x.jpg", recipe("fill"))


@pytest.fixture(scope="module")
def images(bed: Bed) -> LabelledImages:
    return labelled_images([run_facts(bed.run).source], data=None, limit=6)


def test_greyscale_files_of_the_right_size_change_no_answer(bed: Bed, images: LabelledImages, tmp_path: Path) -> None:
    Image.open(images.files[1]).save(tmp_path / "1.webp", lossless=True)  # TensorFlow does not decode WebP.
    mixed = replace(images, files=(images.files[0], tmp_path / "1.webp", *images.files[2:]))
    reference = EngineSpec("tensorflow", bed.run, "auto", 1)
    found = measure_pipelines(reference, run_facts(bed.run).source.data, mixed, what="tiny")
    assert [one.pipeline for one in found] == list(PIPELINES)
    assert [(one.n, one.skipped) for one in found] == [(5, 1), (5, 1), (6, 0), (6, 0)]
    for one in found:
        assert one.max_abs_pixel <= 1  # TensorFlow's weights add up to 0.9999.
        assert one.top1_agreement == 1
        assert one.max_abs_dp < 0.01
        assert one.accuracy.drop_pp == 0
    assert found[2].pixels_equal == 1
    assert found[2].max_abs_dp == 0


def test_a_pipeline_that_decodes_nothing_is_left_out_with_a_word(
    bed: Bed, images: LabelledImages, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = tuple(tmp_path / f"{index}.webp" for index in range(len(images.files)))
    for file, copy in zip(images.files, files, strict=True):
        Image.open(file).save(copy, lossless=True)
    reference = EngineSpec("tensorflow", bed.run, "auto", 1)
    found = measure_pipelines(reference, run_facts(bed.run).source.data, replace(images, files=files), what="tiny")
    assert [one.pipeline for one in found] == ["app-601", "app-709"]
    assert "pipeline 'tensorflow' is left out: it cannot decode any of the 6 files" in capsys.readouterr().err
