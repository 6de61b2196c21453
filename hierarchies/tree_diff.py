"""What happened between two versions of a tree: renamed, moved, merged, split, added, removed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cairnhub.core.errors import BadInput
from cairnhub.core.text import quoted
from cairnhub.hierarchies.label_tree.tree import LabelTree

What = Literal["renamed", "merged", "split", "moved", "added", "removed"]
_ORDER: tuple[What, ...] = ("renamed", "merged", "split", "moved", "added", "removed")


@dataclass(frozen=True)
class Change:
    """One change between two trees.

    Attributes:
        what: `renamed` (before -> after), `merged` (before joined after), `split` (after was taken out of
            before), `moved` (labels went from parent before to parent after), `added` or `removed`.
        level: level of the labels that changed.
        before: name in the first tree: of the label, or for `moved` of the parent.
        after: name in the second tree, likewise.
        n_labels: how many labels of `level` it concerns.
        n_leaves: leaves below them.
        n_images: their images, where counts were given, else the leaves again.
        labels: those moved, added or removed.
    """

    what: What
    level: str
    before: str
    after: str
    n_labels: int
    n_leaves: int
    n_images: int
    labels: tuple[str, ...] = ()

    @property
    def examples(self) -> tuple[str, ...]:
        """Some of the labels."""
        return self.labels[:3]


def diff(before: LabelTree, after: LabelTree, counts: Mapping[str, int] | None = None) -> list[Change]:
    """Changes from one tree to another, coarse levels first.

    Labels are followed by the leaves below them: a category whose leaves stand under a new name was renamed.

    Args:
        before: the older tree.
        after: the newer tree, with the same levels.
        counts: images per leaf; leaves that are not named have none.

    Raises:
        CairnError: the levels differ.
    """
    if before.levels != after.levels:
        raise BadInput(
            f"levels {quoted(before.levels)} and {quoted(after.levels)} differ: nothing to compare"
        )
    known = set(after.names[0])
    common = [leaf for leaf in before.names[0] if leaf in known]
    images = {leaf: 1 if counts is None else counts.get(leaf, 0) for leaf in {*before.names[0], *known}}
    sides = [_columns(tree, common) for tree in (before, after)]
    changes: list[Change] = []
    heirs: dict[str, set[str]] = {"root": {"root"}}
    for rank in range(len(before.levels) - 1, -1, -1):
        level = before.levels[rank]
        old, new = sides[0][rank], sides[1][rank]
        above = [side[rank + 1] if rank + 1 < len(side) else ["root"] * len(common) for side in sides]
        weights = [images[leaf] for leaf in common]
        if rank:
            fates, next_heirs = _fates(level, old, new, weights)
            changes += fates
        else:
            next_heirs = {name: {name} for name in common}
        changes += _moves(level, (old, new), (above[0], above[1]), heirs, next_heirs, weights)
        changes += _comings(level, before, after, rank, images, set(next_heirs), set(new))
        heirs = next_heirs
    return changes


def _columns(tree: LabelTree, leaves: Sequence[str]) -> list[list[str]]:
    table = tree.table().set_index(tree.levels[0], drop=False).loc[list(leaves)]
    return [table[level].tolist() for level in tree.levels]


def _fates(
    level: str, old: list[str], new: list[str], weights: list[int]
) -> tuple[list[Change], dict[str, set[str]]]:
    """Renames, merges and splits of one level, and for each old label those that carry it on."""
    shared = Counter(zip(old, new, strict=True))
    images: Counter[tuple[str, str]] = Counter()
    for a, b, weight in zip(old, new, weights, strict=True):
        images[a, b] += weight
    heir: dict[str, str] = {}
    origin: dict[str, str] = {}
    for (a, b), _ in sorted(shared.items(), key=lambda item: (-item[1], item[0])):
        heir.setdefault(a, b)
        origin.setdefault(b, a)
    heir |= {a: a for a in heir if shared[a, a]}
    origin |= {b: b for b in origin if shared[b, b]}
    changes = []

    def note(what: What, a: str, b: str) -> None:
        changes.append(Change(what, level, a, b, 1, shared[a, b], images[a, b]))

    for a, b in sorted(heir.items()):
        if a != b:
            note("renamed" if origin[b] == a else "merged", a, b)
    successors = {a: {b} for a, b in heir.items()}
    for b, a in sorted(origin.items()):
        if heir[a] != b:
            note("split", a, b)
            successors[a].add(b)
    return sorted(changes, key=_order), successors


def _moves(
    level: str,
    labels: tuple[list[str], list[str]],
    above: tuple[list[str], list[str]],
    heirs: Mapping[str, set[str]],
    own_heirs: Mapping[str, set[str]],
    weights: list[int],
) -> list[Change]:
    """Labels that stand under another parent than those that carry their old parent on."""
    moved: dict[tuple[str, str], dict[str, list[int]]] = {}
    for old, new, parent, now, weight in zip(*labels, *above, weights, strict=True):
        if new in own_heirs[old] and now not in heirs[parent]:
            moved.setdefault((parent, now), {}).setdefault(new, []).append(weight)
    changes = []
    for (parent, now), labels_moved in sorted(moved.items()):
        leaves = [weight for weights_of_label in labels_moved.values() for weight in weights_of_label]
        names = tuple(sorted(labels_moved))
        changes.append(
            Change("moved", level, parent, now, len(labels_moved), len(leaves), sum(leaves), names)
        )
    return sorted(changes, key=_order)


def _comings(
    level: str,
    before: LabelTree,
    after: LabelTree,
    rank: int,
    images: Mapping[str, int],
    kept: set[str],
    reached: set[str],
) -> list[Change]:
    """Labels that share no leaf with the other tree, as one change for all added and one for all removed."""
    changes: list[Change] = []
    sides: tuple[tuple[What, LabelTree, set[str]], ...] = (
        ("added", after, reached),
        ("removed", before, kept),
    )
    for what, tree, known in sides:
        names = [name for name in tree.names[rank] if name not in known]
        if names:
            codes = {i for i, name in enumerate(tree.names[rank]) if name not in known}
            leaves = [
                name
                for name, code in zip(tree.names[0], tree.codes[:, rank], strict=True)
                if int(code) in codes
            ]
            n_images = sum(images[leaf] for leaf in leaves)
            changes.append(Change(what, level, "", "", len(names), len(leaves), n_images, tuple(names)))
    return changes


def _order(change: Change) -> tuple[int, int, str, str]:
    return (_ORDER.index(change.what), -change.n_images, change.before, change.after)
