"""How long a package takes to load: several times, each in a fresh process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kewcore.parity.intervals import Interval, bootstrap
from kewcore_bench.engines.load import EngineSpec
from kewcore_bench.engines.process import running_engine

LOADS = 7
"""With six, all would lie on one side of the true median in 3 % of cases, and no interval of theirs could cover it."""


@dataclass(frozen=True)
class LoadTime:
    """Times to load a package on this host, libraries imported before, files in the system's cache.

    Attributes:
        loads_ms: Each load, milliseconds.
        median_ms: Their median.
        interval_ms: Its 95 % bootstrap interval.
    """

    loads_ms: tuple[float, ...]
    median_ms: float
    interval_ms: Interval


def measure_load(spec: EngineSpec, pixels: Path, advance: Callable[[], None], *, seed: int = 0) -> LoadTime:
    """Loads a package `LOADS` times, after one that warms the system's cache.

    Args:
        spec: The package and what runs it.
        pixels: A `.npy` file of images that fit it.
        advance: Called after each load, `LOADS + 1` times.
        seed: Of the bootstrap.

    Raises:
        KewError: As the engine raised it while loading.
    """
    loads_ms = []
    for _ in range(LOADS + 1):
        with running_engine(spec, pixels) as engine:
            loads_ms.append(engine.load.load_ms)
        advance()
    return load_time(loads_ms[1:], seed)


def load_time(loads_ms: list[float], seed: int = 0) -> LoadTime:
    """Summarises single loads, in milliseconds."""
    times = np.array(loads_ms)
    return LoadTime(tuple(loads_ms), float(np.median(times)), bootstrap(times, np.median, seed=seed))
