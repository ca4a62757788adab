"""Plant tags: engraved plates with accession number, family and an invented Latin name."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kewcore.data.sample.canvas import Canvas, Points, direction

_WIDTH, _HEIGHT = 420, 300
_GENUS = ("Cal", "Tre", "Dio", "Phoe", "Arch", "Ree", "Mag", "Cor", "Sal", "Ver", "Lin", "Eri")
_MIDDLE = ("y", "ve", "on", "ni", "to", "no", "li", "dy", "vi", "ba", "ca", "ne")
_ENDING = ("stegia", "sia", "phoenix", "lia", "nium", "ra", "dia", "tum", "thus", "mea")
_EPITHET = ("affinis", "palmata", "mejiae", "thyrsoidea", "alba", "montana", "repens", "lutea", "gracilis", "nana")
_FAMILY = ("ZAMI", "ARALI", "RUBI", "MALV", "AREC", "ROS", "LILI", "FAB", "AMARYLLID", "CONVOLVUL")
_PLACE = ("HONDURAS", "S.E. KENYA", "QUEENSLAND", "MADEIRA", "YUNNAN", "CHILE", "CRETE", "JAVA")


def tag(canvas: Canvas, rng: np.random.Generator, centre: Points, width: float, angle: float) -> None:
    """Draws a tag in slight perspective, with glare and dirt on it."""
    plate = _plate(rng)
    mask = Image.new("L", plate.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((2, 2, _WIDTH - 3, _HEIGHT - 3), radius=int(rng.integers(2, 22)), fill=255)
    height = width * _HEIGHT / _WIDTH * rng.uniform(0.75, 1.1)
    right, down = direction(angle) * width / 2, direction(angle + np.pi / 2 + rng.normal(0, 0.06)) * height / 2
    corners = np.stack([centre - right - down, centre + right - down, centre + right + down, centre - right + down])
    corners += rng.normal(0, 0.02 * width, (4, 2))
    side = canvas.image.width
    low = np.floor(np.clip(corners.min(0), 0, 1) * side).astype(int)
    high = np.ceil(np.clip(corners.max(0), 0, 1) * side).astype(int)
    size = (max(int(high[0] - low[0]), 1), max(int(high[1] - low[1]), 1))
    data = _perspective(corners * side - low)
    shape = mask.transform(size, Image.Transform.PERSPECTIVE, data, Image.Resampling.BILINEAR)
    face = plate.transform(size, Image.Transform.PERSPECTIVE, data, Image.Resampling.BILINEAR)
    canvas.image.paste(face, (int(low[0]), int(low[1])), shape)


def _plate(rng: np.random.Generator) -> Image.Image:
    dark = rng.random() < 0.85
    ground = rng.uniform(0.02, 0.16) if dark else rng.uniform(0.45, 0.85)
    ink = rng.uniform(0.6, 1.0) if dark or rng.random() < 0.3 else rng.uniform(0.0, 0.2)
    plate = Image.new("L", (_WIDTH, _HEIGHT), int(ground * 255))
    pen = ImageDraw.Draw(plate)
    fill = int(ink * 255)
    small, large = _font(int(rng.integers(17, 27))), _font(int(rng.integers(26, 46)))
    genus = str(rng.choice(_GENUS)) + str(rng.choice(_MIDDLE)) + str(rng.choice(_ENDING))
    pen.text((16, 10), f"{rng.integers(1950, 2022)}-{rng.integers(10, 5000)}", fill=fill, font=small)
    pen.text((_WIDTH - 16, 10), f"{rng.choice(_FAMILY)}ACEAE", fill=fill, font=small, anchor="ra")
    pen.text((_WIDTH // 2, 130), genus, fill=fill, font=large, anchor="mm")
    pen.text((_WIDTH // 2, 180), str(rng.choice(_EPITHET)), fill=fill, font=large, anchor="mm")
    pen.text((_WIDTH - 16, _HEIGHT - 14), str(rng.choice(_PLACE)), fill=fill, font=small, anchor="rs")
    if rng.random() < 0.5:
        pen.rectangle((_WIDTH * 0.36, 0, _WIDTH * 0.62, 16), fill=int(rng.uniform(100, 230)))
    for _ in range(int(rng.integers(0, 14))):
        x, y, r = rng.uniform(0, _WIDTH), rng.uniform(0, _HEIGHT), rng.uniform(2, 16)
        pen.ellipse((x - r, y - r * 0.7, x + r, y + r * 0.7), fill=int(rng.uniform(0.2, 0.8) * 255))
    if rng.random() < 0.5:
        glare = np.linspace(rng.uniform(-0.1, 0.35), rng.uniform(-0.1, 0.35), _WIDTH)[None] * 255
        return Image.fromarray(np.clip(np.asarray(plate, dtype=np.float32) + glare, 0, 255).astype(np.uint8))
    return plate


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _perspective(corners: Points) -> tuple[float, ...]:
    """Solves for the eight numbers with which Pillow maps the picture's pixels back to the plate's."""
    plate = ((0, 0), (_WIDTH, 0), (_WIDTH, _HEIGHT), (0, _HEIGHT))
    rows, values = [], []
    for (x, y), (u, v) in zip(corners, plate, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return tuple(np.linalg.solve(np.array(rows), np.array(values)).tolist())
