"""Latency of engines, taken in interleaved rounds and compared as ratios within a round.

A shared machine drifts: what was fast a minute ago is slow now. So no figure is compared with one from another time:
every round times every engine once, in random order, and a ratio is taken inside the round.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kewcore.errors import KewError
from kewcore.parity.intervals import Interval
from kewcore_bench.engines.process import EngineProcess, LoadFigures
from kewcore_bench.timing.round_bootstrap import interval_of, log_ratio_draws, ratio_estimate

TURN_MS = 20.0
"""How long an engine is timed before it is the next one's turn. Rounds of a network of one millisecond differed by 25 %
when it was asked twice a turn, and by 13 % when it was asked sixteen times."""
FEWEST_PREDICTS, MOST_PREDICTS = 2, 32
"""Timed predictions of a turn."""
_WARM_UP_SHARE = 5  # one untimed prediction for so many timed ones: caches hold what another process computed with
_TRIAL_PREDICTS = 3


@dataclass(frozen=True)
class LatencyOptions:
    """How latency is measured.

    Attributes:
        threads: Threads of every engine.
        rounds: How often every engine is timed.
        predicts: Timed predictions of one image in a round; None takes as many as last for `TURN_MS`.
        seed: Of the order of engines and of the bootstrap.
        starts: How often every engine's process is started; the rounds are shared out among the starts.
        cores: Logical cores that every engine is held to; empty where the system cannot.
        batch_sizes: Images in a call, for throughput; empty measures none.
    """

    threads: int
    rounds: int = 60
    predicts: int | None = None
    seed: int = 0
    starts: int = 1
    cores: tuple[int, ...] = ()
    batch_sizes: tuple[int, ...] = ()

    @property
    def rounds_a_start(self) -> int:
        """Rounds of one start: where they cannot be shared out evenly, one more each."""
        return -(-self.rounds // self.starts)


@dataclass(frozen=True)
class Latency:
    """Latency of one engine: one image, from uint8 pixels to probabilities.

    Attributes:
        engine: Name of the engine with its version.
        threads: Threads that it may compute with.
        import_ms: Importing its libraries; of several starts, the median, as of the next two.
        load_ms: Loading the model.
        first_predict_ms: The first prediction after loading.
        median_ms: Over all timed predictions.
        p95_ms: 95th percentile of them.
        p99_ms: 99th percentile of them.
        iqr_ms: Spread: from their first to their third quartile.
        round_medians_ms: Median of each round, start after start.
        predicts: How many predictions were timed.
        peak_memory_bytes: Memory of the engine's process at most, libraries included.
        starts: How often its process was started; each start has as many rounds.
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
    starts: int = 1


@dataclass(frozen=True)
class LatencyRatio:
    """Latency of one engine over another's, paired by round: below 1 the first is faster.

    Attributes:
        value: Trimmed mean over starts of the trimmed mean over rounds of the ratio of the rounds' medians.
        interval: Its 95 % bootstrap interval over starts and rounds.
        round_ratios: The ratio of each round, start after start: what a later run compares its own with.
        starts: How often the processes were started; each start has as many rounds.
    """

    value: float
    interval: Interval
    round_ratios: tuple[float, ...] = ()
    starts: int = 1


@dataclass(frozen=True)
class Timings:
    """What was timed in one start of an engine's process.

    Attributes:
        load: What loading it cost.
        rounds_ms: Latencies of single predictions, a sequence a round.
        peak_memory_bytes: Memory of the process at most.
    """

    load: LoadFigures
    rounds_ms: tuple[tuple[float, ...], ...]
    peak_memory_bytes: int


