"""One conversation: the server says what it serves, then answers requests in the order in which they come."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from kewcore import __version__
from kewcore.errors import KewError, UsageError
from kewcore.parity.classifier import Classifier
from kewcore.serving.frames import LARGEST_PAYLOAD_BYTES, Frame, read_frame, write_frame
from kewcore.serving.pictures import raw_picture

PROTOCOL_VERSION = 1
"""Counts up when a program that speaks the version before would misunderstand an answer."""


@dataclass(frozen=True)
class Facts:
    """What is served.

    Attributes:
        name: Of the package.
        height: Rows of the images that it takes.
        width: Columns.
        resize: How photographs are brought to that size; see `kewcore.data.images`.
        executor: What runs it, as was asked for: `auto`, `reference` or `onnx`.
        load_ms: What loading took.
    """

    name: str
    height: int
    width: int
    resize: str
    executor: str
    load_ms: float


def serve(requests: BinaryIO, answers: BinaryIO, classifier: Classifier, facts: Facts) -> None:
    """Announces a classifier, then answers until the stream of requests ends.

    A request that cannot be answered gets an error as its answer, and the next one is read.

    Raises:
        UsageError: What came was no frame: the stream cannot be read on. It has been answered too.
        BrokenPipeError: The reader of answers has gone.
    """
    image = {"height": facts.height, "width": facts.width, "channels": 1, "colour": "greyscale"}
    ready = {
        "kind": "ready",
        "protocol": PROTOCOL_VERSION,
        "kewcore_version": __version__,
        "name": facts.name,
        "input": {**image, "resize": facts.resize},
        "class_names": list(classifier.class_names),
        "executor": facts.executor,
        "load_ms": facts.load_ms,
    }
    write_frame(answers, ready)
    while True:
        try:
            frame = read_frame(requests)
        except KewError as error:
            report_failure(answers, error)
            raise
        if frame is None:
            return
        try:
            _answer(frame, answers, classifier, facts)
        except KewError as error:
            report_failure(answers, error, frame.header.get("id"))


def report_failure(answers: BinaryIO, error: KewError, request_id: Any = None) -> None:
    """Sends an error as a frame."""
    header = {
        "kind": "error",
        "id": request_id,
        "error": type(error).__name__,
        "exit_code": error.exit_code,
        "message": error.message,
        "notes": [str(note) for note in getattr(error, "__notes__", ())],
        "hint": error.hint,
    }
    write_frame(answers, header)


def _answer(frame: Frame, answers: BinaryIO, classifier: Classifier, facts: Facts) -> None:
    kind = frame.header["kind"]
    if kind not in _ANSWERS:
        raise UsageError(f"unknown kind of request '{kind}'; known: {', '.join(_ANSWERS)}")
    _ANSWERS[kind](frame, answers, classifier, facts)


def _classify(frame: Frame, answers: BinaryIO, classifier: Classifier, facts: Facts) -> None:
    """Pixels in, uint8 `[count, height, width]`; scores out, float32 `[count, classes]`, little-endian."""
    count = _count(frame.header)
    image_bytes = facts.height * facts.width
    if len(frame.payload) != count * image_bytes:
        raise UsageError(
            f"{count} images of {facts.width} x {facts.height} pixels have {count * image_bytes} bytes, "
            f"got {len(frame.payload)}"
        )
    pixels = np.frombuffer(frame.payload, np.uint8).reshape(count, facts.height, facts.width)
    start = time.perf_counter()
    rows = classifier.probabilities(pixels)
    header = {
        "kind": "scores",
        "id": frame.header.get("id"),
        "count": count,
        "classes": rows.shape[1],
        "predict_ms": (time.perf_counter() - start) * 1e3,
    }
    write_frame(answers, header, [rows.astype("<f4").tobytes()], rows.size * 4)


def _decode(frame: Frame, answers: BinaryIO, _classifier: Classifier, _facts: Facts) -> None:
    """The content of an image file in, its pixels out."""
    start = time.perf_counter()
    picture = raw_picture(frame.payload)
    if picture.size_bytes > LARGEST_PAYLOAD_BYTES:
        raise UsageError(f"the picture has {picture.size_bytes} bytes, a frame at most {LARGEST_PAYLOAD_BYTES}")
    header = {
        "kind": "pixels",
        "id": frame.header.get("id"),
        "layout": picture.layout,
        "width": picture.width,
        "height": picture.height,
        "orientation": picture.orientation,
        "transparent_level": picture.transparent_level,
        "decode_ms": (time.perf_counter() - start) * 1e3,
    }
    write_frame(answers, header, picture.strips(), picture.size_bytes)


_ANSWERS: Mapping[str, Callable[[Frame, BinaryIO, Classifier, Facts], None]] = {
    "classify": _classify,
    "decode": _decode,
}


def _count(header: Mapping[str, Any]) -> int:
    count = header.get("count", 1)
    if type(count) is not int or not 1 <= count <= LARGEST_PAYLOAD_BYTES:
        raise UsageError(f"'count' must be a whole number from 1 to {LARGEST_PAYLOAD_BYTES}, got {count!r:.60}")
    return count
