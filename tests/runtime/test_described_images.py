"""The size of an image in the description: bounded, and held against the program before anybody draws to it."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Op, classifier_message, model_message, write_package

from kewcore.errors import PackageError
from kewcore.runtime import load
from kewcore.runtime.classifier import PackageClassifier

pytestmark = pytest.mark.runtime


def classifier(folder: Path, height: int, width: int) -> Path:
    """A classifier of 2x2 pixels that is described as one of another size."""
    message = classifier_message()
    image = message.description.input[0].type.imageType
    image.height, image.width = height, width
    return write_package(folder / "p.mlpackage", message)


@pytest.mark.parametrize("size", [(0, 0), (0, 2), (2, -1), (2**40, 2), (2, 16_385)])
@pytest.mark.parametrize("opener", [load, PackageClassifier])
def test_sizes_that_no_image_has(tmp_path: Path, opener: Any, size: tuple[int, int]) -> None:
    expected = f"an image must have 1 to 16384 rows and columns, got {size[0]}x{size[1]}"
    with pytest.raises(PackageError, match=re.escape(expected)) as caught:
        opener(classifier(tmp_path, *size))
    assert caught.value.__notes__ == ["in feature 'x' of the model's description"]


@pytest.mark.parametrize(("size", "shape"), [((2, 3), (1, 1, 2, 2)), ((3, 2), (1, 1, 2, 2))])
def test_sizes_that_the_program_does_not_take(
    tmp_path: Path, size: tuple[int, int], shape: Sequence[int | None]
) -> None:
    expected = (
        f"input 'x' is described as image GRAYSCALE {size[0]}x{size[1]}, "
        f"but the program takes tensor<fp32, {list(shape)}>"
    )
    with pytest.raises(PackageError, match=re.escape(expected)):
        load(classifier(tmp_path, *size))


def relu(shape: Sequence[int | None], space: int) -> Any:
    message = model_message([Op("relu", {"x": "x"}, {"y": ("fp32", shape)})], {"x": ("fp32", shape)}, ["y"])
    image = message.description.input[0].type.imageType
    image.height, image.width, image.colorSpace = 2, 3, space
    return message


@pytest.mark.parametrize(
    ("shape", "space"), [((1, 1, 2, 3), 20), ((1, 3, 2, 3), 10), ((2, 3), 10), ((1, 2, 3), 10), ((2, 3, 2, 3), 20)]
)
def test_channels_and_axes_that_the_program_does_not_take(
    tmp_path: Path, shape: Sequence[int | None], space: int
) -> None:
    with pytest.raises(PackageError, match=r"input 'x' is described as image .* 2x3, but the program takes"):
        load(write_package(tmp_path / "p.mlpackage", relu(shape, space)))


@pytest.mark.parametrize("shape", [(1, 1, None, None), (1, 1, 2, None), (None, None, 2, 3)])
def test_sizes_that_a_program_leaves_open(tmp_path: Path, shape: Sequence[int | None]) -> None:
    model = load(write_package(tmp_path / "p.mlpackage", relu(shape, 10)), "reference")
    assert model.predict({"x": np.ones((2, 3), np.uint8)})["y"].shape == (1, 1, 2, 3)


def test_results_of_several_sizes_need_none(tmp_path: Path) -> None:
    """As coremltools writes them."""
    message = relu((1, 1, None, None), 10)
    message.description.input[0].type.imageType.enumeratedSizes.sizes.add(height=2, width=3)
    image = message.description.output[0].type.imageType
    image.colorSpace = 10
    image.imageSizeRange.widthRange.lowerBound, image.imageSizeRange.widthRange.upperBound = 1, -1
    image.imageSizeRange.heightRange.lowerBound, image.imageSizeRange.heightRange.upperBound = 1, -1
    model = load(write_package(tmp_path / "p.mlpackage", message), "reference")
    assert model.predict({"x": np.ones((2, 3), np.uint8)})["y"].size == (3, 2)
    message.description.input[0].type.imageType.enumeratedSizes.sizes.add(height=0, width=3)
    with pytest.raises(PackageError, match="got 0x3"):
        load(write_package(tmp_path / "q.mlpackage", message))
