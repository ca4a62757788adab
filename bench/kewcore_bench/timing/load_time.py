"""How long a package takes to load: several times, each in a fresh process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kewcore.console import progress
from kewcore.errors import KewError
from kewcore.parity.intervals import Interval, bootstrap
from kewcore_bench.engines.load import EngineSpec
from kewcore_bench.engines.process import failure_text, running_engine

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


def measure_loads(
    packages: Mapping[str, EngineSpec], pixels: Path, *, title: str, seed: int = 0
) -> tuple[dict[str, LoadTime], dict[str, str]]:
    """Times the loads of some packages, one after the other; where one cannot be loaded, the others go on.

    Args:
        packages: By name.
        pixels: A `.npy` file of images that fit them.
        title: Of the progress bar.
        seed: Of the bootstrap.

    Returns:
        What was timed, and why others could not be, both by name.
    """
    found: dict[str, LoadTime] = {}
    failures: dict[str, str] = {}
    if packages:
        with progress(title, len(packages) * (LOADS + 1), "loads") as advance:
            for name, spec in packages.items():
                try:
                    found[name] = measure_load(spec, pixels, advance, seed=seed)
                except KewError as error:
                    failures[name] = failure_text(error)
    return found, failures


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
