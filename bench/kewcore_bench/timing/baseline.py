"""A bench held against an earlier one: ratios to TensorFlow then and now, never times.

The two benches are independent samples, so each is resampled by itself and the interval is that of the ratio of both
ratios. A regression is called only when the whole interval lies above the slowdown that is allowed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kewcore.errors import UsageError
from kewcore.parity.intervals import Interval
from kewcore_bench.engines.choice import REFERENCE_ENGINE
from kewcore_bench.hosts import HostFacts
from kewcore_bench.result import BenchResult, VariantResult
from kewcore_bench.stored_result import read_result
from kewcore_bench.timing.detectable import detectable_alone, detectable_slowdown
from kewcore_bench.timing.engine_result import EngineResult
from kewcore_bench.timing.latency import LatencyRatio
from kewcore_bench.timing.round_bootstrap import interval_of, log_ratio_draws

DEFAULT_MAX_SLOWDOWN = 0.05


@dataclass(frozen=True)
class Baseline:
    """An earlier bench that has ratios to hold others against.

    Attributes:
        path: Its `bench.json`.
        result: What it found.
        threads: Of every engine.
    """

    path: Path
    result: BenchResult
    threads: int


@dataclass(frozen=True)
class RatioKey:
    """What a ratio is of; the same in two benches of the same thing.

    Attributes:
        recipe: Name of the run's recipe.
        variant: `original` or `synthetic`.
        engine: Such as `package` or `coreml-cpu-ne`.
        subject: `TensorFlow reference`, or the name of the package.
        mode: Of the package; empty for the reference's network.
    """

    recipe: str
    variant: str
    engine: str
    subject: str
    mode: str


@dataclass(frozen=True)
class Comparison:
    """One ratio, now and then.

    Attributes:
        engine: Such as `package`.
        subject: `TensorFlow reference`, or the name of the package, as it is now.
        ratio: Latency over TensorFlow's, now.
        ratio_then: The same in the baseline.
        change: Now over then: 1.1 is a slowdown of 10 %.
        interval: Its 95 % bootstrap interval over starts and rounds of both benches.
        max_slowdown: What is allowed, as a part of one.
        detectable: The smallest slowdown that these two benches would have called, 95 times in 100, as a part of one.
        regressed: Whether the interval lies above the slowdown that is allowed.
    """

    engine: str
    subject: str
    ratio: float
    ratio_then: float
    change: float
    interval: Interval
    max_slowdown: float
    detectable: float
    regressed: bool


@dataclass(frozen=True)
class DetectableSlowdown:
    """What a later bench, as noisy as this one, would see of one ratio.

    Attributes:
        engine: Such as `package`.
        subject: `TensorFlow reference`, or the name of the package.
        ratio: Latency over TensorFlow's.
        max_slowdown: Slowdown that is allowed, as a part of one.
        detectable: The smallest slowdown that would be called, 95 times in 100, as a part of one.
    """

    engine: str
    subject: str
    ratio: LatencyRatio
    max_slowdown: float
    detectable: float


def load_baseline(path: Path) -> Baseline:
    """Reads the `bench.json` of an earlier bench.

    Raises:
        DataError: It cannot be read, is no result of a bench, is of another schema, or is damaged.
        UsageError: It holds no ratios.
    """
    result = read_result(path).result
    if result.latency_options is None or not measured_ratios(result):
        raise UsageError(
            f"baseline '{path}' holds no latency ratios: it was made with --no-latency, or no engine could be timed",
            hint="make a new baseline: kewcore bench writes bench.json into its --out folder",
        )
    return Baseline(path, result, result.latency_options.threads)


def check_comparable(baseline: Baseline, threads: int, packages: Sequence[tuple[str, str]]) -> None:
    """Refuses a baseline that this bench cannot be held against, before anything is measured.

    Args:
        baseline: The earlier bench.
        threads: Of every engine, now.
        packages: Names and modes of the packages that will be timed; none when only other engines will be.

    Raises:
        UsageError: It had other threads, or no package in common.
    """
    if baseline.threads != threads:
        raise UsageError(
            f"baseline '{baseline.path}' was measured with --threads {baseline.threads}, this bench has {threads}",
            hint=f"say --threads {baseline.threads}, or make a new baseline",
        )
    held = {(key.subject, key.mode) for key in measured_ratios(baseline.result) if key.mode}
    known = {word for pair in held for word in pair}
    if packages and not any(known & {name, mode} for name, mode in packages):
        raise UsageError(
            f"baseline '{baseline.path}' has no package in common with this bench: it holds "
            f"{', '.join(sorted(name for name, _ in held)) or 'none'}; "
            f"this bench is of {', '.join(name for name, _ in packages)}",
            hint="name packages of the baseline, or of the same modes; or make a new baseline",
        )


def compare_with(
    baseline: Baseline, result: BenchResult, max_slowdown: float = DEFAULT_MAX_SLOWDOWN, seed: int = 0
) -> tuple[Comparison, ...]:
    """Holds every ratio that both benches have against the earlier one.

    Args:
        baseline: The earlier bench.
        result: This bench.
        max_slowdown: Allowed growth of a ratio, as a part of one.
        seed: Of the bootstrap.

    Raises:
        UsageError: They have nothing in common, or a package ran in another executor then.
    """
    earlier = measured_ratios(baseline.result)
    found = []
    for key, now in measured_ratios(result).items():
        then = _matching(earlier, key)
        if then is None or then.ratio is None or now.ratio is None:
            continue
        if _executor(then.label) != _executor(now.label):
            raise UsageError(
                f"baseline '{baseline.path}': {key.subject} ran in the {_executor(then.label)}, now in the "
                f"{_executor(now.label)}: their ratios say nothing about each other",
                hint="say --executor as it was then, or make a new baseline",
            )
        found.append(compare_ratios(key, now.ratio, then.ratio, max_slowdown, seed))
    if not found and not lost(baseline, result):
        raise UsageError(
            f"baseline '{baseline.path}' has nothing in common with what this bench could measure",
            hint="make a new baseline with the same packages and --engines",
        )
    return tuple(found)


def compare_ratios(
    key: RatioKey, now: LatencyRatio, then: LatencyRatio, max_slowdown: float, seed: int = 0
) -> Comparison:
    """Holds one ratio against the same in an earlier bench.

    Args:
        key: What they are of.
        now: The ratio of this bench.
        then: That of the earlier one.
        max_slowdown: Allowed growth of the ratio, as a part of one.
        seed: Of the bootstrap.
    """
    draws = log_ratio_draws(now.round_ratios, now.starts, seed=seed) - log_ratio_draws(
        then.round_ratios, then.starts, seed=seed + 1
    )
    interval = interval_of(draws)
    return Comparison(
        engine=key.engine,
        subject=key.subject,
        ratio=now.value,
        ratio_then=then.value,
        change=now.value / then.value,
        interval=interval,
        max_slowdown=max_slowdown,
        detectable=detectable_slowdown(float(draws.std()), max_slowdown),
        regressed=interval.low > 1 + max_slowdown,
    )


def lost(baseline: Baseline, result: BenchResult) -> tuple[str, ...]:
    """Names what the baseline has a ratio of and this bench asked for but could not time, with the reason."""
    earlier = measured_ratios(baseline.result)
    return tuple(
        f"{one.subject} in engine '{one.engine}' could be timed in the baseline, and now cannot: {one.failure}"
        for variant in result.variants
        for one in variant.engines
        if one.ratio is None and one.failure and _matching(earlier, _key(variant, one)) is not None
    )


def measured_ratios(result: BenchResult) -> dict[RatioKey, EngineResult]:
    """Finds all engines of a bench that have a ratio, but for the reference, whose own is 1."""
    return {
        _key(variant, one): one
        for variant in result.variants
        for one in variant.engines
        if one.ratio is not None and one.engine != REFERENCE_ENGINE
    }


def detectable_slowdowns(result: BenchResult, max_slowdown: float, seed: int = 0) -> tuple[DetectableSlowdown, ...]:
    """Says of every ratio of a bench what slowdown a later one, as noisy, would call a regression."""
    return tuple(
        DetectableSlowdown(
            key.engine, key.subject, one.ratio, max_slowdown, detectable_alone(one.ratio, max_slowdown, seed)
        )
        for key, one in measured_ratios(result).items()
        if one.ratio is not None
    )


def other_host(then: HostFacts, now: HostFacts) -> str | None:
    """Says how two hosts differ in what ratios depend on; None when they do not."""

    def words(host: HostFacts) -> str:
        return f"{host.system}, {host.machine}, {host.cpu}, {host.cores} cores"

    if words(then) == words(now):
        return None
    return (
        f"the baseline was measured on another host ({words(then)}; this one is {words(now)}): engines make different "
        "use of different processors, so a change of ratio may be no change of the package"
    )


def describe(comparison: Comparison) -> str:
    """Says in a sentence what slowed down, by how much, and how sure that is."""
    interval = comparison.interval
    return (
        f"{comparison.subject} in engine '{comparison.engine}' is {100 * (comparison.change - 1):.1f} % slower beside "
        f"TensorFlow than in the baseline: ratio {comparison.ratio:.3f}, then {comparison.ratio_then:.3f}; now over "
        f"then {comparison.change:.3f} (95 % interval {interval.low:.3f} to {interval.high:.3f}), allowed "
        f"{1 + comparison.max_slowdown:.3f}"
    )


def _key(variant: VariantResult, one: EngineResult) -> RatioKey:
    return RatioKey(variant.recipe, variant.variant, one.engine, one.subject, one.mode)


def _matching(earlier: dict[RatioKey, EngineResult], key: RatioKey) -> EngineResult | None:
    """Finds the same by all that names it; of a package that had another name, by its mode."""
    if key in earlier or not key.mode:
        return earlier.get(key)
    alike = [one for other, one in earlier.items() if _without_name(other) == _without_name(key)]
    return alike[0] if len(alike) == 1 else None


def _without_name(key: RatioKey) -> tuple[str, str, str, str]:
    return key.recipe, key.variant, key.engine, key.mode


def _executor(label: str) -> str:
    """Takes the name of kewcore's executor, without its library's version, which may change from bench to bench."""
    return label.partition(" (")[0] if label.startswith("kewcore ") else ""
