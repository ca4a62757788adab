"""The weights file of an ML Program package (`weight.bin`): written and read, with elements down to one bit.

A 64-byte header (number of entries, version) is followed by entries. Each is a 64-byte record (sentinel, element
type, bytes, offset of the data, bits of padding in the last byte) and the data, both aligned to 64 bytes. Programs
refer to an entry by the offset of its record. Elements of less than a byte are packed from the least significant bit
up and run across bytes.

Source: `mlmodel/src/MILBlob/Blob/StorageFormat.hpp` and `BlobDataType.hpp` in apple/coremltools 9.0.
"""

import struct
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import PackageError

ElementType = Literal["fp16", "fp32", "uint8", "int8", "int4", "uint1", "uint2", "uint4", "uint3", "uint6"]

_HEADER = struct.Struct("<II56x")
_RECORD = struct.Struct("<IIQQQ32x")
_SENTINEL = 0xDEADBEEF
_VERSION = 2
_ALIGNMENT = 64
_CODES: dict[ElementType, int] = {
    "fp16": 1,
    "fp32": 2,
    "uint8": 3,
    "int8": 4,
    "int4": 8,
    "uint1": 9,
    "uint2": 10,
    "uint4": 11,
    "uint3": 12,
    "uint6": 13,
}
_TYPES = {code: element for element, code in _CODES.items()}
_WHOLE_BYTES = {"fp16": np.float16, "fp32": np.float32, "uint8": np.uint8, "int8": np.int8}


class WeightsWriter:
    """Writes entries one after the other; closing it fills in their number.

    Args:
        stream: A new binary file, opened for writing and seeking.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._count = 0
        stream.write(_HEADER.pack(0, _VERSION))

    def add(self, values: NDArray[Any], element: ElementType) -> int:
        """Appends an array in row-major order.

        Returns:
            The offset by which a program refers to it.
        """
        data, padding_bits = _packed(values, element)
        offset = self._align()
        self._stream.write(_RECORD.pack(_SENTINEL, _CODES[element], data.nbytes, offset + _RECORD.size, padding_bits))
        self._stream.write(data.data)
        self._count += 1
        return offset

    def close(self) -> None:
        """Writes the number of entries into the header."""
        self._stream.seek(0)
        self._stream.write(_HEADER.pack(self._count, _VERSION))

    def _align(self) -> int:
        position = self._stream.tell()
        self._stream.write(bytes(-position % _ALIGNMENT))
        return position + -position % _ALIGNMENT


def read_entry(path: Path, offset: int) -> tuple[ElementType, NDArray[Any]]:
    """Reads the entry whose record is at `offset`.

    Returns:
        The element type, and the elements as a flat array: float16, float32, int8 (also of int4) or uint8.

    Raises:
        PackageError: The file ends too early, or there is no entry at `offset`.
    """
    with path.open("rb") as stream:
        stream.seek(offset)
        record = stream.read(_RECORD.size)
        if len(record) < _RECORD.size:
            raise PackageError(f"weights file '{path}' ends before the entry at offset {offset}")
        sentinel, code, size_bytes, start, padding_bits = _RECORD.unpack(record)
        if sentinel != _SENTINEL or code not in _TYPES:
            raise PackageError(f"weights file '{path}' has no readable entry at offset {offset}")
        stream.seek(start)
        data = stream.read(size_bytes)
    if len(data) < size_bytes:
        raise PackageError(f"weights file '{path}' ends inside the entry at offset {offset}")
    return _TYPES[code], _unpacked(data, _TYPES[code], padding_bits)


def element_bits(element: ElementType) -> int:
    """Gives the width of an element in bits."""
    return int(element.lstrip("fpuint"))


def pack_bits(values: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Packs unsigned values of `bits` bits, from the least significant bit up, running across bytes.

    Args:
        values: uint8 `[n]`, each below `2**bits`.
        bits: From 1 to 8.

    Returns:
        uint8 `[ceil(n * bits / 8)]`.
    """
    if bits == 8:
        return values
    # Eight values fill exactly `bits` bytes, so they are shifted into one 64-bit word, of which the low bytes count.
    padded = np.zeros(-(-values.size // 8) * 8, np.uint64)
    padded[: values.size] = values
    words = np.zeros(padded.size // 8, "<u8")
    for position in range(8):
        words |= padded[position::8] << np.uint64(bits * position)
    packed = words.view(np.uint8).reshape(-1, 8)[:, :bits].ravel()
    return packed[: -(-values.size * bits // 8)]


def unpack_bits(packed: NDArray[np.uint8], bits: int, count: int) -> NDArray[np.uint8]:
    """Undoes `pack_bits` for `count` values."""
    if bits == 8:
        return packed[:count]
    flat = np.unpackbits(packed, bitorder="little", count=count * bits).reshape(count, bits)
    return np.packbits(flat, axis=1, bitorder="little")[:, 0]


def _packed(values: NDArray[Any], element: ElementType) -> tuple[NDArray[Any], int]:
    flat = np.ascontiguousarray(values).ravel()
    if element in _WHOLE_BYTES:
        return flat.astype(_WHOLE_BYTES[element], copy=False), 0
    bits = element_bits(element)
    unsigned = flat.astype(np.int8, copy=False).view(np.uint8) & np.uint8(2**bits - 1)
    return pack_bits(unsigned, bits), -flat.size * bits % 8


def _unpacked(data: bytes, element: ElementType, padding_bits: int) -> NDArray[Any]:
    if element in _WHOLE_BYTES:
        return np.frombuffer(data, _WHOLE_BYTES[element])
    bits = element_bits(element)
    values = unpack_bits(np.frombuffer(data, np.uint8), bits, (len(data) * 8 - padding_bits) // bits)
    if element == "int4":
        return ((values ^ 8).astype(np.int8) - 8).astype(np.int8)
    return values
