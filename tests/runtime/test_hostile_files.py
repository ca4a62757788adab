"""Files and folders made to harm whoever opens them: paths, links, devices, sizes, and files that change in use."""

import json
import os
import re
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Blob, Op, build, model_message, weights_file, write_package

from kewcore.errors import PackageError
from kewcore.runtime import load
from kewcore.runtime.spec import counting
from kewcore.runtime.spec.messages import model_class

pytestmark = pytest.mark.unit
RELU = Op("relu", {"x": "x"}, {"y": ("fp32", (2,))})
X = {"x": ("fp32", (2,))}
MODEL, WEIGHTS = "Data/com.apple.CoreML/model.mlmodel", "Data/com.apple.CoreML/weights/weight.bin"


def package_with(folder: Path, blob: str = "@model_path/weights/weight.bin") -> Path:
    """A package with a blob of two numbers in its weights file, added to the input."""
    ops = [
        Op("const", {}, {"w": ("fp32", (2,))}, {"val": Blob(64, "fp32", (2,), blob)}),
        Op("add", {"x": "x", "y": "w"}, {"y": ("fp32", (2,))}),
    ]
    weights = weights_file([("fp32", np.array([1, 2], np.float32).tobytes())])
    return write_package(folder / "p.mlpackage", model_message(ops, X, ["y"]), weights)


def with_manifest(package: Path, text: str) -> Path:
    (package / "Manifest.json").write_text(text)
    return package


def manifest(path: str) -> str:
    return json.dumps({"itemInfoEntries": {"a": {"path": path}}, "rootModelIdentifier": "a"})


def refuses(package: Path, expected: str) -> None:
    start = time.monotonic()
    with pytest.raises(PackageError, match=re.escape(expected)):
        load(package, "reference")
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    "path",
    [
        "．．/．．/etc/passwd",  # full-width dots: a name like any other
        "..∕..∕etc∕passwd",  # division slashes
        "‥/secret",  # a two-dot leader
        "com.apple.CoreML/model.mlmodel\u202elebom",  # turned from right to left
        "a" * 5000,
        "a/" * 3000 + "b",
        "\ud800",
        "com.apple.CoreML",
        ".",
        "%2e%2e/%2e%2e/etc/passwd",
    ],
)
@pytest.mark.parametrize("place", ["manifest", "blob"])
def test_odd_names_are_no_way_out(tmp_path: Path, path: str, place: str) -> None:
    if place == "manifest":
        package = with_manifest(package_with(tmp_path), manifest(path))
    elif path == "\ud800":
        pytest.skip("protobuf holds valid Unicode only")
    else:
        package = package_with(tmp_path, f"@model_path/{path}")
    with pytest.raises(
        PackageError, match=r"(there is no such file|cannot be looked up|does not stay inside)"
    ) as caught:
        load(package, "reference")
    assert len(str(caught.value)) < 1000


def test_a_lookalike_name_is_a_name_and_nothing_more(tmp_path: Path) -> None:
    package = package_with(tmp_path, "@model_path/．．∕weight.bin")
    (package / WEIGHTS).rename(package / "Data" / "com.apple.CoreML" / "．．∕weight.bin")
    result = load(package, "reference").predict({"x": np.zeros(2, np.float32)})["y"]
    assert result.tolist() == [1, 2]


@pytest.mark.parametrize(
    "part", ["Manifest.json", "Data", "Data/com.apple.CoreML", MODEL, "Data/com.apple.CoreML/weights", WEIGHTS]
)
def test_links_anywhere(tmp_path: Path, part: str) -> None:
    package = package_with(tmp_path)
    (package / part).rename(tmp_path / "elsewhere")
    (package / part).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PackageError, match=r"symbolic link|Manifest\.json' is missing"):
        load(package, "reference")


