"""Images in and out in every colour space, with scale and bias, and PIL modes that fit or do not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import SPACES, Const, Op, model_message, write_package
from PIL import Image

from kewcore.errors import UsageError
from kewcore.quiet import silenced_stderr
from kewcore.runtime import load, patch_coremltools

# coremltools leaves a temporary folder to the garbage collector, which reports that from wherever it runs.
pytestmark = [
    pytest.mark.runtime,
    pytest.mark.filterwarnings("ignore:.*finalize object:pytest.PytestUnraisableExceptionWarning"),
]
HEIGHT, WIDTH = 2, 3
COLOURS = np.arange(18, dtype=np.uint8).reshape(HEIGHT, WIDTH, 3) * 14
GREY = COLOURS[..., 0]
DEPTHS = np.array([[0, 0.1, -2.5], [1e-5, 300, 70_000]], np.float32)
IN_FP16 = np.array([[0, 0.0999755859375, -2.5], [1.0013580322265625e-05, 300, np.inf]], np.float32)
"""The nearest numbers with 11 significant bits; the smallest is 168 times 2 to the power of -24."""


def package(path: Path, space: str, *, factor: float = 1, taken: bool = True, given: bool = False) -> Path:
    """Multiplies an image; input and output are described as images or as multiarrays."""
    type_ = ("fp32", (1, 3 if space in {"RGB", "BGR"} else 1, HEIGHT, WIDTH))
    op = Op("mul", {"x": "x", "y": Const(np.float32(factor))}, {"y": type_})
    model = model_message([op], {"x": type_}, ["y"])
    for features, is_image in ((model.description.input, taken), (model.description.output, given)):
        if is_image:
            image = features[0].type.imageType
            image.width, image.height, image.colorSpace = WIDTH, HEIGHT, SPACES[space]
    return write_package(path, model)


SCALED: dict[str, dict[str, Any]] = {
    "RGB": {"scale": 1 / 127.5, "bias": [-1.0, -0.5, 0.25]},
    "BGR": {"scale": 0.5, "bias": [-103.9, -116.8, -123.7]},
    "GRAYSCALE": {"scale": 1 / 255, "bias": -0.5},
    "GRAYSCALE_FLOAT16": {"scale": 2.0, "bias": 0.125},
}


@pytest.mark.parametrize("layout", SCALED)
@pytest.mark.parametrize("executor", ["reference", "onnx"])
def test_scale_and_bias_of_coremltools(layout: str, executor: Any) -> None:
    with silenced_stderr():
        import coremltools as ct
        from coremltools.converters.mil import Builder as mb  # noqa: N813

    channels = 1 if layout.startswith("GRAY") else 3
    shape = (1, channels, HEIGHT, WIDTH)

    @mb.program(input_specs=[mb.TensorSpec(shape=shape)])
    def program(x: Any) -> Any:
        return mb.mul(x=x, y=np.float32(3), name="y")

    take_back = patch_coremltools(executor)
    try:
        with silenced_stderr():
            image = ct.ImageType(name="x", shape=shape, color_layout=getattr(ct.colorlayout, layout), **SCALED[layout])
            options = {"compute_precision": ct.precision.FLOAT32, "minimum_deployment_target": ct.target.iOS16}
            model = ct.convert(program, inputs=[image], **options)
        pixels = {"GRAYSCALE": GREY, "GRAYSCALE_FLOAT16": DEPTHS[:, :2].repeat(2, 1)[:, :WIDTH]}.get(layout, COLOURS)
        planes = np.moveaxis(pixels.reshape(HEIGHT, WIDTH, channels).astype(np.float32), -1, 0)
        if layout == "BGR":
            planes = planes[[2, 1, 0]]
        if layout == "GRAYSCALE_FLOAT16":
            planes = planes.astype(np.float16).astype(np.float32)
        bias = np.reshape(np.float32(SCALED[layout]["bias"]), (-1, 1, 1))
        expected = (planes * np.float32(SCALED[layout]["scale"]) + bias) * 3
        result = model.predict({"x": Image.fromarray(pixels)})["y"]
        np.testing.assert_allclose(result[0], expected, rtol=1e-5, atol=1e-5)
        other = Image.new("L" if channels == 3 else "RGB", (WIDTH, HEIGHT))
        with pytest.raises(TypeError, match=r"must be of type PIL\.Image\.Image with mode=="):
            model.predict({"x": other})
    finally:
        take_back()


def coloured(mode: str) -> Image.Image:
    return Image.fromarray(COLOURS).convert(mode)


PALETTE = Image.fromarray(COLOURS).quantize(18)
TRANSPARENT = Image.fromarray(np.concatenate([COLOURS, np.full((HEIGHT, WIDTH, 1), 7, np.uint8)], axis=2))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (PALETTE, np.asarray(PALETTE.convert("RGB"))),
        (TRANSPARENT, COLOURS),
        (coloured("RGBX"), COLOURS),
        (coloured("CMYK"), COLOURS),
        (Image.fromarray(GREY), np.stack([GREY] * 3, axis=-1)),
        (Image.fromarray(GREY).convert("LA"), np.stack([GREY] * 3, axis=-1)),
        (Image.fromarray(GREY > 100), np.stack([np.where(GREY > 100, 255, 0)] * 3, axis=-1)),
    ],
    ids=lambda value: getattr(value, "mode", ""),
)
def test_eight_bit_modes_turn_into_colours(tmp_path: Path, image: Image.Image, expected: Any) -> None:
    model = load(package(tmp_path / "p.mlpackage", "RGB"), "reference")
    result = model.predict({"x": image})["y"][0]
    assert np.array_equal(result, np.moveaxis(expected, -1, 0))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_eight_bit_modes_turn_into_grey(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGB", (WIDTH, HEIGHT), (200, 30, 90))
    image = image.quantize(2) if mode == "P" else image.convert(mode)
    for space in ("GRAYSCALE", "GRAYSCALE_FLOAT16"):
        model = load(package(tmp_path / f"{space}.mlpackage", space), "reference")
        # ITU-R 601: 0.299 R + 0.587 G + 0.114 B.
        assert model.predict({"x": image})["y"][0, 0, 0, 0] == round(0.299 * 200 + 0.587 * 30 + 0.114 * 90)


DEEP = {
    "F": Image.fromarray(np.full((HEIGHT, WIDTH), 0.5, np.float32)),
    "I": Image.fromarray(np.full((HEIGHT, WIDTH), 300, np.int32)),
    "I;16": Image.fromarray(np.full((HEIGHT, WIDTH), 300, np.uint16)),
}


@pytest.mark.parametrize("mode", DEEP)
def test_more_than_eight_bits_are_not_cut_off(tmp_path: Path, mode: str) -> None:
    for space, wanted in (("RGB", "RGB"), ("BGR", "RGB"), ("GRAYSCALE", "L")):
        model = load(package(tmp_path / f"{space}.mlpackage", space), "reference")
        with pytest.raises(UsageError, match=f"takes an image {space} 2x3, got a PIL image of mode '{mode}'") as caught:
            model.predict({"x": DEEP[mode]})
        assert caught.value.hint is not None
        assert f"bring it to mode '{wanted}' first" in caught.value.hint
    model = load(package(tmp_path / "deep.mlpackage", "GRAYSCALE_FLOAT16"), "reference")
    assert model.predict({"x": DEEP[mode]})["y"][0, 0, 0, 0] == (0.5 if mode == "F" else 300)


def test_modes_without_one_meaning_are_refused(tmp_path: Path) -> None:
    for space in ("RGB", "GRAYSCALE_FLOAT16"):
        model = load(package(tmp_path / f"{space}.mlpackage", space), "reference")
        with pytest.raises(UsageError, match="got a PIL image of mode 'LAB'"):
            model.predict({"x": Image.new("LAB", (WIDTH, HEIGHT))})


@pytest.mark.parametrize("executor", ["reference", "onnx"])
def test_deep_grey_is_rounded_to_fp16_on_both_sides(tmp_path: Path, executor: Any) -> None:
    taken = load(package(tmp_path / "in.mlpackage", "GRAYSCALE_FLOAT16"), executor)
    for given in (Image.fromarray(DEPTHS), DEPTHS):
        assert np.array_equal(taken.predict({"x": given})["y"][0, 0], IN_FP16)
    made = load(package(tmp_path / "out.mlpackage", "GRAYSCALE_FLOAT16", taken=False, given=True), executor)
    image = made.predict({"x": DEPTHS[None, None]})["y"]
    assert image.mode == "F"
    assert np.array_equal(np.asarray(image), IN_FP16)


@pytest.mark.parametrize("space", ["RGB", "BGR", "GRAYSCALE"])
@pytest.mark.parametrize("executor", ["reference", "onnx"])
def test_results_outside_of_a_byte(tmp_path: Path, space: str, executor: Any) -> None:
    channels = 1 if space == "GRAYSCALE" else 3
    model = load(package(tmp_path / "p.mlpackage", space, taken=False, given=True), executor)
    numbers = np.array([[-1, 0.4, 0.6], [254.6, 1e9, np.nan]], np.float32)
    planes = np.stack([numbers + 10 * channel for channel in range(channels)])
    expected = np.array([[[0, 0, 1], [255, 255, 0]], [[9, 10, 11], [255, 255, 0]], [[19, 20, 21], [255, 255, 0]]])
    image = model.predict({"x": planes[None]})["y"]
    order = {"RGB": [0, 1, 2], "BGR": [2, 1, 0], "GRAYSCALE": [0]}[space]
    pixels = np.asarray(image).reshape(HEIGHT, WIDTH, -1)
    assert image.mode == ("L" if channels == 1 else "RGBA")
    assert np.array_equal(np.moveaxis(pixels[..., :channels], -1, 0), expected[order])
    assert channels == 1 or (pixels[..., 3] == 255).all()
