"""One name under two parents is two labels: they are qualified by their parents, as in `Prunella (Lamiaceae)`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from cairnhub.core.errors import BadInput
from cairnhub.core.text import label_key, quoted

PLACEHOLDERS = frozenset({"", "na", "n/a", "nan", "none", "null", "not assigned", "unassigned"})
"""What stands, in any case, for a label that nobody gave; above the finest level it is one node per parent."""
NAMELESS = "NA"
"""What an empty label is called."""
_IntArray = npt.NDArray[np.int64]


class Qualified(NamedTuple):
    """A label that was told apart from others of its name.

    Attributes:
        level: where it stands.
        name: as it was.
        label: what it is called now.
        parent: the name above it.
        row: the index of its first row.
    """

    level: str
    name: str
    label: str
    parent: str
    row: int


@dataclass(frozen=True)
class _Nodes:
    """The nodes of a level in the order of their first rows; `parents` are places among those `above`."""

    names: list[str]
    is_placeholder: list[bool]
    parents: list[int]
    above: "_Nodes | None" = None

    def parent_name(self, node: int) -> str:
        """The name above a node; of the root's children, nothing."""
        return self.above.names[self.parents[node]] if self.above else ""

    def qualifiers(self, node: int) -> list[list[str]]:
        """What may tell a node apart, shortest first: the name above it, the next one too, and so on.

        Placeholders stand in the last only, which is all that is above: no two nodes of a name have the same.
        """
        level, every, named = self, [], []
        while level.above and level.above.above:  # the last one is the root
            node, level = level.parents[node], level.above
            every.append(level.names[node])
            if not level.is_placeholder[node]:
                named.append(level.names[node])
        return [*(named[:end] for end in range(1, len(named) + 1)), every] if named else []


def qualify(frame: pd.DataFrame, levels: Sequence[str]) -> tuple[pd.DataFrame, list[Qualified]]:
    """Tell apart names that stand under two parents, so that the labels make a tree.

    A name gets its parent's in brackets, and the next one's too where that is not enough or is a label of its own;
    placeholders (`PLACEHOLDERS`) above the finest level always do, and never stand in brackets themselves. Blanks
    around names go. The result does not depend on the order of the rows.

    Args:
        frame: one row per leaf, or many (one per image).
        levels: its columns of labels, fine -> coarse; what is missing is an empty string or null.

    Returns:
        The frame, other labels in the columns that changed; and what was told apart, coarse to fine, by label.

    Raises:
        BadInput: two labels cannot be told apart: what they would be called is a label too.
    """
    changed: dict[str, pd.Series[str]] = {}
    report: list[Qualified] = []
    above, node = _Nodes([""], [True], [0]), np.zeros(len(frame), np.int64)
    for level in reversed(levels):
        codes, spelt = pd.factorize(frame[level].astype("str").fillna(""))
        stripped, names = pd.factorize(pd.Series(spelt, dtype="str").str.strip())
        may_lack = level != levels[0]
        above, node = _nodes(stripped[codes], [str(name) for name in names], above, node, may_lack)
        told_apart = _tell_apart(level, above)
        labels = [told_apart.get(place, name) for place, name in enumerate(above.names)]
        if labels != list(spelt):
            changed[level] = pd.Series(pd.array(labels, dtype="str").take(node), frame.index)
        if told_apart:
            first = frame.index[~pd.Series(node).duplicated()]
            report += [
                Qualified(level, above.names[place], label, above.parent_name(place), int(first[place]))
                for place, label in sorted(told_apart.items(), key=lambda item: item[1])
            ]
    return frame.assign(**changed), report


def _nodes(
    codes: _IntArray, names: list[str], above: _Nodes, node_above: _IntArray, may_lack: bool
) -> tuple[_Nodes, _IntArray]:
    """The nodes of a level and which one each row shows: a name below a parent, or any placeholder below it."""
    lacks = np.array([may_lack and label_key(name) in PLACEHOLDERS for name in names], dtype=np.bool_)
    merged = np.where(lacks[codes], len(names), codes)
    node, pairs = pd.factorize(node_above * (len(names) + 1) + merged)
    parents, merged = np.divmod(pairs, len(names) + 1)
    spelt: dict[int, str] = {}  # a placeholder that is spelt in several ways has the first of them
    for place, code in pd.DataFrame({"node": node, "code": codes})[lacks[codes]].drop_duplicates().to_numpy():
        name = names[code] or NAMELESS
        spelt[place] = min(spelt.get(place, name), name)
    own = [spelt.get(place) or names[code] for place, code in enumerate(merged.tolist())]
    return _Nodes(own, (merged == len(names)).tolist(), parents.tolist(), above), node


def _tell_apart(level: str, nodes: _Nodes) -> dict[int, str]:
    """Labels of the nodes that share their name with others or are placeholders; those without ancestors keep it."""
    waiting: dict[int, list[list[str]]] = {}
    n_nodes = Counter(nodes.names)
    for place, name in enumerate(nodes.names):
        if (n_nodes[name] > 1 or nodes.is_placeholder[place]) and (qualifiers := nodes.qualifiers(place)):
            waiting[place] = qualifiers
    taken = {label_key(name) for place, name in enumerate(nodes.names) if waiting and place not in waiting}
    labels: dict[int, str] = {}
    while waiting:
        wanted = {place: f"{nodes.names[place]} ({', '.join(given[0])})" for place, given in waiting.items()}
        count = Counter(map(label_key, wanted.values()))
        labels |= {
            place: label
            for place, label in wanted.items()
            if count[key := label_key(label)] == 1 and key not in taken
        }
        taken |= {label_key(label) for label in labels.values()}
        waiting = {place: given[1:] for place, given in waiting.items() if place not in labels}
        if stuck := [nodes.names[place] for place, given in waiting.items() if not given]:
            raise BadInput(
                f"level {level!r}: {quoted(sorted(set(stuck)))} cannot be told apart by what stands above: that is a "
                "label too; rename one of them"
            )
    return labels
