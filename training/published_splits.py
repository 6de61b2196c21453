"""What vectors and protocols ask of a published dataset."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from cairnhub.datasets_hub.mmap_images import OpenSplit
from cairnhub.hierarchies.label_tree.tree import LabelTree

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
