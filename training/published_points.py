"""A published split as points: embeddings with what protocols ask of its images."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from cairnhub.datasets_hub.mmap_images import OpenSplit
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.training.encoders import EmbeddedSplit
from cairnhub.training.protocol_kinds.points import Points

if TYPE_CHECKING:
    from pyarrow import Table


class Splits(Protocol):
    """A published dataset, as far as vectors of its images need it."""

    @property
    def tree(self) -> LabelTree:
        """Its label tree."""

    @property
    def fingerprint(self) -> str:
        """Of its images and labels."""

    def open(self, split: str, /) -> OpenSplit:
        """Images at random and labels of a split."""

    def columns(self, split: str, names: Sequence[str], /) -> "Table":
        """Some columns of a split, in its order."""

    def column_names(self, split: str, /) -> Sequence[str]:
        """What columns a split has."""


def points_of(embedded: EmbeddedSplit, splits: Splits, split: str, texts: Iterable[str]) -> Points:
    """An embedded split with its ids, the columns of text among `texts` that it has, and its bytes."""
    present = [name for name in texts if name in splits.column_names(split)]
    table = splits.columns(split, ["image_id", *present])
    return Points(
        embedded.embeddings,
        embedded.labels,
        table["image_id"].to_pylist(),
        {name: table[name].to_pylist() for name in present},
        splits.open(split).images.__getitem__,
    )
