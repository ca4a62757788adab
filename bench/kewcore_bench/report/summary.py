"""The top of the report: the verdict in a sentence, and the most important figures."""

from collections.abc import Sequence
from dataclasses import dataclass

from kewcore.parity.intervals import Interval
from kewcore_bench.gates.judging import Verdict
from kewcore_bench.result import BenchResult, PackageResult
from kewcore_bench.tables import megabytes, percent


@dataclass(frozen=True)
class Tile:
    """One figure.

    Attributes:
        label: What it is.
        value: The figure with its unit.
        whose: Of which package; empty where the label says it.
        sure: Its interval, or what it is a part of.
    """

    label: str
    value: str
    whose: str
    sure: str


def sentence(result: BenchResult) -> str:
    """Says in a sentence how close the packages stay to TensorFlow."""
    packages = _packages(result)
    images = f"{result.dataset.images} {result.dataset.split} images"
    if not packages:
        return f"No package was measured on the {images}."
    shares = [one.parity.top1_agreement for one in packages]
    lowest = min(packages, key=lambda one: one.parity.top1_agreement)
    low = percent(lowest.parity.top1_agreement_interval.low)
    if min(shares) == 1:
        who = "The package agrees" if len(packages) == 1 else f"All {len(packages)} packages agree"
        return (
            f"{who} with TensorFlow on every one of {images}; where more are seen, on at least {low} (95 % interval)."
        )
    if len(packages) == 1:
        return (
            f"The package agrees with TensorFlow on {percent(shares[0])} of {images}: at least {low} (95 % interval)."
        )
    return (
        f"{len(packages)} packages agree with TensorFlow on {percent(min(shares))} to {percent(max(shares))} "
        f"of {images}; "
        f"the lowest is {lowest.name}, with at least {low} (95 % interval)."
    )


def gate_sentence(verdicts: Sequence[Verdict]) -> str:
    """Says whether the gates hold, and which do not; empty where there are none."""
    if not verdicts:
        return ""
    missed = [one for one in verdicts if not one.held]
    if not missed:
        return f"Gates held: {len(verdicts)} of {len(verdicts)}."
    named = ", ".join(f"{one.gate} of {one.package}" for one in missed[:3]) + (", …" if len(missed) > 3 else "")
    return f"Gates missed: {len(missed)} of {len(verdicts)}: {named}."


def tiles(result: BenchResult) -> list[Tile]:
    """Chooses the figures that people look for first."""
    packages = _packages(result)
    found = [
        Tile(
            f"accuracy of TensorFlow, {one.variant}",
            percent(one.metrics.accuracy),
            "",
            _between(one.metrics.accuracy_interval, 100, " %"),
        )
        for one in result.variants
    ]
    if not packages:
        return found
    apart = min(packages, key=lambda one: one.parity.top1_agreement)
    parity = apart.parity
    found.append(
        Tile(
            "lowest agreement with TensorFlow",
            percent(parity.top1_agreement),
            _whose(apart, [one for one in packages if one.parity.top1_agreement == parity.top1_agreement]),
            _between(parity.top1_agreement_interval, 100, " %"),
        )
    )
    dropped = [(one.parity.accuracy, one) for one in packages if one.parity.accuracy is not None]
    if dropped:
        accuracy, worst = max(dropped, key=lambda pair: pair[0].drop_pp)
        found.append(
            Tile(
                "largest drop of accuracy",
                f"{accuracy.drop_pp:.1f} points",
                _whose(worst, [one for drop, one in dropped if drop.drop_pp == accuracy.drop_pp]),
                _between(accuracy.drop_interval_pp, 1, " points"),
            )
        )
    small = min(packages, key=lambda one: one.size_bytes)
    found.append(
        Tile("smallest package", megabytes(small.size_bytes), small.name, f"{small.float32_ratio:.3f} of float32")
    )
    timed = [(one.latency_ratio, one) for one in packages if one.latency_ratio is not None]
    if timed:
        ratio, fast = min(timed, key=lambda pair: pair[0].value)
        found.append(
            Tile(
                "latency of the fastest, over TensorFlow's on this host",
                f"{ratio.value:.2f} ×",
                fast.name,
                _between(ratio.interval, 1, " ×", 2),
            )
        )
    return found


def _packages(result: BenchResult) -> list[PackageResult]:
    return [package for variant in result.variants for package in variant.packages]


def _whose(one: PackageResult, alike: Sequence[PackageResult]) -> str:
    return one.name if len(alike) == 1 else f"{one.name} and {len(alike) - 1} more"


def _between(interval: Interval, scale: float, unit: str, decimals: int = 1) -> str:
    low, high = scale * interval.low, scale * interval.high
    return f"95 %: {low:.{decimals}f} to {high:.{decimals}f}{unit}"
