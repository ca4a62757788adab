"""What fp16 does to values, on programs whose values are known."""

from pathlib import Path

import numpy as np
import pytest
from mlbuilder import SPACES, Const, Op, build, model_message, write_package
from PIL import Image

from kewcore.ane.activation_ranges import ValueRange, activation_ranges, largest_sliced
from kewcore.ane.chips import parse_chip
from kewcore.ane.residency import residency
from kewcore.ane.sample_images import image_feature, image_files, image_inputs
from kewcore.errors import DataError, UnsupportedError
from kewcore.runtime import Model, load

pytestmark = pytest.mark.runtime
F16 = "fp16"


def ranges(path: Path, ops: list[Op], *inputs: np.ndarray) -> dict[str, ValueRange]:
    package = build(path / "m.mlpackage", ops, {"x": (F16, inputs[0].shape)}, [next(iter(ops[-1].outputs))])
    rows = activation_ranges(load(package), load(package, precision="fp32"), ({"x": x} for x in inputs))
    return {row.name: row for row in rows}


def test_overflow_underflow_and_saturation(tmp_path: Path) -> None:
    ops = [
        Op("mul", {"x": "x", "y": Const(np.float16(1024))}, {"large": (F16, (4,))}),
        Op("mul", {"x": "x", "y": Const(np.float16(2.0**-14))}, {"small": (F16, (4,))}),
    ]
    found = ranges(
        tmp_path,
        ops,
        np.array([1, 64, 0, -65504], np.float16),
        np.array([2.0**-12, 2.0**-4, 0, 128], np.float16),
    )
    large, small = found["large"], found["small"]
    assert large.elements == small.elements == 8
    assert large.largest == 65504 * 1024
    assert large.overflow == 3 / 8  # 64, -65504 and 128 times 1024
    assert large.saturated == 3 / 8
    assert (large.underflow, large.subnormal) == (0, 0)
    assert large.imprecise == 4 / 6  # 1024 too; 2^-2 and 2^6 are not
    assert small.overflow == small.saturated == 0
    assert small.underflow == 1 / 6  # 2^-26
    assert small.subnormal == 1 / 6  # 2^-18; 2^-14 is the smallest that is normal
    assert (small.made_by, small.dtype) == ("mul_small", "fp16")


def test_bytes_at_the_ends_of_their_type(tmp_path: Path) -> None:
    ops = [
        Op("quantize", {"input": "x", "scale": np.float16(1), "output_dtype": "'int8'"}, {"q": ("int8", (4,))}),
        Op("dequantize", {"input": "q", "scale": np.float16(1)}, {"y": (F16, (4,))}),
    ]
    found = ranges(tmp_path, ops, np.array([-300, 5, 127, 900], np.float16))
    assert (found["q"].dtype, found["q"].saturated, found["q"].largest) == ("int8", 3 / 4, 128)
    assert found["y"].saturated == 0


def test_slices_are_held_against_what_they_read(tmp_path: Path) -> None:
    settings = {"begin": np.array([2], np.int32), "end": np.array([4], np.int32)}
    ops = [
        Op("mul", {"x": "x", "y": Const(np.float16(64))}, {"a": (F16, (4,))}),
        Op("slice_by_index", {"x": "a", **settings}, {"y": (F16, (2,))}),
    ]
    package = build(tmp_path / "m.mlpackage", ops, {"x": (F16, (4,))}, ["y"])
    model = load(package)
    rows = activation_ranges(model, load(package, precision="fp32"), [{"x": np.array([1, -80, 3, 4], np.float16)}])
    assert largest_sliced(residency(model, [parse_chip("M2"), parse_chip("M5")]), rows) == 5120
    assert largest_sliced(residency(model, [parse_chip("M5")]), rows) is None


def image_package(path: Path, colours: str, channels: int) -> Model:
    message = model_message(
        [Op("relu", {"x": "x"}, {"y": ("fp32", (1, channels, 2, 4))})], {"x": ("fp32", (1, channels, 2, 4))}, ["y"]
    )
    image = message.description.input[0].type.imageType
    image.height, image.width, image.colorSpace = 2, 4, SPACES[colours]
    return load(write_package(path / "m.mlpackage", message), "reference")


def test_images_are_read_as_the_package_takes_them(tmp_path: Path) -> None:
    grey, colour = image_package(tmp_path / "a", "GRAYSCALE", 1), image_package(tmp_path / "b", "RGB", 3)
    folder = tmp_path / "images"
    (folder / "inner").mkdir(parents=True)
    for number in range(6):
        Image.new("RGB", (8, 4), (10 * number, 0, 0)).save(folder / "inner" / f"{number}.png")
    files = image_files(folder, 3)
    assert [file.name for file in files] == ["0.png", "2.png", "4.png"]
    assert len(image_files(folder, 99)) == 6
    (first, *_), (coloured, *_) = image_inputs(grey, files), image_inputs(colour, files[1:])
    assert first["x"].shape == (2, 4)
    assert grey.predict(first)["y"].shape == (1, 1, 2, 4)
    assert colour.predict(coloured)["y"][0, :, 0, 0].tolist() == [20, 0, 0]


def test_what_cannot_be_run_is_said(tmp_path: Path) -> None:
    array = load(
        build(tmp_path / "m.mlpackage", [Op("relu", {"x": "x"}, {"y": (F16, (4,))})], {"x": (F16, (4,))}, ["y"])
    )
    with pytest.raises(UnsupportedError) as caught:
        image_feature(array)
    assert str(caught.value) == f"'{tmp_path / 'm.mlpackage'}' does not take one image, it takes x: multiArray fp16 4"
    with pytest.raises(DataError, match=f"there is no folder '{tmp_path / 'none'}'"):
        image_files(tmp_path / "none", 1)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match=f"folder '{empty}' holds no image"):
        image_files(empty, 1)
    (empty / "broken.png").write_bytes(b"no image")
    for colours, channels in (("RGB", 3), ("GRAYSCALE", 1)):
        model = image_package(tmp_path / colours, colours, channels)
        with pytest.raises(DataError, match=r"broken\.png"):
            list(image_inputs(model, image_files(empty, 1)))
