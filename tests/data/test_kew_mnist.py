"""Kew-MNIST from R files that are written here by hand, in every form that images and labels may have."""

import bz2
import json
import lzma

import numpy as np
import pytest
import rwriter
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rwriter import INTEGER, Array, Factor, Frame, array, encode, save
from servers import Behaviour, serving

from kewcore.data.dataset import open_dataset
from kewcore.data.kew_mnist import fetch_kew_mnist
from kewcore.data.marker import read_marker
from kewcore.data.rfile import read_rdata
from kewcore.errors import DataError, DownloadError, StorageError
from kewcore.recipes import load_recipe

pytestmark = pytest.mark.unit

CLASSES = ("flower", "fruit", "leaf", "plant_tag", "stem", "whole_plant")
SIDE = 16


def pictures(count, height=SIDE, width=SIDE, seed=0):
    """Asymmetric images: no two rows or columns are alike, so that no transposition goes unseen."""
    return np.random.default_rng(seed).integers(0, 256, (count, height, width)).astype(np.uint8)


def written(folder, class_names=CLASSES):
    """Pixels by part and number, read with Pillow."""
    found = {}
    for path in folder.rglob("*.png"):
        *part, name, file = path.relative_to(folder).parts
        found[(part[0] if part else None, int(file[:5]))] = (name, np.asarray(Image.open(path)))
    return found


def check(folder, parts):
    """`parts`: by part, images and class names."""
    found = written(folder)
    assert len(found) == sum(len(images) for images, _ in parts.values())
    for part, (images, names) in parts.items():
        for number, (image, name) in enumerate(zip(images, names, strict=True)):
            assert found[part, number][0] == name
            np.testing.assert_array_equal(found[part, number][1], image)


def fetch(tmp_path, objects, **options):
    file = save(tmp_path / "kew.Rdata", objects)
    return fetch_kew_mnist(tmp_path / "out", CLASSES, url=str(file), **options)


def test_an_asymmetric_image_is_upright(tmp_path):
    # Two images of 2 rows and 3 columns, written out in R's order: image runs fastest, then row, then column.
    #   image 1: 10 20 30    image 2: 11 21 31
    #            40 50 60             41 51 61
    values = [10, 11, 40, 41, 20, 21, 50, 51, 30, 31, 60, 61]
    fetch(tmp_path, {"x": Array(values, (2, 2, 3), INTEGER), "y": ["leaf", "stem"]})
    found = written(tmp_path / "out")
    assert found[None, 0][1].tolist() == [[10, 20, 30], [40, 50, 60]]
    assert found[None, 1][1].tolist() == [[11, 21, 31], [41, 51, 61]]
    assert [found[None, i][0] for i in (0, 1)] == ["leaf", "stem"]


