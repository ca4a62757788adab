"""Frames: what goes over stdin and stdout. A prefix of 16 bytes, a header in JSON, and bytes as they are.

A frame never trusts its own prefix: sizes are checked before memory is taken, and memory grows only with what came.
"""

import json
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from kewcore.errors import UsageError

MAGIC = b"KEW1"
LARGEST_HEADER_BYTES = 1 << 20
LARGEST_PAYLOAD_BYTES = 1 << 30
DEEPEST_HEADER = 32
"""Lists and objects in each other. What json reads, it cannot always write: reading may go a little deeper."""
_PREFIX = struct.Struct("<4sIQ")
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Frame:
    """One message.

    Attributes:
        header: What it is: `kind`, and what belongs to that kind.
        payload: Bytes that JSON would only bloat: pixels, scores, the content of a file.
    """

    header: Mapping[str, Any]
    payload: bytes = b""


def read_frame(stream: BinaryIO) -> Frame | None:
    """Reads one frame.

    Args:
        stream: A buffered binary stream.

    Returns:
        The frame; None where the stream ended before it.

    Raises:
        UsageError: What came is no frame, is too large, or was cut.
    """
    prefix = stream.read(_PREFIX.size)
    if not prefix:
        return None
    if not prefix.startswith(MAGIC[: len(prefix)]):
        raise UsageError(
            f"expected a frame, which starts with {MAGIC!r}, got {prefix[:16]!r}", hint="see docs/serve.md"
        )
    if len(prefix) < _PREFIX.size:
        raise UsageError(f"the stream ended inside a frame: {len(prefix)} of {_PREFIX.size} bytes of its prefix")
    _, header_bytes, payload_bytes = _PREFIX.unpack(prefix)
    if header_bytes > LARGEST_HEADER_BYTES:
        raise UsageError(f"a frame's header may have {LARGEST_HEADER_BYTES} bytes, got one of {header_bytes}")
    if payload_bytes > LARGEST_PAYLOAD_BYTES:
        raise UsageError(f"a frame's payload may have {LARGEST_PAYLOAD_BYTES} bytes, got one of {payload_bytes}")
    header = _header(_exactly(stream, header_bytes, "header"))
    return Frame(header, _exactly(stream, payload_bytes, "payload"))


def write_frame(
    stream: BinaryIO, header: Mapping[str, Any], payload: Iterable[bytes] = (), payload_bytes: int = 0
) -> None:
    """Writes one frame and flushes.

    Args:
        stream: A binary stream.
        header: A JSON object.
        payload: Its bytes, in pieces.
        payload_bytes: How many they are in all.

    Raises:
        OSError: The reader has gone.
    """
    text = json.dumps(header, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")
    stream.write(_PREFIX.pack(MAGIC, len(text), payload_bytes) + text)
    for piece in payload:
        stream.write(piece)
    stream.flush()


def _exactly(stream: BinaryIO, count: int, part: str) -> bytes:
    if count <= _CHUNK_BYTES:
        content = stream.read(count)
    else:
        grown = bytearray()
        while len(grown) < count and (chunk := stream.read(min(_CHUNK_BYTES, count - len(grown)))):
            grown += chunk
        content = bytes(grown)
    if len(content) < count:
        raise UsageError(f"the stream ended inside a frame: {len(content)} of {count} bytes of its {part}")
    return content


def _header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"a frame's header is not JSON: {error}") from error
    if not isinstance(header, dict) or not isinstance(header.get("kind"), str):
        raise UsageError("a frame's header must be an object with a text 'kind'")
    if _is_deeper(header, DEEPEST_HEADER):
        raise UsageError(f"a frame's header may be nested {DEEPEST_HEADER} deep")
    return header


def _finite(text: str) -> float:
    """Reads a number, which the answer may have to repeat: JSON has no word for others than finite ones."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text:.40} is no finite number")
    return number


def _is_deeper(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [
            part
            for one in level
            if isinstance(one, dict | list)
            for part in (one.values() if isinstance(one, dict) else one)
        ]
    return any(isinstance(one, dict | list) for one in level)
