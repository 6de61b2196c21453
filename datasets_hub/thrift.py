"""Thrift's compact protocol, as far as headers and footers of Parquet use it; anybody may have written the bytes."""

import mmap
from collections.abc import Mapping
from typing import TypeAlias

from cairnhub.core.errors import BrokenData

_MOST_DEEP = 8
_MOST_SHIFT = 63
_LONG_LIST = 15  # the length follows
Bytes = bytes | mmap.mmap
Value: TypeAlias = "int | bool | bytes | dict[int, Value] | list[Value]"


class CutHeader(Exception):
    """The bytes end before the header does."""


def number(struct: Mapping[int, Value], field: int) -> int:
    """A field that holds an integer.

    Raises:
        BrokenData: it is not there, or is none.
    """
    value = struct.get(field)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BrokenData(f"a page header without field {field}: the file is damaged; get it again")
    return value


def read_struct(data: Bytes, position: int, depth: int = 0) -> tuple[dict[int, Value], int]:
    """Fields by number, and the position behind the struct.

    Raises:
        CutHeader: the bytes end before.
        BrokenData: they are no page header.
    """
    if depth > _MOST_DEEP:
        raise BrokenData("a page header is nested too deeply: the file is damaged; get it again")
    fields: dict[int, Value] = {}
    field = 0
    try:
        while kind := data[position]:
            position += 1
            if kind >> 4:
                field += kind >> 4
            else:
                field, position = _zigzag(data, position)
            fields[field], position = _value(data, position, kind & 15, depth)
    except IndexError:
        raise CutHeader from None
    return fields, position + 1


def _value(data: Bytes, position: int, kind: int, depth: int) -> tuple[Value, int]:
    match kind:
        case 1 | 2:  # a boolean is its own type
            return kind == 1, position
        case 3:
            return data[position], position + 1
        case 4 | 5 | 6:
            return _zigzag(data, position)
        case 8:
            length, position = _varint(data, position)
            if position + length > len(data):
                raise CutHeader
            return bytes(data[position : position + length]), position + length
        case 9 | 10:
            return _list(data, position, depth)
        case 12:
            return read_struct(data, position, depth + 1)
    raise BrokenData(f"a page header holds a value of type {kind}: the file is damaged; get it again")


def _list(data: Bytes, position: int, depth: int) -> tuple[list[Value], int]:
    if depth > _MOST_DEEP:
        raise BrokenData("a footer is nested too deeply: the file is damaged; get it again")
    count, kind, position = data[position] >> 4, data[position] & 15, position + 1
    if count == _LONG_LIST:
        count, position = _varint(data, position)
    values: list[Value] = []
    for _ in range(count):
        if kind in (1, 2):  # in a list a boolean is a byte
            values.append(data[position] == 1)
            position += 1
        else:
            value, position = _value(data, position, kind, depth + 1)
            values.append(value)
    return values, position


def _varint(data: Bytes, position: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return value, position
        if shift > _MOST_SHIFT:
            raise BrokenData("a page header holds a number without end: the file is damaged; get it again")


def _zigzag(data: Bytes, position: int) -> tuple[int, int]:
    value, position = _varint(data, position)
    return (value >> 1) ^ -(value & 1), position
