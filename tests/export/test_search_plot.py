"""The picture of a search: which mixes its Pareto front joins, and that it is drawn."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kewcore.parity.intervals import Interval
from kewcore_export.search.budget import Miss
from kewcore_export.search.evaluator import Ran
from kewcore_export.search.figures import Figures
from kewcore_export.search.plot import draw_front, front_of
from kewcore_export.search.record import SearchRecord, TriedRecord

pytestmark = pytest.mark.unit
WIDE = Interval(0.0, 1.0)


def tried(size_bytes: int, agreement: float, *misses: Miss) -> TriedRecord:
    figures = Figures(100, agreement, WIDE, agreement, 0.9, 0.9, 0.0, WIDE, 0.0, 0.0, 0.0, WIDE)
    return TriedRecord({"conv": str(size_bytes)}, Ran(figures, size_bytes, size_bytes / 1e6), misses)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 20)), min_size=1))
def test_nothing_on_the_front_is_beaten(points: list[tuple[int, int]]) -> None:
    rows = [tried(size, share / 20) for size, share in points]
    front = [(one.ran.size_bytes, round(20 * one.ran.figures.agreement)) for one in front_of(rows, by_agreement)]
    unbeaten = {
        (size, share)
        for size, share in points
        if not any(s <= size and a >= share and (s, a) != (size, share) for s, a in points)
    }
    assert front == sorted(unbeaten)


def by_agreement(figures: Figures) -> float:
    return figures.agreement


@pytest.mark.parametrize("sizes", [(900_000,), (300_000, 900_000, 905_000)])
def test_a_picture_of_one_mix_and_of_several(sizes: tuple[int, ...], tmp_path: Path) -> None:
    *missed, kept = (tried(size, size / 1e6) for size in sizes)
    rows = (*(replace(one, misses=(Miss("drop", "too much"),)) for one in missed), kept)
    figures = kept.ran.figures
    record = SearchRecord(
        "drop of at most 0.5 pp", "A14", "estimated", 100, 10, 3, False, kept.forms, figures, figures, (), rows
    )
    draw_front(record, kept.ran.size_bytes, tmp_path / "front.png")
    with Image.open(tmp_path / "front.png") as picture:
        assert picture.size == (1200, 1125)
