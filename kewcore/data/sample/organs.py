"""Leaves, fronds, flower heads, fruits and stems, drawn on a canvas with their own variation."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from kewcore.data.sample.canvas import Canvas, Points, ball, direction, line, normals, polygon, rotation, stroke

LeafKind = Literal["ovate", "lanceolate", "cordate", "serrate", "lobed", "sword"]
LEAF_KINDS: tuple[LeafKind, ...] = get_args(LeafKind)


@dataclass(frozen=True)
class LeafLook:
    """How a plant's leaves look, so that leaves of one plant are alike.

    Attributes:
        kind: Outline.
        slimness: Half width over length.
        grey: Tone of the blade.
        vein: Tone of the veins relative to the blade: above 0 lighter, below darker.
        veins: Pairs of side veins, 0 for none.
        fold: Difference in tone between the two halves of the blade.
    """

    kind: LeafKind
    slimness: float
    grey: float
    vein: float
    veins: int
    fold: float


def leaf_look(rng: np.random.Generator, grey: float, kinds: tuple[LeafKind, ...] = LEAF_KINDS) -> LeafLook:
    """Draws the look of a plant's leaves."""
    kind = kinds[rng.integers(len(kinds))]
    slimness = {"ovate": 0.3, "lanceolate": 0.14, "cordate": 0.42, "serrate": 0.3, "lobed": 0.42, "sword": 0.05}[kind]
    return LeafLook(
        kind=kind,
        slimness=slimness * rng.uniform(0.75, 1.25),
        grey=grey,
        vein=rng.choice([0.35, 0.2, -0.25]) * rng.uniform(0.5, 1.3),
        veins=int(rng.integers(4, 10)),
        fold=rng.uniform(0.05, 0.35),
    )


def curve(start: Points, angle: float, length: float, bend: float, count: int = 14) -> Points:
    """Returns an arc `[count, 2]` that leaves `start` at `angle` and turns by `bend` radians over its length."""
    angles = angle + bend * np.linspace(0, 1, count)
    steps = np.stack([np.cos(angles), np.sin(angles)], axis=1) * length / (count - 1)
    path: Points = np.concatenate([start[None], start + np.cumsum(steps[1:], axis=0)])
    return path


def leaf(canvas: Canvas, rng: np.random.Generator, base: Points, angle: float, length: float, look: LeafLook) -> None:
    """Draws one leaf from its base outwards, with fold, veins and midrib."""
    middle = curve(base, angle, length, rng.normal(0, 0.35), 22)
    t = np.linspace(0, 1, 22)
    width = length * look.slimness * _profile(look.kind, t, rng)
    across = normals(middle)
    grey = look.grey * rng.uniform(0.82, 1.18)
    lit = np.sign(float((across[10] * canvas.light).sum())) or 1.0
    squeeze = rng.uniform(0.55, 1.0, size=2)
    for side, part in ((1.0, squeeze[0]), (-1.0, squeeze[1])):
        tone = grey * (1 + look.fold * side * lit)
        edge = middle + across * (width * part * side)[:, None]
        polygon(canvas, np.concatenate([middle, edge[::-1]]), tone)
        inner = middle + across * (width * part * side * 0.55)[:, None]
        polygon(canvas, np.concatenate([middle, inner[::-1]]), tone * 1.07)
        if look.veins and length > 0.08 and look.kind != "sword":
            for i in np.linspace(2, 16, look.veins).astype(int):
                tip = min(i + 4, 21)
                line(canvas, np.stack([middle[i], middle[tip] * 0.1 + edge[tip] * 0.9]), 0.004 * length + 0.0008,
                     tone * (1 + look.vein * 0.7))  # fmt: skip
    stroke(canvas, middle, length * np.linspace(0.028, 0.006, 22), grey * (1 + look.vein), 0.15)


def frond(canvas: Canvas, rng: np.random.Generator, base: Points, angle: float, length: float, look: LeafLook) -> None:
    """Draws a pinnate leaf: leaflets in pairs along a bent axis."""
    axis = curve(base, angle, length, rng.normal(0, 0.5), 18)
    pairs = int(rng.integers(8, 16))
    across = normals(axis)
    for i in np.linspace(2, 17, pairs):
        k = int(i)
        size = length * 0.3 * np.sin(np.pi * (0.12 + 0.83 * i / 17)) * rng.uniform(0.85, 1.1)
        for side in (-1.0, 1.0):
            out = float(np.arctan2(across[k, 1] * side, across[k, 0] * side))
            ahead = float(np.arctan2(*(axis[k] - axis[k - 1])[::-1]))
            lean = out + 0.4 * np.sin(ahead - out)
            leaf(canvas, rng, axis[k], lean, size, look)
    stroke(canvas, axis, length * np.linspace(0.022, 0.006, 18), look.grey * 0.8)


