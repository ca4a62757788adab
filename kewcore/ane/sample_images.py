"""Images to run a package on: from a folder, or those that lie beside it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast, get_args

from PIL import Image

from kewcore.data.image_files import images_below
from kewcore.data.images import quiet_decoders, read_image
from kewcore.errors import DataError, UnsupportedError
from kewcore.recipes import ResizePolicy
from kewcore.runtime.classifier import RESIZE_KEY
from kewcore.runtime.model import Model
from kewcore.runtime.package import Feature, FeatureKind

_DEFAULT_POLICY: ResizePolicy = "centre-crop"
"""How photographs are brought to size for packages that do not say how: as kewcore's own recipes do."""


def image_feature(model: Model) -> Feature:
    """Returns the input of a package that takes one image and nothing else that must be given.

    Raises:
        UnsupportedError: It takes something else.
    """
    needed = [feature for feature in model.inputs if feature.name not in model.executor.optional_inputs]
    if len(needed) == 1 and needed[0].kind is FeatureKind.IMAGE and not model.interface.states:
        return needed[0]
    listing = ", ".join(f"{feature.name}: {feature}" for feature in (*model.inputs, *model.interface.states))
    raise UnsupportedError(
        f"'{model.package.path}' does not take one image, it takes {listing}",
        hint="activations are checked of packages that take one image",
    )


def image_files(folder: Path, count: int) -> tuple[Path, ...]:
    """Takes images from a folder and the folders in it, evenly over their sorted names.

    Raises:
        DataError: There is no folder, or no image in it.
    """
    found = images_below(folder, hint="give a folder of images with --data, or leave the check out with --images 0")
    step = max(len(found) / count, 1)
    return tuple(found[int(index * step)] for index in range(min(count, len(found))))


def image_inputs(model: Model, files: Sequence[Path]) -> Iterator[Mapping[str, Any]]:
    """Reads images as a package takes them, one at a time.

    Raises:
        UnsupportedError: The package does not take one image.
        DataError: A file is no image.
    """
    feature = image_feature(model)
    recorded = model.metadata.user_defined.get(RESIZE_KEY, "")
    policy = cast(ResizePolicy, recorded) if recorded in get_args(ResizePolicy) else _DEFAULT_POLICY
    height, width = feature.shape
    for path in files:
        if feature.colour_space in {"RGB", "BGR"}:
            yield {feature.name: _colours(path, height, width)}
        else:
            yield {feature.name: read_image(path, height=height, width=width, policy=policy)}


def _colours(path: Path, height: int, width: int) -> Image.Image:
    """Reads an image in colour, stretched to the frame: what its values are matters here, not what it shows."""
    try:
        with quiet_decoders(), Image.open(path) as image:
            return image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"'{path}': {error}") from error
