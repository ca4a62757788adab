"""The weights file: blobs of packed elements, each behind 64 bytes of metadata.

Source: `mlmodel/src/MILBlob/Blob/StorageFormat.hpp` of github.com/apple/coremltools.
"""

import struct
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import PackageError
from kewcore.runtime.packing import packed_size_bytes, sign_extend, unpack
from kewcore.runtime.program import DataType, TensorType, element_count
from kewcore.runtime.spec import schema
from kewcore.runtime.spec.files import read_part, size_of

_ALIGNMENT_BYTES = 64
_HEADER = struct.Struct("<II")
_METADATA = struct.Struct("<IIQQQ")
_SENTINEL = 0xDEADBEEF
_VERSION = 2


@dataclass(frozen=True)
class WeightsFile:
    """A weights file; its blobs are read when they are asked for.

    Attributes:
        path: The file.
    """

    path: Path
    _blobs: "dict[int, Blob]" = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def size_bytes(self) -> int:
        """Bytes of the file when it was first looked at.

        Raises:
            PackageError: The file cannot be read, is too short for a header, or has another version.
        """
        size = size_of(self.path)
        if size < _ALIGNMENT_BYTES:
            raise PackageError(f"weights file '{self.path}' has {size} bytes, too few for its header")
        _, version = _HEADER.unpack(read_part(self.path, 0, _HEADER.size).tobytes())
        if version != _VERSION:
            raise PackageError(f"weights file '{self.path}' has version {version}, expected {_VERSION}")
        return size

    def blob(self, offset: int) -> "Blob":
        """Reads the metadata at `offset` and checks that what it says can be true.

        Raises:
            PackageError: There is no blob at `offset`, or it reaches beyond the file.
        """
        if offset not in self._blobs:
            self._blobs[offset] = self._read_blob(offset)
        return self._blobs[offset]

    def _read_blob(self, offset: int) -> "Blob":
        where = f"weights file '{self.path.name}' at offset {offset}"
        size = self.size_bytes
        if offset % _ALIGNMENT_BYTES or offset < _ALIGNMENT_BYTES or offset + _ALIGNMENT_BYTES > size:
            raise PackageError(f"{where}: metadata must start at a multiple of 64 from 64 to {size - _ALIGNMENT_BYTES}")
        raw = read_part(self.path, offset, _METADATA.size).tobytes()
        sentinel, code, size_bytes, data_offset, padding_bits = _METADATA.unpack(raw)
        if sentinel != _SENTINEL:
            raise PackageError(f"{where}: no blob starts here (0x{sentinel:08x} instead of 0x{_SENTINEL:08x})")
        if code not in schema.BLOB_DATA_TYPES:
            raise PackageError(f"{where}: element type {code} is not known")
        if data_offset % _ALIGNMENT_BYTES or data_offset + size_bytes > size:
            raise PackageError(
                f"{where}: {size_bytes} bytes from offset {data_offset} do not lie inside the file's {size}"
            )
        return Blob(DataType[schema.BLOB_DATA_TYPES[code]], data_offset, size_bytes, padding_bits)


@dataclass(frozen=True)
class Blob:
    """One blob's metadata."""

    dtype: DataType
    data_offset: int
    size_bytes: int
    padding_bits: int


@dataclass(frozen=True)
class BlobStorage:
    """A constant tensor's elements in a weights file."""

    weights: WeightsFile
    offset: int

    @property
    def size_bytes(self) -> int:
        """Bytes of the blob."""
        return self.weights.blob(self.offset).size_bytes

    def problem(self, type_: TensorType) -> str | None:
        """Compares what the program says of the tensor with what the file says of the blob."""
        try:
            blob = self.weights.blob(self.offset)
        except PackageError as error:
            return error.message
        shape = type_.static_shape
        if shape is None:
            return f"a constant must have a static shape, got {type_}"
        if blob.dtype is not type_.dtype:
            return f"the program says {type_.dtype.value}, the blob at offset {self.offset} holds {blob.dtype.value}"
        expected = packed_size_bytes(element_count(shape), type_.dtype.bits)
        if blob.size_bytes != expected:
            return f"{type_} takes {expected} bytes, the blob at offset {self.offset} has {blob.size_bytes}"
        return None

    def read(self, type_: TensorType) -> NDArray[Any]:
        """Returns a read-only array where elements are whole bytes, and a new array where they are packed."""
        if problem := self.problem(type_):
            raise PackageError(problem)
        blob = self.weights.blob(self.offset)
        return elements_from_bytes(read_part(self.weights.path, blob.data_offset, blob.size_bytes), type_)


def elements_from_bytes(raw: NDArray[np.uint8], type_: TensorType) -> NDArray[Any]:
    """Reads little-endian or packed elements; `raw` must have the right number of bytes.

    Args:
        raw: uint8 `[size_bytes]`.
        type_: Type with a static shape.

    Returns:
        Array of `type_.dtype.numpy` and the shape of `type_`.
    """
    shape = type_.static_shape or ()
    bits = type_.dtype.bits
    if bits < 8:
        unsigned = unpack(raw, bits, element_count(shape))
        return (sign_extend(unsigned, bits) if type_.dtype is DataType.INT4 else unsigned).reshape(shape)
    return raw.view(type_.dtype.numpy.newbyteorder("<")).reshape(shape)