def flower_head(
    canvas: Canvas, rng: np.random.Generator, centre: Points, radius: float, grey: float, petals: int
) -> None:
    """Draws an open flower: one to three whorls of petals around a speckled disc, seen at a slant."""
    slant = rotation(rng.uniform(0, np.pi))
    squash = slant @ np.diag([1.0, rng.uniform(0.45, 1.0)]) @ slant.T
    width = rng.uniform(0.75, 1.3) * np.pi / petals
    tip = rng.uniform(0.35, 1.6)
    t = np.linspace(0, 1, 12)
    half = np.sin(np.pi * t**0.8) ** 0.7 * (t + 0.15) ** tip
    half /= half.max()
    start = rng.uniform(0, 2 * np.pi)
    whorls = int(rng.choice([1, 1, 2, 3]))
    for whorl in range(whorls):
        reach = radius * (1 - 0.27 * whorl)
        for k in rng.permutation(petals):
            angle = start + 2 * np.pi * (k + 0.5 * whorl) / petals + rng.normal(0, 0.09)
            tone = grey * rng.uniform(0.88, 1.05) * (1 - 0.07 * (whorls - 1 - whorl))
            tone *= 1 + 0.12 * float(direction(angle) @ canvas.light)
            size = reach * rng.uniform(0.88, 1.08)
            for shrink, shade in ((1.0, 0.72), (0.93, 0.88), (0.78, 1.0), (0.5, 1.06)):
                along = t * size * (0.5 + 0.5 * shrink)
                outline = np.concatenate(
                    [
                        np.stack([along, half * size * width * shrink], 1),
                        np.stack([along, -half * size * width * shrink], 1)[::-1],
                    ]
                )
                polygon(canvas, outline @ rotation(angle).T @ squash.T + centre, tone * shade)
            line(canvas, np.stack([centre, centre + squash @ direction(angle) * size * 0.75]), 0.0015, tone * 0.7)
    disc = radius * rng.uniform(0.1, 0.3)
    ball(canvas, centre, (disc, disc * 0.85), 0.0, grey * rng.choice([0.45, 0.7, 1.1]), gloss=0.0, depth=0.5)
    for _ in range(int(rng.integers(6, 24))):
        spot = centre + rng.normal(0, disc * 0.5, 2)
        ball(canvas, spot, (disc * 0.12, disc * 0.12), 0.0, rng.uniform(0.2, 1.0), gloss=0.0, depth=0.2)


def fruit(canvas: Canvas, rng: np.random.Generator, centre: Points, radius: float, grey: float, length: float) -> None:
    """Draws a hanging fruit: ellipsoid, highlight, speckles, and the rest of the flower at one end."""
    angle = rng.normal(0, 0.35)
    radii = (radius, radius * length)
    ball(canvas, centre, radii, angle, grey, gloss=rng.choice([0.0, 0.4, 0.9]), depth=rng.uniform(0.5, 0.85))
    if rng.random() < 0.4:
        for _ in range(int(rng.integers(8, 40))):
            spot = centre + rotation(angle) @ (rng.uniform(-0.6, 0.6, 2) * np.array(radii))
            ball(canvas, spot, (radius * 0.04, radius * 0.04), 0.0, grey * rng.choice([0.6, 1.3]), gloss=0.0, depth=0.0)
    end = centre + rotation(angle) @ np.array([0.0, -radius * length * 0.96])
    for k in range(int(rng.integers(3, 6))):
        sepal = curve(end, angle + np.pi * (k + rng.normal(0, 0.2)) / 4, radius * 0.45, rng.normal(0, 0.6), 6)
        stroke(canvas, sepal, radius * np.linspace(0.14, 0.02, 6), grey * 0.5)


def stem(canvas: Canvas, rng: np.random.Generator, path: Points, width: float, grey: float, nodes: int) -> None:
    """Draws a stem along a curve, thinner towards its end, ringed or swollen at nodes."""
    count = len(path)
    widths = width * np.linspace(1.0, rng.uniform(0.5, 0.95), count)
    stroke(canvas, path, widths, grey, rng.uniform(0.4, 1.0))
    across = normals(path)
    for k in np.linspace(1, count - 2, nodes).astype(int) if nodes else []:
        ring = np.stack([path[k] - across[k] * widths[k] * 0.55, path[k] + across[k] * widths[k] * 0.55])
        line(canvas, ring, max(width * 0.12, 0.002), grey * rng.choice([0.55, 1.35]))


def _profile(kind: LeafKind, t: Points, rng: np.random.Generator) -> Points:
    """Half width along a leaf, greatest about 1."""
    base: Points = np.sin(np.pi * t**0.8)
    if kind == "cordate":
        base = np.sin(np.pi * np.clip(t + 0.16, 0, 1) ** 0.75) * (1 - 0.15 * t)
    elif kind == "sword":
        base = (1 - t**3) * (0.6 + 0.4 * np.minimum(t * 4, 1))
    elif kind == "serrate":
        base = base * (1 + 0.13 * np.where(np.arange(len(t)) % 2, 1.0, -1.0))
    elif kind == "lobed":
        base = base * (0.8 + 0.2 * np.cos(2 * np.pi * (t * rng.integers(3, 6) + 0.3)))
    return base
