"""The second generator: the classes as a diffusion model paints them, for the `synthetic` part.

Kin to the published synthetic images: one subject in the middle, whole and well lit, before soft lights in the dark.
Plant tags are not among them, as in the original project.
"""

import numpy as np
from numpy.typing import NDArray

from kewcore.data.sample.canvas import Canvas, ball, blank, direction, line, polygon
from kewcore.data.sample.finish import rendering
from kewcore.data.sample.grounds import soften
from kewcore.data.sample.organs import curve, flower_head, fruit, leaf, leaf_look, stem


def draw_rendering(rng: np.random.Generator, class_name: str) -> NDArray[np.uint8]:
    """Draws an image `[500, 500]` of a class: `flower`, `fruit`, `leaf`, `stem` or `whole_plant`."""
    canvas = blank(rng.normal(-np.pi / 2, 0.4), rng.uniform(0.12, 0.3))
    _soft_lights(canvas, rng)
    _SCENES[class_name](canvas, rng)
    return rendering(canvas, rng)


def _soft_lights(canvas: Canvas, rng: np.random.Generator) -> None:
    for _ in range(16):
        radius = rng.uniform(0.03, 0.14)
        ball(canvas, rng.random(2), (radius, radius), 0.0, rng.uniform(0.12, 0.5), gloss=0.0, depth=0.1)
    look = leaf_look(rng, rng.uniform(0.2, 0.35), ("ovate", "cordate", "lanceolate"))
    for _ in range(6):
        leaf(canvas, rng, rng.random(2), rng.uniform(0, 6.3), rng.uniform(0.25, 0.5), look)
    soften(canvas, 0.03)


def _flower(canvas: Canvas, rng: np.random.Generator) -> None:
    centre = np.array([0.5, 0.47]) + rng.normal(0, 0.025, 2)
    look = leaf_look(rng, 0.38, ("lanceolate", "ovate"))
    path = curve(np.array([0.5 + rng.normal(0, 0.1), 1.05]), -np.pi / 2, 0.6, rng.normal(0, 0.2))
    stem(canvas, rng, path, 0.022, 0.4, 0)
    for k in (3, 6):
        leaf(canvas, rng, path[k], rng.choice([-2.4, -0.7]) + rng.normal(0, 0.15), rng.uniform(0.25, 0.38), look)
    petals, radius = int(rng.choice([5, 6, 12, 18, 24])), rng.uniform(0.3, 0.42)
    grey = rng.uniform(0.5, 0.85)
    for whorl in range(3):
        flower_head(canvas, rng, centre, radius * (1 - 0.22 * whorl), grey * (1 - 0.07 * whorl), petals)


def _fruit(canvas: Canvas, rng: np.random.Generator) -> None:
    look = leaf_look(rng, 0.42, ("serrate", "ovate"))
    twig = curve(np.array([-0.05, 0.2 + rng.normal(0, 0.05)]), 0.1, 1.15, rng.normal(0, 0.15))
    stem(canvas, rng, twig, 0.03, 0.35, 5)
    for k in (3, 6, 10):
        leaf(canvas, rng, twig[k], rng.uniform(0.2, 2.9), rng.uniform(0.25, 0.4), look)
    count = int(rng.choice([1, 2, 3]))
    radius, length = (
        (rng.uniform(0.17, 0.24), rng.choice([1.0, 1.35])) if count == 1 else (rng.uniform(0.13, 0.16), 1.0)
    )
    for k in range(count):
        place = np.array([0.5 + (k - (count - 1) / 2) * radius * 2.1, 0.52 + 0.07 * (k % 2)]) + rng.normal(0, 0.02, 2)
        line(canvas, np.stack([twig[7], place]), 0.014, 0.4)
        fruit(canvas, rng, place, radius, rng.uniform(0.5, 0.75), length)


def _leaf(canvas: Canvas, rng: np.random.Generator) -> None:
    look = leaf_look(rng, rng.uniform(0.45, 0.7), ("cordate", "serrate", "lobed", "ovate"))
    angle = rng.normal(np.pi / 2, 0.35)
    length = rng.uniform(0.65, 0.82)
    if rng.random() < 0.4:
        for way in (-1.15, 1.15, -0.6, 0.6, 0.0):
            leaf(canvas, rng, np.array([0.5, 0.38]), angle + way, length * (0.62 - 0.12 * abs(way)), look)
    else:
        base = np.array([0.5, 0.5]) - direction(angle) * length / 2
        stem(canvas, rng, curve(base, angle + np.pi, 0.4, 0.2), 0.016, 0.5, 0)
        leaf(canvas, rng, base, angle, length, look)


def _stem(canvas: Canvas, rng: np.random.Generator) -> None:
    middle, half = 0.5 + rng.normal(0, 0.05), rng.uniform(0.13, 0.22)
    grey = rng.uniform(0.3, 0.55)
    y = np.linspace(-0.02, 1.02, 24)
    flare = half * (1 + 0.9 * np.clip(y - 0.72, 0, 1) ** 1.3 * 3)
    for level in range(6):
        part = 1 - level * 0.16
        left, right = np.stack([middle - flare * part, y], 1), np.stack([middle + flare * part, y], 1)
        polygon(canvas, np.concatenate([left, right[::-1]]), grey * (0.55 + 0.11 * level))
    for _ in range(170):
        at = np.array([middle + rng.normal(0, half * 0.5), rng.random()])
        crack = curve(at, np.pi / 2 + rng.normal(0, 0.2), rng.uniform(0.03, 0.16), rng.normal(0, 0.6), 6)
        line(canvas, crack, rng.uniform(0.002, 0.008), grey * rng.choice([0.35, 0.5, 1.4]))
    if rng.random() < 0.5:
        side = rng.choice([-1.0, 1.0])
        branch = curve(np.array([middle, 0.25]), np.pi / 2 - side * 2.2, 0.6, -side * 0.4)
        stem(canvas, rng, branch, half * 0.6, grey * 0.8, 0)


def _whole_plant(canvas: Canvas, rng: np.random.Generator) -> None:
    earth = np.array([[0.0, 0.82], [0.3, 0.8], [0.7, 0.81], [1.0, 0.83], [1.0, 1.0], [0.0, 1.0]])
    polygon(canvas, earth, 0.16)
    for _ in range(60):
        at = np.array([rng.random(), rng.uniform(0.82, 1.0)])
        radius = rng.uniform(0.006, 0.02)
        ball(canvas, at, (radius * 1.6, radius), 0.0, rng.uniform(0.15, 0.4), gloss=0.0, depth=0.4)
    look = leaf_look(rng, rng.uniform(0.4, 0.6), ("ovate", "lanceolate", "serrate", "lobed"))
    height = rng.uniform(0.5, 0.66)
    axis = curve(np.array([0.5, 0.86]), -np.pi / 2 + rng.normal(0, 0.06), height, rng.normal(0, 0.15), 24)
    stem(canvas, rng, axis, 0.03, 0.35, 0)
    for k in range(2, 24):
        size = (0.34 - 0.24 * k / 24) * rng.uniform(0.8, 1.1)
        for side in (-1.0, 1.0):
            leaf(canvas, rng, axis[k], -np.pi / 2 + side * rng.uniform(0.5, 1.5), size, look)
    if rng.random() < 0.3:
        flower_head(canvas, rng, axis[-1], 0.07, 0.7, 8)


_SCENES = {
    "flower": _flower,
    "fruit": _fruit,
    "leaf": _leaf,
    "stem": _stem,
    "whole_plant": _whole_plant,
}
