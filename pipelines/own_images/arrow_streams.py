"""Arrow streams that anybody may have written: nothing in them is larger than the file, and no offset leads out of it.

The format: https://arrow.apache.org/docs/format/Columnar.html, its messages are FlatBuffers by Message.fbs.
"""

import struct
from pathlib import Path

import pyarrow as pa

from cairnhub.core.errors import BrokenData

_HEADER_TYPE, _HEADER = 1, 2  # fields of a Message
_DICTIONARY, _BATCH = 2, 3  # types of its header
_DATA = 1  # the record batch of a DictionaryBatch
_LENGTH, _COMPRESSION = 0, 3  # fields of a RecordBatch
_FEW_ROWS = 2**20


def require_sound(path: Path) -> None:
    """Check a stream before it is read.

    Raises:
        BrokenData: it is compressed, has more rows than bytes, or arrays that lead out of their buffers.
        pyarrow.ArrowException, OSError: it is no Arrow stream.
    """
    n_rows, size_bytes = 0, path.stat().st_size
    with pa.memory_map(str(path)) as file:
        for message in pa.ipc.MessageReader.open_stream(file):
            n_rows += _rows(message.metadata.to_pybytes(), path)
            if not 0 <= n_rows <= max(_FEW_ROWS, size_bytes):
                raise BrokenData(f"{path}: {n_rows:,} rows in {size_bytes:,} bytes; do not trust it")
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as batches:
        for batch in batches:
            batch.validate(full=True)


def _rows(metadata: bytes, path: Path) -> int:
    """Rows that a message brings; 0 for one of another kind."""
    try:
        message = _Table(metadata, struct.unpack_from("<I", metadata)[0])
        kind = message.number(_HEADER_TYPE, "<B")
        if kind not in (_DICTIONARY, _BATCH):
            return 0
        header = message.table(_HEADER)
        batch = header.table(_DATA) if kind == _DICTIONARY else header
        if batch.place(_COMPRESSION):
            raise BrokenData(f"{path}: a compressed Arrow file; load it and save it by `save_to_disk`")
        return batch.number(_LENGTH, "<q")
    except (struct.error, RecursionError):
        raise BrokenData(f"{path}: a damaged message of Arrow; get the file again") from None


class _Table:
    """A table of a FlatBuffer: its fields stand where its vtable says."""

    def __init__(self, data: bytes, start: int) -> None:
        self._data, self._start = data, start
        self._vtable = start - struct.unpack_from("<i", data, start)[0]

    def place(self, field: int) -> int:
        """Where a field stands; 0 where it has its default."""
        if self._vtable < 0:
            raise struct.error
        (size,) = struct.unpack_from("<H", self._data, self._vtable)
        entry = 4 + 2 * field
        if entry + 2 > size:
            return 0
        (offset,) = struct.unpack_from("<H", self._data, self._vtable + entry)
        return self._start + int(offset) if offset else 0

    def number(self, field: int, form: str) -> int:
        """An integer, 0 by default."""
        place = self.place(field)
        return int(struct.unpack_from(form, self._data, place)[0]) if place else 0

    def table(self, field: int) -> "_Table":
        """The table that a field leads to."""
        place = self.place(field)
        return _Table(self._data, place + struct.unpack_from("<I", self._data, place)[0])
