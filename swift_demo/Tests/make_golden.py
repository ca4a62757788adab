"""Makes what KewKit's tests read: pictures with the pixels that Python makes of them, and a small package.

    .venv/bin/python swift_demo/Tests/make_golden.py            # renews swift_demo/Tests/KewKitTests/Fixtures
    .venv/bin/python swift_demo/Tests/make_golden.py --many 500 --into /tmp/many   # random pictures, no package

`KEWKIT_GOLDEN=/tmp/many swift test --filter Golden` then runs the pipeline over these. docs/swift.md describes the
files.
"""

import argparse
import gc
import hashlib
import io
import json
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image, PngImagePlugin

from kewcore.data.images import read_image
from kewcore.serving import raw_picture

HERE = Path(__file__).parent
FIXTURES = HERE / "KewKitTests" / "Fixtures"
POLICIES = ("fit", "fill", "centre-crop")
ORIENTATION_TAG = 0x0112


def field(width: int, height: int, channels: int, seed: int) -> np.ndarray:
    """Draws waves with noise on them, uint8 `[height, width, channels]`: both smooth and sharp, and all levels."""
    rng = np.random.default_rng([seed, width, height])
    rows, columns = np.mgrid[:height, :width]
    planes = []
    for _ in range(channels):
        x, y, phase = rng.uniform(0.02, 0.5, 3)
        wave = np.sin(columns * x + rows * y + 6 * phase)
        planes.append(127.5 + 90 * wave + rng.normal(0, 40, (height, width)))
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Returns the content of an image file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def turned(orientation: int) -> Image.Exif:
    """Returns EXIF with an orientation."""
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    return exif


def pictures() -> Iterator[tuple[str, bytes]]:
    """Gives every colour mode, every orientation and awkward sizes, as files by name."""
    rgb = Image.fromarray(field(47, 31, 3, 1))
    rgba = Image.fromarray(field(37, 29, 4, 2), "RGBA")
    grey = Image.fromarray(field(41, 53, 1, 3)[..., 0])
    deep = Image.fromarray((field(33, 21, 1, 4)[..., 0].astype(np.uint16) * 251 + 17).astype(np.uint16))
    yield "bilevel.png", encoded(grey.convert("1"), "PNG")
    yield "grey.png", encoded(grey, "PNG")
    yield "grey.jpg", encoded(grey, "JPEG", quality=80)
    yield "grey-alpha.png", encoded(rgba.convert("LA"), "PNG")
    yield "sixteen.png", encoded(deep, "PNG")
    key = PngImagePlugin.PngInfo()
    level = int(np.asarray(deep)[3, 5])
    key.add(b"tRNS", level.to_bytes(2, "big"))
    yield "sixteen-key.png", encoded(deep, "PNG", pnginfo=key)
    yield "palette.png", encoded(rgb.quantize(40), "PNG")
    yield "palette-alpha.png", encoded(rgb.quantize(40), "PNG", transparency=bytes(range(0, 240, 6)))
    yield "rgb.png", encoded(rgb, "PNG")
    yield "rgb-key.png", encoded(rgb, "PNG", transparency=rgb.getpixel((4, 9)))
    yield "rgba.png", encoded(rgba, "PNG")
    yield "rgba.webp", encoded(rgba, "WEBP", lossless=True)
    yield "cmyk.jpg", encoded(rgb.convert("CMYK"), "JPEG", quality=90)
    yield "progressive.jpg", encoded(rgb, "JPEG", quality=70, progressive=True)
    yield "bitmap.bmp", encoded(rgb, "BMP")
    yield "still.gif", encoded(rgb.quantize(60), "GIF")
    yield "turned.tif", encoded(rgb, "TIFF", exif=turned(6))
    for orientation in range(1, 9):
        yield f"turned-{orientation}.jpg", encoded(rgb, "JPEG", quality=85, exif=turned(orientation))
    yield "turned-5.png", encoded(rgba, "PNG", exif=turned(5))
    for width, height in ((1, 1), (1, 9), (13, 1), (2, 2), (3, 7), (5, 90), (160, 6), (151, 113), (32, 40)):
        yield f"size-{width}x{height}.png", encoded(Image.fromarray(field(width, height, 3, 5)), "PNG")


def many(count: int) -> Iterator[tuple[str, bytes]]:
    """Gives random pictures."""
    rng = np.random.default_rng(2024)
    for number in range(count):
        width, height = (int(size) for size in np.exp(rng.uniform(0, 6.5, 2)).astype(int))
        channels = int(rng.choice([1, 3, 4]))
        pixels = field(width, height, channels, number)
        image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
        yield f"{number}.png", encoded(image, "PNG", exif=turned(int(rng.integers(1, 9))))


