"""TFRecord files of `tf.train.Example`, written without TensorFlow.

A record is its length (uint64), the masked CRC of that, its bytes, and the masked CRC of these
(tensorflow/core/lib/io/record_writer.h); an Example is a protocol buffer (tensorflow/core/example/feature.proto).
"""

import struct
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from cairnhub.datasets_hub.export.crc32c import crc32c

_BYTES_LIST, _INT64_LIST = 1, 3  # fields of a Feature


def write_record(file: BinaryIO, content: bytes) -> None:
    """Append one record."""
    length = struct.pack("<Q", len(content))
    file.write(length + _masked(length) + content + _masked(content))


def example(features: Mapping[str, bytes | int]) -> bytes:
    """A `tf.train.Example` with one value per feature; features stand sorted by name."""
    entries = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, _feature(features[name]))) for name in sorted(features)
    )
    return _field(1, entries)


def _masked(content: bytes) -> bytes:
    crc = crc32c(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _feature(value: bytes | int) -> bytes:
    if isinstance(value, bytes):
        return _field(_BYTES_LIST, _field(1, value))
    return _field(_INT64_LIST, _field(1, _varint(value % 2**64)))


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes: number and wire type 2, length, content."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    return bytes(_septets(value))


def _septets(value: int) -> Iterator[int]:
    while value > 0x7F:
        yield value & 0x7F | 0x80
        value >>= 7
    yield value
