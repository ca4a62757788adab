"""Where a network would leave the engine and come back, and what crosses each time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kewcore.ane.calls import Call, size_bytes


@dataclass(frozen=True)
class Segment:
    """Operations that run in one go, on the engine or elsewhere.

    Attributes:
        on_engine: Where they run.
        calls: What they are, in the order of the program.
        received: Bytes by name of what they take from segments on the other side.
    """

    on_engine: bool
    calls: tuple[Call, ...]
    received: Mapping[str, int]

    @property
    def multiply_adds(self) -> int:
        """Products that its operations add up."""
        return sum(call.multiply_adds for call in self.calls)

    @property
    def received_bytes(self) -> int:
        """Bytes that cross for this segment to start; 0 where it takes the network's inputs only."""
        return sum(self.received.values())


def segments_of(calls: Sequence[Call], on_engine: Sequence[bool]) -> tuple[Segment, ...]:
    """Cuts a network into as few segments as its data flow allows.

    Each operation joins the earliest segment of its side that does not lie before what it reads; of the two sides to
    start with, the one that needs fewer segments is taken. What Core ML does is not published; it may cut more often.

    Args:
        calls: Operations in order.
        on_engine: For each, whether it runs there.

    Returns:
        Segments in order of execution; sides alternate.
    """
    candidates = (_cut(calls, on_engine, starts_on_engine=True), _cut(calls, on_engine, starts_on_engine=False))
    return min(candidates, key=len)


def _cut(calls: Sequence[Call], on_engine: Sequence[bool], *, starts_on_engine: bool) -> tuple[Segment, ...]:
    places: dict[str, int] = {}
    rows: dict[int, list[Call]] = {}
    for call, here in zip(calls, on_engine, strict=True):
        earliest = max((places[name] for name in call.operation.reads if name in places), default=0)
        is_there = (earliest % 2 == 0) == starts_on_engine  # even places are of the side that starts
        place = earliest if is_there == here else earliest + 1
        rows.setdefault(place, []).append(call)
        places.update((output.name, place) for output in call.operation.outputs)
    return tuple(
        Segment((place % 2 == 0) == starts_on_engine, tuple(rows[place]), _received(rows[place], place, places))
        for place in sorted(rows)
    )


def _received(calls: Sequence[Call], place: int, places: Mapping[str, int]) -> dict[str, int]:
    """Returns the bytes of what operations at a place read from the other side."""
    return {
        name: size_bytes(type_)
        for call in calls
        for name, type_ in call.read.items()
        if name in places and (places[name] - place) % 2
    }
