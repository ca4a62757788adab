"""Reading single images: expectations are worked out by hand or from arrays, never through read_image's own code."""

import io
import stat
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kewcore.data.images import MAX_IMAGE_PIXELS, check_header, quiet_decoders, read_image
from kewcore.errors import DataError

pytestmark = pytest.mark.unit


def encoded(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def read(content, height, width, policy="fill"):
    return read_image(content, height=height, width=width, policy=policy)


def png(width, height, depth, colour, rows, *extra):
    """A PNG written by hand, for depths that Pillow does not write. Source: PNG specification, 11.2."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)),
        *extra,
        (b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))),
        (b"IEND", b""),
    ]
    body = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def test_grey_uses_the_bt601_weights_to_the_nearest_level():
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 200, 90], [255, 255, 255]]], np.uint8)
    expected = np.floor(colours @ np.array([0.299, 0.587, 0.114]) + 0.5)
    np.testing.assert_array_equal(read(encoded(Image.fromarray(colours)), 1, 5), expected)


def test_sixteen_bit_grey_is_scaled_not_cut():
    levels = [0, 128, 129, 257, 32768, 65534, 65535]
    content = png(7, 1, 16, 0, [struct.pack(">7H", *levels)])
    assert read(content, 1, 7)[0].tolist() == [round(v * 255 / 65535) for v in levels]


def test_sixteen_bit_grey_tiff():
    levels = np.array([[0, 257, 25700, 65535]], np.uint16)
    assert read(encoded(Image.fromarray(levels), "TIFF"), 1, 4)[0].tolist() == [0, 1, 100, 255]


def test_sixteen_bit_colour_and_alpha():
    pixels = struct.pack(">8H", 65535, 0, 0, 65535, 0, 0, 0, 0)
    assert read(png(2, 1, 16, 6, [pixels]), 1, 2)[0].tolist() == [76, 255]


def test_alpha_is_laid_on_white():
    image = Image.fromarray(np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [0, 0, 0, 51], [100, 100, 100, 128]]], np.uint8))
    assert read(encoded(image), 1, 4)[0].tolist() == pytest.approx([255, 0, 204, 177], abs=1)


def test_grey_with_alpha_is_laid_on_white():
    image = Image.merge("LA", [Image.new("L", (2, 1), 0), Image.fromarray(np.array([[0, 255]], np.uint8))])
    assert read(encoded(image), 1, 2)[0].tolist() == [255, 0]


def test_transparent_colour_of_a_palette_turns_white():
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    assert read(encoded(image), 1, 3)[0].tolist() == [0, 76, 29]
    assert read(encoded(image, transparency=1), 1, 3)[0].tolist() == [0, 255, 29]


def test_transparent_level_of_sixteen_bit_grey_turns_white():
    content = png(2, 1, 16, 0, [struct.pack(">2H", 4000, 0)], (b"tRNS", struct.pack(">H", 4000)))
    assert read(content, 1, 2)[0].tolist() == [255, 0]


def test_one_bit_images():
    assert read(encoded(Image.fromarray(np.array([[True, False]]))), 1, 2)[0].tolist() == [255, 0]


@pytest.mark.parametrize(
    ("cmyk", "grey"), [((0, 0, 0, 0), 255), ((0, 0, 0, 255), 0), ((0, 255, 255, 0), 76), ((255, 0, 255, 0), 150)]
)
def test_cmyk(cmyk, grey):
    image = Image.new("CMYK", (16, 16), cmyk)
    assert read(encoded(image, "TIFF"), 16, 16)[8, 8] == grey
    assert read(encoded(image, "JPEG", quality=95), 16, 16)[8, 8] == pytest.approx(grey, abs=3)


# Where the top left pixel of the stored picture must appear once upright. Source: the table of Exif 2.32, 4.6.4 A.
CORNERS = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)}


@pytest.mark.parametrize("orientation", CORNERS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_exif_orientation_is_applied(orientation, kind):
    stored = np.full((16, 32), 255, np.uint8)
    stored[:8, :8] = 0
    exif = Image.Exif()
    exif[0x0112] = orientation
    height, width = (16, 32) if orientation < 5 else (32, 16)
    pixels = read(encoded(Image.fromarray(stored), kind, exif=exif), height, width, "fit")
    assert pixels[CORNERS[orientation]] < 20
    assert (pixels < 128).sum() == 64


def test_fit_keeps_the_whole_image_between_white_bars():
    pixels = read(encoded(Image.new("L", (40, 20), 0)), 20, 20, "fit")
    assert np.all(pixels[:5] == 255)
    assert np.all(pixels[5:15] == 0)
    assert np.all(pixels[15:] == 255)


def test_fill_stretches():
    picture = np.repeat(np.array([[0, 200]], np.uint8), 20, axis=0).repeat(20, axis=1)
    pixels = read(encoded(Image.fromarray(picture)), 20, 20, "fill")
    assert pixels[10, 2] == 0
    assert pixels[10, -3] == 200


def test_centre_crop_takes_the_middle_of_the_target_shape():
    picture = np.zeros((20, 60), np.uint8)
    picture[:, 20:40] = 100
    assert np.all(read(encoded(Image.fromarray(picture)), 20, 20, "centre-crop") == 100)
    assert np.all(read(encoded(Image.fromarray(picture.T.copy())), 10, 10, "centre-crop") == 100)


def test_reduction_is_antialiased():
    stripes = np.tile(np.array([[0, 255]], np.uint8), (64, 32))
    pixels = read(encoded(Image.fromarray(stripes)), 8, 8).astype(int)
    assert np.all(np.abs(pixels[:, 1:-1] - 127.5) <= 1)
    assert np.all(np.abs(pixels - 127.5) <= 6)  # at the edges half of the triangle is missing


def triangles(source, target):
    """Weights `[target, source]` of the triangle filter, in doubles."""
    scale = source / target
    reach = max(scale, 1)
    centres = (np.arange(target)[:, None] + 0.5) * scale
    weights = np.maximum(0, 1 - np.abs((np.arange(source) + 0.5 - centres) / reach))
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("height, width", [(60, 20), (20, 60), (400, 20)])
def test_rows_are_resized_before_columns_whatever_the_shape_and_the_version_of_pillow(height, width):
    picture = np.random.default_rng(1).integers(0, 256, (height, width), dtype=np.uint8)
    narrow = np.floor(picture @ triangles(width, 9).T + 0.5)
    expected = np.floor(triangles(height, 11) @ narrow + 0.5)
    found = read(encoded(Image.fromarray(picture)), 11, 9)
    # Pillow's weights have 22 bits: a sum may fall to the other side of one half, but seldom; by the other order of
    # the passes one pixel of ten would differ.
    assert (found != expected).mean() <= 0.01


def test_an_image_of_the_right_size_is_not_touched():
    picture = np.random.default_rng(0).integers(0, 256, (17, 23), dtype=np.uint8)
    for policy in ("fit", "fill", "centre-crop"):
        np.testing.assert_array_equal(read(encoded(Image.fromarray(picture)), 17, 23, policy), picture)


@given(
    height=st.integers(1, 40), width=st.integers(1, 40), to=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    policy=st.sampled_from(["fit", "fill", "centre-crop"]), grey=st.integers(0, 255),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_any_shape_comes_out_in_the_asked_one(height, width, to, policy, grey):
    pixels = read(encoded(Image.new("L", (width, height), grey)), *to, policy)
    assert pixels.shape == to
    assert pixels.dtype == np.uint8
    assert set(np.unique(pixels)) <= ({grey, 255} if policy == "fit" else {grey})


def noise(kind, **options):
    picture = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    return encoded(Image.fromarray(picture), kind, **options)


def animation(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green")]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)


BAD = {
    "empty": (b"", r"the file is empty \(0 bytes\)"),
    "text": (b"not an image at all", "not an image, or of a format that Pillow does not read"),
    "truncated jpeg": (noise("JPEG")[:-400], "cannot be decoded: image file is truncated"),
    "truncated png": (noise("PNG")[:-1000], "cannot be decoded: "),
    "damaged png": (noise("PNG")[:200] + b"\0" * 200 + noise("PNG")[400:], "cannot be decoded: "),
    "header only": (noise("PNG")[:20], "not an image|cannot be decoded"),
    "animated gif": (animation("GIF"), r"holds 2 frames or pages \(GIF\); expected a single picture"),
    "animated png": (animation("PNG"), r"holds 2 frames or pages \(PNG\)"),
    "animated webp": (animation("WEBP"), r"holds 2 frames or pages \(WEBP\)"),
    "many pages": (animation("TIFF"), r"holds 2 frames or pages \(TIFF\)"),
    "float": (encoded(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"), "has pixels of mode F"),
    "32-bit": (encoded(Image.fromarray(np.ones((4, 4), np.int32)), "TIFF"), "has pixels of mode I; expected"),
    "bomb": (png(30000, 30000, 8, 0, [b""]), f"too large to decode: more than {MAX_IMAGE_PIXELS} pixels"),
    "small bomb": (png(10000, 9001, 8, 0, [b""]), f"too large to decode: more than {MAX_IMAGE_PIXELS} pixels"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_by_name_and_reason(name, tmp_path):
    content, reason = BAD[name]
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"^'.*bad\.png': ({reason})"):
        read_image(path, height=8, width=8, policy="fill")
    with pytest.raises(DataError, match=f"^image of {len(content)} bytes: ({reason})"):
        read(content, 8, 8)


@pytest.mark.parametrize("name", sorted(set(BAD) - {"truncated jpeg", "truncated png", "damaged png", "header only"}))
def test_headers_alone_tell_most_bad_files(name):
    assert check_header(BAD[name][0])


def test_good_headers_pass():
    assert check_header(noise("JPEG")) is None


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"none.png': cannot be read: No such file"):
        read_image(tmp_path / "none.png", height=8, width=8, policy="fill")


def test_a_folder_in_place_of_a_file(tmp_path):
    with pytest.raises(DataError, match=r"cannot be read: Is a directory"):
        read_image(tmp_path, height=8, width=8, policy="fill")


def test_unreadable_file(tmp_path):
    path = tmp_path / "locked.png"
    path.write_bytes(noise("PNG"))
    path.chmod(0)
    if path.stat().st_uid == 0 or _can_read(path):
        pytest.skip("this user may read every file")
    with pytest.raises(DataError, match=r"locked.png': cannot be read: Permission denied"):
        read_image(path, height=8, width=8, policy="fill")
    path.chmod(stat.S_IRUSR)


def _can_read(path):
    try:
        path.read_bytes()
    except PermissionError:
        return False
    return True


@given(data=st.data(), kind=st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"]))
@settings(max_examples=150, deadline=None)
def test_damage_gives_pixels_or_a_data_error_and_nothing_else(data, kind):
    content = bytearray(SOUND[kind])
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        with quiet_decoders():
            shape = read(content, 8, 8).shape
    except DataError:
        shape = (8, 8)
    assert shape == (8, 8)


SOUND = {kind: noise(kind) for kind in ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP")}
