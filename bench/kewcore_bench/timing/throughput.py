"""Throughput of engines: images a second when many are handed over in one call, in interleaved rounds as latency is."""

import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from kewcore.errors import KewError
from kewcore_bench.engines.process import EngineProcess
from kewcore_bench.timing.engine_result import Throughput

THROUGHPUT_ROUNDS = 5
_WARM_UP_CALLS = 1  # it makes the session or function of that batch size


def measure_throughput(
    engines: Mapping[str, EngineProcess],
    batch_sizes: Sequence[int],
    order: random.Random,
    advance: Callable[[], None] = lambda: None,
) -> tuple[dict[str, tuple[Throughput, ...]], dict[str, KewError]]:
    """Times calls with many images; an engine that fails keeps the batch sizes that it managed.

    Args:
        engines: Running engines by name.
        batch_sizes: Images in a call.
        order: Draws the order within each round.
        advance: Called after every turn, `len(batch_sizes) × THROUGHPUT_ROUNDS × engines` times.

    Returns:
        Throughput by name, and why some could not go on.
    """
    found: dict[str, list[Throughput]] = {name: [] for name in engines}
    failures: dict[str, KewError] = {}
    for batch_size in batch_sizes:
        seconds: dict[str, list[float]] = {name: [] for name in engines}
        for _ in range(THROUGHPUT_ROUNDS):
            for name in order.sample(sorted(engines), len(engines)):
                if name not in failures:
                    try:
                        seconds[name] += [ms / 1000 for ms in engines[name].time(_WARM_UP_CALLS, 1, batch_size)]
                    except KewError as error:
                        failures[name] = error
                advance()
        for name in engines.keys() - failures.keys():
            found[name].append(Throughput(batch_size, batch_size / float(np.median(seconds[name]))))
    return {name: tuple(rows) for name, rows in found.items()}, failures
