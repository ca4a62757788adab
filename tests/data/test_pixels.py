"""Decoding many images, with and without a cache."""

import numpy as np
import pytest
from folders import RECIPE, content, plain
from PIL import Image

from kewcore.data.dataset import Item
from kewcore.data.pixels import load_pixels
from kewcore.errors import DataError, StorageError

pytestmark = pytest.mark.unit


def items_in(root, count=5):
    plain(root, {"flower": count, "leaf": count})
    return [Item(path, int(path.parent.name == "leaf")) for path in sorted(root.rglob("*.png"))]


def expected(items):
    bilinear = Image.Resampling.BILINEAR
    images = [Image.open(item.path) for item in items]
    return np.stack([np.asarray(one.resize((8, one.height), bilinear).resize((8, 8), bilinear)) for one in images])


@pytest.mark.parametrize("cached", [False, True])
def test_pixels_and_labels_in_order(tmp_path, cached):
    items = items_in(tmp_path / "in")
    pixels = load_pixels(items, RECIPE, cache=tmp_path / "cache" if cached else None)
    np.testing.assert_array_equal(pixels.images, expected(items))
    assert pixels.images.dtype == np.uint8
    assert pixels.labels.dtype == np.int64
    assert pixels.labels.tolist() == [0] * 5 + [1] * 5
    assert pixels.items == tuple(items)
    assert isinstance(pixels.images, np.memmap) is cached


def test_the_cache_is_used_again_and_belongs_to_the_contents(tmp_path, monkeypatch):
    items, cache = items_in(tmp_path / "in"), tmp_path / "cache"
    first = load_pixels(items, RECIPE, cache=cache)
    stamps = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert len(stamps) == 2
    (tmp_path / "in").rename(tmp_path / "moved")
    moved = [Item(tmp_path / "moved" / item.path.relative_to(tmp_path / "in"), item.class_index) for item in items]
    np.testing.assert_array_equal(load_pixels(moved, RECIPE, cache=cache).images, first.images)
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == stamps
    moved[0].path.write_bytes(content(123456))
    assert not np.array_equal(load_pixels(moved, RECIPE, cache=cache).images[0], first.images[0])
    assert len(list(cache.iterdir())) == 4


@pytest.mark.parametrize("cached", [False, True])
def test_all_bad_images_are_listed_or_left_out(tmp_path, cached, capsys):
    items, cache = items_in(tmp_path / "in"), tmp_path / "cache" if cached else None
    items[2].path.write_bytes(content(2)[:90])
    items[7].path.unlink()
    for _ in range(2):
        with pytest.raises(DataError) as caught:
            load_pixels(items, RECIPE, cache=cache)
        assert caught.value.message.startswith("2 of 10 images cannot be decoded:\n")
        assert f"{items[2].path}: cannot be decoded: " in caught.value.message
        assert f"{items[7].path}: cannot be read: No such file or directory" in caught.value.message
        kept = [item for i, item in enumerate(items) if i not in {2, 7}]
        pixels = load_pixels(items, RECIPE, cache=cache, skip_bad=True)
        np.testing.assert_array_equal(pixels.images, expected(kept))
        assert pixels.items == tuple(kept)
        assert [one.path for one in pixels.skipped] == [items[2].path, items[7].path]
    assert "left out 2 of 10 images that cannot be decoded" in capsys.readouterr().err


@pytest.mark.parametrize("cached", [False, True])
def test_nothing_left(tmp_path, cached):
    (tmp_path / "a.png").write_bytes(b"")
    cache = tmp_path / "cache" if cached else None
    with pytest.raises(DataError, match=r"no image is left to work on"):
        load_pixels([Item(tmp_path / "a.png", 0)], RECIPE, cache=cache, skip_bad=True)


def cut(file):
    file.write_bytes(file.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        ("*.npy", cut),
        ("*.npy", lambda file: np.save(file, np.zeros((3, 8, 8), np.uint8))),
        ("*.npy", lambda file: file.write_bytes(b"")),
        ("*.json", cut),
        ("*.json", lambda file: file.write_text('{"skipped": {"99": "gone"}}')),
        ("*.json", lambda file: file.write_text('{"skipped": []}')),
    ],
)
def test_a_damaged_cache_is_made_again(tmp_path, pattern, damage):
    items, cache = items_in(tmp_path / "in"), tmp_path / "cache"
    load_pixels(items, RECIPE, cache=cache)
    damage(next(cache.glob(pattern)))
    for _ in range(2):
        np.testing.assert_array_equal(load_pixels(items, RECIPE, cache=cache).images, expected(items))
    assert len(list(cache.iterdir())) == 2


def test_a_cache_that_does_not_keep_what_is_written_is_named(tmp_path, monkeypatch):
    items = items_in(tmp_path / "in")
    monkeypatch.setattr("kewcore.data.pixels.write_json", lambda *_: None)
    with pytest.raises(StorageError, match=r"cached pixels '.*npy' cannot be read back"):
        load_pixels(items, RECIPE, cache=tmp_path / "cache")


def test_a_cache_that_cannot_be_written(tmp_path):
    items = items_in(tmp_path / "in")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write '.*file/.*': "):
        load_pixels(items, RECIPE, cache=tmp_path / "file")


def test_an_interrupted_cache_leaves_nothing(tmp_path, monkeypatch):
    items, cache = items_in(tmp_path / "in"), tmp_path / "cache"

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("kewcore.data.pixels.os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_pixels(items, RECIPE, cache=cache)
    assert list(cache.iterdir()) == []
