"""One bench from end to end: probabilities of everyone, then latency in interleaved rounds, run by run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kewcore import __version__
from kewcore.artefacts import Artefact, describe
from kewcore.parity.agreement import compare
from kewcore.parity.classification import evaluate
from kewcore.parity.roc import roc_curves
from kewcore.runtime.loading import ExecutorChoice
from kewcore_bench.candidates import Candidate, RunFacts, history
from kewcore_bench.engines.choice import DEFAULT_ENGINES, contenders
from kewcore_bench.engines.load import EngineKind, EngineSpec
from kewcore_bench.engines.process import running_engine
from kewcore_bench.gallery import samples
from kewcore_bench.gates.resident import resident_shares
from kewcore_bench.hosts import cores_for, host_facts, installed_version, usable_cores
from kewcore_bench.images import LabelledImages, pixel_file
from kewcore_bench.labels import REFERENCE, package_labels
from kewcore_bench.parity_run import cached, classify, keep, reference_key
from kewcore_bench.result import BenchResult, PackageResult, VariantResult
from kewcore_bench.timing.engine_result import EngineResult
from kewcore_bench.timing.latency import LatencyOptions
from kewcore_bench.timing.load_time import measure_loads
from kewcore_bench.timing.side_by_side import set_side_by_side
from kewcore_bench.variants.comparison import VariantOpinions, compare_pair
from kewcore_export import parity_record
from kewcore_export.measured_parity import MeasuredParity

ROUNDS, STARTS = 60, 3
GATE_ROUNDS, GATE_STARTS, GATE_THREADS = 120, 6, 1
"""Rounds, starts of every process and threads, where a verdict on a slowdown hangs on them.

