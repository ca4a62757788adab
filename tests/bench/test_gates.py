"""Gates: what a file may say, and what holds."""

from dataclasses import replace
from pathlib import Path

import pytest
from made_results import result_of

from kewcore.errors import UsageError
from kewcore_bench.gates import Gates, check_measurable, describe, judge, load_gates

pytestmark = pytest.mark.unit


def gates_of(tmp_path: Path, text: str) -> Gates:
    path = tmp_path / "gates.toml"
    path.write_text(text)
    return load_gates(path)


def test_every_gate_is_read(tmp_path: Path) -> None:
    text = "[gates]\nmin_agreement = 1\nmax_accuracy_drop_pp = 0.5\nmax_latency_ratio = 0.9\nmax_size_mb = 15\n"
    assert gates_of(tmp_path, text) == Gates(1.0, 0.5, 0.9, 15.0)
    assert gates_of(tmp_path, "[gates]\nmax_size_mb = 15\n") == Gates(max_size_mb=15.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "hold no gate"),
        ("[gates]\n", "hold no gate"),
        ("gates = 3\n", "hold no gate"),
        ("[gate]\nmin_agreement = 1\n", "unknown key or table 'gate'"),
        ("[gates]\nmin_agreements = 1\n", "unknown key 'min_agreements'"),
        ("[gates]\nmin_agreement = 1.01\n", "'min_agreement' must be from 0 to 1, got 1.01"),
        ("[gates]\nmin_agreement = '99 %'\n", "'min_agreement' must be a number from 0 to 1, got '99 %'"),
        ("[gates]\nmin_agreement = true\n", "'min_agreement' must be a number from 0 to 1, got True"),
        ("[gates]\nmin_agreement = nan\n", "'min_agreement' must be from 0 to 1, got nan"),
        ("[gates]\nmax_accuracy_drop_pp = -1\n", r"must be from 0 to 100 \(percentage points\), got -1"),
        ("[gates]\nmax_latency_ratio = 0\n", "'max_latency_ratio' must be above 0, got 0"),
        ("[gates]\nmax_latency_ratio = inf\n", "'max_latency_ratio' must be above 0, got inf"),
        ("[gates]\nmax_size_mb = -2.5\n", r"'max_size_mb' must be above 0 \(megabytes\), got -2.5"),
        (f"[gates]\nmax_size_mb = 1{'0' * 400}\n", r"must be above 0 \(megabytes\), got 10000"),
        (f"[gates]\nmax_size_mb = 1{'0' * 5000}\n", "are not valid TOML: Exceeds the limit"),
        (f"[gates]\nmax_size_mb = {'[' * 100_000}\n", "are not valid TOML"),
        ("[[gates]]\nmax_size_mb = 1\n", "hold no gate"),
        ("[gates.more]\nmax_size_mb = 1\n", "unknown key 'more'"),
        ("[gates\n", "are not valid TOML"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        gates_of(tmp_path, text)
    assert caught.value.exit_code == 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read gates '.*none.toml': No such file"):
        load_gates(tmp_path / "none.toml")


def test_each_gate_is_held_against_its_figure() -> None:
    result = result_of(agree=97, of=100)  # 97 % agreement, drop 1 pp, ratio 0.5, 2 MB
    found = judge(Gates(0.97, 1.0, 0.5, 2.0), result)
    assert [(one.gate, one.threshold, round(one.value, 9), one.held) for one in found] == [
        ("min_agreement", 0.97, 0.97, True),
        ("max_accuracy_drop_pp", 1.0, 1.0, True),
        ("max_latency_ratio", 0.5, 0.5, True),
        ("max_size_mb", 2.0, 2.0, True),
    ]
    missed = judge(Gates(0.971, 0.99, 0.49, 1.99), result)
    assert [one.held for one in missed] == [False] * 4
    assert missed[3].interval is None
    assert describe(missed[0]) == (
        "Tiny-original-int8: gate min_agreement = 0.971 missed, measured 0.97 (95 % interval 0.9155 to 0.9897)"
    )


def test_a_latency_gate_needs_latency() -> None:
    with pytest.raises(UsageError, match="gate 'max_latency_ratio' needs the latency"):
        check_measurable(Gates(max_latency_ratio=1.0), latency=False)
    check_measurable(Gates(max_size_mb=1.0), latency=False)
    result = result_of(agree=98, of=100)
    variant = result.variants[0]
    bare = replace(variant, packages=(replace(variant.packages[0], latency_ratio=None),))
    with pytest.raises(UsageError, match="needs a figure that was not measured for 'Tiny-original-int8'"):
        judge(Gates(max_latency_ratio=1.0), replace(result, variants=(bare,)))