@pytest.mark.parametrize("part", ["Manifest.json", MODEL, WEIGHTS])
@pytest.mark.parametrize("kind", ["fifo", "socket", "folder"])
def test_what_is_no_file_neither_hangs_nor_is_read(
    tmp_path: Path, part: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = package_with(tmp_path)
    (package / part).unlink()
    if kind == "fifo":
        os.mkfifo(package / part)
    elif kind == "folder":
        (package / part).mkdir()
    else:
        monkeypatch.chdir((package / part).parent)  # a socket's path may have 108 bytes
        server = socket.socket(socket.AF_UNIX)
        server.bind(Path(part).name)
        server.close()
    with pytest.raises(PackageError, match=r"no such file|is missing|neither a file"):
        load(package, "reference")


def test_a_fifo_put_in_place_of_a_file_after_it_was_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the check of the path and its opening somebody may be quicker: opening does not wait for a writer."""
    package = package_with(tmp_path)
    (package / MODEL).unlink()
    os.mkfifo(package / MODEL)
    monkeypatch.setattr(Path, "is_file", lambda self: True)
    refuses(package, f"'{package / MODEL}' is not a regular file")


@pytest.mark.parametrize("executor", ["reference", "onnx"])
def test_a_weights_file_cut_short_while_in_use(tmp_path: Path, executor: Any) -> None:
    """A mapped file would end the process with SIGBUS."""
    package = package_with(tmp_path)
    model = load(package, "reference")
    os.truncate(package / WEIGHTS, 70)
    with pytest.raises(PackageError, match="has become shorter since the package was opened"):
        model.predict({"x": np.zeros(2, np.float32)})
    with pytest.raises(PackageError, match="metadata must start at a multiple of 64"):
        load(package, executor)


def test_a_manifest_that_says_things_twice(tmp_path: Path) -> None:
    """JSON leaves open which of two equal keys counts; here the last does, and its path is checked."""
    item = '"itemInfoEntries": {"a": {"path": "com.apple.CoreML/model.mlmodel", "path": "../../x"}}'
    refuses(
        with_manifest(package_with(tmp_path), f'{{{item}, "rootModelIdentifier": "a"}}'),
        "Manifest.json holds path '../../x', which does not stay inside the package",
    )


@pytest.mark.parametrize("text", ["[" * 500_000, '{"a":' * 100_000, "9" * 100_000, "\x00", '"\\ud800"', "NaN"])
def test_json_that_is_no_manifest(tmp_path: Path, text: str) -> None:
    with pytest.raises(PackageError, match=r"is not valid JSON|must hold a JSON object"):
        load(with_manifest(package_with(tmp_path), text))


@pytest.mark.parametrize("offset", [0, 1, 63, 2**63, 2**64 - 64, 2**64 - 1, 1 << 40])
def test_blob_offsets_that_overflow(tmp_path: Path, offset: int) -> None:
    message = model_class().FromString((package_with(tmp_path) / MODEL).read_bytes())
    operation = message.mlProgram.functions["main"].block_specializations["CoreML8"].operations[0]
    operation.attributes["val"].blobFileValue.offset = offset
    (tmp_path / "p.mlpackage" / MODEL).write_bytes(message.SerializeToString())
    refuses(tmp_path / "p.mlpackage", "metadata must start at a multiple of 64 from 64 to 128")


@pytest.mark.parametrize("field", [(8, 2**64 - 1), (8, 1 << 40), (16, 2**64 - 64), (16, 2**63)])
def test_blobs_that_reach_beyond_the_file(tmp_path: Path, field: tuple[int, int]) -> None:
    package = package_with(tmp_path)
    content = bytearray((package / WEIGHTS).read_bytes())
    at, value = 64 + field[0], field[1]
    content[at : at + 8] = value.to_bytes(8, "little")
    (package / WEIGHTS).write_bytes(content)
    refuses(package, "do not lie inside the file's 192")


def nested(depth: int) -> bytes:
    """A type of lists of lists, as deep as asked for, in the wire format: protobuf itself would not write it."""
    inner = b""
    for _ in range(depth):
        lists = b"\x0a" + _length(inner) + inner  # ListType.type
        inner = b"\x12" + _length(lists) + lists  # ValueType.listType
    return inner


def _length(content: bytes) -> bytes:
    size, out = len(content), bytearray()
    while True:
        out.append(size & 127 | (128 if size > 127 else 0))
        size >>= 7
        if not size:
            return bytes(out)


@pytest.mark.parametrize("depth", [40, 200, 20_000])
def test_messages_nested_without_end(tmp_path: Path, depth: int) -> None:
    package = build(tmp_path / "p.mlpackage", [RELU], X, ["y"])
    message = model_class().FromString((package / MODEL).read_bytes())
    del message.mlProgram.functions["main"].inputs[:]
    function = message.mlProgram.functions["main"].SerializeToString()
    named = b"\x0a\x01x\x12" + _length(nested(depth)) + nested(depth)
    function += b"\x0a" + _length(named) + named
    entry = b"\x0a\x04main\x12" + _length(function) + function
    program = b"\x12" + _length(entry) + entry
    del message.mlProgram.functions["main"]
    content = message.SerializeToString() + b"\xb2\x1f" + _length(program) + program
    (package / MODEL).write_bytes(content)
    with pytest.raises(PackageError):
        load(package, "reference")


def test_a_specification_of_tiny_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """20 MB in the file that would take gigabytes decoded: ten million empty operations, two bytes each."""
    monkeypatch.setattr("kewcore.runtime.spec.counting.MESSAGE_LIMIT", 100_000)  # 4,000,000 take some seconds
    block = b"\x1a\x00" * 10_000_000
    entry = b"\x0a\x07CoreML8\x12" + _length(block) + block
    function = b"\x12\x07CoreML8\x1a" + _length(entry) + entry
    named = b"\x0a\x04main\x12" + _length(function) + function
    program = b"\x12" + _length(named) + named
    package = build(tmp_path / "p.mlpackage", [RELU], X, ["y"])
    (package / MODEL).write_bytes(b"\x08\x09\xb2\x1f" + _length(program) + program)
    with pytest.raises(PackageError, match="holds more than 100000 fields and messages"):
        load(package, "reference")


def test_counting_looks_up_each_kind_of_message_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up = []
    look_up = counting._messages_by_number

    def noted(descriptor: Any) -> dict[int, Any]:
        looked_up.append(descriptor.full_name)
        return look_up(descriptor)

    monkeypatch.setattr(counting, "_messages_by_number", noted)
    content = model_message([RELU] * 50, X, ["y"]).SerializeToString()
    counting.check_message_count(content, "model.mlmodel")
    assert len(looked_up) == len(set(looked_up)) > 10


def test_a_specification_of_many_operations(tmp_path: Path) -> None:
    message = model_message([RELU], X, ["y"])
    block = message.mlProgram.functions["main"].block_specializations["CoreML8"]
    content = message.SerializeToString()
    operations = b"\x1a\x02\x0a\x00" * 200_001  # with an empty type each, so that they are few bytes
    entry_block = block.SerializeToString() + operations
    entry = b"\x0a\x07CoreML8\x12" + _length(entry_block) + entry_block
    function = b"\x12\x07CoreML8\x1a" + _length(entry) + entry
    named = b"\x0a\x04main\x12" + _length(function) + function
    program = b"\x12" + _length(named) + named
    package = write_package(tmp_path / "p.mlpackage", content + b"\xb2\x1f" + _length(program) + program)
    refuses(package, "holds more than 200000 operations")


def test_a_huge_specification_is_not_read(tmp_path: Path) -> None:
    package = build(tmp_path / "p.mlpackage", [RELU], X, ["y"])
    os.truncate(package / MODEL, 1 << 40)  # takes no space on the disk
    refuses(package, "has 1099511627776 bytes, more than the limit of 536870912")
