"""Verdicts against an earlier bench: when a slowdown is called, what could have been seen, and what is refused."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_results import latency_of, result_of

from kewcore.errors import DataError, UsageError
from kewcore_bench.result import BenchResult
from kewcore_bench.schema import json_text
from kewcore_bench.stored_result import stored_object
from kewcore_bench.timing.baseline import (
    RatioKey,
    check_comparable,
    compare_ratios,
    compare_with,
    describe,
    detectable_slowdowns,
    load_baseline,
    lost,
    other_host,
)
from kewcore_bench.timing.baseline_tables import baseline_rows, detectable_rows
from kewcore_bench.timing.detectable import detectable_slowdown
from kewcore_bench.timing.engine_result import EngineResult
from kewcore_bench.timing.latency import LatencyRatio, ratio
from kewcore_bench.timing.round_bootstrap import interval_of, log_ratio_draws, ratio_estimate

pytestmark = pytest.mark.unit
KEY = RatioKey("tiny", "original", "package", "Tiny-original-int8", "int8")
LABEL = "kewcore fast executor (ONNX Runtime 1.31.1)"


def noisy(factor: float, seed: int, *, rounds: int = 60, spread: float = 0.05) -> tuple[float, ...]:
    """Ratios of rounds around half of `factor`."""
    return tuple((factor * 0.5 * np.exp(spread * np.random.default_rng(seed).standard_normal(rounds))).tolist())


def ratio_of(rounds: tuple[float, ...], starts: int = 1) -> LatencyRatio:
    ones = (1.0,) * len(rounds)
    return ratio(replace(latency_of("a", rounds), starts=starts), replace(latency_of("b", ones), starts=starts))


def bench_of(factor: float, seed: int, *, label: str = LABEL, **changes: str) -> BenchResult:
    """A bench of one package in one engine, beside the reference."""
    result = result_of(40, 40)
    rounds = noisy(factor, seed)
    reference = latency_of("TensorFlow 2", (1.0,) * len(rounds))
    path = Path("packages/Tiny-original-int8.mlpackage")
    package = EngineResult(
        "package", "Tiny-original-int8", path, "int8", label, None, latency_of(label, rounds), ratio_of(rounds)
    )
    first = EngineResult(
        "tensorflow",
        "TensorFlow reference",
        Path("runs/tiny/original"),
        "",
        "TensorFlow 2",
        None,
        reference,
        ratio(reference, reference),
    )
    (variant,) = result.variants
    return replace(result, variants=(replace(variant, engines=(first, replace(package, **changes))),))


def write(result: BenchResult, path: Path) -> Path:
    path.write_text(json_text(stored_object(result, ())), encoding="utf-8")
    return path


def test_rounds_of_one_start_are_summed_up_by_their_trimmed_mean() -> None:
    rounds = noisy(1, 0, rounds=400)
    middle = np.sort(np.log(rounds))[100:300]
    assert ratio_estimate(rounds, 1) == pytest.approx(float(np.exp(middle.mean())))
    # Of normal values: the error of the middle half's mean is 1.09 times that of the mean of all, the median's 1.25.
    assert log_ratio_draws(rounds, 1).std() == pytest.approx(1.09 * 0.05 / np.sqrt(400), rel=0.1)
    found = interval_of(log_ratio_draws(rounds, 1))
    assert found.low < float(np.median(rounds)) < found.high


@pytest.mark.parametrize(
    ("count", "kept"), [(1, [0]), (2, [0, 1]), (3, [1]), (4, [1, 2]), (6, [1, 2, 3, 4]), (8, [2, 3, 4, 5])]
)
def test_a_quarter_of_the_starts_at_each_end_does_not_count(count: int, kept: list[int]) -> None:
    starts = np.exp(np.arange(count) ** 2.0)
    assert ratio_estimate(starts.tolist(), count) == pytest.approx(float(np.exp(np.mean([n**2 for n in kept]))))


def test_a_start_unlike_the_others_does_not_move_the_ratio_but_widens_its_interval() -> None:
    alike = noisy(1, 1, rounds=50) + noisy(1, 2, rounds=50) + noisy(1, 3, rounds=50)
    odd = noisy(1, 1, rounds=50) + noisy(1, 2, rounds=50) + noisy(0.6, 3, rounds=50)
    assert ratio_estimate(odd, 3) == pytest.approx(ratio_estimate(alike, 3), rel=0.02)
    assert interval_of(log_ratio_draws(odd, 3)).low < 0.35 < 0.45 < interval_of(log_ratio_draws(alike, 3)).low
    with pytest.raises(UsageError, match="150 rounds cannot come from 4 starts of as many rounds each"):
        ratio_estimate(odd, 4)


def test_what_is_detectable_is_detected_95_times_in_100() -> None:
    error, allowed = 0.02, 0.05
    slowdown = detectable_slowdown(error, allowed)
    estimates = np.log1p(slowdown) + error * np.random.default_rng(0).standard_normal(100_000)
    called = estimates - 1.959964 * error > np.log1p(allowed)
    assert called.mean() == pytest.approx(0.95, abs=0.005)
    assert detectable_slowdown(0.0, 0.05) == pytest.approx(0.05)


def test_noise_raises_no_alarm_and_fifteen_percent_are_caught() -> None:
    alarms = caught = 0
    for seed in range(30):
        then = ratio_of(noisy(1, 1000 + seed, rounds=90), 3)
        alarms += compare_ratios(KEY, ratio_of(noisy(1, seed, rounds=90), 3), then, 0.05).regressed
        caught += compare_ratios(KEY, ratio_of(noisy(1.15, seed, rounds=90), 3), then, 0.05).regressed
    assert (alarms, caught) == (0, 30)


def test_a_bench_is_held_against_the_file_of_an_earlier_one(tmp_path: Path) -> None:
    baseline = load_baseline(write(bench_of(1, 1), tmp_path / "old.json"))
    check_comparable(baseline, 2, [("Tiny-original-int8", "int8")])
    (same,) = compare_with(baseline, bench_of(1.02, 2))
    assert not same.regressed
    assert same.change == pytest.approx(1.02, rel=0.03)
    (slow,) = compare_with(baseline, bench_of(1.15, 3))
    assert slow.regressed
    assert 1.05 < slow.interval.low < slow.change < slow.interval.high
    assert re.fullmatch(
        r"Tiny-original-int8 in engine 'package' is 1\d\.\d % slower beside TensorFlow than in the baseline: "
        r"ratio 0\.5\d\d, then 0\.\d{3}; now over then 1\.1\d\d \(95 % interval 1\.\d{3} to 1\.\d{3}\), allowed 1\.050",
        describe(slow),
    )
    assert [row[-1] for row in baseline_rows([same, slow])] == ["no regression", "REGRESSION"]
    (renamed,) = compare_with(baseline, bench_of(1.15, 3, subject="Other-name-int8"))
    assert renamed.change == slow.change
    allowed, *_ = compare_with(baseline, bench_of(1.15, 3), max_slowdown=0.3)
    assert not allowed.regressed


def test_a_bench_says_what_it_could_have_seen() -> None:
    (found,) = detectable_slowdowns(bench_of(1, 1), 0.05)
    # Both benches bring the error of a median over 60 rounds; 3.605 is the sum of the quantiles of 97.5 and 95 %.
    error = np.sqrt(2) * np.sqrt(np.pi / 2) * 0.05 / np.sqrt(60)
    assert found.detectable == pytest.approx(1.05 * np.exp(3.605 * error) - 1, rel=0.4)
    assert detectable_rows([found])[0][-1] == f"+{100 * found.detectable:.1f} %"


def test_what_cannot_be_timed_any_more_is_named(tmp_path: Path) -> None:
    baseline = load_baseline(write(bench_of(1, 1), tmp_path / "old.json"))
    result = bench_of(1, 2)
    (variant,) = result.variants
    broken = replace(variant.engines[1], ratio=None, latency=None, failure="killed by SIGKILL")
    gone = replace(result, variants=(replace(variant, engines=(variant.engines[0], broken)),))
    assert compare_with(baseline, gone) == ()
    assert lost(baseline, gone) == (
        "Tiny-original-int8 in engine 'package' could be timed in the baseline, and now cannot: killed by SIGKILL",
    )
    assert lost(baseline, result) == ()


def test_baselines_that_say_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json"):
        load_baseline(tmp_path / "none.json")
    (tmp_path / "other.json").write_text('{"kind": "gates", "schema_version": 1}')
    with pytest.raises(DataError, match="is not from kewcore bench"):
        load_baseline(tmp_path / "other.json")
    newer = json.loads(json_text(stored_object(bench_of(1, 1), ()))) | {"schema_version": 99}
    (tmp_path / "newer.json").write_text(json.dumps(newer))
    with pytest.raises(DataError, match="has schema_version 99; this kewcore reads"):
        load_baseline(tmp_path / "newer.json")
    with pytest.raises(
        UsageError, match=r"parity\.json' holds no latency ratios: it was made with --no-latency"
    ) as caught:
        load_baseline(write(result_of(40, 40), tmp_path / "parity.json"))
    assert caught.value.hint is not None
    path = write(bench_of(1, 1), tmp_path / "old.json")
    baseline = load_baseline(path)
    with pytest.raises(UsageError, match="was measured with --threads 2, this bench has 8") as caught:
        check_comparable(baseline, 8, [("Tiny-original-int8", "int8")])
    assert caught.value.hint == "say --threads 2, or make a new baseline"
    with pytest.raises(UsageError, match="it holds Tiny-original-int8; this bench is of KewCNN-original-fp16"):
        check_comparable(baseline, 2, [("KewCNN-original-fp16", "fp16")])
    with pytest.raises(UsageError, match="ran in the kewcore fast executor, now in the kewcore reference executor"):
        compare_with(baseline, bench_of(1, 2, label="kewcore reference executor (NumPy 2.0.2)"))
    with pytest.raises(UsageError, match="has nothing in common with what this bench could measure"):
        compare_with(baseline, bench_of(1, 2, engine="coreml-all"))


def test_another_host_is_pointed_out() -> None:
    host = result_of(40, 40).host
    assert other_host(host, replace(host, load_average=9.0, python="3.12.1")) is None
    found = other_host(host, replace(host, cpu="Another", cores=8))
    assert found is not None
    assert "Linux, x86_64, A <Processor>, 2 cores; this one is Linux, x86_64, Another, 8 cores" in found
