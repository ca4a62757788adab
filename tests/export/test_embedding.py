"""Packages in somebody else's project: all there, nothing of theirs lost, a second run does nothing."""

import hashlib
import json
import resource
from pathlib import Path

import pytest
from embeddable import CLASS_NAMES, make_package, make_swift_package

from kewcore.errors import PackageError, StorageError, UsageError
from kewcore_export.embedding import Embedding, embed_packages

pytestmark = pytest.mark.unit


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return make_package(tmp_path)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    target = '.executableTarget(name: "App", resources: [.copy("KewModels")])'
    return make_swift_package(tmp_path / "app", target, "Sources/App")


@pytest.fixture
def target(app: Path) -> Path:
    return app / "Sources/App"


def states(done: Embedding) -> dict[str, str]:
    return {one.name: one.state for one in done.packages}


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Inode, time and content of every file: a file that was written again has another inode."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_everything_that_an_app_needs_is_copied(package: Path, app: Path, target: Path) -> None:
    done = embed_packages([package], app)
    assert states(done) == {"KewCNN-original-int8": "added"}
    assert (done.place.kind, done.place.name, done.place.to_do) == ("Swift package", "App", ())
    found = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert found == {
        "main.swift",
        "KewModels.swift",
        "KewModels/kewcore-embed.json",
        "KewModels/KewCNN-original-int8.json",
        "KewModels/KewCNN-original-int8.labels.txt",
        "KewModels/KewCNN-original-int8.golden/KewCNN-original-int8-golden-00.png",
        "KewModels/KewCNN-original-int8.mlpackage/Manifest.json",
        "KewModels/KewCNN-original-int8.mlpackage/Data/com.apple.CoreML/weights/weight.bin",
    }
    assert (target / "KewModels/KewCNN-original-int8.labels.txt").read_text().split("\n") == [*CLASS_NAMES, ""]
    record = json.loads((target / "KewModels/kewcore-embed.json").read_text())["files"]
    assert set(record) == found - {"main.swift", "KewModels/kewcore-embed.json"}
    assert all(hashlib.sha256((target / path).read_bytes()).hexdigest() == digest for path, digest in record.items())
    assert done.packages[0].files == 5


def test_a_second_run_writes_nothing(package: Path, app: Path, target: Path) -> None:
    embed_packages([package], app)
    before = snapshot(target)
    done = embed_packages([package], app)
    assert (states(done), done.artefacts) == ({"KewCNN-original-int8": "unchanged"}, ())
    assert snapshot(target) == before


def test_a_new_version_of_a_package_takes_the_place_of_the_old_one(package: Path, app: Path, target: Path) -> None:
    embed_packages([package], app)
    make_package(package.parent, weights=b"better weights", class_names=("flower", "stem"))
    assert states(embed_packages([package], app)) == {"KewCNN-original-int8": "updated"}
    weights = target / "KewModels/KewCNN-original-int8.mlpackage/Data/com.apple.CoreML/weights/weight.bin"
    assert weights.read_bytes() == b"better weights"
    assert "plantTag" not in (target / "KewModels.swift").read_text()
    assert states(embed_packages([package], app)) == {"KewCNN-original-int8": "unchanged"}


def test_packages_embedded_earlier_stay_unless_only_these_are_wanted(package: Path, app: Path, target: Path) -> None:
    other = make_package(package.parent, "KewCNN-synthetic-int8")
    embed_packages([package], app)
    first = snapshot(target)
    assert states(embed_packages([other], app)) == {"KewCNN-synthetic-int8": "added", "KewCNN-original-int8": "kept"}
    assert "kewCNNOriginalInt8" in (target / "KewModels.swift").read_text()
    done = embed_packages([package], app, only=True)
    assert states(done) == {"KewCNN-original-int8": "unchanged", "KewCNN-synthetic-int8": "removed"}
    assert {path: content for path, (_, _, content) in snapshot(target).items()} == {
        path: content for path, (_, _, content) in first.items()
    }


def test_golden_cases_can_be_left_out(package: Path, app: Path, target: Path) -> None:
    embed_packages([package], app)
    assert states(embed_packages([package], app, golden=False)) == {"KewCNN-original-int8": "updated"}
    assert not (target / "KewModels/KewCNN-original-int8.golden").exists()


def test_what_a_person_changed_is_named_and_kept(package: Path, app: Path, target: Path) -> None:
    embed_packages([package], app)
    swift, labels = target / "KewModels.swift", target / "KewModels/KewCNN-original-int8.labels.txt"
    swift.write_text("// mine\n")
    labels.write_text("mine\n")
    before = snapshot(target)
    with pytest.raises(StorageError, match=r"2 files in '.*App' are not as `kewcore embed` left them") as refused:
        embed_packages([package], app)
    assert refused.value.__notes__ == [
        "KewModels.swift: changed since it was embedded",
        "KewModels/KewCNN-original-int8.labels.txt: changed since it was embedded",
    ]
    assert snapshot(target) == before
    embed_packages([package], app, force=True)
    assert labels.read_text().startswith("flower\n")
    assert "case plantTag" in swift.read_text()


