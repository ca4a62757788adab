"""Transposes to channels last move behind whatever they change places with, and the numbers stay."""

from collections.abc import Callable
from typing import Any

import pytest
from mil_programs import applied, assert_same_answers, kinds, program, weights

pytestmark = [pytest.mark.parity, pytest.mark.usefixtures("mil")]
SHAPE = (1, 3, 4, 5)


def last(b: Any, x: Any) -> Any:
    return b.transpose(x=x, perm=[0, 2, 3, 1])


MOVING: dict[str, Callable[[Any, Any], Any]] = {
    "unary": lambda b, x: b.leaky_relu(x=last(b, x), alpha=0.1),
    "two in a row": lambda b, x: b.tanh(x=b.relu(x=last(b, x))),
    "scalar": lambda b, x: b.mul(x=last(b, x), y=2.0),
    "constant a channel": lambda b, x: b.add(x=last(b, x), y=weights(3)),
    "constant a place": lambda b, x: b.sub(x=weights(1, 4, 5, 1), y=last(b, x)),
    "constant an element": lambda b, x: b.mul(x=last(b, x), y=weights(4, 5, 3)),
    "constants that are added up": lambda b, x: b.mul(x=last(b, x), y=b.add(x=weights(1, 4, 5, 3), y=weights(3))),
    "two transposed": lambda b, x: b.maximum(x=last(b, x), y=b.mul(x=last(b, b.relu(x=x)), y=0.5)),
    "concat by channels": lambda b, x: b.concat(values=[last(b, x), b.relu(x=last(b, x))], axis=-1),
    "concat by rows": lambda b, x: b.concat(values=[last(b, x), b.relu(x=last(b, x))], axis=1),
    "softmax": lambda b, x: b.softmax(x=last(b, x), axis=3),
    "softmax over columns": lambda b, x: b.softmax(x=last(b, x), axis=2),
    "kept reduction": lambda b, x: b.reduce_max(x=last(b, x), axes=[1, -2], keep_dims=True),
    "gate": lambda b, x: b.mul(
        x=last(b, x), y=b.reshape(x=b.reduce_mean(x=x, axes=[2, 3], keep_dims=False), shape=[1, 1, 1, 3])
    ),
}


@pytest.mark.parametrize("name", MOVING)
def test_the_transpose_comes_last(name: str) -> None:
    before = program(SHAPE, MOVING[name])
    after, places = applied(before, "channels-first")
    assert kinds(after).index("transpose") == len(kinds(after)) - 1
    assert places["channels-first"]
    assert_same_answers(before, after, SHAPE)


def test_a_pair_of_transposes_goes() -> None:
    before = program(SHAPE, lambda b, x: b.transpose(x=b.relu(x=last(b, x)), perm=[0, 3, 1, 2]))
    after, _ = applied(before, "channels-first")
    assert kinds(after) == ["relu"]
    assert_same_answers(before, after, SHAPE)


STAYING: dict[str, Callable[[Any, Any], Any]] = {
    "another order": lambda b, x: b.relu(x=b.transpose(x=x, perm=[0, 2, 1, 3])),
    "one operand": lambda b, x: b.add(x=last(b, x), y=b.reshape(x=x, shape=[1, 4, 5, 3])),
    "reduced": lambda b, x: b.reduce_sum(x=last(b, x), axes=[1], keep_dims=False),
    "concat of both kinds": lambda b, x: b.concat(values=[last(b, x), b.reshape(x=x, shape=[1, 4, 5, 3])], axis=1),
    "reshape": lambda b, x: b.reshape(x=last(b, x), shape=[1, 5, 4, 3]),
}


@pytest.mark.parametrize("name", STAYING)
def test_what_does_not_change_places_stays(name: str) -> None:
    assert applied(program(SHAPE, STAYING[name]), "channels-first")[1] == {}
