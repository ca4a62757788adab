"""Image files as raw pixels, for programs that have no decoders of their own.

Only decoding is done here; the order of `kewcore.data.images` (upright, alpha on white, grey, crop, resize) is kept by
whoever asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from kewcore.data.images import is_see_through, is_sixteen_bit, loaded, orientation_of

Layout = Literal["grey8", "grey16", "rgb8", "rgba8"]
BYTES_PER_PIXEL: dict[Layout, int] = {"grey8": 1, "grey16": 2, "rgb8": 3, "rgba8": 4}
_STRIP_BYTES = 1 << 18
"""Strips that stay in the processor's cache are packed at twice the speed of whole photographs."""


@dataclass(frozen=True)
class RawPicture:
    """A decoded image, not yet upright.

    Attributes:
        layout: Bytes of a pixel: `grey8`, `grey16` (little-endian), `rgb8` or `rgba8` (alpha not multiplied in).
        width: Pixels a row.
        height: Rows.
        orientation: EXIF orientation, 1 to 8: how it is to be turned.
        transparent_level: The level of `grey16` that stands for transparent; None where none does.
        image: The pixels, in a mode of Pillow that fits the layout.
    """

    layout: Layout
    width: int
    height: int
    orientation: int
    transparent_level: int | None
    image: Image.Image

    @property
    def size_bytes(self) -> int:
        """Bytes of all pixels."""
        return self.width * self.height * BYTES_PER_PIXEL[self.layout]

    def strips(self) -> Iterator[bytes]:
        """Gives the pixels row by row from the top, without padding, a few rows at a time."""
        rows = max(1, _STRIP_BYTES // (self.width * BYTES_PER_PIXEL[self.layout]))
        for top in range(0, self.height, rows):
            strip = self.image.crop((0, top, self.width, min(top + rows, self.height)))
            yield np.asarray(strip).astype("<u2").tobytes() if self.layout == "grey16" else strip.tobytes()


def raw_picture(content: bytes) -> RawPicture:
    """Decodes the content of an image file.

    Raises:
        DataError: It cannot be decoded, or is of a kind that `kewcore.data.images.read_image` refuses.
    """
    with loaded(content) as image:
        orientation = orientation_of(image)
        key = image.info.get("transparency")
        level = None
        layout: Layout = "rgb8"
        mode = "RGB"
        if is_sixteen_bit(image):
            layout, mode = "grey16", image.mode
            level = key if isinstance(key, int) else None
        elif is_see_through(image):
            layout, mode = "rgba8", "RGBA"
        elif image.mode in {"1", "L"}:
            layout, mode = "grey8", "L"
        # Converting an image to the mode that it has would copy it.
        pixels: Image.Image = image if image.mode == mode else image.convert(mode)
        return RawPicture(layout, pixels.width, pixels.height, orientation, level, pixels)
