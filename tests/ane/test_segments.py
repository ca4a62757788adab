"""Segments of random networks: they respect the data flow, and no cut could be saved."""

from collections import ChainMap
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kewcore.ane.calls import Call, Scope, Sizes
from kewcore.ane.segments import segments_of
from kewcore.runtime.program import DataType, NamedType, Operation, TensorType

pytestmark = pytest.mark.unit
ROW = TensorType(DataType.FLOAT16, (1, 32))


@st.composite
def networks(draw: st.DrawFn) -> list[tuple[bool, tuple[int, ...]]]:
    """Operations in order: whether each is on the engine, and which earlier ones it reads."""
    count = draw(st.integers(1, 12))
    return [
        (draw(st.booleans()), tuple(sorted(draw(st.sets(st.integers(0, place - 1), max_size=3))) if place else ()))
        for place in range(count)
    ]


def calls(network: list[tuple[bool, tuple[int, ...]]]) -> list[Call]:
    operations = [
        Operation(
            "concat",
            f"op{place}",
            {"values": tuple(f"v{other}" for other in read)},
            {},
            (NamedType(f"v{place}", ROW),),
        )
        for place, (_, read) in enumerate(network)
    ]
    types = ChainMap({output.name: output.type for op in operations for output in op.outputs})
    makers = ChainMap({output.name: op for op in operations for output in op.outputs})
    scope = Scope(types, makers, frozenset(), frozenset(), Sizes.FIXED)  # type: ignore[arg-type]
    return [Call(number, operation, scope) for number, operation in enumerate(operations, start=1)]


@given(networks())
def test_segments(network: list[tuple[bool, tuple[int, ...]]]) -> None:
    segments = segments_of(calls(network), [here for here, _ in network])
    place_of = {call.number - 1: place for place, segment in enumerate(segments) for call in segment.calls}
    assert sorted(place_of) == list(range(len(network)))
    for number, (here, read) in enumerate(network):
        assert segments[place_of[number]].on_engine == here
        assert all(place_of[other] <= place_of[number] for other in read)
    sides = [segment.on_engine for segment in segments]
    assert all(left != right for left, right in pairwise(sides))
    assert len(segments) == min(phases(network, here) for here in (True, False))


def phases(network: list[tuple[bool, tuple[int, ...]]], here: bool) -> int:
    """Runs all that can run on one side, then on the other, until all has run; counts the turns that did something."""
    done: set[int] = set()
    turns = 0
    while len(done) < len(network):
        before = len(done)
        for number, (side, read) in enumerate(network):
            if side == here and done.issuperset(read):
                done.add(number)
        turns += len(done) > before
        here = not here
    return turns


@given(networks())
def test_what_crosses_was_made_on_the_other_side(network: list[tuple[bool, tuple[int, ...]]]) -> None:
    for segment in segments_of(calls(network), [here for here, _ in network]):
        inside = {call.number - 1 for call in segment.calls}
        wanted = {
            f"v{other}" for number in inside for other in network[number][1] if network[other][0] != segment.on_engine
        }
        assert dict(segment.received) == dict.fromkeys(wanted, 64)