def measure(
    engines: Mapping[str, EngineProcess], options: LatencyOptions, advance: Callable[[], None] = lambda: None
) -> dict[str, Latency]:
    """Times running engines in interleaved rounds.

    Args:
        engines: Running engines by a name of the caller's choice.
        options: Rounds and predictions.
        advance: Called after every engine's turn: `rounds × engines` times.

    Returns:
        Latency by the same names.

    Raises:
        PackageError: A worker died or does not answer.
    """
    found, failures = time_rounds(engines, options.rounds, options.predicts, random.Random(options.seed), advance)
    for failure in failures.values():
        raise failure
    return {name: summary([timings], options.threads) for name, timings in found.items()}


def time_rounds(
    engines: Mapping[str, EngineProcess],
    rounds: int,
    predicts: int | None,
    order: random.Random,
    advance: Callable[[], None] = lambda: None,
) -> tuple[dict[str, Timings], dict[str, KewError]]:
    """Times running engines in interleaved rounds; one that fails is left out from there on, the others go on.

    Args:
        engines: Running engines by name.
        rounds: How often each is timed.
        predicts: Timed predictions in a round; None takes as many as last for `TURN_MS`.
        order: Draws the order within each round.
        advance: Called after every engine's turn, also of those that have failed.

    Returns:
        What was timed, and why others could not be, both by name.
    """
    times: dict[str, list[tuple[float, ...]]] = {name: [] for name in engines}
    failures: dict[str, KewError] = {}
    turns: dict[str, tuple[int, int]] = {}
    for name, engine in engines.items():
        try:
            turns[name] = _turn(engine, predicts)
        except KewError as error:
            failures[name] = error
    for _ in range(rounds):
        for name in order.sample(sorted(engines), len(engines)):
            if name not in failures:
                try:
                    times[name].append(tuple(engines[name].time(*turns[name])))
                except KewError as error:
                    failures[name] = error
            advance()
    found: dict[str, Timings] = {}
    for name in engines.keys() - failures.keys():
        try:
            found[name] = Timings(engines[name].load, tuple(times[name]), engines[name].peak_memory_bytes())
        except KewError as error:
            failures[name] = error
    return found, failures


def _turn(engine: EngineProcess, predicts: int | None) -> tuple[int, int]:
    """Gives the untimed and the timed predictions of a turn."""
    if predicts is None:
        wanted = math.ceil(TURN_MS / min(engine.time(1, _TRIAL_PREDICTS)))
        predicts = min(MOST_PREDICTS, max(FEWEST_PREDICTS, wanted))
    return max(1, predicts // _WARM_UP_SHARE), predicts


def summary(starts: Sequence[Timings], threads: int) -> Latency:
    """Sums up the starts of one engine, each of as many rounds."""
    rounds = [one for start in starts for one in start.rounds_ms]
    every = np.concatenate([np.array(one) for one in rounds])
    first_quartile, median, third_quartile, p95, p99 = np.quantile(every, [0.25, 0.5, 0.75, 0.95, 0.99])
    return Latency(
        engine=starts[0].load.label,
        threads=threads,
        import_ms=float(np.median([start.load.import_ms for start in starts])),
        load_ms=float(np.median([start.load.load_ms for start in starts])),
        first_predict_ms=float(np.median([start.load.first_predict_ms for start in starts])),
        median_ms=float(median),
        p95_ms=float(p95),
        p99_ms=float(p99),
        iqr_ms=float(third_quartile - first_quartile),
        round_medians_ms=tuple(float(np.median(one)) for one in rounds),
        predicts=every.size,
        peak_memory_bytes=max(start.peak_memory_bytes for start in starts),
        starts=len(starts),
    )


def ratio(latency: Latency, reference: Latency, seed: int = 0) -> LatencyRatio:
    """Compares two engines that were timed in the same rounds.

    Args:
        latency: The engine in question.
        reference: What it is measured by.
        seed: Of the bootstrap.
    """
    ratios = tuple((np.array(latency.round_medians_ms) / np.array(reference.round_medians_ms)).tolist())
    interval = interval_of(log_ratio_draws(ratios, latency.starts, seed=seed))
    return LatencyRatio(ratio_estimate(ratios, latency.starts), interval, ratios, latency.starts)
