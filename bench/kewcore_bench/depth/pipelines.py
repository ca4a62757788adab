"""Other ways from an image file to pixels than kewcore's: TensorFlow's, and those of an app on Apple's own functions.

KewKit, the Swift package of this repository, makes kewcore's pixels and is not among them. An app that does not use it
scales with vImage or Core Graphics in colour, with Lanczos' filter, and turns grey afterwards. Pillow's LANCZOS, three
lobes, widened by the reduction, stands for that; vImage itself may differ from it by a level or two.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from kewcore.data.placement import placed
from kewcore.errors import DataError
from kewcore.models.tensorflow import import_tensorflow
from kewcore.recipes import DataRecipe

Pixels: TypeAlias = NDArray[np.uint8]
_WHITE = 255


@dataclass(frozen=True)
class Pipeline:
    """One way from a file to pixels.

    Attributes:
        description: What it does.
        decode: From a file and the data part of a recipe, which has size and policy, to uint8 `[H, W]`; raises
            DataError for a file that it cannot decode.
    """

    description: str
    decode: Callable[[Path, DataRecipe], Pixels]


def _tensorflow(file: Path, recipe: DataRecipe, *, antialias: bool) -> Pixels:
    """TensorFlow's decoder, greys and sizes; it knows no EXIF orientation and drops alpha.

    Source: `tf.io.decode_image`, `tf.image.rgb_to_grayscale` (0.2989, 0.587, 0.114) and `tf.image.resize`.
    """
    tf = import_tensorflow()
    with tf.device("/CPU:0"):
        try:
            coloured = tf.io.decode_image(file.read_bytes(), channels=3, expand_animations=False)
        except (tf.errors.InvalidArgumentError, OSError) as error:
            raise DataError(f"'{file}' cannot be decoded by TensorFlow: {str(error).splitlines()[0]}") from error
        grey = tf.image.rgb_to_grayscale(coloured)
        place = placed((grey.shape[1], grey.shape[0]), (recipe.width, recipe.height), recipe.resize)
        left, top, right, bottom = place.box
        kept = grey[top:bottom, left:right]
        resized = tf.image.resize(kept, (place.inner[1], place.inner[0]), "bilinear", antialias=antialias)
        levels = tf.cast(tf.clip_by_value(tf.round(resized), 0, _WHITE), tf.uint8)
        return _on_white(levels.numpy()[..., 0], recipe)


def _app(file: Path, recipe: DataRecipe, *, weights: tuple[int, int, int], shift: int) -> Pixels:
    """Upright, on white, scaled in colour by Lanczos' filter, and grey in integers.

    Source: Apple, vImage Programming Guide, geometric operations ("Lanczos"), and the article "Converting color images
    to grayscale", which weighs channels in fixed point.
    """
    try:
        with Image.open(file) as opened:
            upright = ImageOps.exif_transpose(opened).convert("RGBA")
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"'{file}' cannot be decoded: {error}") from error
    coloured = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright).convert("RGB")
    place = placed(coloured.size, (recipe.width, recipe.height), recipe.resize)
    scaled = np.asarray(coloured.crop(place.box).resize(place.inner, Image.Resampling.LANCZOS)).astype(np.uint32)
    grey = (scaled @ np.array(weights, np.uint32) + (1 << shift >> 1)) >> shift
    return _on_white(np.minimum(grey, _WHITE).astype(np.uint8), recipe)


def _on_white(inner: Pixels, recipe: DataRecipe) -> Pixels:
    rows, columns = inner.shape
    top, left = (recipe.height - rows) // 2, (recipe.width - columns) // 2
    margins: Any = ((top, recipe.height - rows - top), (left, recipe.width - columns - left))
    return np.pad(inner, margins, constant_values=_WHITE)


PIPELINES: Mapping[str, Pipeline] = MappingProxyType(
    {
        "tensorflow": Pipeline(
            "tf.io.decode_image, rgb_to_grayscale, tf.image.resize with its defaults: bilinear, not antialiased",
            partial(_tensorflow, antialias=False),
        ),
        "tensorflow-aa": Pipeline("the same with antialias=True", partial(_tensorflow, antialias=True)),
        "app-601": Pipeline(
            "an app: Lanczos resize in colour, then grey by BT.601 in 8-bit integers, (77 R + 150 G + 29 B) / 256",
            partial(_app, weights=(77, 150, 29), shift=8),
        ),
        "app-709": Pipeline(
            "the same, grey by BT.709 in 12-bit integers, (871 R + 2929 G + 296 B) / 4096, as in Apple's sample code",
            partial(_app, weights=(871, 2929, 296), shift=12),
        ),
    }
)
"""By name, in the order of tables."""
