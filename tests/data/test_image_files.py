"""Images found in folders by their endings."""

from pathlib import Path

import pytest

from kewcore.data.image_files import images_below
from kewcore.errors import DataError

pytestmark = pytest.mark.unit


def test_images_are_found_in_folders_below(tmp_path: Path) -> None:
    for name in ("b/leaf.PNG", "a.jpg", "b/c/petal.webp", "notes.txt", "b/paper.pdf", "folder.png/readme"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert [path.relative_to(tmp_path).as_posix() for path in images_below(tmp_path)] == [
        "a.jpg",
        "b/c/petal.webp",
        "b/leaf.PNG",
    ]


def test_a_folder_without_images_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"folder '.*' holds no image") as caught:
        images_below(tmp_path, hint="give another")
    assert caught.value.hint == "give another"
    with pytest.raises(DataError, match=r"there is no folder '.*missing'"):
        images_below(tmp_path / "missing")
