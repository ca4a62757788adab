"""What is behind the subject: foliage, bark mulch, gravel, grass and out-of-focus light."""

from dataclasses import replace

import numpy as np
from PIL import Image, ImageFilter

from kewcore.data.sample.canvas import Canvas, ball, line, polygon, rotation
from kewcore.data.sample.organs import curve, frond, leaf, leaf_look, stem


def ground(canvas: Canvas, rng: np.random.Generator, usual: tuple[str, ...], *, blur: float) -> None:
    """Covers the canvas with a ground and puts it out of focus.

    Args:
        canvas: Where to.
        rng: Draws it.
        usual: Grounds that the class is mostly seen on; one time in five it is any other.
        blur: Radius of the blur in units of the image's side.
    """
    names = usual if rng.random() < 0.8 else tuple(_GROUNDS)
    _GROUNDS[names[rng.integers(len(names))]](canvas, rng)
    soften(canvas, blur)


def soften(canvas: Canvas, blur: float) -> None:
    """Blurs what has been drawn so far, at a quarter of the resolution, where a blur is cheap."""
    side = canvas.image.width
    if blur * side < 1.5:
        return
    small = canvas.image.reduce(4).filter(ImageFilter.GaussianBlur(float(blur) * side / 4))
    canvas.image.paste(small.resize((side, side), Image.Resampling.BILINEAR))


def _foliage(canvas: Canvas, rng: np.random.Generator) -> None:
    grey = rng.uniform(0.1, 0.4)
    polygon(canvas, _FRAME, grey * 0.35)
    look = replace(leaf_look(rng, grey), veins=int(rng.choice([0, 0, 4])))
    size = rng.uniform(0.1, 0.35)
    if rng.random() < 0.2:
        for _ in range(7):
            frond(canvas, rng, rng.uniform(-0.1, 1.1, 2), rng.uniform(0, 6.3), size + 0.3, replace(look, veins=0))
        return
    for _ in range(int(np.clip(7 / size, 20, 60))):
        shaded = replace(look, grey=grey * rng.choice([0.4, 0.7, 1.0, 1.3]))
        leaf(canvas, rng, rng.uniform(-0.1, 1.1, 2), rng.uniform(0, 6.3), size * rng.uniform(0.6, 1.4), shaded)


def _mulch(canvas: Canvas, rng: np.random.Generator) -> None:
    dark = rng.uniform(0.05, 0.25)
    polygon(canvas, _FRAME, dark)
    for _ in range(220):
        half = rng.uniform(0.004, 0.03, 2) * np.array([1.0, 0.35])
        chip = rng.uniform(0.6, 1.3, (5, 1)) * _PENTAGON * half
        polygon(canvas, chip @ rotation(rng.uniform(0, np.pi)).T + rng.random(2), dark + rng.exponential(0.13))


def _gravel(canvas: Canvas, rng: np.random.Generator) -> None:
    grey = rng.uniform(0.25, 0.6)
    polygon(canvas, _FRAME, grey * 0.4)
    for _ in range(110):
        radius = rng.uniform(0.01, 0.045)
        tone, angle = grey * rng.uniform(0.6, 1.3), rng.uniform(0, 3)
        ball(canvas, rng.random(2), (radius, radius * rng.uniform(0.6, 1)), angle, tone, gloss=0.0, depth=0.55)


def _grass(canvas: Canvas, rng: np.random.Generator) -> None:
    grey = rng.uniform(0.15, 0.45)
    polygon(canvas, _FRAME, grey * 0.5)
    for _ in range(90):
        blade = curve(
            rng.uniform(-0.1, 1.1, 2), rng.normal(-np.pi / 2, 0.5), rng.uniform(0.15, 0.5), rng.normal(0, 0.8), 8
        )
        line(canvas, blade, rng.uniform(0.003, 0.014), grey * rng.uniform(0.6, 1.7))


def _twigs(canvas: Canvas, rng: np.random.Generator) -> None:
    grey = rng.uniform(0.15, 0.5)
    polygon(canvas, _FRAME, grey * rng.uniform(0.4, 1.5))
    for _ in range(14):
        path = curve(rng.uniform(-0.1, 1.1, 2), rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.9), rng.normal(0, 0.5))
        stem(canvas, rng, path, rng.uniform(0.004, 0.025), grey * rng.uniform(0.6, 1.5), int(rng.integers(0, 4)))


def _shade(canvas: Canvas, rng: np.random.Generator) -> None:
    grey = rng.uniform(0.05, 0.5)
    polygon(canvas, _FRAME, grey)
    for _ in range(12):
        radius = rng.uniform(0.05, 0.3)
        ball(canvas, rng.random(2), (radius, radius), 0.0, grey * rng.uniform(0.5, 1.5), gloss=0.0, depth=0.1)


_FRAME = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
_PENTAGON = np.stack([np.cos(np.arange(5) * 2 * np.pi / 5), np.sin(np.arange(5) * 2 * np.pi / 5)], axis=1)
_GROUNDS = {
    "foliage": _foliage,
    "mulch": _mulch,
    "gravel": _gravel,
    "grass": _grass,
    "twigs": _twigs,
    "shade": _shade,
}
