"""MATLAB's files of level 5: text, numbers, cells and structs; nothing else, nothing nested deep, nothing large.

The form is that of "MAT-File Format" (MathWorks): a head of 128 bytes, then elements, each a tag (type, bytes) and its
content. Cells and structs hold elements in turn. SciPy's reader follows them by recursion in C, and a file of 2 MB
ends the process; this one stops at a depth.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cairnhub.core.errors import BrokenData

MAX_BYTES = 2**26
"""Unpacked; the annotations of 16,000 images have some megabytes."""
_MAX_DEPTH = 8
_HEAD_BYTES = 128
_INT8, _UINT32, _INT32, _MATRIX, _COMPRESSED = 1, 6, 5, 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16"}
_CELL, _STRUCT, _CHAR, _FIRST_NUMBER, _LAST_NUMBER = 1, 2, 4, 6, 15
_COMPLEX = 0x0800

Value = str | list["Value"] | list[dict[str, "Value"]] | list[float]
"""Text; the values of a cell; the records of a struct, by field; numbers. Arrays are flat, column by column."""


class _Malformed(ValueError):
    """What is wrong with a file, in words."""


def read_mat(content: bytes, where: Path) -> dict[str, Value]:
    """The variables of a MAT-file, by name.

    Args:
        content: the file, packed or not.
        where: its path, for messages.

    Raises:
        CairnError: it is cut, damaged, of another version, larger than `MAX_BYTES`, or holds objects or sparse arrays.
    """
    if len(content) > MAX_BYTES:
        raise BrokenData(f"{where}: larger than {MAX_BYTES:,} bytes: no annotations; fetch it again")
    if content[:10] == b"MATLAB 7.3":
        raise BrokenData(f"{where}: a MAT-file of version 7.3; save it with `-v7`")
    order = {b"IM": "<", b"MI": ">"}.get(content[_HEAD_BYTES - 2 : _HEAD_BYTES])
    if order is None:
        raise BrokenData(f"{where}: no MAT-file of level 5; fetch it again")
    try:
        return _Reader(order).variables(content)
    except (ValueError, struct.error, zlib.error) as error:
        raise BrokenData(f"{where}: no whole MAT-file ({error}); fetch it again") from None


class _Reader:
    def __init__(self, order: str) -> None:
        self.order = order
        self.n_left = MAX_BYTES

    def variables(self, content: bytes) -> dict[str, Value]:
        """All top-level elements."""
        found: dict[str, Value] = {}
        for kind, data in self.elements(memoryview(content)[_HEAD_BYTES:]):
            inner = self.elements(self.unpacked(data)) if kind == _COMPRESSED else iter([(kind, data)])
            for what, matrix in inner:
                if what != _MATRIX:
                    raise _Malformed(f"an element of type {what} where a matrix belongs")
                name, value = self.matrix(matrix, 0)
                found[name] = value
        return found

    def unpacked(self, data: memoryview) -> memoryview:
        """A compressed element; all of them together have at most `MAX_BYTES`."""
        unpacker = zlib.decompressobj()
        unpacked = unpacker.decompress(data, self.n_left)
        self.n_left -= len(unpacked)
        if not unpacker.eof:
            raise _Malformed("a compressed part that is cut, or too large")
        return memoryview(unpacked)

    def elements(self, data: memoryview) -> Iterator[tuple[int, memoryview]]:
        """The elements that follow one another: type and content."""
        at = 0
        while at < len(data):
            kind, size = struct.unpack_from(f"{self.order}II", data, at)
            start = at + 8
            if kind >> 16:
                kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
            end = start + size
            if end > len(data) or (start == at + 4 and size > 4):
                raise _Malformed(f"an element of {size:,} bytes where {len(data) - start:,} are left")
            yield kind, data[start:end]
            at = end if kind == _COMPRESSED else at + 8 if start == at + 4 else end + -size % 8

    def matrix(self, data: memoryview, depth: int) -> tuple[str, Value]:
        """A matrix: its name and its value."""
        if depth > _MAX_DEPTH:
            raise _Malformed("cells nested too deeply")
        if not len(data):
            return "", []
        parts = self.elements(data)
        kind, is_complex = self.flags(_next(parts, _UINT32))
        shape = np.frombuffer(_next(parts, _INT32), f"{self.order}i4").tolist()
        count = math.prod(shape)
        name = bytes(_next(parts, _INT8)).decode("latin-1")
        if min(shape, default=0) < 0 or count > len(data):
            raise _Malformed("an array that is larger than its content")
        if kind == _CELL:
            return name, [self.below(parts, depth) for _ in range(count)]
        if kind == _STRUCT:
            return name, self.records(parts, count, depth)
        if kind == _CHAR:
            return name, self.text(parts)
        if not _FIRST_NUMBER <= kind <= _LAST_NUMBER or is_complex:
            raise _Malformed(f"an array of class {kind}, which is no text, number, cell or struct")
        return name, self.numbers(parts)

    def flags(self, data: memoryview) -> tuple[int, bool]:
        """The class of an array, and whether it is complex."""
        (word,) = struct.unpack_from(f"{self.order}I", data)
        return word & 0xFF, bool(word & _COMPLEX)

    def below(self, parts: Iterator[tuple[int, memoryview]], depth: int) -> Value:
        """The next matrix inside a cell or a struct."""
        return self.matrix(_next(parts, _MATRIX), depth + 1)[1]

    def records(
        self, parts: Iterator[tuple[int, memoryview]], count: int, depth: int
    ) -> list[dict[str, Value]]:
        """The records of a struct array."""
        (width,) = struct.unpack_from(f"{self.order}i", _next(parts, _INT32))
        names = bytes(_next(parts, _INT8))
        if width < 1 or len(names) % width:
            raise _Malformed("names of fields that do not fit their length")
        fields = [
            names[at : at + width].split(b"\0")[0].decode("latin-1") for at in range(0, len(names), width)
        ]
        if not fields:
            raise _Malformed("a struct without fields")
        return [{field: self.below(parts, depth) for field in fields} for _ in range(count)]

    def text(self, parts: Iterator[tuple[int, memoryview]]) -> str:
        """The characters of an array, one row after another where it has one row."""
        kind, data = next(parts, (16, memoryview(b"")))
        if kind not in _TEXTS:
            raise _Malformed(f"text of type {kind}")
        ending = {"<": "-le", ">": "-be"}[self.order] if _TEXTS[kind] == "utf-16" else ""
        return bytes(data).decode(_TEXTS[kind] + ending)

    def numbers(self, parts: Iterator[tuple[int, memoryview]]) -> list[float]:
        """The numbers of an array."""
        kind, data = next(parts, (9, memoryview(b"")))
        if kind not in _NUMBERS:
            raise _Malformed(f"numbers of type {kind}")
        dtype = np.dtype(self.order + _NUMBERS[kind])
        if len(data) % dtype.itemsize:
            raise _Malformed("a number that is cut")
        values: list[float] = np.frombuffer(data, dtype).tolist()
        return values


def _next(parts: Iterator[tuple[int, memoryview]], kind: int) -> memoryview:
    """The content of the next element, which must be of a type."""
    found, data = next(parts, (None, memoryview(b"")))
    if found != kind:
        raise _Malformed(f"an element of type {found} where one of type {kind} belongs")
    return data
