"""`kewcore serve --stdio`, spoken to as another program would: docs/serve.md is written out by hand here."""

import io
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kewcore.data.images import read_image
from kewcore.errors import UsageError
from kewcore.runtime import PackageClassifier
from kewcore.serving import raw_picture, read_frame, write_frame

KEWCORE = Path(sys.executable).with_name("kewcore")
FIXTURES = Path(__file__).parents[2] / "swift_demo" / "Tests" / "KewKitTests" / "Fixtures"
PACKAGE = FIXTURES / "Tiny-original-fp16.mlpackage"
SIZE = (32, 40)
NAMES = ["bars", "dots", "plain"]


def frame(header: dict[str, Any], payload: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return b"KEW1" + struct.pack("<IQ", len(text), len(payload)) + text + payload


def with_id(text: str) -> bytes:
    """A frame whose id is spelt out, since json.dumps would not write it."""
    header = f'{{"kind": "classify", "id": {text}}}'.encode()
    return b"KEW1" + struct.pack("<IQ", len(header), 0) + header


def read(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    magic, header_bytes, payload_bytes = struct.unpack("<4sIQ", stream.read(16))
    assert magic == b"KEW1"
    return json.loads(stream.read(header_bytes)), stream.read(payload_bytes)


class Server:
    """A running `kewcore serve`."""

    def __init__(self, *arguments: str | Path) -> None:
        self.process = subprocess.Popen(
            [KEWCORE, "serve", "--stdio", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stderr
        self.requests, self.answers, self.errors = self.process.stdin, self.process.stdout, self.process.stderr

    def ask(self, header: dict[str, Any], payload: bytes = b"") -> tuple[dict[str, Any], bytes]:
        self.requests.write(frame(header, payload))
        self.requests.flush()
        return read(self.answers)

    def end(self) -> tuple[int, str]:
        if not self.requests.closed:
            self.requests.close()
        text = self.errors.read().decode()
        self.answers.close()
        self.errors.close()
        return self.process.wait(30), text


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    served = Server(PACKAGE)
    header, payload = read(served.answers)
    assert payload == b""
    assert header | {"load_ms": 0, "kewcore_version": ""} == {
        "kind": "ready",
        "protocol": 1,
        "kewcore_version": "",
        "name": "Tiny-original-fp16",
        "input": {"height": 32, "width": 40, "channels": 1, "colour": "greyscale", "resize": "centre-crop"},
        "class_names": NAMES,
        "executor": "auto",
        "load_ms": 0,
    }
    yield served
    assert served.end() == (0, "")


def images(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, *SIZE), dtype=np.uint8)


@pytest.mark.cli
@pytest.mark.parametrize("count", [1, 9])
def test_pixels_in_probabilities_out(server: Server, count: int) -> None:
    pixels = images(count)
    header, payload = server.ask({"kind": "classify", "id": 7, "count": count}, pixels.tobytes())
    assert header.pop("predict_ms") > 0
    assert header == {"kind": "scores", "id": 7, "count": count, "classes": 3}
    found = np.frombuffer(payload, "<f4").reshape(count, 3)
    np.testing.assert_allclose(found, PackageClassifier(PACKAGE, "reference").probabilities(pixels), atol=2e-3)


@pytest.mark.cli
def test_files_in_pixels_out(server: Server) -> None:
    picture = np.random.default_rng(5).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture).save(stream, "PNG", exif=exif)
    header, payload = server.ask({"kind": "decode", "id": "a"}, stream.getvalue())
    assert header.pop("decode_ms") > 0
    assert header == {
        "kind": "pixels", "id": "a", "layout": "rgb8", "width": 5, "height": 4, "orientation": 6,
        "transparent_level": None,
    }  # fmt: skip
    assert payload == picture.tobytes()


@pytest.mark.cli
@pytest.mark.parametrize(
    "header, payload, error, message",
    [
        ({"kind": "classify", "id": 3}, b"123", "UsageError", "1 images of 40 x 32 pixels have 1280 bytes, got 3"),
        ({"kind": "classify", "count": 0}, b"", "UsageError",
         "'count' must be a whole number from 1 to 1073741824, got 0"),
        ({"kind": "classify", "count": True}, b"", "UsageError",
         "'count' must be a whole number from 1 to 1073741824, got True"),
        ({"kind": "classify", "count": 10**4298}, b"", "UsageError",
         f"'count' must be a whole number from 1 to 1073741824, got 1{'0' * 59}"),
        ({"kind": "classify", "count": [7] * 9999}, b"", "UsageError",
         f"'count' must be a whole number from 1 to 1073741824, got [7{', 7' * 19},"),
        ({"kind": "sing", "id": 3}, b"", "UsageError", "unknown kind of request 'sing'; known: classify, decode"),
        ({"kind": "decode", "id": 3}, b"no", "DataError",
         "image of 2 bytes: not an image, or of a format that Pillow does not read"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_gets_an_error_and_the_next_request_is_read(
    server: Server, header: dict[str, Any], payload: bytes, error: str, message: str
) -> None:
    found, _ = server.ask(header, payload)
    expected = {"kind": "error", "id": header.get("id"), "error": error, "message": message}
    assert expected.items() <= found.items()
    assert found["exit_code"] == {"UsageError": 2, "DataError": 3}[error]
    assert server.ask({"kind": "classify"}, images(1).tobytes())[0]["kind"] == "scores"


@pytest.mark.cli
def test_a_package_that_is_not_there_is_said_in_a_frame_and_on_stderr(tmp_path: Path) -> None:
    served = Server(tmp_path / "none.mlpackage")
    header, _ = read(served.answers)
    assert (header["kind"], header["error"], header["exit_code"]) == ("error", "PackageError", 6)
    assert "none.mlpackage" in header["message"]
    code, text = served.end()
    assert code == 6
    assert header["message"] in text


@pytest.mark.cli
def test_a_stream_that_is_no_frame_ends_it(server: Server) -> None:
    served = Server(PACKAGE)
    read(served.answers)
    served.requests.write(b"GET / HTTP/1.1\r\n\r\n")
    served.requests.flush()
    header, _ = read(served.answers)
    assert header["message"] == "expected a frame, which starts with b'KEW1', got b'GET / HTTP/1.1\\r\\n'"
    code, text = served.end()
    assert code == 2
    assert "hint: see docs/serve.md" in text


@pytest.mark.cli
def test_it_ends_when_whoever_asked_is_killed(tmp_path: Path) -> None:
    """The asker is a process of its own, and really killed, while the server is idle."""
    asker = subprocess.Popen(
        [sys.executable, "-c", f"""
import subprocess, sys, time
child = subprocess.Popen({[str(KEWCORE), "serve", "--stdio", str(PACKAGE)]!r},
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.read(16)
print(child.pid, flush=True)
time.sleep(60)
"""],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert asker.stdout
    server_id = int(asker.stdout.readline())
    os.kill(server_id, 0)
    asker.send_signal(signal.SIGKILL)
    asker.wait(10)
    asker.stdout.close()
    assert ended(server_id, within_s=10)


def ended(process_id: int, within_s: float) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            # Where nobody takes leave of it, a process that has ended stays in the table as a zombie.
            state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.cli
@pytest.mark.parametrize("kind", ["pipes", "socket"])
def test_it_ends_with_its_reader_whatever_it_is_busy_with(kind: str) -> None:
    """Something that never ends stands for a model that loads, or a request that is worked on."""
    busy = "import sys, time; from kewcore.serving import end_with_reader; end_with_reader(1)"
    command = [sys.executable, "-c", f"{busy}; print('busy', file=sys.stderr, flush=True); time.sleep(60)"]
    ours, theirs = socket.socketpair()
    ends = (theirs, theirs) if kind == "socket" else (subprocess.PIPE, subprocess.PIPE)
    with ours, subprocess.Popen(command, stdin=ends[0], stdout=ends[1], stderr=subprocess.PIPE) as server:
        theirs.close()
        assert server.stderr
        assert server.stderr.readline() == b"busy\n"
        # That nothing more will be asked is no reason to end: what was asked may still be answered.
        ours.shutdown(socket.SHUT_WR)
        if server.stdin:
            server.stdin.close()
        with pytest.raises(subprocess.TimeoutExpired):
            server.wait(0.3)
        (server.stdout or ours).close()
        assert server.wait(10) == 0


@pytest.mark.cli
def test_it_refuses_to_guess_how_to_serve() -> None:
    done = subprocess.run([KEWCORE, "serve", PACKAGE], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == (
        "error: how to serve was not said\nhint: say --stdio: requests come on stdin, answers go to stdout\n"
    )


@pytest.mark.unit
@pytest.mark.parametrize("number", ["1e308", "-0.5", "12345678901234567890", "[" * 31 + "0.25" + "]" * 31])
def test_an_id_may_be_any_value_that_can_be_repeated(number: str) -> None:
    found = read_frame(io.BytesIO(with_id(number)))
    assert found is not None
    assert found.header["id"] == json.loads(number)
    write_frame(io.BytesIO(), found.header)


@pytest.mark.unit
@given(
    st.dictionaries(st.text(), st.integers() | st.text() | st.none()).map(lambda rest: {**rest, "kind": "any"}),
    st.lists(st.binary(max_size=40), max_size=4),
)
def test_frames_come_back_as_they_went(header: dict[str, Any], pieces: list[bytes]) -> None:
    stream = io.BytesIO()
    write_frame(stream, header, pieces, sum(map(len, pieces)))
    stream.seek(0)
    found = read_frame(stream)
    assert found is not None
    assert (found.header, found.payload) == (header, b"".join(pieces))
    assert read_frame(stream) is None


@pytest.mark.unit
@given(st.binary(min_size=1, max_size=80), st.booleans())
def test_any_bytes_are_a_frame_or_a_usage_error(content: bytes, led: bool) -> None:
    with suppress(UsageError):
        assert read_frame(io.BytesIO(b"KEW1" + content if led else content)) is not None


@pytest.mark.unit
@pytest.mark.parametrize(
    "content, message",
    [
        (b"KEW1\x01", "the stream ended inside a frame: 5 of 16 bytes of its prefix"),
        (frame({"kind": "x"})[:20], "the stream ended inside a frame: 4 of 13 bytes of its header"),
        (frame({"kind": "x"}, b"12345")[:-2], "the stream ended inside a frame: 3 of 5 bytes of its payload"),
        (b"KEW1" + struct.pack("<IQ", 2**31, 0), "a frame's header may have 1048576 bytes, got one of 2147483648"),
        (b"KEW1" + struct.pack("<IQ", 0, 2**31), "a frame's payload may have 1073741824 bytes, got one of 2147483648"),
        (b"KEW1" + struct.pack("<IQ", 1, 0) + b"{", "a frame's header is not JSON"),
        (b"KEW1" + struct.pack("<IQ", 2, 0) + b"{}", "a frame's header must be an object with a text 'kind'"),
        (with_id("1e999"), "a frame's header is not JSON: 1e999 is no finite number"),
        (with_id("-1e999"), "a frame's header is not JSON: -1e999 is no finite number"),
        (with_id("NaN"), "a frame's header is not JSON: NaN is no finite number"),
        (with_id("-Infinity"), "a frame's header is not JSON: -Infinity is no finite number"),
        (with_id("[" * 500 + "]" * 500), "a frame's header may be nested 32 deep"),
        (with_id("[" * 32 + "]" * 32), "a frame's header may be nested 32 deep"),
    ],
)  # fmt: skip
def test_cut_and_oversized_frames(content: bytes, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_frame(io.BytesIO(content))
    assert caught.value.message.startswith(message)


@pytest.mark.unit
def test_golden_pictures_of_kewkit_are_what_this_pipeline_makes() -> None:
    """KewKit's tests hold Swift to these files, this one Python."""
    manifest = json.loads((FIXTURES / "manifest.json").read_text())
    raw, expected = (FIXTURES / "raw.bin").read_bytes(), (FIXTURES / "expected.bin").read_bytes()
    assert len(manifest["pictures"]) >= 35
    for row in manifest["pictures"]:
        content = (FIXTURES / "pictures" / row["name"]).read_bytes()
        for case in row["cases"]:
            found = read_image(content, height=case["height"], width=case["width"], policy=case["resize"])
            wanted = expected[case["offset"] : case["offset"] + found.size]
            # Other builds of the JPEG decoder may differ by a level; see the files' `made_by`.
            difference = np.abs(found.ravel().astype(int) - np.frombuffer(wanted, np.uint8)).max()
            assert difference <= row["name"].endswith("jpg"), (
                f"{row['name']} {case}: renew with swift_demo/Tests/make_golden.py"
            )
        picture = raw_picture(content)
        assert (picture.layout, picture.width, picture.height) == (row["layout"], row["width"], row["height"])
        assert (picture.orientation, picture.transparent_level) == (row["orientation"], row["transparent_level"])
        if not row["name"].endswith("jpg"):
            pixels = b"".join(picture.strips())
            assert pixels == raw[row["offset"] : row["offset"] + picture.size_bytes], row["name"]
