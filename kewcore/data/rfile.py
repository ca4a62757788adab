"""Reading R's .RData files with bounded memory: rdata's parser on a stream, its large arrays on disk.

`rdata.parser.parse_file` holds the compressed file, the unpacked one, and up to three copies of an array at once. Here
its parser reads from the decompressing stream, and every array above a megabyte goes to a scratch file as it is read,
8-byte reals as 4-byte ones, which still tell 65,536 levels apart.
"""

import bz2
import gzip
import lzma
import struct
import tempfile
import warnings
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kewcore.errors import DataError, DependencyError

_LARGE_BYTES = 1 << 20
_CHUNK_VALUES = 1 << 20
_OPENERS = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\x00", lzma.open))
_PARSE_ERRORS = (EOFError, OSError, zlib.error, lzma.LZMAError, struct.error, ValueError, KeyError, IndexError,
                 TypeError, AttributeError, NotImplementedError, AssertionError, RecursionError, OverflowError,
                 MemoryError)  # fmt: skip


class Factor:
    """R's factor: codes from 1, and the names they stand for.

    Attributes:
        names: The name of each value, `[N]`.
    """

    def __init__(self, codes: NDArray[Any], levels: NDArray[Any]) -> None:
        self.names = [str(levels[int(code) - 1]) if 1 <= int(code) <= len(levels) else "" for code in codes]


def read_rdata(path: Path, scratch: Path) -> dict[str, Any]:
    """Reads the objects of an .RData file in XDR format, compressed or not.

    Args:
        path: The file.
        scratch: Folder for large arrays; the result's arrays are mapped from there, so it must outlive them.

    Returns:
        Objects by name: arrays in R's column-major order with R's dimensions, lists or dicts of objects, data frames as
        dicts of columns, factors as `Factor`.

    Raises:
        DataError: Not an .RData file, damaged, or cut short.
        DependencyError: rdata is missing or of a version that this does not fit.
    """
    try:
        import rdata
        from rdata.parser._xdr import ParserXDR
    except ImportError as error:
        raise DependencyError(
            f"reading .RData needs the library rdata: {error}", hint="pip install 'rdata>=0.11.2'"
        ) from error

    class StreamParser(ParserXDR):  # type: ignore[misc]
        """rdata's XDR parser on a stream instead of on bytes in memory."""

        def __init__(self, stream: BinaryIO) -> None:
            super().__init__(
                memoryview(b""), expand_altrep=True, altrep_constructor_dict=rdata.parser.DEFAULT_ALTREP_MAP
            )
            self.file = stream

        def _parse_array_values(self, dtype: DTypeLike, length: int) -> NDArray[Any]:
            return _array(self.file, np.dtype(dtype), length, scratch)

        def parse_nullable_int_array(self, *, fill_value: int = 0) -> NDArray[Any]:
            return cast(NDArray[Any], self._parse_array(np.int32))

        def parse_string(self, length: int) -> bytes:
            return _exactly(self.file, length)

    try:
        with _unpacked(path) as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # rdata warns of R classes that it has no constructor for
            if stream.read(7) not in {b"RDX2\nX\n", b"RDX3\nX\n"}:
                raise DataError(f"'{path}' is not an .RData file in XDR format (as R's save() writes it)")
            parsed = StreamParser(stream).parse_all()
            constructors = {"data.frame": _columns, "factor": _factor, "ordered": _factor}
            objects = rdata.conversion.convert(parsed, constructors, default_encoding="utf-8")
    except _PARSE_ERRORS as error:
        raise DataError(
            f"'{path}' is damaged or holds what rdata cannot read: {str(error) or type(error).__name__}"
        ) from error
    if not isinstance(objects, dict):
        raise DataError(f"'{path}' holds {type(objects).__name__}; expected named objects")
    return objects


def _unpacked(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        magic = file.read(6)
    for prefix, opener in _OPENERS:
        if magic.startswith(prefix):
            return cast(BinaryIO, opener(path, "rb"))
    return path.open("rb")


def _array(stream: BinaryIO, dtype: np.dtype[Any], length: int, scratch: Path) -> NDArray[Any]:
    """Reads big-endian values; many of them go to a scratch file, piece by piece."""
    if length < 0:
        raise ValueError(f"an array of {length} values")
    wire = dtype.newbyteorder(">")
    if length * dtype.itemsize <= _LARGE_BYTES:
        return np.frombuffer(_exactly(stream, length * dtype.itemsize), wire).astype(dtype)
    stored = np.dtype(np.float32) if dtype == np.float64 else dtype
    with tempfile.NamedTemporaryFile(dir=scratch, suffix=".values", delete=False) as file:
        for start in range(0, length, _CHUNK_VALUES):
            count = min(_CHUNK_VALUES, length - start)
            np.frombuffer(_exactly(stream, count * dtype.itemsize), wire).astype(stored).tofile(file)
        name = file.name
    return np.memmap(name, stored, mode="r", shape=(length,))


def _exactly(stream: BinaryIO, size: int) -> bytes:
    if size < 0:
        return b""
    content = stream.read(size)
    if len(content) != size:
        raise EOFError(f"the file ends {size - len(content)} bytes early")
    return content


def _columns(columns: Any, _: Any) -> Any:
    return dict(columns) if isinstance(columns, dict) else columns


def _factor(codes: Any, attributes: Any) -> Factor:
    return Factor(np.asarray(codes), np.asarray(attributes["levels"]))
