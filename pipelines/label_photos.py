"""Photos of labels for the review, read in place where the index says they lie."""

import io
import threading
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.small_images import open_small
from cairnhub.pipelines.archives.entry import Entry
from cairnhub.pipelines.archives.kinds import archive_at
from cairnhub.pipelines.archives.member_reader import MemberReader

N_AT_HAND = 8  # photos of a label whose places are kept; the others are looked up when they are asked for
THUMBNAIL_PX, LARGE_PX = 320, 1600
_KEPT = 2_000  # thumbnails of about 15 KB
_LARGE_KEPT = 30
_LABELS_KEPT = 50
_PLACE = ["archive", "member", "offset", "size_bytes"]


class LabelPhotos:
    """All photos of each label as JPEGs; None where one is missing or broken.

    The index is read in the background from the start: a photo that is asked for sooner waits for it.

    Args:
        index: folder of the index stage.
        level: of the labels.
        store: where the archives lie.
    """

    def __init__(self, index: Path, level: str, store: Path) -> None:
        self._index = index
        self._level = level
        self._store = store
        self._reader = MemberReader(store)
        self._reading = threading.Lock()
        self._entries: dict[str, list[Entry]] = {}
        self._counts: dict[str, int] = {}
        self._loading = threading.Thread(target=self._load, daemon=True)
        self._loading.start()
        self._thumbnail = lru_cache(_KEPT)(partial(self._make, side_px=THUMBNAIL_PX))
        self._large = lru_cache(_LARGE_KEPT)(partial(self._make, side_px=LARGE_PX))
        self._all_of = lru_cache(_LABELS_KEPT)(self._find)

    def count(self, label: str) -> int:
        """How many photos of a label can be shown."""
        self._loading.join()
        return self._counts.get(label, 0)

    def photo(self, label: str, nth: int, large: bool = False) -> bytes | None:
        """The n-th photo, at most `THUMBNAIL_PX` on a side, or `LARGE_PX` if it is to be large."""
        self._loading.join()
        entries = self._entries.get(label, [])
        if nth >= len(entries) and nth < self.count(label):
            entries = self._all_of(label)
        if nth >= len(entries):
            return None
        return self._large(entries[nth]) if large else self._thumbnail(entries[nth])

    def _load(self) -> None:
        path = self._index / "images.parquet"
        if not path.is_file():
            return
        columns = [self._level, *_PLACE]
        table = pq.read_table(path, columns=columns, read_dictionary=[self._level, "archive"])
        labels = table.unify_dictionaries()[self._level].combine_chunks()
        codes = labels.indices.to_numpy(zero_copy_only=False)
        order = np.argsort(codes, kind="stable")
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        rank = np.arange(len(order)) - np.repeat(starts, np.diff([*starts, len(order)]))
        self._entries = self._by_label(table.take(np.sort(order[rank < N_AT_HAND])))
        sizes = np.diff([*starts, len(order)]).tolist()
        names = (labels.dictionary[code].as_py() for code in codes[order][starts].tolist())
        self._counts = {name: n for name, n in zip(names, sizes, strict=True) if name in self._entries}

    def _find(self, label: str) -> list[Entry]:
        """Places of all photos of one label."""
        path, columns = self._index / "images.parquet", [self._level, *_PLACE]
        table = pq.read_table(path, columns=columns, filters=[(self._level, "==", label)])
        return self._by_label(table).get(label, [])

    def _by_label(self, table: pa.Table) -> dict[str, list[Entry]]:
        """Places by label, but for archives that can only be read from the start."""
        entries: dict[str, list[Entry]] = {}
        for label, *place in zip(*(column.to_pylist() for column in table.columns), strict=True):
            entry = Entry(*place)
            if not archive_at(self._store, entry.archive).is_streamed:
                entries.setdefault(label, []).append(entry)
        return entries

    def _make(self, entry: Entry, side_px: int) -> bytes | None:
        try:
            with self._reading:
                content = self._reader.read(entry)
        except (CairnError, OSError):  # missing store
            return None
        small = open_small(content, side_px)
        if small is None:
            return None
        small.thumbnail((side_px, side_px))
        out = io.BytesIO()
        small.save(out, "JPEG", quality=82)
        return out.getvalue()
