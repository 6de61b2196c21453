"""The two branches of a group: where it would split if it had to."""

from collections.abc import Sequence

import numpy as np

from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal

_MOST = 2_000  # members that are held against each other


def two_branches(proposal: TreeProposal, labels: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Divide labels in two by average linkage of their likeness, the larger branch first.

    Args:
        proposal: with the likeness of each label to its nearest; others count as not alike at all.
        labels: of the proposal; beyond 2,000 all go with the first branch.

    Returns:
        Both branches in the order of `labels`; the second is empty for fewer than two labels.
    """
    from scipy.cluster.hierarchy import cut_tree, linkage
    from scipy.spatial.distance import squareform

    compared = list(labels[:_MOST])
    if len(compared) < 2:
        return tuple(labels), ()
    row_of = {entry.label: row for row, entry in enumerate(proposal.labels)}
    place = {label: i for i, label in enumerate(compared)}
    alike = np.zeros((len(compared), len(compared)))
    for label, i in place.items():
        entry = proposal.labels[row_of[label]]
        for neighbour, likeness in zip(entry.neighbours, entry.likeness, strict=False):
            if neighbour in place:
                j = place[neighbour]
                alike[i, j] = alike[j, i] = max(alike[i, j], likeness)
    apart = 1 - np.clip(alike, 0, 1)
    np.fill_diagonal(apart, 0)
    branch = cut_tree(linkage(squareform(apart, checks=False), "average"), 2).ravel()
    larger = int(branch.sum() * 2 > len(branch))
    first = [label for label, of in zip(compared, branch, strict=True) if of == larger]
    second = tuple(label for label, of in zip(compared, branch, strict=True) if of != larger)
    return (*first, *labels[_MOST:]), second
