"""Images drawn class by class: in proportion, each class at least once, and each image at most once."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kewcore_export.run_images import stratified

pytestmark = pytest.mark.unit


@given(st.lists(st.integers(0, 12), min_size=1, max_size=9), st.data())
def test_classes_come_in_proportion(sizes: list[int], data: st.DataObject) -> None:
    labels = [index for index, size in enumerate(sizes) for _ in range(size)]
    count = data.draw(st.integers(0, len(labels)))
    drawn = stratified(labels, len(sizes), count, seed=1)
    assert len(drawn) == len(set(drawn)) == count
    found = Counter(labels[index] for index in drawn)
    present = sum(size > 0 for size in sizes)
    assert len(found) == present if count >= present else max(found.values(), default=0) <= 1
    for index, size in enumerate(sizes):
        share = size * count / max(len(labels), 1)
        assert found[index] <= max(share + 1, 1)


def test_by_hand() -> None:
    labels = [0] * 60 + [1] * 30 + [2] * 10
    assert Counter(labels[index] for index in stratified(labels, 3, 10, seed=1)) == {0: 6, 1: 3, 2: 1}
    assert stratified(labels, 3, 10, seed=1) != stratified(labels, 3, 10, seed=2)
    # Fewer than classes: six classes of ten images each, no class twice.
    labels = [index for index in range(6) for _ in range(10)]
    assert set(Counter(labels[index] for index in stratified(labels, 6, 3, seed=1)).values()) == {1}
    assert stratified([], 3, 0, seed=1) == []
