"""Golden images: twelve, each of its own, the same every time; and the files that hold them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kewcore_export.golden import golden_images, write_golden

pytestmark = pytest.mark.unit


def test_twelve_different_images_of_three_kinds() -> None:
    images = golden_images(60, 40, 1)
    assert len(images) == 12
    assert {(image.shape, image.dtype.name) for image in images} == {((60, 40), "uint8")}
    assert len({image.tobytes() for image in images}) == 12
    fields, low_contrast, shapes = (np.stack(images[start : start + 4]).astype(float) for start in (0, 4, 8))
    assert fields.min() == 0
    assert fields.max() == 255
    assert np.ptp(low_contrast, axis=(1, 2)) == pytest.approx([51] * 4, abs=1)
    assert list(low_contrast.mean(axis=(1, 2))) == sorted(low_contrast.mean(axis=(1, 2)))
    ground = np.mean(shapes == 242, axis=(1, 2))  # 0.95 times 255
    assert (ground > 0.2).all()
    assert (ground < 0.9).all()


def test_they_are_the_same_every_time_and_in_colour_too() -> None:
    one, other = golden_images(20, 30, 3), golden_images(20, 30, 3)
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert one[0].shape == (20, 30, 3)
    assert not np.array_equal(one[0][..., 0], one[0][..., 1])


def test_files_carry_the_name_of_their_package(tmp_path: Path) -> None:
    images = golden_images(20, 30, 1)
    names = write_golden(tmp_path / "KewCNN-original-int8.golden", images)
    assert names[0] == "KewCNN-original-int8-golden-00.png"
    assert names == sorted(names)
    for name, pixels in zip(names, images, strict=True):
        with Image.open(tmp_path / "KewCNN-original-int8.golden" / name) as image:
            assert np.array_equal(np.asarray(image), pixels)
