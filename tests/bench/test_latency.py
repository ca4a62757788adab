"""Rounds, ratios and the choice of images, without an engine; the engines are in test_run."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_results import latency_of

from kewcore_bench.engines.load import EngineSpec
from kewcore_bench.engines.process import EngineProcess, LoadFigures
from kewcore_bench.gallery import MOST_DISPUTED, choose
from kewcore_bench.hosts import host_facts, usable_cores
from kewcore_bench.images import evenly_limited, pixel_file
from kewcore_bench.timing.latency import LatencyOptions, measure, ratio

pytestmark = pytest.mark.unit


@dataclass
class DriftingEngine:
    """An engine on a host that is `drift[round]` times as slow as it should be."""

    speed_ms: float
    drift: Sequence[float]
    calls: list[str]
    name: str
    load: LoadFigures = field(default_factory=lambda: LoadFigures("engine 1.0", ("a",), 1.0, 2.0, 3.0))
    spec: EngineSpec = field(default_factory=lambda: EngineSpec("package", Path("x"), "auto", 2))
    turn: int = 0

    def time(self, warm_up: int, count: int) -> list[float]:
        self.calls.append(self.name)
        self.turn += 1
        return [self.speed_ms * self.drift[self.turn - 1]] * count

    def peak_memory_bytes(self) -> int:
        return 5


def test_a_drifting_host_does_not_move_the_ratio() -> None:
    drift = [random.Random(7).uniform(1, 5) for _ in range(9)]
    calls: list[str] = []
    engines = {name: DriftingEngine(ms, drift, calls, name) for name, ms in (("slow", 10.0), ("fast", 4.0))}
    turns: list[Any] = []
    found = measure(
        cast("dict[str, EngineProcess]", engines), LatencyOptions(2, rounds=9, predicts=3), lambda: turns.append(1)
    )
    assert ratio(found["fast"], found["slow"]).value == pytest.approx(0.4)
    assert ratio(found["fast"], found["slow"]).interval.high == pytest.approx(0.4)
    assert found["slow"].median_ms == pytest.approx(10 * sorted(drift)[4])
    assert found["slow"].p95_ms <= found["slow"].p99_ms <= 10 * max(drift)
    assert found["slow"].iqr_ms == pytest.approx(
        10 * (np.sort(drift)[6] - np.sort(drift)[2])
    )  # 27 of 9 rounds: 6.5th, 19.5th
    assert (found["slow"].predicts, len(found["slow"].round_medians_ms), len(turns)) == (27, 9, 18)
    assert (found["slow"].load_ms, found["slow"].first_predict_ms, found["slow"].peak_memory_bytes) == (2.0, 3.0, 5)
    rounds = [tuple(calls[index : index + 2]) for index in range(0, 18, 2)]
    assert all(set(one) == {"slow", "fast"} for one in rounds)
    assert len(set(rounds)) == 2  # The order within a round is drawn, so neither engine always comes first.


def test_the_ratio_is_taken_round_by_round() -> None:
    found = ratio(latency_of("a", (2.0, 20.0, 6.0)), latency_of("b", (1.0, 10.0, 4.0)))
    assert found.value == pytest.approx(2.0)
    assert 1.5 <= found.interval.low <= 2.0 <= found.interval.high
    assert found.round_ratios == (2.0, 2.0, 1.5)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.integers(1, 90))
def test_a_limit_takes_each_class_in_proportion(labels: list[int], limit: int) -> None:
    chosen = evenly_limited(labels, limit)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(limit, len(labels))
    for label in set(labels):
        share = labels.count(label) * len(chosen) / len(labels)
        assert abs(sum(labels[index] == label for index in chosen) - share) <= 1
    assert evenly_limited(labels, None) == list(range(len(labels)))


def test_pixels_are_shared_by_their_own_file_or_by_a_copy(tmp_path: Path) -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    np.save(tmp_path / "own.npy", pixels)
    mapped = np.load(tmp_path / "own.npy", mmap_mode="r")
    with pixel_file(mapped) as path:
        assert path == tmp_path / "own.npy"
    for part in (pixels, mapped[1:]):
        with pixel_file(part) as path:
            assert path != tmp_path / "own.npy"
            np.testing.assert_array_equal(np.load(path), part)
        assert not path.exists()


def test_the_gallery_leads_with_disagreements_then_shows_every_class() -> None:
    labels = np.repeat([0, 1], 20)
    reference = np.where(np.arange(2) == labels[:, None], 0.9, 0.1).astype(np.float32)
    reference[5] = reference[5][::-1]  # A mistake of class 0.
    package = reference.copy()
    package[[7, 30]] = package[[7, 30], ::-1]
    found = choose(labels, {"TensorFlow": reference, "int8": package}, 8)
    assert set(found[:2]) == {7, 30}
    assert found[2] == 5
    assert sorted(labels[found[2:]].tolist()) == [0, 0, 0, 1, 1, 1]
    assert len(set(found)) == 8
    everything = choose(labels, {"TensorFlow": reference, "int8": reference[:, ::-1]}, 9)
    assert sorted(everything) == list(range(40))  # all is disputed, and nothing else is left


def test_a_package_of_many_disagreements_leaves_room_for_the_few_of_another() -> None:
    labels = np.zeros(200, np.int64)
    reference = np.tile(np.float32([0.9, 0.1]), (200, 1))
    coarse, fine = reference.copy(), reference.copy()
    coarse[:150] = coarse[:150, ::-1]
    fine[[160, 170]] = fine[[160, 170], ::-1]
    found = choose(labels, {"TensorFlow": reference, "palette-1": coarse, "int8": fine})
    assert {160, 170} <= set(found[:4])
    assert len(found) == MOST_DISPUTED + 6
    assert all(index >= 150 for index in found[MOST_DISPUTED:])


def test_host_facts_name_the_machine() -> None:
    facts = host_facts()
    assert facts.cores == usable_cores() >= 1
    assert facts.machine in facts.note
    assert "not a device figure" in facts.note
    assert facts.libraries["numpy"] == np.__version__
    assert facts.cpu


def test_a_busy_host_is_called_one() -> None:
    facts = replace(host_facts(), cores=2, load_average=9.94)
    assert facts.busy_note == (
        "The host was busy before the measurement (load 9.9 on 2 cores): latencies are longer than on an idle one, "
        "and ratios less certain."
    )
    assert replace(facts, load_average=0.3).busy_note is None
    assert replace(facts, load_average=None).busy_note is None