def targets(name: str, count: int | None) -> list[tuple[int, int]]:
    """Chooses sizes, `(width, height)`, that a picture is brought to."""
    if count is None:
        return [(24, 20), (9, 35)] if name != "size-151x113.png" else [(24, 20), (64, 64), (1, 1), (200, 150)]
    rng = np.random.default_rng([7, int(name.removesuffix(".png"))])
    return [(int(rng.integers(1, 260)), int(rng.integers(1, 260)))]


def write_pictures(folder: Path, count: int | None) -> None:
    """Writes picture files, their raw pixels, and the expected pixels, with a manifest."""
    files = folder / "pictures"
    files.mkdir(parents=True, exist_ok=True)
    for old in files.iterdir():
        old.unlink()
    raw, expected = bytearray(), bytearray()
    rows = []
    for name, content in pictures() if count is None else many(count):
        if count is None:
            (files / name).write_bytes(content)
        picture = raw_picture(content)
        cases = []
        for width, height in targets(name, count):
            for policy in POLICIES:
                cases.append({"width": width, "height": height, "resize": policy, "offset": len(expected)})
                expected += read_image(content, height=height, width=width, policy=policy).tobytes()
        rows.append({
            "name": name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "layout": picture.layout,
            "width": picture.width,
            "height": picture.height,
            "orientation": picture.orientation,
            "transparent_level": picture.transparent_level,
            "offset": len(raw),
            "cases": cases,
        })  # fmt: skip
        raw += b"".join(picture.strips())
    (folder / "raw.bin").write_bytes(raw)
    (folder / "expected.bin").write_bytes(expected)
    manifest = {
        "schema_version": 1,
        "made_by": f"swift_demo/Tests/make_golden.py with Pillow {PIL.__version__}",
        "raw_sha256": hashlib.sha256(raw).hexdigest(),
        "expected_sha256": hashlib.sha256(expected).hexdigest(),
        "pictures": rows,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    print(f"{len(rows)} pictures, {sum(len(row['cases']) for row in rows)} cases, {len(expected)} pixels")


def write_package(folder: Path) -> None:
    """Trains a network of a few weights for a moment on drawn patterns, and exports it as fp16."""
    sys.path.insert(0, str(HERE.parents[1] / "tests"))
    import tempfile

    import keras
    from made_runs import write_run

    from kewcore_export.export import export_run
    from kewcore_export.modes import parse_modes

    width, height, names = 40, 32, ("bars", "dots", "plain")
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width]
    drawn = [columns // 4 % 2 * 200.0, (rows % 8 < 3) * (columns % 8 < 3) * 220.0, np.full((height, width), 120.0)]
    pixels = np.stack([np.clip(drawn[i % 3] + rng.normal(0, 30, (height, width)), 0, 255) for i in range(60)])
    layers = keras.layers
    keras.utils.set_random_seed(1)
    image = keras.Input((height, width, 1))
    value = layers.Rescaling(1 / 255)(image)
    value = layers.Conv2D(6, 5, activation="relu")(value)
    value = layers.GlobalMaxPooling2D()(value)
    model = keras.Model(image, layers.Dense(len(names), activation="softmax")(value))
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    model.fit(pixels[..., None].astype(np.float32), np.arange(60) % 3, epochs=12, verbose=0)
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        run = write_run(Path(scratch) / "runs" / "tiny", model, names, size=(height, width), title="Tiny")
        (package,) = export_run(run, parse_modes(["fp16"]), Path(scratch) / "packages", force=True)
        gc.collect()
        for ending in (".mlpackage", ".json", ".golden"):
            made, place = package.path.with_suffix(ending), (folder / package.path.name).with_suffix(ending)
            if made.is_dir():
                shutil.rmtree(place, ignore_errors=True)
                shutil.copytree(made, place)
            else:
                shutil.copy(made, place)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--many", type=int, help="this many random pictures rather than the checked-in ones")
    parser.add_argument("--into", type=Path, default=FIXTURES)
    parser.add_argument("--pictures-only", action="store_true", help="leave the package as it is")
    asked = parser.parse_args()
    write_pictures(asked.into, asked.many)
    if asked.many is None and not asked.pictures_only:
        write_package(asked.into)


if __name__ == "__main__":
    main()