One thread, since two wait for one another, and for whatever else wants the second core."""
FEWEST_STARTS = 3
"""Fewest starts on which a verdict may hang: one does not say how starts differ, and of two none is the odd one."""


@dataclass(frozen=True)
class BenchOptions:
    """How to bench.

    Attributes:
        executor: Of packages: `auto`, `reference` or `onnx`.
        threads: Threads of every engine that answers all images; None takes all cores.
        timed_threads: Threads of every engine that is timed; None takes as many as `threads`.
        rounds: Interleaved rounds of latency; 0 measures none.
        predicts: Timed predictions of an engine in a round; None takes as many as last for a turn.
        cache: Folder in which reference probabilities are kept; None keeps none.
        seed: Of the order of rounds and of bootstraps.
        timed_loads: Names of packages to load several times, to time it.
        engines: Names as `kewcore_bench.engines.choice.parse_engines` returns them.
        starts: How often the process of every engine is started; the rounds are shared out.
        batch_sizes: Images in a call, for throughput; empty measures none.
    """

    executor: ExecutorChoice = "auto"
    threads: int | None = None
    timed_threads: int | None = None
    rounds: int = ROUNDS
    predicts: int | None = None
    cache: Path | None = None
    seed: int = 0
    timed_loads: frozenset[str] = frozenset()
    engines: tuple[EngineKind, ...] = DEFAULT_ENGINES
    starts: int = STARTS
    batch_sizes: tuple[int, ...] = ()


def run_bench(
    candidates: Sequence[Candidate], images: LabelledImages, options: BenchOptions | None = None
) -> BenchResult:
    """Measures packages against their references.

    Args:
        candidates: Packages; those of one run are benched together.
        images: What they are judged by.
        options: How.

    Raises:
        KewError: A model cannot be loaded or run; nothing has been written then but cached probabilities.
    """
    host = host_facts()
    chosen = options or BenchOptions()
    threads = chosen.threads or usable_cores()
    by_run: dict[Path, list[Candidate]] = {}
    for one in candidates:
        by_run.setdefault(one.run.folder.resolve(), []).append(one)
    timing = _latency_options(chosen, chosen.timed_threads or threads) if chosen.rounds else None
    with pixel_file(images.pixels) as pixels:
        judged = [_variant(group, images, pixels, chosen, threads, timing) for group in by_run.values()]
    return BenchResult(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        kewcore_version=__version__,
        host=host,
        dataset=images.facts,
        latency_options=timing,
        variants=tuple(result for result, _ in judged),
        comparison=compare_pair(
            [opinions for _, opinions in judged],
            images.labels,
            images.class_names,
            reference=REFERENCE,
            dataset_fingerprint=images.facts.fingerprint,
            class_balance=images.facts.class_balance,
            seed=chosen.seed,
        ),
    )


def record_parity(result: BenchResult) -> list[Artefact]:
    """Puts the measured parity of every package into its sidecar and its model card.

    Raises:
        PackageError: A package or its sidecar is gone.
        StorageError: They cannot be written.
    """
    return [
        artefact
        for variant in result.variants
        for package in variant.packages
        for artefact in parity_record.record_parity(
            package.path,
            MeasuredParity(
                measured=result.created,
                kewcore_version=result.kewcore_version,
                split=result.dataset.split,
                dataset_fingerprint=result.dataset.fingerprint,
                stand_in=result.dataset.stand_in,
                metrics=package.parity,
            ),
        )
    ]


def _variant(
    group: Sequence[Candidate],
    images: LabelledImages,
    pixels: Path,
    options: BenchOptions,
    threads: int,
    timing: LatencyOptions | None,
) -> tuple[VariantResult, VariantOpinions]:
    run = group[0].run
    names = package_labels(group)
    specs = {REFERENCE: EngineSpec("tensorflow", run.folder, "auto", threads)} | {
        name: EngineSpec("package", one.path, options.executor, threads) for name, one in zip(names, group, strict=True)
    }
    opinions = {name: _probabilities(name, spec, run, images, pixels, options.cache) for name, spec in specs.items()}
    reference = opinions[REFERENCE]
    rows = _engines(group, options, pixels, timing) if timing is not None else ()
    timed = {one.path: row for one in group for row in rows if (row.engine, row.path) == ("package", one.path)}
    timed_loads = {
        name: specs[name] for name, one in zip(names, group, strict=True) if one.path.stem in options.timed_loads
    }
    loads, load_failures = measure_loads(timed_loads, pixels, title=f"{run.variant} loading", seed=options.seed)
    result = VariantResult(
        recipe=run.recipe,
        variant=run.variant,
        run=run.folder,
        model_sha256=run.model_sha256,
        float32_bytes=group[0].float32_bytes,
        metrics=evaluate(images.labels, reference, images.class_names),
        latency=rows[0].latency if rows else None,
        packages=tuple(
            replace(
                _package(one, images, reference, opinions[name], timed.get(one.path), options.seed),
                resident=resident_shares(one.path),
                load_time=loads.get(name),
                load_failure=load_failures.get(name),
            )
            for name, one in zip(names, group, strict=True)
        ),
        gallery=samples(images, opinions),
        history=history(run.folder),
        roc=roc_curves(images.labels, reference, images.class_names),
        engines=rows,
    )
    modes = [one.mode for one in group]
    by_mode = {one.mode: opinions[name] for name, one in zip(names, group, strict=True) if modes.count(one.mode) == 1}
    said = {REFERENCE: reference, **by_mode}
    return result, VariantOpinions(run.recipe, run.variant, run.source.fingerprint, said)


def _probabilities(
    name: str, spec: EngineSpec, run: RunFacts, images: LabelledImages, pixels: Path, cache: Path | None
) -> NDArray[np.float32]:
    """Classifies all images in a process that ends with them: many images at once take memory that one does not."""
    key = None
    if name == REFERENCE:
        key = reference_key(run.model_sha256, images.pixels, installed_version("tensorflow") or "none")
    kept = cached(cache, key, len(images.class_names)) if key is not None else None
    if kept is not None:
        return kept
    with running_engine(spec, pixels) as engine:
        found = classify(engine, f"{run.variant} {name}", len(images.labels), images.class_names)
    if key is not None:
        keep(cache, key, found)
    return found


def _latency_options(options: BenchOptions, threads: int) -> LatencyOptions:
    return LatencyOptions(
        threads=threads,
        rounds=options.rounds,
        predicts=options.predicts,
        seed=options.seed,
        starts=options.starts,
        cores=cores_for(threads),
        batch_sizes=options.batch_sizes,
    )


def _engines(
    group: Sequence[Candidate], options: BenchOptions, pixels: Path, timing: LatencyOptions
) -> tuple[EngineResult, ...]:
    run = group[0].run
    asked = contenders(
        run, group, options.engines, executor=options.executor, threads=timing.threads, cores=timing.cores
    )
    return set_side_by_side(asked, pixels, timing, title=f"{run.variant} latency")


def _package(
    one: Candidate,
    images: LabelledImages,
    reference: NDArray[np.float32],
    probabilities: NDArray[np.float32],
    timed: EngineResult | None,
    seed: int,
) -> PackageResult:
    parity = compare(reference, probabilities, images.labels, class_names=images.class_names, seed=seed)
    artefact = describe(one.path)
    return PackageResult(
        name=one.path.stem,
        path=one.path,
        sha256=artefact.sha256,
        mode=one.mode,
        size_bytes=artefact.size_bytes,
        float32_ratio=artefact.size_bytes / one.float32_bytes,
        metrics=evaluate(images.labels, probabilities, images.class_names),
        parity=parity,
        disagreement_files=tuple(images.files[index] for index in parity.disagreements),
        roc=roc_curves(images.labels, probabilities, images.class_names),
        latency=timed.latency if timed else None,
        latency_ratio=timed.ratio if timed else None,
    )
