"""Gates: bounds that a package must keep, from a TOML file, and the verdict on each."""

import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from kewcore.errors import UsageError
from kewcore.parity.intervals import Interval
from kewcore_bench.result import BenchResult, PackageResult


@dataclass(frozen=True)
class Gates:
    """Bounds; None means no bound.

    Attributes:
        min_agreement: Least top-1 agreement with the reference, 0…1.
        max_accuracy_drop_pp: Largest drop of accuracy below the reference, percentage points, 0…100.
        max_latency_ratio: Largest latency of the package over the reference's on the same host, above 0.
        max_size_mb: Largest package, in megabytes of 10⁶ bytes, above 0.
    """

    min_agreement: float | None = None
    max_accuracy_drop_pp: float | None = None
    max_latency_ratio: float | None = None
    max_size_mb: float | None = None


@dataclass(frozen=True)
class Verdict:
    """One gate on one package.

    Attributes:
        package: Name of the package.
        gate: Key in the file.
        threshold: What it asks.
        value: What was measured.
        interval: 95 % interval of the value; None for a size, which has none.
        held: Whether the value keeps the threshold.
    """

    package: str
    gate: str
    threshold: float
    value: float
    interval: Interval | None
    held: bool


_RANGES: dict[str, tuple[str, Callable[[float], bool]]] = {
    "min_agreement": ("from 0 to 1", lambda value: 0 <= value <= 1),
    "max_accuracy_drop_pp": ("from 0 to 100 (percentage points)", lambda value: 0 <= value <= 100),
    "max_latency_ratio": ("above 0", lambda value: value > 0),
    "max_size_mb": ("above 0 (megabytes)", lambda value: value > 0),
}


def load_gates(path: Path) -> Gates:
    """Reads a file with one table, `[gates]`.

    Raises:
        UsageError: The file cannot be read, is not TOML, or holds another table, an unknown key, a value that is not
            a number or is out of range, or no gate at all.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read gates '{path}': {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # Not TOML, not UTF-8, or numbers and nesting beyond all measure.
        raise UsageError(f"gates '{path}' are not valid TOML: {error}") from error
    known = [one.name for one in fields(Gates)]
    hint = f"a file holds one table, [gates], with any of {', '.join(known)}"
    if unknown := sorted(set(table) - {"gates"}):
        raise UsageError(f"gates '{path}': unknown key or table '{unknown[0]}'", hint=hint)
    gates = table.get("gates")
    if not isinstance(gates, dict) or not gates:
        raise UsageError(f"gates '{path}' hold no gate", hint=hint)
    for key, value in gates.items():
        _check(path, key, value, hint)
    return Gates(**{key: float(value) for key, value in gates.items()})


def judge(gates: Gates, result: BenchResult) -> tuple[Verdict, ...]:
    """Holds every package against every gate that is set.

    Raises:
        UsageError: A gate is set on a figure that was not measured.
    """
    return tuple(
        _verdict(package, one.name, threshold)
        for variant in result.variants
        for package in variant.packages
        for one in fields(Gates)
        if (threshold := getattr(gates, one.name)) is not None
    )


def check_measurable(gates: Gates, *, latency: bool) -> None:
    """Refuses gates on what will not be measured, before anything is.

    Raises:
        UsageError: A latency gate is set and latency will not be measured.
    """
    if gates.max_latency_ratio is not None and not latency:
        raise UsageError("gate 'max_latency_ratio' needs the latency", hint="leave out --no-latency, or the gate")


def describe(verdict: Verdict) -> str:
    """Says in a sentence what was asked, what was measured and how sure that is."""
    interval = verdict.interval
    sure = f" (95 % interval {interval.low:.4g} to {interval.high:.4g})" if interval is not None else ""
    word = "held" if verdict.held else "missed"
    return f"{verdict.package}: gate {verdict.gate} = {verdict.threshold:g} {word}, measured {verdict.value:.4g}{sure}"


def _check(path: Path, key: str, value: Any, hint: str) -> None:
    if key not in _RANGES:
        raise UsageError(f"gates '{path}': unknown key '{key}'", hint=hint)
    words, holds = _RANGES[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"gates '{path}': '{key}' must be a number {words}, got {value!r}")
    if not abs(value) <= sys.float_info.max or not holds(value):
        raise UsageError(f"gates '{path}': '{key}' must be {words}, got {value!r:.40}")


def _verdict(package: PackageResult, gate: str, threshold: float) -> Verdict:
    value, interval = _measured(package, gate)
    held = value >= threshold if gate == "min_agreement" else value <= threshold
    return Verdict(package.name, gate, threshold, value, interval, held)


def _measured(package: PackageResult, gate: str) -> tuple[float, Interval | None]:
    if gate == "min_agreement":
        return package.parity.top1_agreement, package.parity.top1_agreement_interval
    if gate == "max_accuracy_drop_pp" and package.parity.accuracy is not None:
        return package.parity.accuracy.drop_pp, package.parity.accuracy.drop_interval_pp
    if gate == "max_latency_ratio" and package.latency_ratio is not None:
        return package.latency_ratio.median, package.latency_ratio.interval
    if gate == "max_size_mb":
        return package.size_bytes / 1e6, None
    raise UsageError(f"gate '{gate}' needs a figure that was not measured for '{package.name}'")
