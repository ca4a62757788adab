"""The sample set: always the same, in Kew-MNIST's proportions, of two visibly different kinds."""

import io
import json
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest
from PIL import Image

from kewcore.artefacts import sha256_tree
from kewcore.data.dataset import open_dataset
from kewcore.data.pixels import load_pixels
from kewcore.data.sample.make import KEW_MNIST_TRAINING_COUNTS, draw_sample, make_sample_set, sample_counts
from kewcore.errors import StorageError, UsageError
from kewcore.recipes import load_recipe

pytestmark = pytest.mark.unit

CLASSES = tuple(KEW_MNIST_TRAINING_COUNTS)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp("sample") / "set"
    return make_sample_set(root, seed=7, images=12)


def test_counts_are_in_kew_mnists_proportions():
    counts = sample_counts(3316)
    assert counts["train"] == KEW_MNIST_TRAINING_COUNTS
    # The added counts of the published project, and evenness.
    assert counts["synthetic"] == dict(zip(CLASSES, (360, 652, 91, 0, 467, 538), strict=True))
    assert {counts["train"][c] + counts["synthetic"][c] for c in CLASSES} == {904}


@pytest.mark.parametrize("images", [12, 13, 60, 160, 999])
def test_counts_add_up(images):
    counts = sample_counts(images)
    assert sum(counts["train"].values()) == images
    assert sum(counts["val"].values()) == max(6, round(images * 15 / 85))
    assert sum(counts["test"].values()) == max(12, round(images * 0.75))
    for part in ("train", "val", "test"):
        total = sum(counts[part].values())
        for name, count in counts[part].items():
            assert count >= 1
            assert abs(count - total * KEW_MNIST_TRAINING_COUNTS[name] / 3316) <= 1.5


def test_too_few_images(tmp_path):
    with pytest.raises(UsageError, match=r"the sample set needs at least 12 training images, two a class; got 11"):
        make_sample_set(tmp_path / "set", images=11)


def test_images_are_grey_500_by_500_and_the_same_again():
    for part, name in (("train", "flower"), ("test", "plant_tag"), ("synthetic", "stem")):
        content = draw_sample(7, part, name, 3)
        image = Image.open(io.BytesIO(content))
        assert (image.format, image.mode, image.size) == ("JPEG", "L", (500, 500))
        assert np.asarray(image).std() > 10
        assert draw_sample(7, part, name, 3) == content
    assert len({draw_sample(s, p, "leaf", n) for s in (7, 8) for p in ("train", "test") for n in (0, 1)}) == 8


def test_the_folder_is_a_dataset_that_says_it_is_a_stand_in(small):
    recipe = load_recipe("kewcnn").data
    dataset = open_dataset(small.root, recipe)
    assert dataset.stand_in
    assert dataset.class_names == CLASSES
    counts = {
        part: {name: sum(item.class_index == c for item in items) for c, name in enumerate(CLASSES)}
        for part, items in dataset.splits.items()
    }
    assert counts == small.counts == sample_counts(12)
    marker = json.loads((small.root / "dataset.json").read_text())
    assert marker["kind"] == "sample"
    assert "stand-in" in marker["notice"]
    assert not small.reused
    assert load_pixels(dataset.splits["val"], recipe).images.shape == (6, 500, 500)


def test_a_second_call_draws_nothing_and_a_damaged_set_is_drawn_again(small):
    before = sha256_tree(small.root)
    assert make_sample_set(small.root, seed=7, images=12).reused
    next(small.root.glob("train/leaf/*.jpg")).unlink()
    assert not make_sample_set(small.root, seed=7, images=12).reused
    assert sha256_tree(small.root) == before


@pytest.mark.slow
def test_worker_processes_draw_the_same_images(tmp_path, monkeypatch):
    monkeypatch.setattr("kewcore.data.sample.make._FEW", 0)
    monkeypatch.setattr("kewcore.data.sample.make.os.cpu_count", lambda: 1)
    alone = sha256_tree(make_sample_set(tmp_path / "alone", seed=3, images=12).root)
    monkeypatch.setattr("kewcore.data.sample.make.os.cpu_count", lambda: 2)
    assert sha256_tree(make_sample_set(tmp_path / "pool", seed=3, images=12).root) == alone


@pytest.mark.slow
def test_drawing_goes_on_when_a_worker_process_is_killed(tmp_path, monkeypatch):
    class Killed:
        def __init__(self, *_, **__):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def map(self, write, jobs, chunksize):
            yield write(jobs[0])
            raise BrokenProcessPool

    monkeypatch.setattr("kewcore.data.sample.make._FEW", 0)
    monkeypatch.setattr("kewcore.data.sample.make.os.cpu_count", lambda: 2)
    monkeypatch.setattr("kewcore.data.sample.make.ProcessPoolExecutor", Killed)
    summary = make_sample_set(tmp_path / "set", images=12)
    assert len(list(summary.root.rglob("*.jpg"))) == sum(sum(counts.values()) for counts in sample_counts(12).values())


def test_the_two_generators_differ_as_photographs_and_renderings_do():
    """Renderings are smooth and vignetted: less fine grain, and corners darker than the middle."""

    def pixels(part, number):
        return np.asarray(Image.open(io.BytesIO(draw_sample(7, part, "leaf", number))), dtype=float)

    photographs = [pixels("train", n) for n in range(6)]
    renderings = [pixels("synthetic", n) for n in range(6)]

    def grain(image):
        return np.median(np.abs(np.diff(image, axis=1)))

    def corner(image):
        return np.mean([image[:60, :60], image[-60:, -60:]]) - image[200:300, 200:300].mean()

    assert np.mean([grain(x) for x in photographs]) > 2 * np.mean([grain(x) for x in renderings])
    assert all(corner(x) < -20 for x in renderings)


def test_a_folder_of_others_is_not_replaced(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"x")
    with pytest.raises(StorageError, match=r"photos' holds files that kewcore did not write") as caught:
        make_sample_set(tmp_path / "photos")
    assert caught.value.hint == "choose another folder with --out, or empty this one"
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match=r"cannot write a dataset to '.*file': it is a file"):
        make_sample_set(tmp_path / "file")
