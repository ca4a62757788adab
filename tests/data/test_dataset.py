"""Layouts, splits, duplicates and bad files of folders."""

import hashlib
import os
from dataclasses import replace

import pytest
from folders import CLASSES, RECIPE, content, fill, plain, split

from kewcore.data.dataset import open_dataset
from kewcore.errors import DataError

pytestmark = pytest.mark.unit


def counts(dataset):
    return {
        part: [sum(item.class_index == c for item in items) for c in range(len(dataset.class_names))]
        for part, items in dataset.splits.items()
    }


def test_a_plain_folder_is_split_by_class(tmp_path):
    dataset = open_dataset(plain(tmp_path, {"flower": 40, "leaf": 20}), RECIPE)
    assert counts(dataset) == {"train": [24, 12], "val": [4, 2], "test": [12, 6], "synthetic": [0, 0]}
    assert len({item.path for items in dataset.splits.values() for item in items}) == 60
    assert dataset.class_names == CLASSES
    assert not dataset.stand_in


def test_the_split_is_the_same_again_and_other_for_another_seed(tmp_path):
    plain(tmp_path, {"flower": 40, "leaf": 20})
    first, again = open_dataset(tmp_path, RECIPE), open_dataset(tmp_path, RECIPE)
    assert first == again
    other = open_dataset(tmp_path, replace(RECIPE, split_seed=43))
    assert counts(other) == counts(first)
    assert other.splits["test"] != first.splits["test"]
    assert other.fingerprint != first.fingerprint


def test_the_split_of_a_class_does_not_depend_on_the_others(tmp_path):
    small = open_dataset(plain(tmp_path / "a", {"flower": 40, "leaf": 20}), RECIPE)
    large = open_dataset(plain(tmp_path / "b", {"flower": 40, "leaf": 33}), RECIPE)
    assert [i.path.name for i in small.splits["test"] if i.class_index == 0] == [
        i.path.name for i in large.splits["test"] if i.class_index == 0
    ]


def test_explicit_parts_are_kept(tmp_path):
    dataset = open_dataset(split(tmp_path), RECIPE)
    assert counts(dataset) == {"train": [4, 4], "val": [4, 4], "test": [4, 4], "synthetic": [0, 0]}
    assert all(item.path.parts[-3] == part for part, items in dataset.splits.items() for item in items)


def test_validation_is_taken_from_train_where_it_is_missing(tmp_path):
    dataset = open_dataset(split(tmp_path, ("train", "test"), 20), RECIPE)
    assert counts(dataset) == {"train": [17, 17], "val": [3, 3], "test": [20, 20], "synthetic": [0, 0]}
    assert {item.path.parts[-3] for item in dataset.splits["val"]} == {"train"}


@pytest.mark.parametrize("layout", ["plain", "split"])
def test_synthetic_images_come_with_any_layout(tmp_path, layout):
    plain(tmp_path, {"flower": 10, "leaf": 10}) if layout == "plain" else split(tmp_path)
    fill(tmp_path / "synthetic" / "leaf", 3, 90_000)
    assert counts(open_dataset(tmp_path, RECIPE))["synthetic"] == [0, 3]


def test_synthetic_images_may_lie_elsewhere(tmp_path):
    plain(tmp_path / "photos", {"flower": 10, "leaf": 10})
    fill(tmp_path / "drawn" / "synthetic" / "leaf", 3, 90_000)
    inner = open_dataset(tmp_path / "photos", RECIPE, synthetic=tmp_path / "drawn" / "synthetic")
    outer = open_dataset(tmp_path / "photos", RECIPE, synthetic=tmp_path / "drawn")
    assert counts(inner)["synthetic"] == [0, 3]
    assert inner == outer
    with pytest.raises(DataError, match=r"no folder of synthetic images at '.*nowhere'"):
        open_dataset(tmp_path / "photos", RECIPE, synthetic=tmp_path / "nowhere")


