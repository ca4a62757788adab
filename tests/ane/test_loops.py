"""How often loops run, where the program says so."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Body, Const, Op
from one_op import program, zeros

from kewcore.ane.calls import Call, calls_of
from kewcore.ane.chips import parse_chip
from kewcore.ane.residency import residency

pytestmark = pytest.mark.unit
F16 = "fp16"
NUMBER = ("int32", ())
ROW = (F16, (1, 4))


def number(value: int) -> Const:
    return Const(np.int32(value))


def looped(path: Path, *, start: Any = 0, limit: Any = 30, step: Any = 1, test: str = "less", both: str = "") -> Any:
    """A loop around a product of 4 x 4; `start`, `limit` and `step` are numbers, or names of inputs.

    `both`, where given, is the order in which a second limit of 7 is tested with the first: `near far` or `far near`.
    """
    at = {
        key: number(v) if isinstance(v, int) else v for key, v in (("start", start), ("limit", limit), ("step", step))
    }
    ends = [Op(test, {"x": "i", "y": at["limit"]}, {"go": ("bool", ())})]
    if both:
        ends = [
            Op("less", {"x": "i", "y": at["limit"]}, {"near": ("bool", ())}),
            Op("less", {"x": "i", "y": number(7)}, {"far": ("bool", ())}),
            Op("logical_and", dict(zip("xy", both.split(), strict=True)), {"go": ("bool", ())}),
        ]
    condition = Body({"i": NUMBER, "r": ROW}, ends, ["go"])
    body = Body(
        {"j": NUMBER, "s": ROW},
        [
            Op("add", {"x": "j", "y": at["step"]}, {"k": NUMBER}),
            Op("linear", {"x": "s", "weight": zeros(4, 4)}, {"t": ROW}),
        ],
        ["k", "t"],
    )
    loop = Op("while_loop", {"loop_vars": (at["start"], "x")}, {"n": NUMBER, "y": ROW}, blocks=[condition, body])
    return program(path, [loop], {"x": ROW, "given": NUMBER}, ["y"])


def product(path: Path, **settings: Any) -> Call:
    (call,) = [call for call in calls_of(looped(path, **settings)) if call.type == "linear"]
    return call


@pytest.mark.parametrize(
    ("settings", "rounds"),
    [
        ({}, 30),
        ({"start": 4, "limit": 10, "step": 4}, 2),  # 4, 8
        ({"start": 30}, 0),
        ({"both": "near far"}, 7),
        ({"both": "far near"}, 7),
    ],
)
def test_a_counter_tells_the_rounds(tmp_path: Path, settings: dict[str, Any], rounds: int) -> None:
    call = product(tmp_path, **settings)
    assert (call.rounds, call.multiply_adds) == (rounds, 16 * rounds)


NOT_TOLD: list[dict[str, Any]] = [
    {"limit": "given"},
    {"start": "given"},
    {"step": "given"},
    {"step": -1},
    {"test": "less_equal"},
    {"limit": 2**31 - 1},
    {"limit": "given", "both": "near far"},  # at most 7, but the other test may end it sooner
]


@pytest.mark.parametrize("settings", NOT_TOLD)
def test_other_loops_count_once_and_are_named(tmp_path: Path, settings: dict[str, Any]) -> None:
    model = looped(tmp_path, **settings)
    (call,) = [call for call in calls_of(model) if call.type == "linear"]
    assert (call.rounds, call.multiply_adds) == (None, 16)
    assert residency(model, [parse_chip("M1")]).open_loops == ("while_loop_n",)


def test_what_is_not_in_a_loop_runs_once(tmp_path: Path) -> None:
    model = program(tmp_path, [Op("relu", {"x": "x"}, {"y": ROW})], {"x": ROW}, ["y"])
    assert [call.rounds for call in calls_of(model)] == [1]
    assert residency(model, [parse_chip("M1")]).open_loops == ()
