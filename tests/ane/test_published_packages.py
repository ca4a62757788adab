"""The published check against packages: how far off estimates are was found by a table of layers, and holds of packages
only while both are estimated alike.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from mlbuilder import Op
from one_op import Types, program, zeros

from kewcore.ane.chips import parse_chip
from kewcore.ane.cost import estimate_for
from kewcore.ane.published import estimated_figure_ms, figures

pytestmark = pytest.mark.unit
Layers = tuple[list[Op], Types]


def convolutions(channels: int, side: int, count: int = 1) -> Layers:
    shape = (1, channels, side, side)
    ones = np.ones(2, np.int32)
    settings = {"strides": ones, "pad_type": "'same'", "pad": np.zeros(4, np.int32), "dilations": ones, "groups": 1}
    names = ["x", *(f"c{number}" for number in range(1, count)), "y"]
    ops = [
        Op("conv", {"x": x, "weight": zeros(channels, channels, 3, 3), **settings}, {y: ("fp16", shape)})
        for x, y in pairwise(names)
    ]
    return ops, {"x": ("fp16", shape)}


def product(size: int) -> Layers:
    op = Op("linear", {"x": "x", "weight": zeros(size, size)}, {"y": ("fp16", (1, size))})
    return [op], {"x": ("fp16", (1, size))}


@pytest.mark.parametrize(
    ("network", "layers"),
    [
        ("3x3 of 64 channels, 16x16", convolutions(64, 16)),
        ("3x3 of 64 channels, 256x256", convolutions(64, 256)),
        ("sixteen 3x3 of 256 channels, 32x32", convolutions(256, 32, 16)),
        ("3x3 of 256 channels, 28x28", convolutions(256, 28)),
        ("1x2048 times 2048x2048", product(2048)),
    ],
)
def test_a_package_is_estimated_as_the_published_layers_are(tmp_path: Path, network: str, layers: Layers) -> None:
    (figure,) = [one for one in figures() if one.network == network and one.form == "fp16"]
    model = program(tmp_path, *layers, ["y"])
    found = estimate_for(model, parse_chip(figure.chip))
    assert found.is_complete
    assert found.estimated_ms == pytest.approx(estimated_figure_ms(figure))