NAMES = [CLASSES[i % 6] for i in range(12)]
TEST_NAMES = [CLASSES[(5 - i) % 6] for i in range(7)]
LABELS = {
    "factor": lambda names: Factor([CLASSES[::-1].index(n) + 1 for n in names], list(CLASSES[::-1])),
    "text": lambda names: [n.replace("_", " ").title() for n in names],
    "from 0": lambda names: Array([CLASSES.index(n) for n in names], None, INTEGER),
    "from 1": lambda names: Array([CLASSES.index(n) + 1 for n in names]),
    "column": lambda names: Array([CLASSES.index(n) for n in names], (len(names), 1), INTEGER),
    "one-hot": lambda names: array(np.eye(6)[[CLASSES.index(n) for n in names]]),
}
IMAGES = {
    "[N,H,W] integers": lambda x: array(x, INTEGER),
    "[N,H,W] 0 to 1": lambda x: array(x / 255.0),
    "[N,H,W,1]": lambda x: array(x[..., None], INTEGER),
    "[H,W,N]": lambda x: array(np.moveaxis(x, 0, -1), INTEGER),
    "[H,W,1,N]": lambda x: array(np.moveaxis(x[..., None], 0, -1), INTEGER),
    "list of matrices": lambda x: [array(one, INTEGER) for one in x],
    "matrix": lambda x: array(np.stack([one.T.reshape(-1) for one in x]), INTEGER),
    "data frame": lambda x: Frame(
        {f"p{k}": Array([int(one[k % SIDE, k // SIDE]) for one in x], None, INTEGER) for k in range(SIDE * SIDE)}
    ),
}


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("images", IMAGES)
def test_every_form_of_images_and_labels(tmp_path, images, labels):
    x, x_test = pictures(12), pictures(7, seed=1)
    objects = {
        "x_train": IMAGES[images](x), "y_train": LABELS[labels](NAMES),
        "x_test": IMAGES[images](x_test), "y_test": LABELS[labels](TEST_NAMES),
    }  # fmt: skip
    fetched = fetch(tmp_path, objects)
    assert fetched.counts == {"train": 12, "test": 7}
    check(tmp_path / "out", {"train": (x, NAMES), "test": (x_test, TEST_NAMES)})


def test_a_path_where_nothing_is_is_not_taken_for_an_address(tmp_path):
    with pytest.raises(DownloadError) as caught:
        fetch_kew_mnist(tmp_path / "out", CLASSES, url="kew.Rdata")
    assert caught.value.message == (
        "cannot read 'kew.Rdata': it is no file on this machine, and no address such as https://host/file"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("compress", [None, bz2.compress, lzma.compress])
def test_every_compression(tmp_path, compress):
    x = pictures(12)
    save(tmp_path / "kew.Rdata", {"x": array(x, INTEGER), "y": NAMES}, compress)
    fetch_kew_mnist(tmp_path / "out", CLASSES, url=str(tmp_path / "kew.Rdata"))
    check(tmp_path / "out", {None: (x, NAMES)})


def test_nested_lists_as_keras_for_r_names_them(tmp_path):
    x, x_test = pictures(6), pictures(6, seed=1)
    names = list(CLASSES)
    kew = {"train": {"x": array(x), "y": names}, "test": {"x": array(x_test), "y": names[::-1]}}
    fetch(tmp_path, {"kew_mnist": kew, "note": ["made for a test"], "classes": names[:3]})
    check(tmp_path / "out", {"train": (x, names), "test": (x_test, names[::-1])})


def test_a_data_frame_with_labels_beside_its_pixels(tmp_path):
    x = pictures(12)
    frame = {f"p{k}": Array([int(one[k % SIDE, k // SIDE]) for one in x], None, INTEGER) for k in range(SIDE * SIDE)}
    fetch(tmp_path, {"kew": Frame({"label": LABELS["from 1"](NAMES)} | frame)})
    check(tmp_path / "out", {None: (x, NAMES)})


def test_rows_of_a_matrix_in_row_order_on_request(tmp_path):
    x = pictures(12)
    fetch(tmp_path, {"x": array(x.reshape(12, -1), INTEGER), "y": NAMES}, pixel_order="row")
    check(tmp_path / "out", {None: (x, NAMES)})


def test_colour_turns_grey_by_bt601(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (6, 9, 9, 3))
    fetch(tmp_path, {"x": array(colours, INTEGER), "y": list(CLASSES)})
    expected = np.floor(colours @ np.array([0.299, 0.587, 0.114]) + 0.5)
    check(tmp_path / "out", {None: (expected, CLASSES)})


def test_large_arrays_go_through_scratch_files_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("kewcore.data.rfile._LARGE_BYTES", 1000)
    monkeypatch.setattr("kewcore.data.rfile._CHUNK_VALUES", 777)
    monkeypatch.setattr("kewcore.data.kew_mnist._BLOCK_BYTES", 30 * 40 * 4 * 2)
    x = pictures(5, 30, 40)
    names = list(CLASSES[1:])
    fetch(tmp_path, {"x": array(x / 255.0), "y": names})
    check(tmp_path / "out", {None: (x, names)})
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_folder_is_a_dataset_and_says_where_it_came_from(tmp_path):
    x = pictures(60)
    names = [CLASSES[i % 6] for i in range(60)]
    split = {"x_train": array(x[:36], INTEGER), "y_train": names[:36], "x_test": array(x[36:], INTEGER)}
    fetched = fetch(tmp_path, split | {"y_test": names[36:]})
    dataset = open_dataset(tmp_path / "out", load_recipe("kewcnn").data)
    assert {part: len(items) for part, items in dataset.splits.items()} == {
        "train": 30, "val": 6, "test": 24, "synthetic": 0,
    }  # fmt: skip
    assert not dataset.stand_in
    marker = read_marker(tmp_path / "out")
    assert marker["kind"] == "kew-mnist"
    assert marker["source"]["sha256"] == fetched.source_sha256
    assert (tmp_path / "kew.Rdata").exists()
    again = fetch_kew_mnist(tmp_path / "out", CLASSES, url=str(tmp_path / "kew.Rdata"))
    assert again.reused
    assert again.counts == fetched.counts
    for damage in ({"source": "elsewhere"}, {"counts": 60}, {"source": {"url": str(tmp_path / "kew.Rdata")}}):
        (tmp_path / "out" / "dataset.json").write_text(json.dumps(marker | damage))
        assert not fetch_kew_mnist(tmp_path / "out", CLASSES, url=str(tmp_path / "kew.Rdata")).reused


@pytest.mark.parametrize("keep", [False, True])
def test_fetched_over_a_line_that_breaks(tmp_path, keep, monkeypatch):
    monkeypatch.setattr("kewcore.data.download.time.sleep", lambda _: None)
    x = pictures(12)
    content = encode({"x": array(x, INTEGER), "y": NAMES})
    server = Behaviour(content, cut_after=[len(content) // 2])
    with serving(server) as url:
        fetch_kew_mnist(tmp_path / "data" / "kew", CLASSES, url=url, keep=keep)
    assert server.requests[1]["Range"] == f"bytes={len(content) // 2}-"
    check(tmp_path / "data" / "kew", {None: (x, NAMES)})
    left = {path.relative_to(tmp_path / "data").as_posix() for path in (tmp_path / "data").glob("*.download/*")}
    file = "kew.download/Kew-MNIST-full-dataset.Rdata"
    assert left == ({file, f"{file}.json"} if keep else set())
    assert (tmp_path / "data" / "kew.download").exists() is keep


@pytest.mark.parametrize(
    ("objects", "problem"),
    [
        ({"x": array(pictures(5), INTEGER)}, "found no images with as many labels"),
        ({"x_train": array(pictures(6), INTEGER), "y_train": list(CLASSES)}, "found only a part"),
        (
            {"a": array(pictures(6), INTEGER), "b": array(pictures(6), INTEGER), "y": list(CLASSES)},
            "more than one object may be the images of the set: a, b",
        ),
        (
            {"x": array(pictures(6), INTEGER), "y": list(CLASSES), "z": list(CLASSES[::-1])},
            "two sets of labels fit 'x': y and z",
        ),
    ],
)
def test_what_cannot_be_told_is_listed(tmp_path, objects, problem):
    with pytest.raises(DataError) as caught:
        fetch(tmp_path, objects)
    assert caught.value.message.startswith(
        f"cannot tell which R objects are images and labels: {problem}; the file holds:\n"
    )
    for name in objects:
        assert f"\n  {name}: " in caught.value.message
    assert "int32 [" in caught.value.message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (pictures(6).astype(int) + 1, "values from . to 256"),
        (pictures(6).astype(int) - 1, "values from -1 to 2"),
        (np.where(pictures(6) == 200, np.nan, 0.5), "values from nan to nan, or missing ones"),
    ],
)
def test_values_that_are_not_grey_levels(tmp_path, values, problem):
    kind = rwriter.REAL if values.dtype == float else INTEGER
    with pytest.raises(DataError, match=rf"'x' has {problem}.*expected 0 to 1 or 0 to 255"):
        fetch(tmp_path, {"x": array(values, kind), "y": list(CLASSES)})


@pytest.mark.parametrize("labels", [["leaf"] * 5 + ["weed"], Array([0, 1, 2, 3, 4, 9]), Array([1, 2, 3, 4, 5, 1])])
def test_labels_that_are_not_the_classes(tmp_path, labels):
    with pytest.raises(DataError, match=r"labels .* are not among the classes flower, .*, nor are the labels whole"):
        fetch(tmp_path, {"x": array(pictures(6), INTEGER), "y": labels})


def test_files_that_are_not_rdata(tmp_path):
    file = tmp_path / "kew.Rdata"
    for content, problem in (
        (b"", "is not an .RData file in XDR format"),
        (b"RDA2\nA\n2\n", "is not an .RData file in XDR format"),
        (b"\x1f\x8bnot gzip at all", "is damaged or holds what rdata cannot read: "),
        (encode({"x": [*CLASSES]})[:-20], "is damaged or holds what rdata cannot read: the file ends"),
    ):
        file.write_bytes(content)
        with pytest.raises(DataError, match=rf"kew.Rdata' {problem}"):
            read_rdata(file, tmp_path)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_damaged_files_end_in_a_data_error(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    content = bytearray(SOUND)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(7, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / "kew.Rdata").write_bytes(bytes(content[: data.draw(st.integers(8, len(content)))]))
    try:
        objects = read_rdata(folder / "kew.Rdata", folder)
    except DataError:
        objects = {}
    assert isinstance(objects, dict)


SOUND = encode({"x": array(pictures(2, 3, 3), INTEGER), "y": Factor([1, 2], ["leaf", "stem"]), "z": ["a", "b"]})


def test_a_folder_of_others_is_not_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(StorageError, match=r"out' holds files that kewcore did not write; it would be replaced"):
        fetch(tmp_path, {"x": array(pictures(6), INTEGER), "y": list(CLASSES)})
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"