def test_classes_come_from_folders_when_the_recipe_names_none(tmp_path):
    dataset = open_dataset(plain(tmp_path, {"b": 4, "a": 4, "synthetic": 0}), replace(RECIPE, classes=None))
    assert dataset.class_names == ("a", "b")


def test_the_fingerprint_is_what_its_description_says(tmp_path):
    split(tmp_path)
    fill(tmp_path / "synthetic" / "leaf", 1, 90_000)
    lines = []
    for path in tmp_path.rglob("*.png"):
        part, name, _ = path.relative_to(tmp_path).parts
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        lines.append(f"{part}\t{path.relative_to(tmp_path).as_posix()}\t{name}\t{digest}\n")
    expected = hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
    assert open_dataset(tmp_path, RECIPE).fingerprint == expected


def test_hidden_files_and_droppings_are_passed_over(tmp_path):
    split(tmp_path)
    before = open_dataset(tmp_path, RECIPE)
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / "train" / "leaf" / name).write_bytes(b"x")
    (tmp_path / ".cache").mkdir()
    assert open_dataset(tmp_path, RECIPE) == before


def test_layout_problems_are_all_listed(tmp_path):
    plain(tmp_path, {"flower": 3, "Leaf": 3, "weed": 3})
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path, RECIPE)
    assert caught.value.message == (
        f"'{tmp_path}' does not hold the classes flower, leaf:\n  no folder for class 'leaf'"
        "\n  unknown class folder 'Leaf'\n  unknown class folder 'weed'"
    )


def test_an_empty_class_folder(tmp_path):
    plain(tmp_path, {"flower": 3, "leaf": 0})
    with pytest.raises(DataError, match=r"class folder 'leaf' is empty"):
        open_dataset(tmp_path, RECIPE)


def test_missing_and_unknown_parts(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"'.*file' is a file; expected a folder of images"):
        open_dataset(tmp_path / "file", RECIPE)
    with pytest.raises(DataError, match=r"no dataset at '.*gone': the folder does not exist") as caught:
        open_dataset(tmp_path / "gone", RECIPE)
    assert caught.value.hint == "make one: kewcore data sample"
    split(tmp_path / "a", ("train",))
    with pytest.raises(DataError, match=r"has no folder test; expected train/, test/ and maybe val/"):
        open_dataset(tmp_path / "a", RECIPE)
    split(tmp_path / "b", ("train", "test", "extra"))
    with pytest.raises(DataError, match=r"has unknown folders extra; known: train, val, test, synthetic"):
        open_dataset(tmp_path / "b", RECIPE)


def test_too_few_images_to_split(tmp_path):
    plain(tmp_path, {"flower": 8, "leaf": 1})
    with pytest.raises(DataError, match=r"to take a test part from: .* at least 2 here, but there are 1 of leaf$"):
        open_dataset(tmp_path, RECIPE)


def bad_folder(root):
    """A split dataset with a file of every kind that must not be used; returns the reasons by file."""
    split(root)
    (root / "train/flower/zero.png").write_bytes(b"")
    (root / "train/flower/notes.txt").write_bytes(b"hello")
    (root / "train/leaf/cut.png").write_bytes(content(77)[:90])
    (root / "test/leaf/leak.png").write_bytes(content(10_000))
    (root / "val/leaf/gone.png").symlink_to(root / "nowhere.png")
    return {
        "train/flower/zero.png": "the file is empty (0 bytes)",
        "train/flower/notes.txt": "not an image, or of a format that Pillow does not read",
        "train/leaf/cut.png": "cannot be decoded: ",
        "val/leaf/gone.png": "cannot be read: No such file or directory",
        "train/flower/000.png": f"the same image as {root}/test/leaf/leak.png",
    }


def test_every_bad_file_is_listed_at_once(tmp_path):
    reasons = bad_folder(tmp_path)
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path, RECIPE)
    assert caught.value.message.startswith(f"5 files in '{tmp_path}' cannot be used:\n")
    for name, reason in reasons.items():
        assert f"\n  {tmp_path / name}: {reason}" in caught.value.message
    assert caught.value.hint == "repair or remove them, or leave them out with --skip-bad"