def test_what_a_person_made_is_not_overwritten(package: Path, app: Path, target: Path) -> None:
    (target / "KewModels").mkdir()
    (target / "KewModels/KewCNN-original-int8.json").write_text("{}")
    with pytest.raises(StorageError) as refused:
        embed_packages([package], app)
    assert refused.value.__notes__ == ["KewModels/KewCNN-original-int8.json: not written by kewcore embed"]
    assert [path.name for path in (target / "KewModels").iterdir()] == ["KewCNN-original-int8.json"]


def test_other_files_in_the_folder_stay(package: Path, app: Path, target: Path) -> None:
    (target / "KewModels").mkdir()
    (target / "KewModels/README.md").write_text("about these models")
    embed_packages([package], app)
    embed_packages([make_package(package.parent, weights=b"new")], app)
    assert (target / "KewModels/README.md").read_text() == "about these models"


def test_what_was_deleted_comes_back(package: Path, app: Path, target: Path) -> None:
    embed_packages([package], app)
    (target / "KewModels.swift").unlink()
    (target / "KewModels/KewCNN-original-int8.json").unlink()
    assert states(embed_packages([package], app)) == {"KewCNN-original-int8": "updated"}
    assert (target / "KewModels.swift").exists()


def test_a_kept_package_that_was_damaged_is_not_carried_on(package: Path, app: Path, target: Path) -> None:
    other = make_package(package.parent, "KewCNN-synthetic-int8")
    embed_packages([package, other], app)
    (target / "KewModels/KewCNN-synthetic-int8.mlpackage/Manifest.json").unlink()
    with pytest.raises(PackageError, match=r"Manifest\.json' is no longer what was embedded") as refused:
        embed_packages([package], app)
    assert refused.value.hint == "embed KewCNN-synthetic-int8 again too, or leave it out with --only"


def test_a_damaged_package_is_refused_before_anything_is_written(package: Path, app: Path, target: Path) -> None:
    (package / "Data/com.apple.CoreML/weights/weight.bin").write_bytes(b"v")
    with pytest.raises(PackageError, match="is not what was exported") as refused:
        embed_packages([package], app)
    assert refused.value.__notes__[0].startswith("Data/com.apple.CoreML/weights/weight.bin has changed: sha256 ")
    assert [path.name for path in target.iterdir()] == ["main.swift"]


def test_a_copy_that_breaks_off_leaves_all_as_it_was(package: Path, app: Path, target: Path) -> None:
    """The system refuses to write past 4,096 bytes of a file, as it does when a quota is used up."""
    embed_packages([package], app)
    before = snapshot(target)
    make_package(package.parent, weights=b"w" * 5000, class_names=("flower", "stem"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(StorageError, match=r"cannot write '.*App': File too large"):
            embed_packages([package], app)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert snapshot(target) == before
    assert sorted(path.name for path in target.iterdir()) == ["KewModels", "KewModels.swift", "main.swift"]
    assert states(embed_packages([package], app)) == {"KewCNN-original-int8": "updated"}


def test_a_package_of_others_has_no_sidecar(app: Path, tmp_path: Path) -> None:
    (tmp_path / "other.mlpackage").mkdir()
    with pytest.raises(PackageError, match=r"has no sidecar 'other\.json'"):
        embed_packages([tmp_path / "other.mlpackage"], app)


def test_names_that_swift_cannot_tell_apart(package: Path, app: Path) -> None:
    make_package(package.parent, class_names=("plant_tag", "plant tag"))
    with pytest.raises(UsageError, match="class names 'plant_tag' and 'plant tag' both become 'plantTag' in Swift"):
        embed_packages([package], app)


def test_models_of_one_title_with_different_classes(package: Path, app: Path) -> None:
    other = make_package(package.parent, "KewCNN-synthetic-int8", class_names=("a", "b"))
    message = "'KewCNN-synthetic-int8' and 'KewCNN-original-int8' have different classes, and both would be KewCNN"
    with pytest.raises(UsageError, match=message):
        embed_packages([package, other], app)


def test_two_packages_of_one_name(package: Path, app: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="have the same name"):
        embed_packages([package, make_package(tmp_path / "copy")], app)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ('{"schema_version": 2}', "is not of schema_version 1"),
        ('{"schema_version": 1, "files": {"a": 1}}', "'files' must hold SHA-256 digests"),
        ('{"schema_version": 1, "files": {"../../a": "b"}}', "'files' must stay in the target's folder"),
    ],
)
def test_a_damaged_record(package: Path, app: Path, target: Path, content: str, message: str) -> None:
    embed_packages([package], app)
    record = target / "KewModels/kewcore-embed.json"
    record.write_text(content)
    with pytest.raises(PackageError, match=message):
        embed_packages([package], app)
    embed_packages([package], app, force=True)
    assert set(json.loads(record.read_text())) == {"schema_version", "kewcore_version", "files"}
