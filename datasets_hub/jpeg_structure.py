"""Does a JPEG decode? Its markers and tables tell, and cost a fiftieth of decoding it.

libjpeg, which all readers decode with, forgives damaged coefficients; what it fails on are markers where none may be,
and scans whose tables are missing or wrong (ITU-T T.81, annexes B and C). Metadata is read as readers read it.
"""

import io
import warnings
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from cairnhub.datasets_hub.decoding import DECODING_FAULTS, decode_as_datasets

_START, _FILL, _END = b"\xff\xd8\xff", 0xFF, 0xD9
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2  # the frames that every decoder reads
_HUFFMAN, _SCAN, _QUANTISATION, _RESTART = 0xC4, 0xDA, 0xDB, 0xDD
_METADATA = range(0xE0, 0xF0)
_COMMENT = 0xFE
_MAX_BLOCKS = 10  # of an interleaved scan, per unit


class _Unusual(Exception):
    """Not what most JPEGs are: only decoding can tell whether it is whole."""


def jpeg_size(image: bytes) -> tuple[int, int] | None:
    """Width and height of a JPEG that decodes from end to end; None for others, and where only decoding can tell."""
    if not image.startswith(_START):
        return None
    jpeg = _Jpeg()
    try:
        jpeg.walk(image)
    except (_Unusual, IndexError):
        return None
    if jpeg.has_metadata and not _metadata_reads(image):
        return None
    return jpeg.size


def _metadata_reads(image: bytes) -> bool:
    """Whether `datasets` reads what stands before the pixels, and turns the image by it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata
            pixel = Image.new("L", (1, 1))
            pixel.info = Image.open(io.BytesIO(image), formats=("JPEG",)).info
            decode_as_datasets(pixel)
    except DECODING_FAULTS:
        return False
    return True


@dataclass
class _Jpeg:
    """What has been read of a JPEG so far.

    Attributes:
        size: width and height; None before the frame.
        is_progressive: whether its scans refine one another.
        components: of the frame: number -> its quantisation table, and its blocks in a unit.
        quantisation: tables defined.
        huffman: tables defined, AC ones from 16 on.
        has_metadata: whether a segment before the first scan is more than a plain JFIF header or a comment.
        n_scans: scans begun.
    """

    size: tuple[int, int] | None = None
    is_progressive: bool = False
    components: dict[int, tuple[int, int]] = field(default_factory=dict)
    quantisation: set[int] = field(default_factory=set)
    huffman: set[int] = field(default_factory=set)
    has_metadata: bool = False
    n_scans: int = 0

    def walk(self, image: bytes) -> None:
        """Read segment by segment up to the end-of-image marker.

        Raises:
            _Unusual: or IndexError, something is not as in most JPEGs.
        """
        markers: npt.NDArray[np.int64] | None = None
        at = 2
        while True:
            if image[at] != _FILL:
                raise _Unusual
            marker = image[at + 1]
            if marker == _FILL:
                at += 1
                continue
            if marker == _END and self.n_scans:
                return
            end = at + 2 + (image[at + 2] << 8 | image[at + 3])
            self._segment(marker, image[at + 4 : end])
            at = end
            if marker == _SCAN:
                if markers is None:
                    markers = _markers(image, at)
                at = int(markers[np.searchsorted(markers, at)])

    def _segment(self, marker: int, content: bytes) -> None:
        if marker in (_BASELINE, _EXTENDED, _PROGRESSIVE):
            self._frame(marker, content)
        elif marker == _SCAN:
            self._scan(content)
        elif marker == _HUFFMAN:
            self.huffman |= _huffman_tables(content)
        elif marker == _QUANTISATION:
            self.quantisation |= _quantisation_tables(content)
        elif marker in _METADATA:
            self.has_metadata |= not (content.startswith(b"JFIF\0") and len(content) >= 14)
        elif marker != _COMMENT and not (marker == _RESTART and len(content) == 2):
            raise _Unusual

    def _frame(self, marker: int, content: bytes) -> None:
        n = content[5]
        height, width = content[1] << 8 | content[2], content[3] << 8 | content[4]
        factors = [divmod(content[7 + 3 * i], 16) for i in range(n)]
        usual = (
            self.size is None
            and content[0] == 8
            and width > 0
            and height > 0
            and n in (1, 3, 4)
            and len(content) == 6 + 3 * n
            # 3 beside 2 is what libjpeg cannot scale.
            and all(factor in (1, 2, 4) for pair in factors for factor in pair)
        )
        if not usual:
            raise _Unusual
        self.size, self.is_progressive = (width, height), marker == _PROGRESSIVE
        for i, (across, down) in enumerate(factors):
            self.components[content[6 + 3 * i]] = (content[8 + 3 * i], across * down)
        if len(self.components) != n:
            raise _Unusual

    def _scan(self, content: bytes) -> None:
        n = content[0]
        parts = [(content[1 + 2 * i], divmod(content[2 + 2 * i], 16)) for i in range(n)]
        first, last, (before, low) = content[-3], content[-2], divmod(content[-1], 16)
        shown = [self.components.get(number) for number, _ in parts]
        blocks = [component[1] for component in shown if component]
        usual = (
            len(content) == 4 + 2 * n
            and len({number for number, _ in parts}) == n == len(blocks)
            and all(component and component[0] in self.quantisation for component in shown)
            and (n == 1 or sum(blocks) <= _MAX_BLOCKS)
        )
        if self.is_progressive:
            needed = {dc for _, (dc, _) in parts if not before} if not first else {16 + parts[0][1][1]}
            usual &= low <= 13 and before in (0, low + 1)
            usual &= last == 0 if not first else n == 1 and first <= last <= 63
        else:
            needed = {table for _, (dc, ac) in parts for table in (dc, 16 + ac)}
            usual &= (first, last, before, low) == (0, 63, 0, 0)
        if not usual or not needed <= self.huffman:
            raise _Unusual
        self.n_scans += 1


def _markers(image: bytes, start: int) -> npt.NDArray[np.int64]:
    """Where markers stand from `start` on, but for those within a scan: stuffed bytes and restarts."""
    content = np.frombuffer(image, np.uint8, offset=start)
    here = np.flatnonzero(content[:-1] == _FILL)
    behind = content[here + 1]
    markers: npt.NDArray[np.int64] = here[(behind != 0) & ((behind < 0xD0) | (behind > 0xD7))] + start
    return markers


@lru_cache(1024)
def _quantisation_tables(content: bytes) -> frozenset[int]:
    """The tables that a segment defines."""
    tables, at = set(), 0
    while at < len(content):
        wide, table = divmod(content[at], 16)
        at += 1 + 64 * (1 + wide)
        if wide > 1 or table > 3 or at > len(content):
            raise _Unusual
        tables.add(table)
    return frozenset(tables)


@lru_cache(1024)
def _huffman_tables(content: bytes) -> frozenset[int]:
    """The tables that a segment defines, if their codes can be built; AC ones from 16 on."""
    tables, at = set(), 0
    while at < len(content):
        table, counts = content[at], content[at + 1 : at + 17]
        symbols = content[at + 17 : at + 17 + sum(counts)]
        at += 17 + sum(counts)
        room = 1
        for count in counts:
            room = 2 * room - count
            if room < 1:  # no code is all ones
                raise _Unusual
        is_ac, number = divmod(table, 16)
        if is_ac > 1 or number > 3 or at > len(content) or len(symbols) > 256:
            raise _Unusual
        if not is_ac and symbols and max(symbols) > 15:
            raise _Unusual
        tables.add(table)
    return frozenset(tables)
