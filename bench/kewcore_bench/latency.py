"""Latency of engines, taken in interleaved rounds and compared as ratios within a round.

A shared machine drifts: what was fast a minute ago is slow now. So no figure is compared with one from another time:
every round times every engine once, in random order, and a ratio is taken inside the round.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kewcore.parity.intervals import Interval, bootstrap
from kewcore_bench.engine_process import EngineProcess

WARM_UP_PREDICTS = 2
"""Untimed predictions before each block: the block before belonged to another process, whose threads may still spin."""


@dataclass(frozen=True)
class LatencyOptions:
    """How latency is measured.

    Attributes:
        threads: Threads of every engine.
        rounds: How often every engine is timed.
        predicts: Timed predictions of one image in a round.
        seed: Of the order of engines and of the bootstrap.
    """

    threads: int
    rounds: int = 15
    predicts: int = 5
    seed: int = 0


@dataclass(frozen=True)
class Latency:
    """Latency of one engine: one image, from uint8 pixels to probabilities.

    Attributes:
        engine: Name of the engine with its version.
        threads: Threads that it may compute with.
        import_ms: Importing its libraries.
        load_ms: Loading the model.
        first_predict_ms: The first prediction after loading.
        median_ms: Over all timed predictions.
        p95_ms: 95th percentile of them.
        p99_ms: 99th percentile of them.
        iqr_ms: Spread: from their first to their third quartile.
        round_medians_ms: Median of each round.
        predicts: How many predictions were timed.
        peak_memory_bytes: Memory of the engine's process at most, libraries included.
    """

    engine: str
    threads: int
    import_ms: float
    load_ms: float
    first_predict_ms: float
    median_ms: float
    p95_ms: float
    p99_ms: float
    iqr_ms: float
    round_medians_ms: tuple[float, ...]
    predicts: int
    peak_memory_bytes: int


@dataclass(frozen=True)
class LatencyRatio:
    """Latency of one engine over another's, paired by round: below 1 the first is faster.

    Attributes:
        median: Median over the rounds of the ratio of the rounds' medians.
        interval: Its 95 % bootstrap interval over rounds.
        round_ratios: The ratio of each round: what a later run compares its own with.
    """

    median: float
    interval: Interval
    round_ratios: tuple[float, ...] = ()


def measure(
    engines: Mapping[str, EngineProcess], options: LatencyOptions, advance: Callable[[], None] = lambda: None
) -> dict[str, Latency]:
    """Times all engines in interleaved rounds.

    Args:
        engines: Running engines by a name of the caller's choice.
        options: Rounds and predictions.
        advance: Called after every engine's turn: `rounds × engines` times.

    Returns:
        Latency by the same names.

    Raises:
        PackageError: A worker died or does not answer.
    """
    order = random.Random(options.seed)
    rounds: dict[str, list[list[float]]] = {name: [] for name in engines}
    for _ in range(options.rounds):
        for name in order.sample(sorted(engines), len(engines)):
            rounds[name].append(engines[name].time(WARM_UP_PREDICTS, options.predicts))
            advance()
    return {name: _summary(engine, rounds[name]) for name, engine in engines.items()}


def ratio(latency: Latency, reference: Latency, seed: int = 0) -> LatencyRatio:
    """Compares two engines that were timed in the same rounds.

    Args:
        latency: The engine in question.
        reference: What it is measured by.
        seed: Of the bootstrap.
    """
    ratios = np.array(latency.round_medians_ms) / np.array(reference.round_medians_ms)
    return LatencyRatio(float(np.median(ratios)), bootstrap(ratios, np.median, seed=seed), tuple(ratios.tolist()))


def _summary(engine: EngineProcess, rounds: Sequence[Sequence[float]]) -> Latency:
    every = np.concatenate([np.array(one) for one in rounds])
    first_quartile, median, third_quartile, p95, p99 = np.quantile(every, [0.25, 0.5, 0.75, 0.95, 0.99])
    return Latency(
        engine=engine.load.label,
        threads=engine.spec.threads,
        import_ms=engine.load.import_ms,
        load_ms=engine.load.load_ms,
        first_predict_ms=engine.load.first_predict_ms,
        median_ms=float(median),
        p95_ms=float(p95),
        p99_ms=float(p99),
        iqr_ms=float(third_quartile - first_quartile),
        round_medians_ms=tuple(float(np.median(one)) for one in rounds),
        predicts=every.size,
        peak_memory_bytes=engine.peak_memory_bytes(),
    )
