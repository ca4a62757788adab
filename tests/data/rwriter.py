"""A writer of R's serialization format (XDR, version 2), by hand from its description.

Source: R Internals, 1.8 "Serialization Formats", and the type numbers of R's SEXPTYPE table, 1.1. It shares nothing
with rdata, so that both can be wrong only together by accident.
"""

import gzip
import struct
from pathlib import Path

import numpy as np

NIL, REF, SYMBOL, PAIRS, CHARS, LOGICAL, INTEGER, REAL, STRINGS, VECTOR = 254, 255, 1, 2, 9, 10, 13, 14, 16, 19
OBJECT, ATTRIBUTES, TAG = 0x100, 0x200, 0x400
UTF8 = 1 << 15


class Array:
    """Values in R's order (the first index runs fastest) with dimensions."""

    def __init__(self, values, dim=None, kind=REAL):
        self.values, self.dim, self.kind = values, dim, kind


def array(values, kind=REAL):
    """A NumPy array as R would keep it."""
    return Array(np.asarray(values).T.reshape(-1), values.shape, kind)


class Factor:
    def __init__(self, codes, levels):
        self.codes, self.levels = codes, levels


class Frame(dict):
    """A data frame: columns by name."""


class Writer:
    def __init__(self):
        self.out = bytearray()
        self.symbols = []

    def integer(self, value):
        self.out += struct.pack(">i", value)

    def chars(self, text):
        self.integer(CHARS | UTF8 << 3)
        self.integer(len(text.encode()))
        self.out += text.encode()

    def symbol(self, name):
        if name in self.symbols:
            self.integer((self.symbols.index(name) + 1) << 8 | REF)
        else:
            self.symbols.append(name)
            self.integer(SYMBOL)
            self.chars(name)

    def pairs(self, items):
        for name, value in items.items():
            self.integer(PAIRS | TAG)
            self.symbol(name)
            self.value(value)
        self.integer(NIL)

    def numbers(self, kind, values, flags=0):
        self.integer(kind | flags)
        self.integer(len(values))
        self.out += np.asarray(values).astype(">f8" if kind == REAL else ">i4").tobytes()

    def strings(self, texts):
        self.integer(STRINGS)
        self.integer(len(texts))
        for text in texts:
            self.chars(text)

    def value(self, value):
        if isinstance(value, Array):
            self.numbers(value.kind, value.values, ATTRIBUTES if value.dim else 0)
            if value.dim:
                self.pairs({"dim": Array(list(value.dim), None, INTEGER)})
        elif isinstance(value, Factor):
            self.numbers(INTEGER, value.codes, ATTRIBUTES | OBJECT)
            self.pairs({"levels": value.levels, "class": ["factor"]})
        elif isinstance(value, dict):
            self.integer(VECTOR | ATTRIBUTES | (OBJECT if isinstance(value, Frame) else 0))
            self.integer(len(value))
            for inner in value.values():
                self.value(inner)
            attributes = {"names": list(value)}
            if isinstance(value, Frame):
                rows = len(next(iter(value.values())).values)
                attributes |= {"class": ["data.frame"], "row.names": Array([-(2**31), -rows], None, INTEGER)}
            self.pairs(attributes)
        elif all(isinstance(one, str) for one in value):
            self.strings(value)
        else:
            self.integer(VECTOR)
            self.integer(len(value))
            for inner in value:
                self.value(inner)


def encode(objects):
    """The bytes of `save(..., compress = FALSE)` for objects by name."""
    writer = Writer()
    writer.out += b"RDX2\nX\n"
    for number in (2, 0x00040102, 0x00020300):
        writer.integer(number)
    writer.pairs(objects)
    return bytes(writer.out)


def save(path: Path, objects, compress=gzip.compress):
    path.write_bytes(compress(encode(objects)) if compress else encode(objects))
    return path
