"""Sample photos of landmarks for the review, read in place where the index says they lie."""

import io
import threading
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.image_check import USUAL
from cairnhub.pipelines.archives import MemberReader, is_streamed

N_PER_LANDMARK = 8
THUMBNAIL_PX = 320
_KEPT = 2_000  # thumbnails of about 15 KB
_COLUMNS = ["landmark", "archive", "member", "offset", "size_bytes"]
Place = tuple[str, str, int, int]


class SamplePhotos:
    """The first photos of each landmark as small JPEGs; None where one is missing or broken.

    The index is read in the background from the start: a photo that is asked for sooner waits for it.

    Args:
        index: folder of the index stage.
        store: where the archives lie.
    """

    def __init__(self, index: Path, store: Path) -> None:
        self._index = index
        self._reader = MemberReader(store)
        self._reading = threading.Lock()
        self._places: dict[str, list[Place]] = {}
        self._loading = threading.Thread(target=self._load, daemon=True)
        self._loading.start()
        self._thumbnail = lru_cache(_KEPT)(self._make)

    def __call__(self, landmark: str, nth: int) -> bytes | None:
        """The n-th photo, at most `THUMBNAIL_PX` on a side."""
        self._loading.join()
        places = self._places.get(landmark, [])
        return self._thumbnail(places[nth]) if nth < len(places) else None

    def _load(self) -> None:
        path = self._index / "images.parquet"
        if not path.is_file():
            return
        table = pq.read_table(path, columns=_COLUMNS, read_dictionary=["landmark", "archive"])
        landmarks = table.unify_dictionaries()["landmark"].combine_chunks()
        codes = landmarks.indices.to_numpy(zero_copy_only=False)
        order = np.argsort(codes, kind="stable")
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        rank = np.arange(len(order)) - np.repeat(starts, np.diff([*starts, len(order)]))
        chosen = np.sort(order[rank < N_PER_LANDMARK])
        places: dict[str, list[Place]] = {}
        for landmark, archive, member, offset, size in zip(
            *(column.to_pylist() for column in table.take(chosen).columns), strict=True
        ):
            if not is_streamed(archive):
                places.setdefault(landmark, []).append((archive, member, offset, size))
        self._places = places

    def _make(self, place: Place) -> bytes | None:
        try:
            with self._reading:
                content = self._reader.read(*place)
            if USUAL.fault(content):
                return None
            with Image.open(io.BytesIO(content)) as image:
                image.draft("RGB", (THUMBNAIL_PX, THUMBNAIL_PX))
                small = image.convert("RGB")
            small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
            out = io.BytesIO()
            small.save(out, "JPEG", quality=82)
            return out.getvalue()
        except (CairnError, OSError, ValueError, SyntaxError):  # missing store, or what Pillow raises
            return None
