"""What the pages of a Parquet file stand for: their headers are walked, the footer is only where they begin.

The format: https://parquet.apache.org/docs/file-format/, and its parquet.thrift.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from cairnhub.core.errors import BrokenData
from cairnhub.datasets_hub.thrift import CutHeader, Value, number, read_struct

Source = str | Path | BinaryIO
"""A path, or a file that is open for reading and can seek."""
_BATCH_BYTES = 2**26
_OVERHEAD = 16  # bytes per value: offsets, levels of nesting, validity
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": 0}
_HEADER_BYTES, _MOST_HEADER_BYTES = 512, 2**24
_TYPE, _UNCOMPRESSED, _COMPRESSED = 1, 2, 3  # fields of a PageHeader
_DATA_PAGE, _DICTIONARY_PAGE, _DATA_PAGE_2 = 0, 2, 3  # its types
_DETAILS = {_DATA_PAGE: 5, _DICTIONARY_PAGE: 7, _DATA_PAGE_2: 8}  # fields that describe the page
_N_VALUES = 1
_ENCODING = {_DATA_PAGE: 2, _DATA_PAGE_2: 4}
_ROW_GROUPS, _COLUMNS, _DESCRIPTION, _CODEC = 4, 1, 3, 4  # fields of the footer, each of the one before
_PLAIN, _CODECS = 0, {1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd", 7: "lz4_raw"}
_DICTIONARY, _DELTA_BYTE_ARRAY = (2, 8), 7  # encodings whose values may repeat one another


@dataclass(frozen=True)
class Page:
    """One page, by its header.

    Attributes:
        kind: 0 and 3 hold data, 2 a dictionary.
        start: where its content begins.
        size_bytes: in the file.
        decoded_bytes: once decompressed.
        n_values: nulls counted.
        encoding: of the values; -1 for a dictionary.
    """

    kind: int
    start: int
    size_bytes: int
    decoded_bytes: int
    n_values: int
    encoding: int


@dataclass(frozen=True)
class Chunk:
    """A column of a row group, and what it takes in memory at most.

    Attributes:
        group: number of the row group.
        column: dotted name.
        most_bytes: no decoder makes more of it.
        repeating: values that may each be a whole page long, for they only point to it.
        longest: bytes of the longest of them, at most.
        is_nested: a row may hold any number of them.
        dictionary: the page they point to, if they do.
        place: of the column among the columns.
    """

    group: int
    column: str
    most_bytes: int
    repeating: int
    longest: int
    is_nested: bool
    dictionary: Page | None
    place: int


class PageWalk:
    """The column chunks of a file, one by one.

    Attributes:
        source: what was opened.
        size_bytes: of the file.
    """

    def __init__(self, source: Source, file: BinaryIO, opened: pq.ParquetFile) -> None:
        self.source = source
        self.size_bytes = file.seek(0, 2)
        self._file = file
        self._opened = opened
        self._metadata = opened.metadata

    def chunks(self, columns: Sequence[str] | None) -> Iterator[Chunk]:
        """Those of some columns, dotted names of fields among them; all by default.

        Raises:
            BrokenData: a header is damaged.
        """
        schema = self._metadata.schema
        paths = [schema.column(place).path for place in range(self._metadata.num_columns)]
        chosen = [
            place
            for place, path in enumerate(paths)
            if columns is None or any(f"{path}.".startswith(f"{name}.") for name in columns)
        ]
        for group in range(self._metadata.num_row_groups):
            row_group = self._metadata.row_group(group)
            for place in chosen:
                yield self._chunk(group, place, row_group.column(place), schema.column(place))

    def _chunk(self, group: int, place: int, chunk: pq.ColumnChunkMetaData, column: pq.ColumnSchema) -> Chunk:
        pages = list(self._pages(chunk))
        data = [page for page in pages if page.kind != _DICTIONARY_PAGE]
        n_values = max(chunk.num_values, sum(page.n_values for page in data))
        width = column.length if column.physical_type.startswith("FIXED") else _WIDTHS[column.physical_type]
        most = sum(page.decoded_bytes for page in pages) + n_values * (width + _OVERHEAD)
        repeating, longest = 0, 0
        dictionary = next((page for page in pages if page.kind == _DICTIONARY_PAGE), None)
        if not width:
            repeated = [(page, self._longest(page, dictionary)) for page in data]
            most += sum(page.n_values * each for page, each in repeated)
            repeating = sum(page.n_values for page, each in repeated if each)
            longest = max((each for _, each in repeated), default=0)
        is_nested = column.max_repetition_level > 0
        return Chunk(group, column.path, most, repeating, longest, is_nested, dictionary, place)

    @staticmethod
    def _longest(page: Page, dictionary: Page | None) -> int:
        """The longest value that takes less room in its page than in memory; 0 where none does."""
        if page.encoding == _DELTA_BYTE_ARRAY:
            return page.decoded_bytes
        return dictionary.decoded_bytes if dictionary and page.encoding in _DICTIONARY else 0

    def _pages(self, chunk: pq.ColumnChunkMetaData) -> Iterator[Page]:
        """As a reader finds them: until the values that the footer promises are there."""
        position = chunk.data_page_offset
        if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < position:
            position = chunk.dictionary_page_offset
        end = min(position + chunk.total_compressed_size, self.size_bytes)
        n_values = 0
        while position < end and n_values < chunk.num_values:
            header, start = self._header(position, end)
            kind, size = number(header, _TYPE), number(header, _COMPRESSED)
            decoded = number(header, _UNCOMPRESSED)
            if size < 0 or decoded < 0:
                raise self._damaged("a page of a negative size")
            position = start + size
            if kind not in _DETAILS:
                continue
            details = header.get(_DETAILS[kind])
            if not isinstance(details, dict):
                raise self._damaged("a page that is not described")
            count = number(details, _N_VALUES)
            if count < 0:
                raise self._damaged("a page of a negative number of values")
            encoding = number(details, _ENCODING[kind]) if kind in _ENCODING else -1
            n_values += count if kind in _ENCODING else 0
            yield Page(kind, start, size, decoded, count, encoding)

    def _header(self, position: int, end: int) -> tuple[dict[int, Value], int]:
        size = _HEADER_BYTES
        while True:
            self._file.seek(position)
            try:
                header, behind = read_struct(self._file.read(min(size, end - position)), 0)
            except CutHeader:
                if size >= min(end - position, _MOST_HEADER_BYTES):
                    raise self._damaged("a page whose header has no end") from None
                size *= 8
            else:
                return header, position + behind

    def _damaged(self, what: str) -> BrokenData:
        return BrokenData(f"{name_of(self.source)}: {what}: the file is damaged; get it again")

    def count(self, chunk: Chunk, enough: int) -> int:
        """What a chunk really takes, as far as that is needed: its repeated texts are decoded in small batches.

        Args:
            chunk: one of `chunks`.
            enough: bytes at which counting ends.
        """
        if not chunk.repeating or chunk.longest > enough:
            return chunk.most_bytes
        if chunk.is_nested:  # one row may hold all of it
            return chunk.most_bytes - chunk.repeating * (chunk.longest - self._longest_entry(chunk))
        n_rows, counted = max(1, min(_BATCH_BYTES, enough) // chunk.longest), 0
        for batch in self._opened.iter_batches(
            n_rows, row_groups=[chunk.group], columns=[chunk.column], use_threads=False
        ):
            column = batch.column(0)  # which some readers decode, and some do not
            is_pointing = pa.types.is_dictionary(column.type)
            counted += (column.dictionary_decode() if is_pointing else column).nbytes
            if counted > enough:
                break
        return counted

    def _longest_entry(self, chunk: Chunk) -> int:
        page = chunk.dictionary
        if page is None:
            return chunk.longest
        self._file.seek(page.start)
        content = self._file.read(page.size_bytes)
        try:
            codec = self._codec(chunk)
            if codec != _PLAIN:
                content = pa.decompress(content, page.decoded_bytes, _CODECS[codec], asbytes=True)
        except (pa.ArrowException, CutHeader, LookupError, ValueError, OSError):
            return chunk.longest
        position, longest = 0, 0
        while position < len(content):
            length = int.from_bytes(content[position : position + 4], "little")
            longest = max(longest, length)
            position += 4 + length
        return min(longest, chunk.longest)

    def _codec(self, chunk: Chunk) -> int:
        """Number of a chunk's compression; Arrow, asked for its name, ends the process where it has none."""
        described: Value = self._footer
        for key in (_ROW_GROUPS, chunk.group, _COLUMNS, chunk.place, _DESCRIPTION):
            described = described[key]  # type: ignore[index]
        assert isinstance(described, dict)
        return number(described, _CODEC)

    @cached_property
    def _footer(self) -> dict[int, Value]:
        self._file.seek(self.size_bytes - 8)
        length = int.from_bytes(self._file.read(4), "little")
        self._file.seek(self.size_bytes - 8 - length)
        return read_struct(self._file.read(length), 0)[0]


@contextmanager
def walk_pages(source: Source, opened: pq.ParquetFile) -> Iterator[PageWalk]:
    """The pages of a file that is open as Parquet."""
    if not isinstance(source, str | Path):
        yield PageWalk(source, source, opened)
        return
    with Path(source).open("rb") as file:
        yield PageWalk(source, file, opened)


def name_of(source: Source) -> str:
    """What messages call a file."""
    return str(source) if isinstance(source, str | Path) else str(getattr(source, "path", "the file"))
