"""Vectors stay maps of one position until the end, whatever works on them in between."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mil_programs import applied, assert_same_answers, kinds, program, weights

pytestmark = [pytest.mark.parity, pytest.mark.usefixtures("mil")]
ALL = ("dense-over-map", "dense-as-conv", "channel-layout")


def dense(builder: Any, x: Any, units: int) -> Any:
    return builder.linear(x=x, weight=weights(units, x.shape[-1]), bias=weights(units, seed=2))


BETWEEN: dict[str, Callable[[Any, Any], Any]] = {
    "leaky_relu": lambda b, x: b.leaky_relu(x=x, alpha=0.1),
    "gelu": lambda b, x: b.gelu(x=x, mode="EXACT"),
    "clip": lambda b, x: b.clip(x=x, alpha=0.0, beta=0.5),
    "scalar": lambda b, x: b.mul(x=x, y=np.float32(0.5)),
    "vector": lambda b, x: b.add(x=x, y=weights(x.shape[1], seed=3)),
    "row": lambda b, x: b.sub(x=weights(1, x.shape[1], seed=3), y=x),
    "residual": lambda b, x: b.add(x=b.relu(x=x), y=x),
    "concat": lambda b, x: b.concat(values=[b.relu(x=x), x], axis=-1),
}


@pytest.mark.parametrize("between", BETWEEN)
def test_one_squeeze_is_left_at_the_end(between: str) -> None:
    def body(b: Any, x: Any) -> Any:
        return b.softmax(x=dense(b, BETWEEN[between](b, dense(b, x, 6)), 3), axis=-1)

    before = program((1, 5), body)
    after, _ = applied(before, *ALL)
    assert kinds(after)[-2:] == ["softmax", "squeeze"]
    assert (kinds(after).count("squeeze"), kinds(after).count("expand_dims")) == (1, 1)
    assert after.functions["main"].outputs[0].name == before.functions["main"].outputs[0].name
    assert_same_answers(before, after, (1, 5))


@pytest.mark.parametrize("kind", ["reduce_mean", "reduce_max"])
@pytest.mark.parametrize("channels_last", [True, False])
def test_global_pooling_keeps_its_axes(kind: str, channels_last: bool) -> None:
    def body(b: Any, x: Any) -> Any:
        if channels_last:
            x = b.transpose(x=x, perm=[0, 2, 3, 1])
        pooled = getattr(b, kind)(x=x, axes=[1, 2] if channels_last else [2, -1], keep_dims=False)
        return b.softmax(x=dense(b, pooled, 3), axis=1)

    before = program((1, 4, 5, 7), body)
    after, _ = applied(before, *ALL)
    assert kinds(after) == [kind, "conv", "softmax", "squeeze"]
    assert_same_answers(before, after, (1, 4, 5, 7))


def test_what_mixes_the_batch_stays_on_vectors() -> None:
    def body(b: Any, x: Any) -> Any:
        return b.softmax(x=b.mul(x=dense(b, x, 3), y=weights(2, 1)), axis=0)

    before = program((2, 5), body)
    after, _ = applied(before, *ALL)
    assert kinds(after)[-1] == "softmax"
    assert_same_answers(before, after, (2, 5))
