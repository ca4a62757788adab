"""Corruptions of greyscale images, five strengths each: what cameras and networks do to photographs.

Kinds and strengths follow ImageNet-C (Hendrycks & Dietterich, 2019, Benchmarking neural network robustness to common
corruptions and perturbations, ICLR), whose images have 224 pixels a side and three channels. Here there is one channel,
and the blur's sigma grows with the shorter side, so that it means the same on larger images. Rotation is among that
paper's perturbations without fixed strengths; its angles are kewcore's choice.
"""

import io
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

CORRUPTIONS_VERSION = 1
"""Counts up when the same image would be corrupted otherwise; part of the key of cached answers."""
STRENGTHS = (1, 2, 3, 4, 5)
_PUBLISHED_SIDE = 224

Pixels: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True)
class Corruption:
    """One kind of corruption.

    Attributes:
        amounts: What strengths 1 to 5 are.
        unit: How an amount is written: a format string for one number.
        apply: `(pixels, amount, generator) -> pixels`, uint8 `[H, W]` both.
        grows: Whether an amount belongs to images of 224 pixels and grows with the shorter side.
    """

    amounts: tuple[float, float, float, float, float]
    unit: str
    apply: Callable[[Pixels, float, np.random.Generator], Pixels]
    grows: bool = False

    def amount(self, strength: int, height: int, width: int) -> float:
        """Gives the amount of a strength, 1 to 5, for images of a size."""
        return self.amounts[strength - 1] * (min(height, width) / _PUBLISHED_SIDE if self.grows else 1)


def corrupt(pixels: Pixels, kind: str, strength: int, *, seed: int = 0, index: int = 0) -> Pixels:
    """Corrupts one image; the same arguments give the same pixels.

    Args:
        pixels: uint8 `[H, W]`.
        kind: A key of `CORRUPTIONS`.
        strength: 1 to 5.
        seed: Of the whole set.
        index: Of the image in it: each image has noise and a turn of its own.

    Returns:
        uint8 `[H, W]`.
    """
    corruption = CORRUPTIONS[kind]
    generator = np.random.default_rng([seed, zlib.crc32(kind.encode()), strength, index])
    height, width = pixels.shape
    return corruption.apply(pixels, corruption.amount(strength, height, width), generator)


def amount_text(kind: str, strength: int, height: int, width: int) -> str:
    """Writes the amount of a strength with its unit, such as `sigma 2.2 px`."""
    corruption = CORRUPTIONS[kind]
    return corruption.unit.format(corruption.amount(strength, height, width))


def _blur(pixels: Pixels, sigma: float, _: np.random.Generator) -> Pixels:
    return np.asarray(Image.fromarray(np.array(pixels)).filter(ImageFilter.GaussianBlur(sigma)))


def _noise(pixels: Pixels, deviation: float, generator: np.random.Generator) -> Pixels:
    noise = generator.standard_normal(pixels.shape, np.float32) * np.float32(255 * deviation)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def _brightness(pixels: Pixels, offset: float, _: np.random.Generator) -> Pixels:
    return np.minimum(pixels + np.uint16(round(255 * offset)), 255).astype(np.uint8)


def _rotation(pixels: Pixels, degrees: float, generator: np.random.Generator) -> Pixels:
    """Turns an image about its middle, to either side; what comes in at the corners is mirrored at the edges."""
    height, width = pixels.shape
    # A side of a corner's triangle is at most (cos 30° + sin 30° - 1) / 2 = 0.19 of the longer side.
    margins = [(min(size - 1, int(np.ceil(0.2 * max(height, width)))),) * 2 for size in (height, width)]
    larger = Image.fromarray(np.pad(pixels, margins, mode="reflect"))
    angle = degrees if generator.integers(2) else -degrees
    turned = np.asarray(larger.rotate(angle, Image.Resampling.BILINEAR))
    (top, _), (left, _) = margins
    return turned[top : top + height, left : left + width]


def _jpeg(pixels: Pixels, quality: float, _: np.random.Generator) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(np.array(pixels)).save(buffer, "JPEG", quality=int(quality))
    with Image.open(buffer) as image:
        return np.asarray(image.convert("L"))


CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType(
    {
        "blur": Corruption((1, 2, 3, 4, 6), "sigma {:.1f} px", _blur, grows=True),
        "noise": Corruption((0.08, 0.12, 0.18, 0.26, 0.38), "std {:.2f} of white", _noise),
        "brightness": Corruption((0.1, 0.2, 0.3, 0.4, 0.5), "+{:.1f} of white", _brightness),
        "rotation": Corruption((5, 10, 15, 20, 30), "{:.0f} degrees", _rotation),
        "jpeg": Corruption((25, 18, 15, 10, 7), "quality {:.0f}", _jpeg),
    }
)
"""By name, in the order of tables."""
