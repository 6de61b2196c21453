"""The class list: which label has which class index, in git, so that new data moves no published index.

It is text, a label a line, for a new label is then one new line to review, and a mistake can be mended by hand; the
level stands where it begins. Where a level has very many labels, a line may say how many characters of the label above
stand before its own, `<tab>9<tab>stadium`: so the 304,396 landmarks of GLDv2 stay within what people keep in git. A
tree that an earlier run left would not do: a fresh clone has none.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from operator import eq
from pathlib import Path

from cairnhub.core.errors import BrokenData
from cairnhub.core.files import write_text_atomic
from cairnhub.core.parse import read_text
from cairnhub.core.text import quoted
from cairnhub.hierarchies.label_tree.tree import LabelTree

HEADER = "level\tlabel"
VERY_MANY = 50_000
"""Labels of a level, more of which are cut to what they do not share with the label above."""
_WORTH_A_CUT, _MOST_SHARED = 4, 999  # characters; the cut itself takes up to four
Origins = Mapping[str, Mapping[str, str]]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClassList:
    """Labels of each level by class index, as the data or the proposal has them: a rename by a decision changes none.

    Attributes:
        labels: per level; empty before a dataset is built for the first time.
        path: its file.
    """

    labels: Mapping[str, Sequence[str]]
    path: Path

    @classmethod
    def load(cls, path: Path) -> "ClassList":
        """Read a list; one that is not there is empty.

        Raises:
            BrokenData: the file is no such list; names the line.
        """
        try:
            header, *lines = read_text(path).splitlines() or [""]
        except FileNotFoundError:
            return cls({}, path)
        cure = "take the file from git, or delete it to number all labels by name"
        if header != HEADER:
            raise BrokenData(f"{path}:1: not a class list (its first line is not {HEADER!r}); {cure}")
        seen: dict[str, dict[str, int]] = {}
        level = label = ""
        for number, line in enumerate(lines, 2):
            named, tab, text = line.partition("\t")
            level = named or level  # none: that of the line above
            known = _whole(label, text)
            if not tab or not level or known is None:
                raise BrokenData(f"{path}:{number}: not a level, a tab and a label: {line[:60]!r}; {cure}")
            label = known
            first = seen.setdefault(level, {}).setdefault(label, number)
            if first != number:
                raise BrokenData(f"{path}:{number}: {quoted([label])} stands on line {first} already; {cure}")
        return cls({level: tuple(labels) for level, labels in seen.items()}, path)

    def save(self) -> None:
        """Write the list, whole or not at all."""
        lines = [
            f"{'' if place else level}\t{text}"
            for level, labels in self.labels.items()
            for place, text in enumerate(_cut(labels) if len(labels) > VERY_MANY else labels)
        ]
        write_text_atomic(self.path, "\n".join([HEADER, *lines]) + "\n")

    def number(self, tree: LabelTree, origins: Origins | None = None) -> tuple[LabelTree, "ClassList"]:
        """Give a tree's labels the indices that they have here; new labels come behind, in the tree's own order.

        Args:
            tree: numbered as if it were built for the first time.
            origins: per level, the label in the data or the proposal of each label that has another name in the tree.

        Returns:
            The tree, and the list to save.
        """
        orders: dict[str, list[str]] = {}
        lists: dict[str, list[str]] = {}
        for level, names in zip(tree.levels, tree.names, strict=True):
            renamed = (origins or {}).get(level, {})
            name_of = {renamed.get(name, name): name for name in names}
            published = self.labels.get(level, ())
            lists[level] = keep_indices(published, list(name_of))
            orders[level] = [name_of[label] for label in lists[level]]
            self._tell(level, published, lists[level])
        return tree.in_order(orders), ClassList(lists, self.path)

    def _tell(self, level: str, published: Sequence[str], now: Sequence[str]) -> None:
        """Say which published indices mean another label from now on, or none."""
        if not (gone := sorted(set(published).difference(now))):
            return
        index_of = {label: index for index, label in enumerate(now)}
        moved = [
            f"{label}: {index} -> {index_of[label]}"
            for index, label in enumerate(published)
            if index_of.get(label, index) != index
        ]
        log.warning(
            f"{self.path.parent.name}: {level}: published labels that are gone: {len(gone):,} ({quoted(gone)}); the "
            f"last labels take their class indices; published labels with another index than before: {len(moved):,}"
            + (f" ({quoted(moved)})" if moved else "")
            + f"; if this was not meant, restore the data and take {self.path} from git"
        )


def keep_indices(published: Sequence[str], present: Sequence[str]) -> list[str]:
    """The present labels, each at its published place, new ones behind in their own order.

    Indices have no gaps, as a ClassLabel has none: the place of a label that is gone is taken by the last one. That
    moves one label for each that is gone, or none where as many are new; to close up would move all behind it, and
    rewrite their shards.
    """
    known, here = set(published), set(present)
    every = [*published, *(label for label in present if label not in known)]
    kept, behind = every[: len(present)], every[len(present) :]
    last = iter([label for label in behind if label in here])
    return [label if label in here else next(last) for label in kept]


def _cut(labels: Sequence[str]) -> list[str]:
    """Labels as lines: what one shares with the label above as a number, where that is shorter (front coding)."""
    lines = []
    for above, label in zip(("", *labels), labels, strict=False):
        shared = sum(1 for _ in takewhile(bool, map(eq, above[:_MOST_SHARED], label)))
        lines.append(label if shared < _WORTH_A_CUT else f"{shared}\t{label[shared:]}")
    return lines


def _whole(above: str, text: str) -> str | None:
    """The label of a line; None where it shares more than the label above has."""
    shared, tab, rest = text.partition("\t")
    if not tab:
        return text
    if not re.fullmatch("[0-9]{1,3}", shared) or int(shared) > len(above):
        return None
    return above[: int(shared)] + rest