def test_bad_files_are_left_out_on_request(tmp_path):
    reasons = bad_folder(tmp_path)
    dataset = open_dataset(tmp_path, RECIPE, skip_bad=True)
    # The truncated file has a sound header: load_pixels leaves it out when it decodes.
    assert {one.path.relative_to(tmp_path).as_posix() for one in dataset.skipped} == set(reasons) - {
        "train/leaf/cut.png"
    }
    assert counts(dataset) == {"train": [3, 5], "val": [4, 4], "test": [4, 5], "synthetic": [0, 0]}


def test_validation_images_may_not_be_trained_on(tmp_path):
    split(tmp_path)
    (tmp_path / "synthetic" / "leaf").mkdir(parents=True)
    (tmp_path / "synthetic" / "leaf" / "same.png").write_bytes((tmp_path / "val/leaf/000.png").read_bytes())
    with pytest.raises(DataError, match=r"synthetic/leaf/same.png: the same image as .*val/leaf/000.png"):
        open_dataset(tmp_path, RECIPE)


def test_copies_in_a_plain_folder_are_left_out_before_the_split(tmp_path, capsys):
    plain(tmp_path, {"flower": 10, "leaf": 10})
    (tmp_path / "leaf" / "zz.png").write_bytes((tmp_path / "leaf" / "003.png").read_bytes())
    dataset = open_dataset(tmp_path, RECIPE)
    assert [(one.path.name, one.reason) for one in dataset.skipped] == [("zz.png", f"copy of {tmp_path}/leaf/003.png")]
    assert sum(map(len, dataset.splits.values())) == 20
    assert "left out 1 further copies of images before splitting" in capsys.readouterr().err


def test_an_image_in_two_classes_of_a_plain_folder(tmp_path):
    plain(tmp_path, {"flower": 10, "leaf": 10})
    (tmp_path / "leaf" / "zz.png").write_bytes((tmp_path / "flower" / "003.png").read_bytes())
    with pytest.raises(DataError, match=r"(?s)2 files .*the same image is in more than one class: .*003.png"):
        open_dataset(tmp_path, RECIPE)
    assert len(open_dataset(tmp_path, RECIPE, skip_bad=True).skipped) == 2


