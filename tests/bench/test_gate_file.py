"""What a gate file may say, and what is refused."""

from pathlib import Path

import pytest

from kewcore.errors import UsageError
from kewcore_bench.gates.gate_file import Exceptions, GateFile, Gates, check_matches, gated_by, load_gates, thresholds

pytestmark = pytest.mark.unit


def gates_of(tmp_path: Path, text: str, name: str = "gates.toml") -> GateFile:
    path = tmp_path / name
    path.write_text(text)
    return load_gates(path)


def test_every_gate_is_read(tmp_path: Path) -> None:
    text = """
        [gates]
        min_agreement = 1
        max_accuracy_drop_pp = 0.5
        max_latency_ratio = 0.9
        max_size_mb = 15
        min_resident = 0.97
        max_load_ms = 400
    """
    assert gates_of(tmp_path, text).general == Gates(1.0, 0.5, 0.9, 15.0, 0.97, 400.0)
    assert gates_of(tmp_path, "[gates]\nmax_size_mb = 15\n").general == Gates(max_size_mb=15.0)


def test_exceptions_take_the_place_of_the_general_bounds_gate_by_gate_the_last_one_first(tmp_path: Path) -> None:
    text = """
        [gates]
        min_agreement = 0.99
        max_size_mb = 30
        [gates."*-palette-*"]
        min_agreement = 0.95
        max_size_mb = 10
        [gates."*-palette-2"]
        min_agreement = 0.8
    """
    gates = gates_of(tmp_path, text)
    assert gates.exceptions[1] == Exceptions("*-palette-2", Gates(min_agreement=0.8))
    assert thresholds(gates.for_package("Net-int8")) == {"min_agreement": 0.99, "max_size_mb": 30.0}
    assert thresholds(gates.for_package("Net-palette-4")) == {"min_agreement": 0.95, "max_size_mb": 10.0}
    assert thresholds(gates.for_package("Net-palette-2")) == {"min_agreement": 0.8, "max_size_mb": 10.0}


def test_exceptions_alone_bind_no_other_package(tmp_path: Path) -> None:
    gates = gates_of(tmp_path, '[gates."*-int8"]\nmin_resident = 1\n')
    assert thresholds(gates.for_package("Net-int8")) == {"min_resident": 1.0}
    assert thresholds(gates.for_package("Net-fp16")) == {}
    assert gated_by(gates, "min_resident", ["Net-fp16", "Net-int8"]) == {"Net-int8"}
    assert gated_by(gates, "max_load_ms", ["Net-fp16", "Net-int8"]) == frozenset()


def test_pyproject_holds_gates_under_tool_kewcore(tmp_path: Path) -> None:
    text = '[project]\nname = "x"\n[tool.kewcore.gates]\nmax_size_mb = 9\n[tool.kewcore.gates."a*"]\nmax_size_mb = 8\n'
    gates = gates_of(tmp_path, text, "pyproject.toml")
    assert (gates.general, gates.exceptions) == (Gates(max_size_mb=9.0), (Exceptions("a*", Gates(max_size_mb=8.0)),))


def test_a_pattern_that_fits_no_package_is_refused(tmp_path: Path) -> None:
    gates = gates_of(tmp_path, '[gates."*-int8"]\nmax_size_mb = 1\n[gates."*-pallete-4"]\nmax_size_mb = 1\n')
    with pytest.raises(UsageError, match=r"exception '\*-pallete-4' fits no package") as caught:
        check_matches(gates, [tmp_path / "Net-palette-4.mlpackage", tmp_path / "Net-int8.mlpackage"])
    assert caught.value.hint == "packages are Net-int8, Net-palette-4"
    assert caught.value.exit_code == 2
    check_matches(gates, [tmp_path / "Net-pallete-4.mlpackage", tmp_path / "Net-int8.mlpackage"])
    (tmp_path / "Net-pallete-4.mlpackage").mkdir()
    check_matches(gates, [tmp_path / "Net-int8.mlpackage"])  # the one beside it may be benched another time


@pytest.mark.parametrize("case", ["NET-INT8", "net-int8"])
def test_patterns_heed_capitals_on_every_system(tmp_path: Path, case: str) -> None:
    gates = gates_of(tmp_path, '[gates."Net-*"]\nmax_size_mb = 1\n')
    assert thresholds(gates.for_package(case)) == {}


