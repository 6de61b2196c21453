"""What decisions teach: labels that nobody decided follow those that are like them, or that stood beside them.

Label spreading over the graph of the nearest labels (Zhou et al., "Learning with Local and Global Consistency", NIPS
2003), in a few steps instead of its limit, so that a decision is felt near and not everywhere.
"""

from typing import TYPE_CHECKING

import numpy as np

from cairnhub.core.text import label_key
from cairnhub.hierarchies.label_tree.tree_rules import IntArray
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from cairnhub.hierarchies.review.resolution import Resolution

_STAYS = 0.25  # what a label's own place counts, in shares of its neighbours
_FELLOWS = 1.0  # what those count that were proposed into one group with it
_STEPS = (1.0, 0.5)  # what neighbours count, and theirs
_HINT = 0.01  # what undecided neighbours count: for a label that must leave and has no other
_DOUBT = 1.0  # undecided fellows that are thought of beside the decided ones: few decide little


def spread(resolution: "Resolution") -> None:
    """Place labels that nobody decided anew, where decisions about their like say so.

    Only labels that likeness placed may move: what the data say, what types or names of landmarks say, stays.
    """
    proposal = resolution.proposal
    if proposal.types:
        return
    movable = [entry.source in ("text", "named") and bool(entry.likeness) for entry in proposal.labels]
    slots = [(resolution.levels[0], label_key(entry.label)) for entry in proposal.labels]
    decided = np.array([slot in resolution.decided for slot in slots], bool)
    if not any(movable) or not (decided.any() or resolution.barred):
        return
    keys = sorted({key for slot in slots if (key := resolution.home(slot)) is not None})
    code = {key: i for i, key in enumerate(keys)}
    homes = np.array([code[resolution.home(slot) or ""] for slot in slots], np.int64)
    proposed = np.unique([entry.group for entry in proposal.labels], return_inverse=True)[1]
    scores = _scores(proposal, homes, proposed, decided, len(keys)).tolil()
    for row in np.flatnonzero(~decided & np.array(movable)).tolist():
        barred = [code[key] for key in resolution.barred.get(slots[row], ()) if key in code]
        weights = dict(zip(scores.rows[row], scores.data[row], strict=True))
        best = max(
            (column for column in weights if column not in barred),
            key=lambda column: (round(weights[column], 9), column == homes[row], -column),
            default=None,
        )
        if best is not None and best != homes[row]:
            resolution.place_of[slots[row]] = keys[best]
            resolution.followed.add(slots[row])


def _scores(
    proposal: TreeProposal, homes: IntArray, proposed: IntArray, decided: "np.ndarray", n_groups: int
) -> "csr_matrix":
    """How much speaks for each group, per label, (n_labels, n_groups)."""
    from scipy.sparse import csr_matrix, diags

    n = len(homes)
    here = csr_matrix((np.ones(n), (np.arange(n), homes)), (n, n_groups))
    told = diags(decided.astype(float)) @ here
    near = proposal.neighbour_graph
    total = here * _STAYS + near @ here * _HINT
    step = told
    for weight in _STEPS:
        step = near @ step
        total = total + step * weight
    fellows = csr_matrix((np.ones(n), (proposed, np.arange(n))))
    shares = fellows @ told
    counted = np.asarray(shares.sum(axis=1)).ravel()
    return total + fellows.T @ (diags(_FELLOWS / (counted + _DOUBT)) @ shares)
