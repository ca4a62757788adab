"""The first generator: six kinds of scene in the manner of photographs taken in a glasshouse.

Kin to the thumbnails of Kew-MNIST: hard light, busy grounds, subjects off the centre and cut by the frame, and organs
of other classes beside the one that gives the class.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kewcore.data.sample.canvas import Canvas, Points, ball, blank, direction, line
from kewcore.data.sample.finish import photograph
from kewcore.data.sample.grounds import ground
from kewcore.data.sample.organs import curve, flower_head, frond, fruit, leaf, leaf_look, stem
from kewcore.data.sample.tag import tag


def draw_photograph(rng: np.random.Generator, class_name: str) -> NDArray[np.uint8]:
    """Draws an image `[500, 500]` of a class: `flower`, `fruit`, `leaf`, `plant_tag`, `stem` or `whole_plant`."""
    canvas = blank(rng.uniform(-np.pi, 0), rng.uniform(0.1, 0.6))
    ground(canvas, rng, _USUAL_GROUNDS[class_name], blur=float(rng.choice([0.0, 0.004, 0.01, 0.02])))
    _SCENES[class_name](canvas, rng)
    if rng.random() < 0.2:
        _in_front(canvas, rng)
    return photograph(canvas, rng)


def _flower(canvas: Canvas, rng: np.random.Generator) -> None:
    look = leaf_look(rng, rng.uniform(0.2, 0.55))
    grey = rng.choice([rng.uniform(0.75, 1.0), rng.uniform(0.3, 0.7)], p=[0.85, 0.15])
    habits = (
        (1, rng.uniform(0.25, 0.45)),
        (int(rng.integers(2, 5)), rng.uniform(0.13, 0.2)),
        (int(rng.integers(10, 24)), rng.uniform(0.05, 0.08)),
    )
    heads, radius = habits[rng.choice(3, p=[0.5, 0.3, 0.2])]
    centre = rng.uniform(0.36, 0.64, 2)
    foot = np.array([rng.uniform(0.1, 0.9), 1.1])
    petals = int(rng.choice([4, 5, 5, 6, 8, 13]))
    places = centre + rng.normal(0, 0.11 if heads > 4 else 0.2, (heads, 2)) * (heads > 1)
    for place in places:
        _stalk(canvas, rng, foot, place, rng.uniform(0.006, 0.016), look.grey)
    for _ in range(int(rng.integers(0, 9))):
        leaf(canvas, rng, foot + (centre - foot) * rng.random() + rng.normal(0, 0.1, 2), rng.uniform(0, 6.3),
             rng.uniform(0.1, 0.35), look)  # fmt: skip
    for place in places:
        flower_head(canvas, rng, place, radius * rng.uniform(0.8, 1.2), grey, petals)


def _fruit(canvas: Canvas, rng: np.random.Generator) -> None:
    look = leaf_look(rng, rng.uniform(0.2, 0.6), ("ovate", "lanceolate", "serrate", "cordate"))
    grey = rng.choice([rng.uniform(0.12, 0.45), rng.uniform(0.45, 0.85)], p=[0.65, 0.35])
    count = int(rng.choice([1, 2, 3, 5, 9], p=[0.35, 0.2, 0.2, 0.15, 0.1]))
    radius = rng.uniform(0.18, 0.28) if count < 3 else rng.uniform(0.09, 0.14)
    centre = rng.uniform(0.35, 0.65, 2)
    twig = curve(centre - direction(angle := rng.uniform(-0.6, 0.6)) * 0.6 - np.array([0, radius * 1.6]), angle, 1.2,
                 rng.normal(0, 0.4))  # fmt: skip
    stem(canvas, rng, twig, rng.uniform(0.01, 0.03), look.grey * rng.uniform(0.5, 1.2), 4)
    for k in rng.integers(0, 14, int(rng.integers(1, 8))):
        leaf(canvas, rng, twig[k], rng.uniform(0, 6.3), rng.uniform(0.12, 0.4), look)
    length = rng.choice([1.0, 0.9, 1.3, 1.7])
    for place in centre + rng.normal(0, radius * 1.3, (count, 2)) * (count > 1):
        _stalk(canvas, rng, twig[int(rng.integers(4, 10))], place, 0.008, look.grey)
        fruit(canvas, rng, place, radius * rng.uniform(0.8, 1.15), grey * rng.uniform(0.8, 1.2), length)
    for k in rng.integers(0, 14, int(rng.integers(0, 3))):
        leaf(canvas, rng, twig[k], rng.uniform(0, 6.3), rng.uniform(0.1, 0.3), look)


def _leaf(canvas: Canvas, rng: np.random.Generator) -> None:
    look = leaf_look(rng, rng.uniform(0.35, 0.65), ("ovate", "cordate", "serrate", "lobed"))
    arrangement = rng.choice(["single", "palmate", "pinnate", "twig"], p=[0.55, 0.25, 0.12, 0.08])
    centre, angle = rng.uniform(0.3, 0.7, 2), rng.uniform(0, 2 * np.pi)
    if arrangement == "single":
        length = rng.uniform(0.7, 1.1)
        base = centre - direction(angle) * length / 2
        stem(canvas, rng, curve(base, angle + np.pi, 0.5, rng.normal(0, 0.3)), 0.012, look.grey * 0.8, 0)
        leaf(canvas, rng, base, angle, length, look)
    elif arrangement == "palmate":
        count, length = int(rng.integers(3, 9)), rng.uniform(0.35, 0.52)
        for k in range(count):
            leaf(
                canvas,
                rng,
                centre,
                angle + 2 * np.pi * k / count + rng.normal(0, 0.15),
                length * rng.uniform(0.7, 1.1),
                look,
            )
    elif arrangement == "pinnate":
        length = rng.uniform(0.7, 1.0)
        frond(canvas, rng, centre - direction(angle) * length / 2, angle, length, look)
    else:
        path = curve(centre - direction(angle) * 0.6, angle, 1.2, rng.normal(0, 0.4))
        stem(canvas, rng, path, 0.012, look.grey * 0.8, 0)
        for k, at in enumerate(range(1, 14, 3)):
            leaf(canvas, rng, path[at], angle + (0.9 if k % 2 else -0.9), rng.uniform(0.25, 0.45), look)


def _plant_tag(canvas: Canvas, rng: np.random.Generator) -> None:
    look = leaf_look(rng, rng.uniform(0.2, 0.6))
    centre, angle = rng.uniform(0.38, 0.62, 2), rng.normal(0, 0.14)
    width = rng.uniform(0.55, 0.9)
    for _ in range(int(rng.integers(0, 8))):
        leaf(canvas, rng, rng.random(2), rng.uniform(0, 6.3), rng.uniform(0.15, 0.4), look)
    if rng.random() < 0.6:
        post = curve(centre, np.pi / 2 + angle, 1.0, 0.0)
        stem(canvas, rng, post, rng.uniform(0.04, 0.1), rng.uniform(0.1, 0.6), 0)
    tag(canvas, rng, centre, width, angle)
    for _ in range(int(rng.choice([0, 0, 1, 2]))):
        edge = centre + direction(rng.uniform(0, 6.3)) * width * 0.5
        leaf(canvas, rng, edge, rng.uniform(0, 6.3), rng.uniform(0.15, 0.4), look)


def _stem(canvas: Canvas, rng: np.random.Generator) -> None:
    look = leaf_look(rng, rng.uniform(0.2, 0.6))
    count = int(rng.choice([1, 2, 3, 5], p=[0.45, 0.25, 0.2, 0.1]))
    for _ in range(count):
        middle, angle = rng.uniform(0.3, 0.7, 2), rng.normal(-np.pi / 2, 0.35)
        bend = rng.normal(0, 0.5)
        path = curve(middle - direction(angle - bend / 2) * 0.75, angle - bend / 2, 1.5, bend, 20)
        width = rng.uniform(0.1, 0.26) if count == 1 else rng.uniform(0.035, 0.09)
        stem(canvas, rng, path, width, rng.uniform(0.4, 0.9), int(rng.integers(0, 12)))
        for _ in range(int(rng.integers(0, 40)) if width > 0.07 else 0):
            at = path[rng.integers(20)] + rng.normal(0, width * 0.2, 2)
            line(
                canvas, np.stack([at, at + direction(angle + rng.normal(0, 0.3)) * 0.05]), 0.003, rng.uniform(0.1, 0.7)
            )
        for k in rng.integers(2, 18, int(rng.integers(0, 7))):
            way = angle + rng.choice([-1, 1]) * rng.uniform(0.5, 1.3)
            stalk = curve(path[k], way, rng.uniform(0.05, 0.2), rng.normal(0, 0.5), 8)
            stem(canvas, rng, stalk, width * 0.25, look.grey, 0)
            leaf(canvas, rng, stalk[-1], way, rng.uniform(0.12, 0.4), look)


def _whole_plant(canvas: Canvas, rng: np.random.Generator) -> None:
    look = leaf_look(rng, rng.uniform(0.25, 0.75))
    habit = rng.choice(["shrub", "rosette", "fern", "tree"], p=[0.5, 0.2, 0.2, 0.1])
    foot = np.array([rng.uniform(0.3, 0.7), rng.uniform(0.75, 1.05)])
    if habit == "shrub":
        size, spread = rng.uniform(0.06, 0.12), rng.uniform(0.45, 0.65)
        middle = foot - np.array([0, rng.uniform(0.3, 0.5)])
        for _ in range(5):
            _stalk(canvas, rng, foot, middle + rng.normal(0, spread * 0.3, 2), 0.01, look.grey * 0.6)
        for _ in range(int(np.clip(16 / size, 120, 200))):
            place = middle + direction(rng.uniform(0, 6.3)) * spread * np.sqrt(rng.random()) * np.array([1, 0.85])
            shaded = replace(look, grey=look.grey * rng.choice([0.5, 0.8, 1.0, 1.25]), veins=0)
            leaf(canvas, rng, place, rng.uniform(0, 6.3), size * rng.uniform(0.7, 1.4), shaded)
    elif habit == "rosette":
        look = leaf_look(rng, look.grey, ("sword", "lanceolate"))
        for _ in range(int(rng.integers(12, 36))):
            leaf(canvas, rng, foot + rng.normal(0, 0.02, 2), rng.normal(-np.pi / 2, 0.75), rng.uniform(0.35, 0.8), look)
    elif habit == "fern":
        look = leaf_look(rng, look.grey, ("lanceolate", "ovate"))
        for _ in range(int(rng.integers(5, 9))):
            frond(canvas, rng, foot, rng.normal(-np.pi / 2, 0.7), rng.uniform(0.4, 0.75), look)
    else:
        top = np.array([foot[0] + rng.normal(0, 0.08), rng.uniform(0.2, 0.4)])
        _stalk(canvas, rng, foot, top, rng.uniform(0.02, 0.05), look.grey * 0.7)
        for _ in range(int(rng.integers(14, 30))):
            leaf(canvas, rng, top + rng.normal(0, 0.06, 2), rng.uniform(-3.6, 0.5), rng.uniform(0.15, 0.35), look)
    if rng.random() < 0.35:
        grey = rng.uniform(0.6, 1.0)
        for place in foot - np.array([0, 0.4]) + rng.normal(0, 0.16, (int(rng.integers(2, 9)), 2)):
            if rng.random() < 0.7:
                flower_head(canvas, rng, place, rng.uniform(0.02, 0.06), grey, 5)
            else:
                ball(canvas, place, (0.02, 0.02), 0.0, grey, gloss=0.5, depth=0.6)
    if rng.random() < 0.15:
        tag(canvas, rng, np.array([rng.uniform(0.1, 0.9), rng.uniform(0.75, 0.95)]), rng.uniform(0.1, 0.18), 0.0)


def _stalk(canvas: Canvas, rng: np.random.Generator, start: Points, end: Points, width: float, grey: float) -> None:
    """Draws a thin stem from one place to another, slightly bent."""
    t = np.linspace(0, 1, 12)[:, None]
    across = np.array([start[1] - end[1], end[0] - start[0]])
    stem(canvas, rng, start + (end - start) * t + across * rng.normal(0, 0.12) * np.sin(np.pi * t), width, grey, 0)


def _in_front(canvas: Canvas, rng: np.random.Generator) -> None:
    """Puts a leaf or a blade of grass close to the lens, reaching in from the edge."""
    look = leaf_look(rng, rng.uniform(0.1, 0.8), ("sword", "ovate", "lanceolate"))
    edge = rng.choice([-0.05, 1.05])
    base = np.array([edge, rng.random()]) if rng.random() < 0.5 else np.array([rng.random(), edge])
    towards = float(np.arctan2(*(np.array([0.5, 0.5]) - base)[::-1])) + rng.normal(0, 0.5)
    leaf(canvas, rng, base, towards, rng.uniform(0.3, 0.7), look)


_SCENES = {
    "flower": _flower,
    "fruit": _fruit,
    "leaf": _leaf,
    "plant_tag": _plant_tag,
    "stem": _stem,
    "whole_plant": _whole_plant,
}
_USUAL_GROUNDS = {
    "flower": ("foliage", "grass", "shade"),
    "fruit": ("foliage", "twigs", "shade"),
    "leaf": ("foliage", "mulch"),
    "plant_tag": ("mulch", "gravel", "grass"),
    "stem": ("foliage", "gravel"),
    "whole_plant": ("mulch", "gravel", "shade"),
}
