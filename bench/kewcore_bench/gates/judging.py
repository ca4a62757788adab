"""The verdict on every gate of every package."""

from collections.abc import Callable
from dataclasses import dataclass

from kewcore.errors import UsageError
from kewcore.parity.intervals import Interval
from kewcore_bench.engines.choice import REFERENCE_ENGINE
from kewcore_bench.gates.gate_file import GateFile, thresholds
from kewcore_bench.result import BenchResult, PackageResult, VariantResult


@dataclass(frozen=True)
class Verdict:
    """One gate on one package.

    Attributes:
        package: Name of the package.
        gate: Key in the file.
        threshold: What it asks.
        value: What was measured; None where the package, or what it is compared with, failed while it was timed.
        interval: 95 % interval of the value; None for what is no estimate: a size, and what rules say.
        held: Whether the gate holds. Answers on given images are the same every time, so the value itself is held
            against the threshold; times are not, so such a gate is missed only when the interval excludes the
            threshold. What has no value because of a failure is missed.
        certain: False where the threshold lies inside the interval: other images, or another run, might say otherwise.
        reason: Why there is no value; None where there is one.
    """

    package: str
    gate: str
    threshold: float
    value: float | None
    interval: Interval | None
    held: bool
    certain: bool
    reason: str | None = None


@dataclass(frozen=True)
class _Measured:
    value: float
    interval: Interval | None


def judge(gates: GateFile, result: BenchResult) -> tuple[Verdict, ...]:
    """Holds every package against every gate that is set for it.

    Raises:
        UsageError: A gate is set on a figure that nobody asked to measure.
    """
    return tuple(
        _verdict(variant, package, gate, threshold)
        for variant in result.variants
        for package in variant.packages
        for gate, threshold in thresholds(gates.for_package(package.name)).items()
    )


def check_measurable(gates: GateFile, *, latency: bool) -> None:
    """Refuses gates on what will not be measured, before anything is.

    Args:
        gates: The file.
        latency: Whether packages will be timed.

    Raises:
        UsageError: A latency gate is set and latency will not be measured.
    """
    every = [gates.general, *(one.gates for one in gates.exceptions)]
    if not latency and any(one.max_latency_ratio is not None for one in every):
        raise UsageError(
            "gate 'max_latency_ratio' needs the latency of packages",
            hint="leave out --no-latency, and name package where you say --engines; or leave out the gate",
        )


def describe(verdict: Verdict) -> str:
    """Says in a sentence what was asked, what was measured and how sure that is."""
    word = "held" if verdict.held else "missed"
    asked = f"{verdict.package}: gate {verdict.gate} = {verdict.threshold:.12g} {word}"
    if verdict.value is None:
        return f"{asked}, {verdict.reason}"
    low_high = verdict.interval
    sure = f" (95 % interval {figure(low_high.low)} to {figure(low_high.high)})" if low_high is not None else ""
    return f"{asked}, measured {figure(verdict.value)}{sure}"


def figure(value: float) -> str:
    """Writes what was measured with four digits, or as whole number where it has more."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _agreement(package: PackageResult) -> _Measured:
    return _Measured(package.parity.top1_agreement, package.parity.top1_agreement_interval)


def _accuracy_drop(package: PackageResult) -> _Measured | None:
    accuracy = package.parity.accuracy
    return _Measured(accuracy.drop_pp, accuracy.drop_interval_pp) if accuracy is not None else None


def _latency_ratio(package: PackageResult) -> _Measured | None:
    ratio = package.latency_ratio
    return _Measured(ratio.value, ratio.interval) if ratio is not None else None


def _size(package: PackageResult) -> _Measured:
    return _Measured(package.size_bytes / 1e6, None)


def _resident(package: PackageResult) -> _Measured | None:
    shares = [one.multiply_adds for one in package.resident]
    return _Measured(min(shares), None) if shares else None


def _load(package: PackageResult) -> _Measured | None:
    load = package.load_time
    return _Measured(load.median_ms, load.interval_ms) if load is not None else None


_FIGURES: dict[str, Callable[[PackageResult], _Measured | None]] = {
    "min_agreement": _agreement,
    "max_accuracy_drop_pp": _accuracy_drop,
    "max_latency_ratio": _latency_ratio,
    "max_size_mb": _size,
    "min_resident": _resident,
    "max_load_ms": _load,
}
_TIMES = frozenset({"max_latency_ratio", "max_load_ms"})


def _verdict(variant: VariantResult, package: PackageResult, gate: str, threshold: float) -> Verdict:
    measured = _FIGURES[gate](package)
    if measured is None:
        failure = _failure(variant, package, gate)
        if failure is None:
            raise UsageError(f"gate '{gate}' needs a figure that was not measured for '{package.name}'")
        return Verdict(package.name, gate, threshold, None, None, held=False, certain=True, reason=failure)
    value, interval = measured.value, measured.interval
    certain = interval is None or not interval.low <= threshold <= interval.high
    held = value >= threshold if gate.startswith("min_") else value <= threshold
    if gate in _TIMES:
        held = held or not certain
    return Verdict(package.name, gate, threshold, value, interval, held, certain)


def _failure(variant: VariantResult, package: PackageResult, gate: str) -> str | None:
    """Says why a time that was asked for is not there; None where nothing failed."""
    if gate == "max_load_ms" and package.load_failure is not None:
        return f"could not be loaded: {package.load_failure}"
    if gate != "max_latency_ratio":
        return None
    for one in variant.engines:
        if one.failure and (one.engine, one.path) == ("package", package.path):
            return f"could not be timed: {one.failure}"
    for one in variant.engines:
        if one.failure and one.engine == REFERENCE_ENGINE:
            return f"TensorFlow could not be timed: {one.failure}"
    return None
