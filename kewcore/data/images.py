"""One image file in, greyscale pixels out: what is decoded, how it turns grey, and how it is brought to size.

The order is fixed, because the app must do the same: decode, turn upright by EXIF, lay alpha on white, grey, crop,
resize. A file that cannot be decoded whole and surely is refused with the reason; nothing is ever made up in its place.
"""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from kewcore.data.placement import placed
from kewcore.errors import DataError
from kewcore.recipes import ResizePolicy

DECODER_VERSION = 2
"""Counts up when the same file would give other pixels; part of the key of cached pixels."""

MAX_IMAGE_PIXELS = 89_478_485
"""Most pixels that an image may have: 268 MB as RGB. It is Pillow's own threshold against decompression bombs."""

# What Pillow's decoders raise on damaged files, besides OSError, which covers UnidentifiedImageError and truncation.
_DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError,
                   NotImplementedError, MemoryError, struct.error, zlib.error)  # fmt: skip

# EXIF tag 274 to the operation that turns the image upright. Source: CIPA DC-008 (Exif 2.32), 4.6.4 A, Orientation.
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TOO_LARGE = f"too large to decode: more than {MAX_IMAGE_PIXELS} pixels"
_ONE_PICTURE_FORMATS = frozenset({"MPO"})
_SIXTEEN_BIT_MODES = frozenset({"I;16", "I;16B", "I;16L", "I;16N"})
_ALPHA_MODES = frozenset({"LA", "PA", "RGBA", "RGBa"})
_OPAQUE_MODES = frozenset({"1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV"})


def read_image(source: Path | bytes, *, height: int, width: int, policy: ResizePolicy) -> NDArray[np.uint8]:
    """Reads an image file as greyscale pixels of the size that a model takes.

    Readable are the formats that Pillow reads, with 1 or 8 bits a channel (grey, palette, RGB, CMYK, YCbCr, HSV, each
    with or without alpha or a transparent colour) and grey, RGB and alpha of 16 bits (grey is scaled by 255/65535 and
    rounded; Pillow keeps the high byte of 16-bit RGB). Embedded colour profiles are ignored. Refused are 32-bit
    integer and floating-point images, whose white is not defined, Lab images, and files with several frames or
    pages, except MPO, whose first picture is the photograph.

    Grey is `(19595 R + 38470 G + 7471 B + 32768) >> 16`, the ITU-R BT.601 weights 0.299, 0.587 and 0.114 rounded to
    the nearest level. Resizing is Pillow's BILINEAR: a triangle filter whose support grows with the reduction, so it
    is antialiased and never overshoots; rows are resized first, then columns.

    Args:
        source: A file, or the content of one.
        height: Rows of the result.
        width: Columns of the result.
        policy: How another shape is brought to `[height, width]`. `fit`: the whole image inside, white bars beside
            (Vision's `scaleFit`, with the bars drawn white by the app); `fill`: stretched to the frame (`scaleFill`);
            `centre-crop`: the largest centred rectangle of the frame's aspect, in whole pixels, cut out and resized
            (`centerCrop`).

    Returns:
        Pixels, uint8 `[height, width]`, 0 black to 255 white.

    Raises:
        DataError: The file cannot be read or decoded; the message names it and the reason.

    Source: ITU-R BT.601-7, 2.5.1; Pillow, `Image.convert` and `Image.resize`.
    """
    with loaded(source) as image:
        grey = _grey(_upright(image))
    return _resized(grey, height, width, policy)


@contextmanager
def loaded(source: Path | bytes) -> Iterator[Image.Image]:
    """Opens and decodes an image file, as it lies there: not yet upright, in a mode of its own.

    Args:
        source: A file, or the content of one.

    Yields:
        The image, open for as long as the block runs.

    Raises:
        DataError: The file cannot be read or decoded, or is of a kind that `read_image` refuses; so are errors of
            decoders in the block.
    """
    try:
        content = source.read_bytes() if isinstance(source, Path) else source
        with _opened(content) as image:
            image.load()
            yield image
    except DataError as error:
        raise DataError(f"{_name(source)}: {error.message}") from error
    except _DECODER_ERRORS as error:
        raise DataError(f"{_name(source)}: {_reason(error)}") from error


