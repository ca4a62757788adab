"""`kewcore bench --gate` as a person and a CI server run it."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from kewcore_command import kewcore_here

from kewcore.cli.bare_gate import with_bare_gate

pytestmark = pytest.mark.cli
KEWCORE = Path(sys.executable).with_name("kewcore")
HELD = """
[tool.kewcore.gates]
min_agreement = 0.99
max_size_mb = 0.02
min_resident = 0.0
[tool.kewcore.gates."*-palette-1"]
min_agreement = 0.0
max_load_ms = 60_000
"""


def bench(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [KEWCORE, "bench", "--no-latency", "--no-html", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("given", "filled"),
    [
        ("--gate", "--gate pyproject.toml"),
        ("--gate --json", "--gate pyproject.toml --json"),
        ("--gate gates.toml --json", "--gate gates.toml --json"),
        ("--gate none.toml", "--gate none.toml"),
        ("--gate packages/A.mlpackage", "--gate pyproject.toml packages/A.mlpackage"),
        ("A.mlpackage --gate g.toml B.mlpackage", "A.mlpackage --gate g.toml B.mlpackage"),
        ("--gate=gates.toml", "--gate=gates.toml"),
        ("--json", "--json"),
    ],
)
@pytest.mark.unit
def test_a_bare_gate_means_pyproject(given: str, filled: str) -> None:
    assert with_bare_gate(given.split()) == filled.split()


@pytest.mark.unit
def test_a_folder_behind_gate_is_no_file(tmp_path: Path) -> None:
    assert with_bare_gate(["--gate", str(tmp_path)]) == ["--gate", "pyproject.toml", str(tmp_path)]


@pytest.mark.parity
def test_gates_of_pyproject_hold(folder: Path) -> None:
    (folder / "pyproject.toml").write_text(HELD)
    done = bench(folder, "--gate", "--out", "held")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines() if line.strip().startswith("tiny-original-")]
    assert [line[:3] for line in lines] == [
        ["tiny-original-fp16", "min_agreement", "0.99"],
        ["tiny-original-fp16", "max_size_mb", "0.02"],
        ["tiny-original-fp16", "min_resident", "0"],
        ["tiny-original-palette-1", "min_agreement", "0"],
        ["tiny-original-palette-1", "max_size_mb", "0.02"],
        ["tiny-original-palette-1", "min_resident", "0"],
        ["tiny-original-palette-1", "max_load_ms", "60000"],
    ]
    assert all(line[-1].startswith("uncertain") or line[-1] == "held" for line in lines)
    found = json.loads((folder / "held" / "gates.json").read_text())
    assert (found["held"], found["gate_file"], found["images"]) == (True, "pyproject.toml", 30)
    (load,) = [one for one in found["verdicts"] if one["gate"] == "max_load_ms"]
    assert 0 < load["interval"]["low"] <= load["value"] <= load["interval"]["high"]
    fp16, palette = json.loads((folder / "held" / "bench.json").read_text())["variants"][0]["packages"]
    assert fp16["load_time"] is None, "loads take time: only those that a gate asks for are measured"
    assert len(palette["load_time"]["loads_ms"]) == 7
    assert fp16["resident"][0]["chip"] == "A14"


@pytest.mark.parity
def test_a_missed_gate_ends_with_1_and_says_which(folder: Path) -> None:
    (folder / "gates.toml").write_text("[gates]\nmin_agreement = 0.99\nmax_size_mb = 0.01\n")
    done = bench(folder, "--gate", "gates.toml", "--json", "--out", "ci", "-q")
    assert done.returncode == 1
    missed = [("tiny-original-fp16", "max_size_mb"), ("tiny-original-palette-1", "min_agreement")]
    for verdicts in (
        json.loads(done.stdout)["gates"],
        json.loads((folder / "ci" / "bench.json").read_text())["gates"],
        json.loads((folder / "ci" / "gates.json").read_text())["verdicts"],
    ):
        assert [(one["package"], one["gate"]) for one in verdicts if not one["held"]] == missed
    (message,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "tiny-original-fp16: gate max_size_mb = 0.01 missed, measured 0.011" in message
    assert "gate min_agreement = 0.99 missed" in message
    assert "95 % interval" in message
    junit = ElementTree.parse(folder / "ci" / "gates-junit.xml").getroot()
    failed = [case.attrib for case in junit.iter("testcase") if case.find("failure") is not None]
    assert [(one["classname"].rpartition(".")[2], one["name"]) for one in failed] == missed
    assert "2 of 4 gates missed" in (folder / "ci" / "gates.md").read_text()
    assert sorted(path.name for path in (folder / "ci").iterdir()) == [
        "bench.json",
        "bench.md",
        "gates-junit.xml",
        "gates.json",
        "gates.md",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[gates]\nmax_latency = 1\n", "gates 'bad.toml': unknown key 'max_latency'"),
        ("[gates]\nmin_resident = 2\n", "gates 'bad.toml': 'min_resident' must be from 0 to 1, got 2"),
        ("[gates]\nmax_latency_ratio = 1\n", "gate 'max_latency_ratio' needs the latency"),
        ("[gates.'*-int8']\nmax_size_mb = 1\n", "gates 'bad.toml': exception '*-int8' fits no package"),
    ],
)
@pytest.mark.parity
def test_senseless_gates_end_with_2_before_anything_is_written(folder: Path, text: str, message: str) -> None:
    (folder / "bad.toml").write_text(text)
    done = kewcore_here(folder, "bench", "--no-latency", "--gate", "bad.toml", "--out", "nothing")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"error: {message}" in done.stderr
    assert not (folder / "nothing").exists()


def test_a_bare_gate_without_pyproject_says_what_it_looked_for(tmp_path: Path) -> None:
    done = kewcore_here(tmp_path, "bench", "--gate")
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: cannot read gates 'pyproject.toml': No such file or directory" in done.stderr
    assert "a bare --gate takes [tool.kewcore.gates] of ./pyproject.toml" in done.stderr
