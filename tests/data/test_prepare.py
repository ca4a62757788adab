"""Splitting, merging and describing folders."""

import csv
import filecmp

import pytest
from folders import CLASSES, RECIPE, content, fill, plain, split
from PIL import Image

from kewcore.data.dataset import open_dataset
from kewcore.data.info import describe_dataset
from kewcore.data.marker import read_marker
from kewcore.data.prepare import Balance, prepare_dataset
from kewcore.errors import DataError, StorageError, UsageError

pytestmark = pytest.mark.unit


def prepared(tmp_path, **options):
    plain(tmp_path / "photos", {"flower": 40, "leaf": 20})
    fill(tmp_path / "drawn" / "leaf", 14, 90_000)
    return prepare_dataset(tmp_path / "photos", tmp_path / "out", RECIPE, synthetic=tmp_path / "drawn", **options)


def test_split_merge_and_balance(tmp_path):
    done = prepared(tmp_path)
    assert done.counts == {
        "train": {"flower": 24, "leaf": 12}, "val": {"flower": 4, "leaf": 2},
        "test": {"flower": 12, "leaf": 6}, "synthetic": {"flower": 0, "leaf": 14},
    }  # fmt: skip
    assert done.balance == (Balance("flower", 24, 0), Balance("leaf", 12, 14))
    assert [b.total for b in done.balance] == [24, 26]
    assert done.balance[0].change_percent == 0
    assert done.balance[1].change_percent == pytest.approx(116.6667, abs=1e-3)


def test_files_are_copied_byte_for_byte_into_the_same_split(tmp_path):
    done = prepared(tmp_path)
    before = open_dataset(tmp_path / "photos", RECIPE)
    after = open_dataset(done.root, RECIPE)
    for part in ("train", "val", "test"):
        assert [i.sha256 for i in after.splits[part]] == [i.sha256 for i in before.splits[part]]
        for old, new in zip(before.splits[part], after.splits[part], strict=True):
            assert filecmp.cmp(old.path, new.path, shallow=False)
    assert len(after.splits["synthetic"]) == 14


def test_label_files_name_every_image(tmp_path):
    done = prepared(tmp_path)
    for part in ("train", "test"):
        with (done.root / f"{part}_labels.csv").open(newline="") as stream:
            rows = list(csv.reader(stream))
        assert rows[0] == ["filename", "class_index", "class_name"]
        assert {row[0] for row in rows[1:]} == {
            path.relative_to(done.root / part).as_posix() for path in (done.root / part).rglob("*.png")
        }
        assert all(row[0].split("/")[0] == row[2] == CLASSES[int(row[1])] for row in rows[1:])


def test_the_marker_says_how_it_was_made(tmp_path):
    marker = read_marker(prepared(tmp_path).root)
    assert marker["kind"] == "prepared"
    assert (marker["stand_in"], marker["synthetic_stand_in"]) == (False, False)
    assert (marker["test_fraction"], marker["val_fraction"], marker["split_seed"]) == (0.3, 0.15, 42)


def test_damage_behind_a_header_stops_or_is_left_out(tmp_path):
    plain(tmp_path / "photos", {"flower": 10, "leaf": 10})
    (tmp_path / "photos" / "leaf" / "cut.png").write_bytes(content(5)[:90])
    with pytest.raises(
        DataError, match=r"(?s)1 files in '.*photos' cannot be used:.*cut.png: cannot be decoded"
    ) as caught:
        prepare_dataset(tmp_path / "photos", tmp_path / "out", RECIPE)
    assert "--skip-bad" in caught.value.hint
    assert not (tmp_path / "out").exists()
    done = prepare_dataset(tmp_path / "photos", tmp_path / "out", RECIPE, skip_bad=True)
    assert [one.path.name for one in done.skipped] == ["cut.png"]
    assert sum(sum(counts.values()) for counts in done.counts.values()) == 20


def test_files_of_one_name_do_not_meet(tmp_path):
    split(tmp_path / "in", ("val", "test"))
    for folder in ("a", "b"):
        fill(tmp_path / "in" / "train" / folder, 2, ord(folder) * 100)
    rows = [f"{folder}/00{i}.png,{c},{CLASSES[c]}" for folder in "ab" for i, c in ((0, 0), (1, 1))]
    (tmp_path / "in" / "train_labels.csv").write_text("\n".join(["filename,class_index,class_name", *rows]) + "\n")
    done = prepare_dataset(tmp_path / "in", tmp_path / "out", RECIPE)
    assert done.counts["train"] == {"flower": 2, "leaf": 2}
    assert len(open_dataset(tmp_path / "out", RECIPE).splits["train"]) == 4


@pytest.mark.parametrize("out", ["photos", "photos/inner", "."])
def test_a_folder_is_not_written_into_itself(tmp_path, out):
    plain(tmp_path / "photos", {"flower": 10, "leaf": 10})
    with pytest.raises(UsageError, match=r"lie one inside the other; choose another folder with --out"):
        prepare_dataset(tmp_path / "photos", tmp_path / out, RECIPE)


def test_a_folder_of_others_is_not_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cat.jpg").write_bytes(b"x")
    with pytest.raises(StorageError, match=r"holds files that kewcore did not write"):
        prepared(tmp_path)


def test_a_description(tmp_path):
    split(tmp_path)
    (tmp_path / "train/leaf/again.png").write_bytes((tmp_path / "train/leaf/000.png").read_bytes())
    (tmp_path / "train/leaf/zero.png").write_bytes(b"")
    (tmp_path / "test/leaf/cut.png").write_bytes((tmp_path / "val/leaf/000.png").read_bytes()[:-30])
    Image.new("RGB", (30, 20)).save(tmp_path / "val/flower/colour.jpg")
    found = describe_dataset(tmp_path, RECIPE)
    assert found.counts == {
        "train": {"flower": 4, "leaf": 5}, "val": {"flower": 5, "leaf": 4},
        "test": {"flower": 4, "leaf": 4}, "synthetic": {"flower": 0, "leaf": 0},
    }  # fmt: skip
    assert found.sizes == {(9, 7): 25, (20, 30): 1}
    assert found.formats == {"PNG L": 25, "JPEG RGB": 1}
    assert found.duplicates == 1
    assert [one.path.name for one in found.skipped] == ["zero.png", "cut.png"]
    assert found.size_bytes == sum(path.stat().st_size for path in tmp_path.rglob("*.*g") if path.stem != "cut")
    assert found.marker is None
    assert found.fingerprint == open_dataset(tmp_path, RECIPE, skip_bad=True).fingerprint
