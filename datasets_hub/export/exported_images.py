"""What every export reads: the images of a published dataset with their ids and the names of their labels."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from cairnhub.core.errors import BrokenData
from cairnhub.datasets_hub.location import PublishedDataset
from cairnhub.datasets_hub.open_split import PublishedSplits
from cairnhub.hierarchies.label_tree.tree import LabelTree

_ENDINGS = {"JPEG": "jpg", "MPO": "jpg", "JPEG2000": "jp2", "TIFF": "tif"}


@dataclass(frozen=True)
class ExportedImage:
    """One image on its way out.

    Attributes:
        content: the file as it was published.
        image_id: unique over all splits.
        split: where it belongs.
        codes: class index per chosen level, -1 without a label.
        labels: name per chosen level, None without a label.
        texts: what the columns of text hold, such as `author`.
    """

    content: bytes
    image_id: str
    split: str
    codes: Mapping[str, int]
    labels: Mapping[str, str | None]
    texts: Mapping[str, str | None]

    @cached_property
    def _header(self) -> tuple[str, tuple[int, int]]:
        try:
            with Image.open(io.BytesIO(self.content)) as image:
                return str(image.format), image.size
        except OSError as error:
            raise BrokenData(
                f"image {self.image_id!r}: {error}; check the dataset with `cairn datasets check`"
            ) from None

    @property
    def ending(self) -> str:
        """What a file of its kind ends with, such as `jpg`."""
        kind = self._header[0]
        return _ENDINGS.get(kind, kind.lower())

    @property
    def stem(self) -> str:
        """The id without the ending that its file gets."""
        return self.image_id.removesuffix(f".{self.ending}")

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height as they are stored, before any EXIF turns them."""
        return self._header[1]


@dataclass(frozen=True)
class Selection:
    """The part of a published dataset that is exported.

    Attributes:
        published: the dataset; it has images.
        splits: the chosen splits, in order of publication.
        levels: the chosen levels, fine to coarse.
        confidence: that a label of the finest level stands in the right group, 0..1, where a machine said so.
    """

    published: PublishedDataset
    splits: tuple[str, ...]
    levels: tuple[str, ...]
    confidence: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def tree(self) -> LabelTree:
        """The label tree, with all levels."""
        return self._opened.tree

    @property
    def name(self) -> str:
        """Of the dataset."""
        return self.published.card.name

    def n_images(self, split: str) -> int:
        """How many images a split has."""
        return self.published.stats.splits[split].n_images

    def image_bytes(self, split: str) -> int:
        """Bytes of all images of a split."""
        return sum(shard.image_bytes for shard in self.published.stats.splits[split].shards)

    def names(self, level: str) -> tuple[str, ...]:
        """Names of a level by class index."""
        return self.tree.names[self.tree.levels.index(level)]

    def images(self, split: str) -> Iterator[ExportedImage]:
        """Images of a split in their published order, with a progress bar where a terminal shows it."""
        texts = self.published.card.texts
        columns = self._opened.columns(split, ["image_id", *texts]).combine_chunks()
        ids, values = columns["image_id"], [columns[name] for name in texts]
        opened = self._opened.open(split)
        for row in tqdm(range(len(ids)), desc=split, unit=" images", disable=None):
            codes, labels = self._labels(opened.labels[row])
            behind = {name: value[row].as_py() for name, value in zip(texts, values, strict=True)}
            yield ExportedImage(opened.images[row], ids[row].as_py(), split, codes, labels, behind)

    @cached_property
    def _opened(self) -> PublishedSplits:
        return PublishedSplits(self.published)

    @cached_property
    def _ranks(self) -> Sequence[tuple[int, str]]:
        return [(self.tree.levels.index(level), level) for level in self.levels]

    def _labels(self, row: npt.NDArray[np.int64]) -> tuple[dict[str, int], dict[str, str | None]]:
        codes = {level: int(row[rank]) for rank, level in self._ranks}
        names = {
            level: self.tree.names[rank][codes[level]] if codes[level] >= 0 else None
            for rank, level in self._ranks
        }
        return codes, names
