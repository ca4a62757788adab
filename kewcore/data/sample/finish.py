"""What the camera adds: light over the scene, focus, exposure, noise, and things in front of the lens."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from kewcore.data.sample.canvas import SIZE, SUPERSAMPLING, Canvas


def photograph(canvas: Canvas, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Finishes the first generator's image: dappled light, hard contrast, grain; sometimes out of focus."""
    image = canvas.image.reduce(SUPERSAMPLING)
    if rng.random() < 0.2:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.6, 2.5)))
    tone = np.asarray(image, dtype=np.float32) / 255
    tone *= 1 + rng.uniform(0.05, 0.35) * smooth_noise(rng, int(rng.integers(3, 9)))
    tone *= 1 + rng.uniform(0.02, 0.07) * smooth_noise(rng, 120)
    exposure, contrast = rng.uniform(0.95, 1.25), rng.uniform(0.9, 1.25)
    tone = 0.5 + (tone * exposure - 0.5) * contrast + rng.uniform(-0.05, 0.08)
    tone += rng.uniform(0.01, 0.035) * rng.standard_normal((SIZE, SIZE), dtype=np.float32)
    return _levels(tone)


def rendering(canvas: Canvas, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Finishes the second generator's image: smooth, low in contrast, dark towards the corners, without grain."""
    image = canvas.image.reduce(SUPERSAMPLING)
    glow = image.reduce(4).filter(ImageFilter.GaussianBlur(4)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    tone = np.asarray(Image.blend(image, glow, rng.uniform(0.15, 0.4)), dtype=np.float32) / 255
    axis = np.linspace(-1, 1, SIZE, dtype=np.float32)
    corner = (axis[:, None] ** 2 + axis[None] ** 2) / 2
    tone *= 1 - rng.uniform(0.3, 0.6) * corner
    tone *= 1 + rng.uniform(0.05, 0.15) * smooth_noise(rng, 4)
    return _levels(0.04 + 1.3 * tone ** rng.uniform(0.85, 1.15))


def smooth_noise(rng: np.random.Generator, cells: int) -> NDArray[np.float32]:
    """Returns noise `[SIZE, SIZE]` of about unit variance whose features are `SIZE / cells` pixels wide."""
    coarse = Image.fromarray(rng.standard_normal((cells, cells), dtype=np.float32))
    return np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def _levels(tone: NDArray[np.float32]) -> NDArray[np.uint8]:
    return (np.clip(tone, 0, 1) * 255 + 0.5).astype(np.uint8)
