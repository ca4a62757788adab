"""Engines side by side: every contender in a process of its own, started several times, in interleaved rounds.

An engine that is missing, cannot load its model or dies on the way becomes a row that says why; the others go on.
"""

import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from kewcore.artefacts import describe
from kewcore.console import progress
from kewcore.errors import KewError, UnsupportedError
from kewcore_bench.engines.choice import CONVERTERS, REFERENCE_ENGINE, Contender
from kewcore_bench.engines.load import EngineSpec, check_available
from kewcore_bench.engines.process import EngineProcess, failure_text, running_engine
from kewcore_bench.timing import latency as latencies
from kewcore_bench.timing.engine_result import EngineResult, Throughput
from kewcore_bench.timing.latency import LatencyOptions, Timings
from kewcore_bench.timing.throughput import THROUGHPUT_ROUNDS, measure_throughput

_TURNS_A_START = 15  # how many turns take as long as starting an engine, roughly: for the time left alone


def set_side_by_side(
    contenders: Sequence[Contender], pixels: Path, options: LatencyOptions, *, title: str = "latency"
) -> tuple[EngineResult, ...]:
    """Measures latency and throughput of all contenders.

    Args:
        contenders: Engines with their models; one of them is the reference.
        pixels: A `.npy` file of uint8 `[N, H, W]`.
        options: How.
        title: Of the progress bar.

    Returns:
        A row for each, in the same order.
    """
    failures: dict[str, KewError] = {}
    with tempfile.TemporaryDirectory(prefix="kewcore-bench-") as folder:
        specs = _prepared(contenders, Path(folder), failures)
        sizes = {name: describe(path).size_bytes for name, path in _loaded_files(specs).items() if path.exists()}
        timings, throughputs = _timed(specs, pixels, options, title, failures)
    summaries = {
        name: latencies.summary(starts, options.threads)
        for name, starts in timings.items()
        if len(starts) == options.starts
    }
    reference = next((summaries.get(one.name) for one in contenders if one.engine == REFERENCE_ENGINE), None)

    def row(one: Contender) -> EngineResult:
        latency = summaries.get(one.name)
        return EngineResult(
            engine=one.engine,
            subject=one.subject,
            path=one.path,
            mode=one.mode,
            label=latency.engine if latency is not None else one.label,
            failure=failure_text(failures[one.name]) if one.name in failures else None,
            latency=latency,
            ratio=latencies.ratio(latency, reference, options.seed) if latency and reference else None,
            throughput=throughputs.get(one.name, ()),
            model_size_bytes=sizes.get(one.name),
        )

    return tuple(map(row, contenders))


def _prepared(contenders: Sequence[Contender], folder: Path, failures: dict[str, KewError]) -> dict[str, EngineSpec]:
    """Makes the files of other converters, each once, and gives the specs of all engines that can be started."""
    needed = {one.converter: one.spec.path for one in contenders if one.converter is not None}
    files: dict[str, Path] = {}
    broken: dict[str, KewError] = {}
    with progress("converting", len(needed), "files") as advance:
        for converter, run in needed.items():
            file_name, convert = CONVERTERS[converter]
            try:
                files[converter] = convert(run / "model.keras", folder / file_name)
            except KewError as error:
                broken[converter] = error
            advance()
    specs = {}
    for one in contenders:
        if one.converter is not None and one.converter in broken:
            failures[one.name] = broken[one.converter]
            continue
        try:
            check_available(one.spec)
        except UnsupportedError as error:
            failures[one.name] = error
            continue
        specs[one.name] = one.spec if one.converter is None else replace(one.spec, path=files[one.converter])
    return specs


def _timed(
    specs: Mapping[str, EngineSpec],
    pixels: Path,
    options: LatencyOptions,
    title: str,
    failures: dict[str, KewError],
) -> tuple[dict[str, list[Timings]], dict[str, tuple[Throughput, ...]]]:
    """Starts the engines again and again and times them; those that fail are put into `failures` and left out."""
    order = random.Random(options.seed)
    rounds = options.rounds_a_start
    timings: dict[str, list[Timings]] = {name: [] for name in specs}
    throughputs: dict[str, tuple[Throughput, ...]] = {}
    calls = THROUGHPUT_ROUNDS * len(options.batch_sizes)
    turns = len(specs) * (options.starts * (_TURNS_A_START + rounds) + calls)
    with progress(title, turns, "turns") as advance:
        for start in range(options.starts):
            with _started(specs, pixels, failures, advance) as running:
                found, failed = latencies.time_rounds(running, rounds, options.predicts, order, advance)
                failures |= failed
                advance(rounds * (len(specs) - len(running)))  # the turns of those that did not start
                for name, one in found.items():
                    timings[name].append(one)
                if start == options.starts - 1:  # once is enough, and after all else, since many images take memory
                    alive = {name: engine for name, engine in running.items() if name not in failures}
                    throughputs, failed = measure_throughput(alive, options.batch_sizes, order, advance)
                    failures |= failed
                    advance(calls * (len(specs) - len(alive)))
    return timings, throughputs


@contextmanager
def _started(
    specs: Mapping[str, EngineSpec], pixels: Path, failures: dict[str, KewError], advance: Callable[..., None]
) -> Iterator[dict[str, EngineProcess]]:
    """Starts the engines that have not failed yet, one after the other so that their loading can be timed."""
    with ExitStack() as stack:
        running = {}
        for name, spec in specs.items():
            if name not in failures:
                try:
                    running[name] = stack.enter_context(running_engine(spec, pixels))
                except KewError as error:
                    failures[name] = error
            advance(_TURNS_A_START)
        yield running


def _loaded_files(specs: Mapping[str, EngineSpec]) -> dict[str, Path]:
    keras = {"tensorflow", "keras"}
    return {name: spec.path / "model.keras" if spec.kind in keras else spec.path for name, spec in specs.items()}
