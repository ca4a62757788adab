"""`kewcore inspect`: what it prints, as a table and as JSON."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mlbuilder import Blob, Const, Op, model_message, weights_file, write_package

from kewcore.runtime import load
from kewcore.runtime.inspection import op_counts, weight_reports
from kewcore.runtime.spec.messages import model_class

pytestmark = pytest.mark.cli


def package(path: Path) -> Path:
    """A dense weight, an int4 one in blocks, a vector palette, and an operation without lowering."""
    weights = weights_file([("fp16", bytes(2 * 16)), ("int4", bytes(32))])
    blocks = {"data": Blob(192, "int4", (4, 16)), "scale": np.ones((4, 2), np.float16)}
    palette = {
        "indices": Const(bytes(2), "uint2", (4, 2)),
        "lut": np.ones((2, 1, 4, 2), np.float16),
        "vector_axis": 1,
    }
    ops = [
        Op("const", {}, {"d": ("fp16", (4, 4))}, {"val": Blob(64, "fp16", (4, 4))}),
        Op("constexpr_blockwise_shift_scale", blocks, {"b": ("fp16", (4, 16))}),
        Op("constexpr_lut_to_dense", palette, {"p": ("fp16", (4, 4))}),
        Op("cast", {"x": "x", "dtype": "'fp16'"}, {"h": ("fp16", (4, 4))}),
        Op("matmul", {"x": "h", "y": "d"}, {"m": ("fp16", (4, 4))}),
        Op("matmul", {"x": "m", "y": "p"}, {"q": ("fp16", (4, 4))}),
        Op("matmul", {"x": "q", "y": "b"}, {"r": ("fp16", (4, 16))}),
        Op("cast", {"x": "r", "dtype": "'int32'"}, {"i": ("int32", (4, 16))}),
        Op("mod", {"x": "i", "y": 2}, {"z": ("int32", (4, 16))}),
        Op("cast", {"x": "z", "dtype": "'fp32'"}, {"y": ("fp32", (4, 16))}),
    ]
    model = model_message(ops, {"x": ("fp32", (4, 4))}, ["y"])
    model.description.metadata.author = "A. Botanist"
    model.description.metadata.userDefined["com.example.note"] = "pressed"
    return write_package(path, model, weights)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kewcore", "inspect", *arguments], capture_output=True, text=True, check=False
    )


def test_weights_as_they_are_stored(tmp_path: Path) -> None:
    reports = weight_reports(load(package(tmp_path / "p.mlpackage")).function)
    assert [(r.name, r.shape, r.form) for r in reports] == [
        ("d", (4, 4), "fp16"),
        ("b", (4, 16), "int4 linear, per block [1, 8]"),
        ("p", (4, 4), "palette-2, 2 palettes, vectors of 2"),
    ]
    # 16 fp16; 64 int4 and 8 fp16 scales; 8 indices of 2 bits and 16 fp16 palette elements.
    assert [r.stored_bytes for r in reports] == [32, 32 + 16, 2 + 32]
    assert [r.float32_bytes for r in reports] == [64, 256, 64]
    assert [r.bits_per_weight for r in reports] == [16, 6, 17]
    assert reports[0].ratio == 2


def test_operations_by_executor(tmp_path: Path) -> None:
    counts = {row.type: row for row in op_counts(load(package(tmp_path / "p.mlpackage"), "onnx"))}
    assert (counts["matmul"].count, counts["matmul"].onnx) == (3, 3)
    assert (counts["mod"].onnx, counts["mod"].reference) == (0, 1)
    assert counts["mod"].reasons == ("'x' is int32",)


def test_json(tmp_path: Path) -> None:
    done = run(str(package(tmp_path / "p.mlpackage")), "--json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert (shown["schema_version"], shown["kind"], shown["opset"]) == (1, "inspection", "iOS18")
    assert shown["inputs"][0] | {"description": ""} == {
        "name": "x",
        "kind": "multiArray",
        "shape": [4, 4],
        "dtype": "fp32",
        "colour_space": None,
        "optional": False,
        "description": "",
    }
    assert shown["metadata"]["author"] == "A. Botanist"
    assert shown["metadata"]["user_defined"] == {"com.example.note": "pressed"}
    assert {row["type"]: row["count"] for row in shown["ops"]}["matmul"] == 3
    assert [row["stored_bytes"] for row in shown["weights"]] == [32, 48, 34]


def test_tables(tmp_path: Path) -> None:
    done = run(str(package(tmp_path / "p.mlpackage")), "--ops", "--weights")
    assert done.returncode == 0, done.stderr
    for text in ("A. Botanist", "iOS18", "matmul_r", "int4 linear, per block [1, 8]", "'x' is int32"):
        assert text in done.stdout


def test_no_package(tmp_path: Path) -> None:
    done = run(str(tmp_path / "none.mlpackage"))
    assert (done.returncode, done.stdout) == (6, "")
    assert "error: no package at" in done.stderr
    assert "hint: give the .mlpackage folder itself" in done.stderr


def test_the_newest_package_of_the_working_folder(tmp_path: Path) -> None:
    here = [sys.executable, "-m", "kewcore", "inspect"]
    done = subprocess.run(here, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 6
    assert "error: there is no package in 'packages'" in done.stderr
    package(tmp_path / "packages" / "one.mlpackage")
    done = subprocess.run(here, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "inspecting packages/one.mlpackage" in done.stderr


def test_functions(tmp_path: Path) -> None:
    four = ("fp32", (4,))
    model = model_message([Op("relu", {"x": "x"}, {"y": four})], {"x": four}, ["y"])
    second = model_message([Op("abs", {"x": "x"}, {"y": four})], {"x": four}, ["y"])
    model.mlProgram.functions["absolute"].CopyFrom(second.mlProgram.functions["main"])
    for name in ("main", "absolute"):
        described = model.description.functions.add(name=name)
        described.input.extend(model.description.input)
        described.output.extend(model.description.output)
    path = str(write_package(tmp_path / "p.mlpackage", model))
    shown = json.loads(run(path, "--function", "absolute", "--json").stdout)
    assert (shown["kind"], shown["parts"], shown["function"]) == ("inspection", [], "absolute")
    assert (shown["functions"], shown["ops"][0]["type"]) == (["absolute", "main"], "abs")
    assert "absolute, main (default)" in run(path).stdout
    done = run(path, "--function", "sine")
    assert done.returncode == 2
    assert "has no function 'sine'; functions: absolute, main" in done.stderr


def test_parts_of_a_pipeline(tmp_path: Path) -> None:
    part = model_message([Op("relu", {"x": "x"}, {"y": ("fp32", (4,))})], {"x": ("fp32", (4,))}, ["y"])
    model = model_class()(specificationVersion=9)
    model.pipeline.models.add().CopyFrom(part)
    model.description.CopyFrom(part.description)
    path = str(write_package(tmp_path / "p.mlpackage", model))
    shown = json.loads(run(path, "--json").stdout)
    assert (shown["model_kind"], shown["parts"]) == ("pipeline", [{"name": "model0", "kind": "mlProgram"}])
    assert "model0: mlProgram" in run(path).stdout
    assert "model0/relu_y" in run(path, "--ops").stdout


def test_states_and_no_weights(tmp_path: Path) -> None:
    two = ("fp16", (2,))
    ops = [Op("read_state", {"input": "total"}, {"before": two}), Op("add", {"x": "before", "y": "x"}, {"y": two})]
    model = model_message(ops, {"x": two, "total": ("state fp16", (2,))}, ["y"])
    path = str(write_package(tmp_path / "p.mlpackage", model))
    (state,) = json.loads(run(path, "--json").stdout)["states"]
    assert (state["name"], state["kind"], state["shape"], state["dtype"]) == ("total", "state", [2], "fp16")
    lines = [line.split() for line in run(path).stdout.splitlines()]
    assert ["state", "total:", "state", "fp16", "2"] in lines
    assert ["weights", "none"] in lines
