"""Manifest, paths, weights file and what is said when they are wrong."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from mlbuilder import Blob, Op, build, model_message, weights_file, write_package

from kewcore.errors import PackageError, UnsupportedError
from kewcore.runtime import load
from kewcore.runtime.program import DataType, TensorType
from kewcore.runtime.spec.package import read_package
from kewcore.runtime.spec.weights import BlobStorage, WeightsFile

pytestmark = pytest.mark.unit
RELU = Op("relu", {"x": "x"}, {"y": ("fp32", (2,))})


def relu_package(folder: Path) -> Path:
    return build(folder / "relu.mlpackage", [RELU], {"x": ("fp32", (2,))}, ["y"])


def with_path(package: Path, path: str) -> Path:
    manifest = json.loads((package / "Manifest.json").read_text())
    manifest["itemInfoEntries"]["a"]["path"] = path
    (package / "Manifest.json").write_text(json.dumps(manifest))
    return package


def test_a_package_is_read(tmp_path: Path) -> None:
    package = read_package(relu_package(tmp_path))
    (operation,) = package.program.functions["main"].body.operations
    assert (operation.type, operation.name, dict(operation.inputs)) == ("relu", "relu_y", {"x": ("x",)})
    assert operation.outputs[0].type == TensorType(DataType.FLOAT32, (2,))
    assert package.size_bytes == sum(f.stat().st_size for f in package.path.rglob("*") if f.is_file())


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../../outside", "com.apple.CoreML/../../../x", "a\0b", "a\\..\\b", "C:secret", "", "a\nb"],
)
def test_a_path_that_leaves_the_package(tmp_path: Path, path: str) -> None:
    with pytest.raises(PackageError, match="which does not stay inside the package"):
        load(with_path(relu_package(tmp_path), path))


def test_a_path_through_a_symbolic_link(tmp_path: Path) -> None:
    package = relu_package(tmp_path)
    model = package / "Data" / "com.apple.CoreML" / "model.mlmodel"
    model.rename(tmp_path / "elsewhere")
    model.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PackageError, match="which passes through a symbolic link"):
        load(package)


def test_a_path_to_nothing(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=re.escape("'no/such', but there is no such file in the package")):
        load(with_path(relu_package(tmp_path), "no/such"))


def test_no_package(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"no package at .*: expected a folder with a Manifest.json"):
        load(tmp_path / "missing.mlpackage")
    with pytest.raises(PackageError, match=r"Manifest\.json' is missing"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ("[]", "must hold a JSON object, got list"),
        ("{}", "lacks 'itemInfoEntries' or 'rootModelIdentifier'"),
        ('{"itemInfoEntries": {}, "rootModelIdentifier": "a"}', "names root model 'a', but has no item with a path"),
    ],
)
def test_a_broken_manifest(tmp_path: Path, text: str, message: str) -> None:
    package = relu_package(tmp_path)
    (package / "Manifest.json").write_text(text)
    with pytest.raises(PackageError, match=message):
        load(package)


def test_a_huge_manifest(tmp_path: Path) -> None:
    package = relu_package(tmp_path)
    (package / "Manifest.json").write_text(" " * (2 << 20))
    with pytest.raises(PackageError, match="has 2097152 bytes, more than the limit of 1048576"):
        load(package)


def test_another_kind_of_model_is_named(tmp_path: Path) -> None:
    # Field 500 of Model is neuralNetwork: tag (500 << 3 | 2), length 0.
    with pytest.raises(UnsupportedError, match="holds a model of kind 'neuralNetwork'; kewcore runs ML Programs"):
        load(write_package(tmp_path / "n.mlpackage", b"\x08\x04\xa2\x1f\x00"))
    with pytest.raises(UnsupportedError, match="of kind 'nothing'"):
        load(write_package(tmp_path / "e.mlpackage", b""))


def test_a_specification_that_is_no_protobuf(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="is not a Core ML specification"):
        load(write_package(tmp_path / "x.mlpackage", b"\xff" * 50))


def test_an_opset_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="opset 'CoreML99' is not known; known: CoreML5, CoreML6"):
        load(build(tmp_path / "x.mlpackage", [RELU], {"x": ("fp32", (2,))}, ["y"], opset="CoreML99"))


def test_elements_of_a_weights_file(tmp_path: Path) -> None:
    whole = np.arange(6, dtype=np.float16)
    file = tmp_path / "w.bin"
    file.write_bytes(weights_file([("fp16", whole.tobytes()), ("int4", bytes([0x8F, 0x71]))]))
    weights = WeightsFile(file)
    assert np.array_equal(BlobStorage(weights, 64).read(TensorType(DataType.FLOAT16, (2, 3))), whole.reshape(2, 3))
    # 0xF is -1, 0x8 is -8, 0x1 is 1, 0x7 is 7, the low half of a byte first.
    assert BlobStorage(weights, 192).read(TensorType(DataType.INT4, (4,))).tolist() == [-1, -8, 1, 7]


@pytest.mark.parametrize(
    ("type_", "offset", "message"),
    [
        (TensorType(DataType.FLOAT16, (4,)), 64, "takes 8 bytes, the blob at offset 64 has 4"),
        (TensorType(DataType.FLOAT32, (1,)), 64, "the program says fp32, the blob at offset 64 holds fp16"),
        (TensorType(DataType.FLOAT16, (2,)), 65, "metadata must start at a multiple of 64 from 64 to 128"),
        (TensorType(DataType.FLOAT16, (2,)), 0, "metadata must start at a multiple of 64 from 64 to 128"),
        (TensorType(DataType.FLOAT16, (2,)), 2**63, "metadata must start at a multiple of 64 from 64 to 128"),
        (TensorType(DataType.FLOAT16, (2,)), 128, r"no blob starts here \(0x00000000 instead of 0xdeadbeef\)"),
        (TensorType(DataType.FLOAT16, (None,)), 64, "a constant must have a static shape"),
        (TensorType(DataType.FLOAT16, (2**62,)), 64, "takes 9223372036854775808 bytes, the blob"),
    ],
)
def test_a_blob_that_is_not_what_the_program_says(tmp_path: Path, type_: TensorType, offset: int, message: str) -> None:
    file = tmp_path / "w.bin"
    file.write_bytes(weights_file([("fp16", bytes(4))]))
    storage = BlobStorage(WeightsFile(file), offset)
    assert re.search(message, storage.problem(type_) or "")
    with pytest.raises(PackageError, match=message):
        storage.read(type_)


def test_a_weights_file_that_lies_about_sizes(tmp_path: Path) -> None:
    content = bytearray(weights_file([("fp16", bytes(4))]))
    content[72:80] = (2**60).to_bytes(8, "little")
    file = tmp_path / "w.bin"
    file.write_bytes(content)
    problem = BlobStorage(WeightsFile(file), 64).problem(TensorType(DataType.FLOAT16, (2**59,)))
    assert problem is not None
    assert "do not lie inside the file's 192" in problem


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "has 0 bytes, too few for its header"), (weights_file([], version=1), "has version 1, expected 2")],
)
def test_a_weights_file_without_a_header(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "w.bin"
    file.write_bytes(content)
    with pytest.raises(PackageError, match=message):
        WeightsFile(file).blob(64)


@pytest.mark.parametrize("name", ["@model_path/../../../etc/passwd", "/etc/passwd", "weights/weight.bin"])
def test_a_blob_reference_that_leaves_the_package(tmp_path: Path, name: str) -> None:
    constant = Op("const", {}, {"w": ("fp16", (2,))}, {"val": Blob(64, "fp16", (2,), name)})
    model = model_message([constant, RELU], {"x": ("fp32", (2,))}, ["y"])
    with pytest.raises(PackageError, match=r"does not stay inside the package|must start with '@model_path/'"):
        load(write_package(tmp_path / "x.mlpackage", model))
