"""`kewcore inspect --ane` as a person runs it, and its tables at the widths of real terminals."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "runtime"))
from mlbuilder import SPACES, Const, Op, model_message, write_package

from kewcore.cli.inspect_ane import AneOptions, check_fit, inspect_ane
from kewcore.errors import CheckFailedError, UnsupportedError, UsageError
from kewcore.runtime import loading
from kewcore.runtime.package import Package
from kewcore.runtime.spec.package import read_package

pytestmark = pytest.mark.cli
KEWCORE = Path(sys.executable).with_name("kewcore")
SIDE = 129
LONG = SIDE * SIDE  # 16,641: over the axis limit before the A16
NAME = "a_rather_long_name_of_an_operation_as_converters_write_them"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Greyscale 129x129, flattened into a product of two columns; golden images lie beside it."""
    weights = np.zeros((2, LONG), np.float16)
    weights[:, ::100] = 1
    ops = [
        Op("cast", {"x": "x", "dtype": "'fp16'"}, {"a": ("fp16", (1, 1, SIDE, SIDE))}),
        Op("mul", {"x": "a", "y": Const(np.float16(4))}, {"b": ("fp16", (1, 1, SIDE, SIDE))}),
        Op("reshape", {"x": "b", "shape": np.array([1, LONG], np.int32)}, {NAME: ("fp16", (1, LONG))}),
        Op("linear", {"x": NAME, "weight": Const(weights)}, {"c": ("fp16", (1, 2))}),
        Op("relu", {"x": "c"}, {"d": ("fp16", (1, 2))}),
        Op("cast", {"x": "d", "dtype": "'fp32'"}, {"y": ("fp32", (1, 2))}),
    ]
    message = model_message(ops, {"x": ("fp32", (1, 1, SIDE, SIDE))}, ["y"])
    image = message.description.input[0].type.imageType
    image.height = image.width = SIDE
    image.colorSpace = SPACES["GRAYSCALE"]
    path = write_package(tmp_path_factory.mktemp("ane") / "long.mlpackage", message)
    golden = path.with_suffix(".golden")
    golden.mkdir()
    for number in range(2):
        Image.new("L", (SIDE, SIDE), 255).save(golden / f"golden-{number}.png")
    return path


