"""Sample photos of labels for the review, read in place where the index says they lie."""

import io
import threading
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.small_images import open_small
from cairnhub.pipelines.archives.entry import Entry
from cairnhub.pipelines.archives.kinds import archive_at
from cairnhub.pipelines.archives.member_reader import MemberReader

N_PER_LABEL = 8
THUMBNAIL_PX = 320
_KEPT = 2_000  # thumbnails of about 15 KB
_PLACE = ["archive", "member", "offset", "size_bytes"]


class SamplePhotos:
    """The first photos of each label as small JPEGs; None where one is missing or broken.

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
        self._loading = threading.Thread(target=self._load, daemon=True)
        self._loading.start()
        self._thumbnail = lru_cache(_KEPT)(self._make)

    def __call__(self, label: str, nth: int) -> bytes | None:
        """The n-th photo, at most `THUMBNAIL_PX` on a side."""
        self._loading.join()
        entries = self._entries.get(label, [])
        return self._thumbnail(entries[nth]) if nth < len(entries) else None

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
        chosen = np.sort(order[rank < N_PER_LABEL])
        entries: dict[str, list[Entry]] = {}
        for label, *place in zip(*(column.to_pylist() for column in table.take(chosen).columns), strict=True):
            entry = Entry(*place)
            if not archive_at(self._store, entry.archive).is_streamed:
                entries.setdefault(label, []).append(entry)
        self._entries = entries

    def _make(self, entry: Entry) -> bytes | None:
        try:
            with self._reading:
                content = self._reader.read(entry)
        except (CairnError, OSError):  # missing store
            return None
        small = open_small(content, THUMBNAIL_PX)
        if small is None:
            return None
        small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
        out = io.BytesIO()
        small.save(out, "JPEG", quality=82)
        return out.getvalue()
