"""A Parquet footer that contradicts itself is told before Arrow is asked for what it says of a column.

Arrow's reader raises what is wrong with a footer; its look-up of a column's place ends the whole process.
"""

import io
import os

import pyarrow as pa
import pyarrow.parquet as pq

_BUFFER_BYTES = (
    4096  # with a buffer Arrow reads a column when its first value is asked for, not when it is opened
)


class _NoContent(io.RawIOBase):
    """A file of which nothing but its size is known.

    It is empty where it is read. An error from Python would do too, but Arrow keeps the whole reader with it, for ever.
    """

    def __init__(self, size_bytes: int) -> None:
        self.was_read = False
        self._size_bytes, self._position = size_bytes, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + {os.SEEK_CUR: self._position, os.SEEK_END: self._size_bytes}.get(whence, 0)
        return self._position

    def read(self, size: int = -1) -> bytes:
        self.was_read = True
        return b""


def require_sound(metadata: pq.FileMetaData, size_bytes: int) -> None:
    """Let Arrow's reader take in the description of every column, and read none.

    Args:
        metadata: of a file.
        size_bytes: of the file.

    Raises:
        pyarrow.ArrowException, OSError: the footer contradicts itself.
    """
    content = _NoContent(size_bytes)
    source = pa.PythonFile(content, mode="r")
    reader = pq.ParquetFile(source, metadata=metadata, buffer_size=_BUFFER_BYTES).reader
    columns = list(range(metadata.num_columns))
    for group in range(metadata.num_row_groups):
        content.was_read = False
        try:
            next(reader.iter_batches(1, row_groups=[group], column_indices=columns, use_threads=False), None)
        except (pa.ArrowException, OSError):
            if not content.was_read:  # else the footer was taken for good, and content was asked for
                raise
