"""The cost estimate as a person sees it: in no output is a latency without the word estimated."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "runtime"))
from mlbuilder import Const, Op, build

pytestmark = pytest.mark.cli
KEWCORE = Path(sys.executable).with_name("kewcore")
SIDE, CHANNELS = 256, 32


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolution with a result of 4 MiB, its activation, and an operation that no engine runs."""
    wide = ("fp16", (1, CHANNELS, SIDE, SIDE))
    weights = Const(np.zeros((CHANNELS, 1, 1, 1), np.float16))
    ops = [
        Op("conv", {"x": "x", "weight": weights, "pad_type": "'valid'"}, {"a": wide}),
        Op("relu", {"x": "a"}, {"b": wide}),
        Op("mod", {"x": "b", "y": Const(np.float16(2))}, {"y": wide}),
    ]
    path = tmp_path_factory.mktemp("cost") / "wide.mlpackage"
    return build(path, ops, {"x": ("fp16", (1, 1, SIDE, SIDE))}, ["y"])


def inspect(package: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([KEWCORE, "inspect", package, *arguments], capture_output=True, text=True, timeout=120)


# 128 KiB come in and 4 MiB go out at 24 GB/s; 0.23 ms to start on the M1.
CONV_MS = (2 * SIDE * SIDE + 2 * CHANNELS * SIDE * SIDE) / 24e9 * 1e3


def test_tables(package: Path) -> None:
    done = inspect(package, "--ane", "--cost", "--chip", "M1", "--chip", "A16", "--images", "0")
    assert done.returncode == 0, done.stderr
    tables = {text.splitlines()[0]: text for text in re.split(r"\n\n(?=\S)", done.stdout)}
    totals = tables["Estimated latency, and what it is spent on in ms"]
    m1 = next(line.split() for line in totals.splitlines() if line.strip().startswith("M1"))
    assert m1 == ["M1", f"{0.23 + CONV_MS:.2f}", "+", "?", "0.23", "0.00", f"{CONV_MS:.2f}", "0.00"]
    costs = tables["Estimated cost on M1"]
    conv, relu, mod = (line.split() for line in costs.splitlines() if re.match(r" +\d", line))
    share = int(CONV_MS / (0.23 + CONV_MS) * 1000) / 10
    assert conv[3:] == [f"{CONV_MS:.3f}", f"{share:.1f}", "%", "activations", "4.3", "MB", "64", "B"]
    assert relu[3:] == ["with", "1"]
    assert mod[3:] == ["elsewhere"]
    assert "the operations' costs are those on M1; --chip chooses another" in done.stderr
    said = " ".join(done.stdout.split())
    assert "M1: estimated; on 10 measured layers" in said
    assert "A16: estimated; on 18 published networks" in said
    assert "have no estimate; what is estimated is the part on the engine." in said


def test_no_latency_without_the_word(package: Path) -> None:
    """Milliseconds stand below a title that says `Estimated`, or are the measured floor of a dispatch."""
    done = inspect(package, "--ane", "--cost", "--images", "0")
    assert done.returncode == 0, done.stderr
    for block in re.split(r"\n\n(?=\S)", done.stdout):
        if re.search(r"\bms\b", block):
            words = " ".join(block.split())
            reported = "dispatch to the engine costs about 0.23 ms on M1 (reported; ane-guide, ch. 9)" in words
            assert block.startswith("Estimated") or reported, block
    assert not re.search(r"\bms\b", done.stderr)


def test_json_says_estimated_in_every_key(package: Path) -> None:
    done = inspect(package, "--ane", "--chip", "A14", "--images", "0", "--json", "-q")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["estimates"]
    constants = found.pop("constants")
    keys = set(_keys(found))
    assert {key for key in keys if key.endswith("_ms")} == {
        "estimated_ms", "estimated_compute_ms", "estimated_activation_ms", "estimated_weight_ms",
        "estimated_dispatch_ms", "estimated_work_ms",
    }  # fmt: skip
    assert not {key for key in keys if re.search("latency|time|seconds|cost", key)}
    assert found["accuracy"]["text"].startswith("estimated; on ")
    assert (found["is_complete"], found["segments_elsewhere"], found["bound"]) == (False, 1, "dispatch")
    assert found["estimated_ms"] == pytest.approx(0.23 + CONV_MS)
    assert found["estimated_ms_by_bound"]["activation bandwidth"] == pytest.approx(CONV_MS)
    conv, relu, mod = found["operations"]
    assert (conv["bound"], conv["part_of"], conv["weight_bytes"]) == ("activation bandwidth", None, 64)
    assert conv["estimated_share"] == pytest.approx(CONV_MS / (0.23 + CONV_MS))
    assert (relu["estimated_ms"], relu["part_of"]) == (0, 1)
    assert (mod["estimated_ms"], mod["estimated_share"], mod["bound"]) == (None, None, None)
    # What it rests on: each constant with mark and source.
    assert constants["peak_tops"]["mark"] == "certain"
    assert {row["mark"] for row in constants.values() if row} <= {"certain", "reported", "rumour"}
    assert all(row["source"] for row in constants.values() if row)


def test_it_needs_ane(package: Path) -> None:
    done = inspect(package, "--cost")
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "error: --cost needs --ane")


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


def test_nothing_on_the_engine_has_no_estimate(tmp_path: Path) -> None:
    op = Op("mod", {"x": "x", "y": Const(np.float16(2))}, {"y": ("fp16", (32,))})
    package = build(tmp_path / "off.mlpackage", [op], {"x": ("fp16", (32,))}, ["y"])
    done = inspect(package, "--ane", "--cost", "--chip", "A14", "--images", "0")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["A14", "?", "0.00", "0.00", "0.00", "0.00"] in rows
    asjson = inspect(package, "--ane", "--chip", "A14", "--images", "0", "--json", "-q")
    (found,) = json.loads(asjson.stdout)["estimates"]
    assert (found["estimated_ms"], found["is_complete"], found["segments"]) == (None, False, [])
