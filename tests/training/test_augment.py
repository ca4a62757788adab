"""Augmentation against transforms worked out by hand."""

import numpy as np
import pytest

from kewcore.recipes import Augmentation, load_recipe
from kewcore.training.augment import apply_transforms, random_transforms

pytestmark = pytest.mark.parity
STILL = Augmentation(horizontal_flip=False, rotation=0.0, translation=0.0, zoom=0.0)
IDENTITY = [1, 0, 0, 0, 1, 0, 0, 0]


def pictures(count: int = 3, height: int = 20, width: int = 30) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, height, width), np.uint8)


def test_without_ranges_nothing_moves() -> None:
    images = pictures()
    transforms = random_transforms(3, 20, 30, STILL, np.random.default_rng(0))
    np.testing.assert_allclose(transforms, [IDENTITY] * 3, atol=1e-6)
    np.testing.assert_array_equal(apply_transforms(images, transforms), images)


def test_flip_mirrors_left_and_right_about_half_of_the_images() -> None:
    images = pictures(64)
    flip = Augmentation(horizontal_flip=True, rotation=0.0, translation=0.0, zoom=0.0)
    moved = apply_transforms(images, random_transforms(64, 20, 30, flip, np.random.default_rng(0)))
    mirrored = [bool((after == before[:, ::-1]).all()) for before, after in zip(images, moved, strict=True)]
    kept = [bool((after == before).all()) for before, after in zip(images, moved, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 16 < sum(mirrored) < 48


def test_a_shift_moves_pixels_and_mirrors_what_comes_in() -> None:
    images = pictures(1)
    shift_right = np.array([[1, 0, -2, 0, 1, 0, 0, 0]], np.float32)
    moved = apply_transforms(images, shift_right)[0]
    np.testing.assert_array_equal(moved[:, 2:], images[0][:, :-2])
    np.testing.assert_array_equal(moved[:, :2], images[0][:, 1::-1])


def test_rotation_zoom_and_shift_stay_in_their_ranges() -> None:
    ranges = load_recipe("kewcnn").training.augmentation
    transforms = random_transforms(2000, 500, 500, ranges, np.random.default_rng(3)).astype(np.float64)
    a0, a1, a2, b0, b1, b2 = transforms.T[:6]
    scale = np.hypot(a1, b1)
    angle = np.arctan2(-a1, b1)
    assert 0.95 - 1e-5 <= scale.min() < 0.955
    assert 1.045 < scale.max() <= 1.05 + 1e-5
    assert np.abs(angle).max() <= 0.08 * 2 * np.pi + 1e-5
    assert np.abs(angle).max() > 0.95 * 0.08 * 2 * np.pi
    shift_x = a0 * 249.5 + a1 * 249.5 + a2 - 249.5
    shift_y = b0 * 249.5 + b1 * 249.5 + b2 - 249.5
    assert 38 < np.abs(shift_x).max() <= 40.01
    assert 38 < np.abs(shift_y).max() <= 40.01


def test_a_quarter_turn_agrees_with_numpy() -> None:
    images = pictures(1, 21, 21)
    quarter = Augmentation(horizontal_flip=False, rotation=0.25, translation=0.0, zoom=0.0)

    class Always(np.random.Generator):
        def uniform(self, low: float = 0.0, high: float = 1.0, size: int | None = None) -> np.ndarray:  # type: ignore[override]
            return np.full(size or 1, high)

    transforms = random_transforms(1, 21, 21, quarter, Always(np.random.PCG64(0)))
    transforms[:, [2, 5]] = np.round(transforms[:, [2, 5]])
    transforms[:, [0, 1, 3, 4]] = np.round(transforms[:, [0, 1, 3, 4]])
    assert apply_transforms(images, transforms)[0].tolist() in (
        np.rot90(images[0], 1).tolist(),
        np.rot90(images[0], -1).tolist(),
    )
