"""Verdicts: what holds, and how sure that is."""

from dataclasses import replace
from pathlib import Path

import pytest
from made_results import result_of

from kewcore.errors import UsageError
from kewcore.parity.intervals import Interval
from kewcore_bench.gates.gate_file import Exceptions, GateFile, Gates
from kewcore_bench.gates.judging import Verdict, check_measurable, describe, judge
from kewcore_bench.gates.resident import ResidentShare
from kewcore_bench.result import BenchResult
from kewcore_bench.tables import gate_rows
from kewcore_bench.timing.engine_result import EngineResult
from kewcore_bench.timing.latency import LatencyRatio
from kewcore_bench.timing.load_time import load_time

pytestmark = pytest.mark.unit
FILE = Path("gates.toml")


def measured(**figures: object) -> BenchResult:
    """A result whose package has 97 % agreement, a drop of 1 point, ratio 0.5, 2 MB, and these figures."""
    result = result_of(agree=97, of=100)
    (variant,) = result.variants
    given = {"resident": (ResidentShare("A14", 0.9), ResidentShare("M5", 1.0)), "load_time": load_time([30, 50, 40.0])}
    package = replace(variant.packages[0], **(given | figures))
    return replace(result, variants=(replace(variant, packages=(package,)),))


def verdicts(gates: Gates, result: BenchResult) -> tuple[Verdict, ...]:
    return judge(GateFile(FILE, gates), result)


def test_each_gate_is_held_against_its_figure() -> None:
    found = verdicts(Gates(0.97, 1.0, 0.5, 2.0, 0.9, 40.0), measured())
    assert [(one.gate, one.threshold, round(one.value, 9), one.held) for one in found] == [
        ("min_agreement", 0.97, 0.97, True),
        ("max_accuracy_drop_pp", 1.0, 1.0, True),
        ("max_latency_ratio", 0.5, 0.5, True),
        ("max_size_mb", 2.0, 2.0, True),
        ("min_resident", 0.9, 0.9, True),
        ("max_load_ms", 40.0, 40.0, True),
    ]
    missed = verdicts(Gates(0.971, 0.99, 0.49, 1.99, 0.91, 29.0), measured())
    assert [one.held for one in missed] == [False] * 6
    assert [one.certain for one in missed] == [False, False, True, True, True, True]
    assert missed[3].interval is None
    assert missed[4].interval is None
    assert describe(missed[0]) == (
        "Tiny-original-int8: gate min_agreement = 0.971 missed, measured 0.97 (95 % interval 0.9155 to 0.9897)"
    )
    assert describe(missed[3]) == "Tiny-original-int8: gate max_size_mb = 1.99 missed, measured 2"


@pytest.mark.parametrize(
    ("threshold", "held", "certain"), [(0.89, False, True), (0.9, True, False), (1.0, True, False), (1.11, True, True)]
)
def test_a_time_is_too_long_only_when_its_interval_says_so(threshold: float, held: bool, certain: bool) -> None:
    result = measured(latency_ratio=LatencyRatio(1.02, Interval(0.9, 1.1)))
    (found,) = verdicts(Gates(max_latency_ratio=threshold), result)
    assert (found.value, found.held, found.certain) == (1.02, held, certain)


def test_an_exception_takes_the_place_of_the_general_bound() -> None:
    gates = GateFile(FILE, Gates(max_size_mb=1.0), (Exceptions("Tiny-*-int8", Gates(max_size_mb=2.5)),))
    (found,) = judge(gates, measured())
    assert (found.threshold, found.held) == (2.5, True)


def test_a_latency_gate_needs_latency() -> None:
    gates = GateFile(FILE, Gates(), (Exceptions("*", Gates(max_latency_ratio=1.0)),))
    with pytest.raises(UsageError, match="gate 'max_latency_ratio' needs the latency of packages") as caught:
        check_measurable(gates, latency=False)
    assert caught.value.hint is not None
    assert "leave out --no-latency, and name package where you say --engines" in caught.value.hint
    check_measurable(gates, latency=True)
    check_measurable(GateFile(FILE, Gates(max_size_mb=1.0)), latency=False)
    with pytest.raises(UsageError, match="needs a figure that was not measured for 'Tiny-original-int8'"):
        judge(gates, measured(latency_ratio=None))


def engine_row(engine: str, path: Path, failure: str | None) -> EngineResult:
    return EngineResult(engine, path.stem, path, "", engine, failure, latency=None, ratio=None)


@pytest.mark.parametrize(
    ("failed", "reason"),
    [
        ("package", "could not be timed: it died"),
        ("tensorflow", "TensorFlow could not be timed: it died"),
    ],
)
def test_a_package_that_could_not_be_timed_misses_its_gate(failed: str, reason: str) -> None:
    result = measured(latency_ratio=None)
    (variant,) = result.variants
    paths = {"tensorflow": variant.run, "package": variant.packages[0].path}
    rows = tuple(engine_row(engine, path, "it died" if engine == failed else None) for engine, path in paths.items())
    other = engine_row("package", Path("other.mlpackage"), "not its failure")
    result = replace(result, variants=(replace(variant, engines=(other, *rows)),))
    ratio, size = verdicts(Gates(max_latency_ratio=1.0, max_size_mb=2.0), result)
    assert (ratio.value, ratio.interval, ratio.held, ratio.certain, ratio.reason) == (None, None, False, True, reason)
    assert describe(ratio) == f"Tiny-original-int8: gate max_latency_ratio = 1 missed, {reason}"
    assert gate_rows([ratio]) == [["Tiny-original-int8", "max_latency_ratio", "1", "–", "–", f"MISSED: {reason}"]]
    assert (size.held, size.reason) == (True, None)


def test_a_package_that_could_not_be_loaded_again_misses_its_gate() -> None:
    (found,) = verdicts(Gates(max_load_ms=1.0), measured(load_time=None, load_failure="no memory"))
    assert (found.held, found.reason) == (False, "could not be loaded: no memory")
    with pytest.raises(UsageError, match="gate 'max_load_ms' needs a figure that was not measured for"):
        verdicts(Gates(max_load_ms=1.0), measured(load_time=None))