SHARE, DROP = "from 0 to 1", r"from 0 to 100 \(percentage points\)"
MEGABYTES, MILLISECONDS = r"above 0 \(megabytes\)", r"above 0 \(milliseconds\)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "hold no gate"),
        ("[gates]\n", "hold no gate"),
        ("gates = 3\n", "hold no gate"),
        ("[[gates]]\nmax_size_mb = 1\n", "hold no gate"),
        ("[gate]\nmin_agreement = 1\n", "unknown key or table 'gate'"),
        ("[gates]\nmax_size_mb = 1\n[more]\n", "unknown key or table 'more'"),
        ("[gates]\nmin_agreements = 1\n", "unknown key 'min_agreements'"),
        ("[gates]\nmin_agreement = 1.01\n", f"'min_agreement' must be {SHARE}, got 1.01"),
        ("[gates]\nmin_agreement = -0.01\n", f"'min_agreement' must be {SHARE}, got -0.01"),
        ("[gates]\nmin_agreement = 99\n", f"'min_agreement' must be {SHARE}, got 99"),
        ("[gates]\nmin_agreement = '99 %'\n", f"'min_agreement' must be a number {SHARE}, got '99 %'"),
        ("[gates]\nmin_agreement = true\n", f"'min_agreement' must be a number {SHARE}, got True"),
        ("[gates]\nmin_agreement = [1]\n", rf"'min_agreement' must be a number {SHARE}, got \[1\]"),
        ("[gates]\nmin_agreement = 2026-01-01\n", f"'min_agreement' must be a number {SHARE}, got datetime.date"),
        ("[gates]\nmin_agreement = nan\n", f"'min_agreement' must be {SHARE}, got nan"),
        ("[gates.min_agreement]\nvalue = 1\n", f"'min_agreement' must be a number {SHARE}, got a table"),
        ("[gates]\nmax_accuracy_drop_pp = -1\n", f"'max_accuracy_drop_pp' must be {DROP}, got -1"),
        ("[gates]\nmax_accuracy_drop_pp = 100.5\n", f"'max_accuracy_drop_pp' must be {DROP}, got 100.5"),
        ("[gates]\nmax_accuracy_drop_pp = '1pp'\n", f"'max_accuracy_drop_pp' must be a number {DROP}, got '1pp'"),
        ("[gates]\nmax_latency_ratio = 0\n", "'max_latency_ratio' must be above 0, got 0"),
        ("[gates]\nmax_latency_ratio = inf\n", "'max_latency_ratio' must be above 0, got inf"),
        ("[gates]\nmax_latency_ratio = false\n", "'max_latency_ratio' must be a number above 0, got False"),
        ("[gates]\nmax_size_mb = -2.5\n", f"'max_size_mb' must be {MEGABYTES}, got -2.5"),
        ("[gates]\nmax_size_mb = '15 MB'\n", f"'max_size_mb' must be a number {MEGABYTES}, got '15 MB'"),
        (f"[gates]\nmax_size_mb = 1{'0' * 400}\n", f"must be {MEGABYTES}, got 10000"),
        (f"[gates]\nmax_size_mb = 1{'0' * 5000}\n", "are not valid TOML: Exceeds the limit"),
        (f"[gates]\nmax_size_mb = {'[' * 100_000}\n", "are not valid TOML"),
        ("[gates]\nmin_resident = 1.5\n", f"'min_resident' must be {SHARE}, got 1.5"),
        ("[gates]\nmin_resident = ''\n", f"'min_resident' must be a number {SHARE}, got ''"),
        ("[gates]\nmax_load_ms = 0\n", f"'max_load_ms' must be {MILLISECONDS}, got 0"),
        ("[gates]\nmax_load_ms = 00:00:01\n", f"'max_load_ms' must be a number {MILLISECONDS}, got datetime.time"),
        ("[gates]\nmax_size_mb = 1\nmax_size_mb = 2\n", "are not valid TOML"),
        ("[gates\n", "are not valid TOML"),
        ("[gates.'*']\n", r"exception '\*' holds no gate"),
        ("[gates.'*-int8']\nmax_size = 1\n", r"exception '\*-int8': unknown key 'max_size'"),
        ("[gates.'*-int8']\nmax_size_mb = 0\n", rf"exception '\*-int8': 'max_size_mb' must be {MEGABYTES}, got 0"),
        ("[gates.'*'.'*']\nmax_size_mb = 1\n", r"exception '\*': unknown key '\*'"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        gates_of(tmp_path, text)
    assert caught.value.exit_code == 2
    assert "gates '" in caught.value.message


@pytest.mark.parametrize(
    "text",
    ["", "tool = 3\n", "[tool]\nkewcore = 1\n", "[tool.kewcore]\n", "[tool.kewcore.gates]\n", "[gates]\nx = 1\n"],
)
def test_a_pyproject_without_gates_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="hold no gate") as caught:
        gates_of(tmp_path, text, "pyproject.toml")
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("write a table [tool.kewcore.gates] with any of min_agreement, ")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read gates '.*none.toml': No such file") as caught:
        load_gates(tmp_path / "none.toml")
    assert caught.value.hint is not None
    assert "a bare --gate takes [tool.kewcore.gates] of ./pyproject.toml" in caught.value.hint
    with pytest.raises(UsageError, match=r"cannot read gates '.*': Is a directory"):
        load_gates(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"[gates]\n# \xe9\nmax_size_mb = 1\n")
    with pytest.raises(UsageError, match="are not valid TOML: 'utf-8' codec"):
        load_gates(tmp_path / "latin.toml")