def orientation_of(image: Image.Image) -> int:
    """Gives the EXIF orientation of a decoded image: 1, upright, to 8.

    Only once it is decoded: PNG may carry EXIF behind the pixels, and Pillow turns TIFF upright by itself on loading.
    """
    found = image.getexif().get(_ORIENTATION_TAG, 1)
    return found if found in _UPRIGHT else 1


def is_sixteen_bit(image: Image.Image) -> bool:
    """Whether a readable image is grey of 16 bits; older Pillow gives such PNG and PGM the mode I."""
    return image.mode in _SIXTEEN_BIT_MODES or image.mode == "I"


def is_see_through(image: Image.Image) -> bool:
    """Whether an image has alpha or a transparent colour."""
    return image.mode in _ALPHA_MODES or image.info.get("transparency") is not None


def check_header(content: bytes) -> str | None:
    """Says why an image would be refused, from its header alone: fast, but blind to damage further in.

    Returns:
        The reason, or None when the header is in order.
    """
    try:
        with _opened(content):
            return None
    except DataError as error:
        return error.message
    except _DECODER_ERRORS as error:
        return _reason(error)


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Keeps Pillow's warnings off stderr around a pool of readers: what matters of them is refused by `read_image`.

    Warning filters belong to the whole process, so threads must not change them one by one.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _name(source: Path | bytes) -> str:
    return f"'{source}'" if isinstance(source, Path) else f"image of {len(source)} bytes"


def _opened(content: bytes) -> Image.Image:
    """Opens an image without decoding it, and refuses what cannot be read surely."""
    if not content:
        raise DataError("the file is empty (0 bytes)")
    try:
        image = Image.open(BytesIO(content))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(_TOO_LARGE) from error
    if image.width * image.height > MAX_IMAGE_PIXELS:
        raise DataError(_TOO_LARGE)
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format not in _ONE_PICTURE_FORMATS:
        raise DataError(f"holds {frames} frames or pages ({image.format}); expected a single picture")
    # Older Pillow opens 16-bit grey PNG and PGM as mode I, of 0 to 65535; elsewhere mode I is 32 bits without a white.
    sixteen = image.mode in _SIXTEEN_BIT_MODES or (image.mode == "I" and image.format in {"PNG", "PPM"})
    if not sixteen and image.mode not in _ALPHA_MODES | _OPAQUE_MODES:
        raise DataError(f"has pixels of mode {image.mode}; expected grey, palette, RGB or CMYK of 8 or 16 bits")
    return image


def _upright(image: Image.Image) -> Image.Image:
    operation = _UPRIGHT.get(orientation_of(image))
    if operation is None:
        return image
    upright = image.transpose(operation)
    upright.info = dict(image.info)
    return upright


def _grey(image: Image.Image) -> Image.Image:
    """Turns any readable mode into mode L, with what is transparent on white."""
    if is_sixteen_bit(image):
        key = image.info.get("transparency")
        levels = np.asarray(image).astype(np.uint32)
        scaled = ((levels + 128) // 257).astype(np.uint8)
        return Image.fromarray(np.where(levels == key, np.uint8(255), scaled) if isinstance(key, int) else scaled)
    if is_see_through(image):
        coloured = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), coloured).convert("L")
    if image.mode in {"1", "L"}:
        return image.convert("L")
    return image.convert("RGB").convert("L")


def _resized(image: Image.Image, height: int, width: int, policy: ResizePolicy) -> NDArray[np.uint8]:
    place = placed(image.size, (width, height), policy)
    scaled = _at_size(image.crop(place.box) if place.crop != image.size else image, place.inner)
    if place.inner == (width, height):
        return np.array(scaled)
    frame = Image.new("L", (width, height), 255)
    frame.paste(scaled, ((width - place.inner[0]) // 2, (height - place.inner[1]) // 2))
    return np.array(frame)


def _at_size(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Resizes rows, then columns.

    Pillow chooses the order of the two passes by the image's shape, and from version 13 on by another rule than
    before (its pull request 9549). Between the passes it rounds, so the order shows: in one pixel of a hundred, by one.
    """
    bilinear = Image.Resampling.BILINEAR
    return image.resize((size[0], image.height), bilinear).resize(size, bilinear)


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or of a format that Pillow does not read"
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
        return f"cannot be read: {error.strerror}"
    return f"cannot be decoded: {str(error) or type(error).__name__}"