def inspect(package: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([KEWCORE, "inspect", package, *arguments], capture_output=True, text=True, timeout=120)


def options(**given: Any) -> AneOptions:
    plain: dict[str, Any] = {
        "chips": (), "min_chip": None, "require_resident": None, "data": None, "images": 4, "plan": None,
    }  # fmt: skip
    return AneOptions(**plain | given)


def test_the_gate_passes_and_fails(package: Path) -> None:
    passed = inspect(package, "--ane", "--min-chip", "A16", "--require-resident", "1.0", "--images", "0", "--json")
    assert passed.returncode == 0, passed.stderr
    found = json.loads(passed.stdout)
    assert (found["schema_version"], found["kind"], found["activations"], found["compute_plan"]) == (
        1, "residency", None, None,
    )  # fmt: skip
    assert [one["chip"] for one in found["chips"]] == ["A16", "A17 Pro", "M4", "A18", "M5"]
    failed = inspect(package, "--ane", "--chip", "m1", "--chip", "M5", "--require-resident", "0.5", "--images", "0")
    assert failed.returncode == 1
    assert "off 12" in failed.stdout  # the report is printed all the same
    assert failed.stderr.splitlines() == [
        "error: less than 50.0 % of the multiply-adds can run on the Neural Engine of M1",
        "  M1: 0.0 %",
        "hint: the report lists what stays off it; kewcore export --target ane rewrites what it can",
    ]


def test_json_has_every_judgement_with_its_source(package: Path) -> None:
    done = inspect(package, "--ane", "--chip", "A13", "--json", "-q")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [op["type"] for op in found["operations"]] == ["cast", "mul", "reshape", "linear", "relu", "cast"]
    assert found["multiply_adds"] == 2 * LONG
    (chip,) = found["chips"]
    assert [one["verdict"] for one in chip["judgements"]] == ["outside", "on", "off", "off", "on", "outside"]
    linear = chip["judgements"][3]
    assert (linear["rule"], linear["mark"], linear["source"]) == (12, "reported", "ane-guide, ch. 4")
    assert linear["reason"] == "contraction axis of 16,641, at most 16,384"
    assert linear["url"].startswith("https://")
    assert [(s["on_engine"], s["operations"], s["received_bytes"]) for s in chip["segments"]] == [
        (True, [2], 0),
        (False, [3, 4], 2 * LONG),
        (True, [5], 4),
    ]
    activations = found["activations"]
    assert [Path(name).name for name in activations["inputs"]] == ["golden-0.png", "golden-1.png"]
    by_name = {row["name"]: row for row in activations["values"]}
    assert by_name["b"]["largest"] == 1020
    assert by_name["c"]["overflow"] == by_name["c"]["saturated"] == 1  # 167 times 1020
    assert by_name["c"]["largest"] == 167 * 1020


def test_a_package_that_is_named_needs_no_room_but_runtime_and_ane(package: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "kewcore", "inspect", package, "--ane", "--images", "0", "-q"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "kewcore.ane.residency" in imported
    others = ("kewcore_", "tensorflow", "keras", "coremltools", "onnx")
    assert not [name for name in imported if name.startswith(others)]


def test_mistakes_are_named(package: Path, tmp_path: Path) -> None:
    alone = inspect(package, "--min-chip", "A14")
    assert (alone.returncode, alone.stderr.splitlines()[0]) == (2, "error: --min-chip needs --ane")
    nothing = AneOptions((), None, None, None, None, None)
    check_fit(nothing, ane=False, plain={"--ops": True})
    with pytest.raises(UsageError, match="--images needs --ane"):
        check_fit(replace(nothing, images=0), ane=False, plain={})
    with pytest.raises(UsageError, match="--ops does not go with --ane"):
        check_fit(nothing, ane=True, plain={"--ops": True})
    for given, message in (
        ({"chips": ("A14",), "min_chip": "A13"}, "--chip and --min-chip exclude each other"),
        ({"chips": ("A11",)}, "there is no chip 'A11' in the table"),
        ({"require_resident": 1.5}, "--require-resident must be a share in 0…1, got 1.5"),
        ({"require_resident": float("nan")}, "--require-resident must be a share in 0…1, got nan"),
    ):
        with pytest.raises(UsageError, match=re.escape(message)):
            inspect_ane(package, None, options(**given), as_json=True)


def on_a_terminal(capsys: pytest.CaptureFixture[str], columns: int, package: Path, given: AneOptions) -> list[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(columns))
        patch.setattr(sys.stdout, "isatty", lambda: True)
        inspect_ane(package, None, given, as_json=False)
    return re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_tables_fit_the_terminal(capsys: pytest.CaptureFixture[str], package: Path, columns: int) -> None:
    lines = on_a_terminal(capsys, columns, package, options())
    titles = {line for line in lines if line.startswith(str(package.parent)) or str(package.parent) in line}
    assert max(len(line) for line in lines if line not in titles) <= columns
    (linear,) = [line for line in lines if re.match(r" +4 +linear ", line)]
    assert linear.split()[-3:] == ["off", "12", "on"]
    assert "33.3 k" in linear
    assert "    4: contraction axis of 16,641, at most 16,384 (A13 … M3)" in lines
    if columns == 200:
        assert any(NAME in line for line in lines)
    (overflow,) = [line for line in lines if re.match(r" +4 +c +fp16 ", line)]
    assert "100.00 %" in overflow


def test_a_plan_stands_beside_the_verdicts(capsys: pytest.CaptureFixture[str], package: Path, tmp_path: Path) -> None:
    both = ["cpu", "neural_engine"]
    plan = {
        "schema_version": 1,
        "kind": "compute_plan",
        "device": "MacBook\x1b[2J Air",
        "chip": "M1",
        "operations": [
            {"name": "c", "type": "ios15.linear", "preferred": "neural_engine", "supported": both, "cost_weight": 0.9},
            {"name": "d", "type": "relu", "preferred": "cpu", "supported": both, "cost_weight": 0.1},
        ],
    }
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan))
    lines = on_a_terminal(capsys, 120, package, options(chips=("M5",), images=0, plan=path))
    assert "Core ML's compute plan on MacBook\\x1b[2J Air" in lines
    (linear,) = [line for line in lines if "linear_c" in line and "neural_engine" in line]
    assert linear.split() == ["!=", "linear_c", "off", "neural_engine", "cpu,", "neural_engine", "0.900"]
    assert "Differences (!=): 1. Could run on the engine, and Core ML prefers another unit: 1." in lines
    assert any("rules, M1" in line for line in lines)


def test_without_images_the_report_says_so(capsys: pytest.CaptureFixture[str], package: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.mlpackage"
    ops = [Op("relu", {"x": "x"}, {"y": ("fp16", (1, 32))})]
    write_package(bare, model_message(ops, {"x": ("fp16", (1, 32))}, ["y"]))
    inspect_ane(bare, None, options(require_resident=1.0), as_json=False)
    said = capsys.readouterr()
    note = "the range of activations is not checked: no golden images lie beside the package; give --data DIR"
    assert note in said.err
    assert "Activations" not in said.out
    with pytest.raises(UnsupportedError, match="does not take one image"):
        inspect_ane(bare, None, options(data=package.with_suffix(".golden")), as_json=False)


def test_the_package_is_read_once(
    capsys: pytest.CaptureFixture[str], package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def counted(path: Path) -> Package:
        read.append(path)
        return read_package(path)

    monkeypatch.setattr(loading, "read_package", counted)
    inspect_ane(package, None, options(), as_json=True)
    assert json.loads(capsys.readouterr().out)["activations"]["values"]
    assert read == [package]


def test_a_share_is_cut_off_not_rounded(capsys: pytest.CaptureFixture[str], package: Path) -> None:
    with pytest.raises(CheckFailedError, match=r"less than 100\.0 % of the multiply-adds"):
        inspect_ane(package, None, options(require_resident=1.0, images=0), as_json=True)
    capsys.readouterr()
