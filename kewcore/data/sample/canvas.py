"""The drawing surface of the sample set: shaded polygons, strokes and balls on a supersampled greyscale image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIZE = 500
"""Height and width of a finished image in pixels."""
SUPERSAMPLING = 2
"""Drawing happens at this multiple of `SIZE` and is averaged down, which antialiases it."""

Points = NDArray[np.float64]
"""Positions `[K, 2]` as (x, y); the image is the unit square, x to the right, y down."""


@dataclass(frozen=True)
class Canvas:
    """A surface to draw on; drawing changes its image, as it does on paper.

    Attributes:
        image: Mode L, `SIZE * SUPERSAMPLING` pixels square.
        draw: Pillow's pen on that image.
        light: Unit vector (x, y) towards the light.
    """

    image: Image.Image
    draw: ImageDraw.ImageDraw
    light: Points


def blank(light_angle: float, grey: float = 0.5) -> Canvas:
    """Returns an even surface, lit from `light_angle` (radians; 0 is from the right, -pi/2 from above)."""
    side = SIZE * SUPERSAMPLING
    image = Image.new("L", (side, side), _level(grey))
    return Canvas(image, ImageDraw.Draw(image), np.array([np.cos(light_angle), np.sin(light_angle)]))


def polygon(canvas: Canvas, points: Points, grey: float) -> None:
    """Fills a closed outline with one grey, 0 black to 1 white."""
    canvas.draw.polygon((points * canvas.image.width).ravel().tolist(), fill=_level(grey))


def line(canvas: Canvas, points: Points, width: float, grey: float) -> None:
    """Draws an even line; `width` in units of the image's side."""
    side = canvas.image.width
    canvas.draw.line((points * side).ravel().tolist(), fill=_level(grey), width=max(1, round(width * side)))


def stroke(canvas: Canvas, points: Points, widths: Points, grey: float, contrast: float = 0.5) -> None:
    """Draws a round rod along a curve, lighter on the lit side.

    Args:
        canvas: Where to.
        points: Middle of the rod, `[K, 2]`.
        widths: Width at each point, `[K]`.
        grey: Its mean tone.
        contrast: How much lighter the lit side is than the other, relative to `grey`.
    """
    normal = normals(points)
    towards = np.sign(normal @ canvas.light)[:, None] * normal
    for level in range(4):
        half = widths[:, None] * (0.5 - 0.11 * level)
        middle = points + towards * widths[:, None] * 0.075 * level
        tone = grey * (1 + contrast * (level / 3 - 0.55))
        polygon(canvas, np.concatenate([middle + normal * half, (middle - normal * half)[::-1]]), tone)


def ball(
    canvas: Canvas, centre: Points, radii: tuple[float, float], angle: float, grey: float, *, gloss: float, depth: float
) -> None:
    """Draws a shaded ellipsoid.

    Args:
        canvas: Where to.
        centre: (x, y).
        radii: Half axes before turning.
        angle: Turn in radians.
        grey: Tone of its lit part.
        gloss: Strength of the highlight, 0 for none.
        depth: How dark the rim is: 0 for a flat disc, 1 for black.
    """
    turn = rotation(angle)
    circle = np.stack([np.cos(_ROUND), np.sin(_ROUND)], axis=1)
    levels = 6 if max(radii) < 0.03 else 10 if max(radii) < 0.08 else 22
    for level in range(levels):
        part = level / (levels - 1)
        shape = circle * np.array(radii) * (1 - 0.8 * part)
        shift = canvas.light * min(radii) * 0.42 * part
        polygon(canvas, shape @ turn.T + centre + shift, grey * (1 - depth * (1 - part) ** 1.4))
    if gloss > 0:
        spot = circle * np.array(radii) * 0.16 * np.array([1.0, 0.7])
        polygon(canvas, spot @ turn.T + centre + canvas.light * min(radii) * 0.5, grey + (1 - grey) * gloss)


def normals(points: Points) -> Points:
    """Returns unit vectors across a curve, `[K, 2]`."""
    along = np.gradient(points, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    return np.stack([-along[:, 1], along[:, 0]], axis=1)


def rotation(angle: float) -> Points:
    """Returns the matrix `[2, 2]` that turns by `angle` radians."""
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def direction(angle: float) -> Points:
    """Returns the unit vector (x, y) at `angle` radians."""
    return np.array([np.cos(angle), np.sin(angle)])


def _level(grey: float) -> int:
    return int(min(max(grey, 0.0), 1.0) * 255 + 0.5)


_ROUND = np.linspace(0, 2 * np.pi, 40, endpoint=False)