def test_nothing_usable_in_a_class(tmp_path):
    split(tmp_path, count=1)
    (tmp_path / "test/leaf/000.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"has no usable image in:\n  test/leaf$"):
        open_dataset(tmp_path, RECIPE, skip_bad=True)


def labelled(root, rows, name="train_labels.csv", head="filename,class_index,class_name"):
    (root / name).write_text("\n".join([head, *rows]) + "\n")


def test_label_files_with_flat_and_with_class_folders(tmp_path):
    split(tmp_path, ("val", "test"))
    fill(tmp_path / "train", 3, 500)
    fill(tmp_path / "train" / "leaf", 1, 600)
    labelled(tmp_path, ["000.png,0,flower", "001.png,1,leaf", "002.png,0,flower", "leaf/000.png,1,leaf"])
    # '000.png' is there twice: the flat one comes first.
    dataset = open_dataset(tmp_path, RECIPE)
    assert [(i.path.relative_to(tmp_path).as_posix(), i.class_index) for i in dataset.splits["train"]] == [
        ("train/000.png", 0), ("train/001.png", 1), ("train/002.png", 0), ("train/leaf/000.png", 1),
    ]  # fmt: skip


def test_label_files_name_the_classes_when_the_recipe_does_not(tmp_path):
    split(tmp_path, ("test", "val"))
    fill(tmp_path / "train", 2, 500)
    labelled(tmp_path, ["000.png,1,flower", "001.png,0,leaf"])
    assert open_dataset(tmp_path, replace(RECIPE, classes=None)).class_names == ("leaf", "flower")


def test_files_found_by_class_name(tmp_path):
    split(tmp_path)
    labelled(tmp_path, [f"{i:03d}.png,{c},{CLASSES[c]}" for i in range(4) for c in (0,)] + ["leaf/000.png,1,leaf"])
    with pytest.raises(DataError, match=r"'leaf/003.png' has no label"):
        open_dataset(tmp_path, RECIPE)


def test_names_that_are_not_utf_8_are_refused_or_left_out(tmp_path):
    plain(tmp_path, {"flower": 5, "leaf": 5})
    odd = tmp_path / "leaf" / os.fsdecode(b"f\xfcr.png")
    odd.write_bytes(content(77))
    with pytest.raises(DataError, match=r"1 files in .* cannot be used:\n.*its name is not valid UTF-8"):
        open_dataset(tmp_path, RECIPE)
    dataset = open_dataset(tmp_path, RECIPE, skip_bad=True)
    assert [one.path for one in dataset.skipped] == [odd]


@pytest.mark.parametrize("name", ["../../etc", ".hidden", "", "a/b"])
def test_classes_of_a_label_file_cannot_lead_out_of_the_folder(tmp_path, name):
    plain(tmp_path / "train", {"flower": 1, "leaf": 1})
    plain(tmp_path / "test", {"flower": 1, "leaf": 1})
    labelled(tmp_path, ["000.png,0,flower", f"001.png,1,{name}"])
    with pytest.raises(DataError, match=r"class 1 is '.*', which no folder can be called"):
        open_dataset(tmp_path, replace(RECIPE, classes=None))


def test_folder_and_label_file_disagree(tmp_path):
    split(tmp_path)
    labelled(tmp_path, ["flower/000.png,1,leaf", "leaf/000.png,1,leaf", "leaf/gone.png,1,leaf"])
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path, RECIPE)
    for problem in (
        "'flower/000.png' lies in folder 'flower' but is labelled 'leaf'",
        f"'leaf/gone.png' is missing below '{tmp_path}/train'",
        "class 'flower' has no image",
    ):
        assert f"\n  {problem}" in caught.value.message


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("a.png,0", "line 2: expected 3 fields"),
        ("a.png,0,flower,x", "line 2: expected 3 fields"),
        ("../a.png,0,flower", "line 2: file name '../a.png' leaves the folder"),
        ("/etc/a.png,0,flower", "line 2: file name '/etc/a.png' leaves the folder"),
        ("a.png,1,flower", "line 2: class 1 is not 'flower'"),
        ("a.png,-1,flower", "line 2: class -1 is not 'flower'"),
        ("a.png,0,flower\na.png,0,flower", "line 3: 'a.png' is named twice"),
    ],
)
def test_wrong_rows_of_a_label_file(tmp_path, row, problem):
    split(tmp_path)
    labelled(tmp_path, [row])
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path, RECIPE)
    assert caught.value.message == (
        f"label file '{tmp_path}/train_labels.csv' (classes 0 flower, 1 leaf) has wrong rows:\n  {problem}"
    )


def test_wrong_columns_and_encoding_of_a_label_file(tmp_path):
    split(tmp_path)
    labelled(tmp_path, [], head="file,label")
    with pytest.raises(DataError, match=r"has columns \['file', 'label'\]; expected filename, class_index, class_name"):
        open_dataset(tmp_path, RECIPE)
    (tmp_path / "train_labels.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"train_labels.csv' cannot be read: "):
        open_dataset(tmp_path, RECIPE)


def test_a_marker_that_is_not_ours(tmp_path):
    split(tmp_path)
    (tmp_path / "dataset.json").write_text("[1]")
    with pytest.raises(DataError, match=r"dataset.json' is not the marker that kewcore writes: expected an object"):
        open_dataset(tmp_path, RECIPE)
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(DataError, match=r"dataset.json' is not the marker that kewcore writes: "):
        open_dataset(tmp_path, RECIPE)
    (tmp_path / "dataset.json").write_text('{"kind": "sample", "stand_in": true}')
    assert open_dataset(tmp_path, RECIPE).stand_in
