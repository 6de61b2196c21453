"""What decisions teach: labels that nobody decided follow those that are like them, or that stood beside them.

Label spreading over the graph of the nearest labels (Zhou et al., "Learning with Local and Global Consistency", NIPS
2003), in a few steps instead of its limit, so that a decision is felt near and not everywhere. How often it is right is
told by the labels that are decided: each is placed as if it were not, and held against what the person said.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cairnhub.core.text import label_key
from cairnhub.hierarchies.label_tree.tree_rules import IntArray
from cairnhub.hierarchies.review.resolution import Resolution, Slot, Trust

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


_STAYS = 0.25  # what a label's own place counts, in shares of its neighbours
_STAYS_WITH_CULLED = 1.0  # the same where a person took others out of its group
_FELLOWS = 1.0  # what those count that were proposed into one group with it
_STEPS = (1.0, 0.5)  # what neighbours count, and theirs
_HINT = 0.01  # what undecided neighbours count: for a label that must leave and has no other
_DOUBT = 1.0  # undecided fellows that are thought of beside the decided ones: few decide little
N_LIKE = 20
"""A confidence is the share that was right of so many decided labels with the most similar lead."""
_FEWEST = 10  # decided labels from which a share says something
_PRIOR = 2.0  # imagined labels that are right as often as the proposal thinks


@dataclass(frozen=True)
class Spread:
    """Labels and groups by rows and columns, before anything moves.

    Attributes:
        resolution: with what people placed.
        slots: per label.
        keys: per group, in order.
        homes: per label, the group where it stands.
        decided: per label, whether a person placed it.
        movable: per label, whether likeness alone placed it.
    """

    resolution: Resolution
    slots: list[Slot]
    keys: list[str]
    homes: IntArray
    decided: npt.NDArray[np.bool_]
    movable: npt.NDArray[np.bool_]

    @cached_property
    def scores(self) -> "csr_matrix":
        """How much speaks for each group, per label, (n_labels, n_groups); nothing of what its own decision says."""
        from scipy.sparse import csr_matrix, diags

        proposal, n, n_groups = self.resolution.proposal, len(self.slots), len(self.keys)
        rows = np.arange(n)
        proposed = np.unique([entry.group for entry in proposal.labels], return_inverse=True)[1]
        told = csr_matrix((self.decided.astype(float), (rows, self.homes)), (n, n_groups))
        stays = np.array([slot not in self.resolution.left for slot in self.slots])
        near = proposal.neighbour_graph.tocoo()  # who leaves a group says nothing of those who stay
        heard = stays[near.col] | (proposed[near.row] != proposed[near.col])
        near = csr_matrix((near.data[heard], (near.row[heard], near.col[heard])), near.shape)
        back = np.asarray(near.multiply(near.T).sum(axis=1)).ravel()  # what two steps bring back to oneself
        total = near @ told * _STEPS[0] + (near @ (near @ told) - diags(back) @ told) * _STEPS[1]
        member = csr_matrix((np.ones(n), (rows, proposed)))
        named = diags(stays.astype(float)) @ told
        of_fellows = member @ (member.T @ named) - named
        counted = np.asarray(of_fellows.sum(axis=1)).ravel()
        total = total + diags(_FELLOWS / (counted + _DOUBT)) @ of_fellows
        stay = np.where(self.decided, self._proposed_now, self.homes)
        known = stay >= 0
        culled = np.array([key in self.resolution.culled for key in self.keys], bool)
        weights = np.where(culled[stay[known]], _STAYS_WITH_CULLED, _STAYS)
        total = total + csr_matrix((weights, (rows[known], stay[known])), (n, n_groups))
        here = csr_matrix((np.ones(n), (rows, self.homes)), (n, n_groups))
        return (total + proposal.neighbour_graph @ here * _HINT).tocsr()

    @cached_property
    def _proposed_now(self) -> IntArray:
        """Where each label would stand had nobody decided about it itself; -1 where that group is gone."""
        level, code = self.resolution.levels[1], {key: i for i, key in enumerate(self.keys)}
        places = self.resolution.proposed_place_of
        return np.array(
            [code.get(self.resolution.final(level, places[slot]), -1) for slot in self.slots], np.int64
        )

    @cached_property
    def choices(self) -> tuple[IntArray, npt.NDArray[np.float64]]:
        """The group that most speaks for, per label, and its lead before the next, as a share of all that speaks."""
        scores, code = self.scores.tocoo(), {key: i for i, key in enumerate(self.keys)}
        barred = {
            row: [code[key] for key in self.resolution.barred[slot] if key in code]
            for row, slot in enumerate(self.slots)
            if slot in self.resolution.barred
        }
        values = scores.data.round(9)
        for row, columns in barred.items():
            values[(scores.row == row) & np.isin(scores.col, columns)] = 0
        speaks = values > 0
        rows, columns, values = scores.row[speaks], scores.col[speaks], values[speaks]
        order = np.lexsort((columns, columns != self.homes[rows], -values, rows))
        rows, columns, values = rows[order], columns[order], values[order]
        heard, first = np.unique(rows, return_index=True)
        is_second = np.append(rows[1:] == rows[:-1], False)[first]
        best, leads = self.homes.copy(), np.zeros(len(self.homes))
        best[heard] = columns[first]
        second = np.where(is_second, values[np.minimum(first + 1, len(values) - 1)], 0.0)
        leads[heard] = (values[first] - second) / np.bincount(rows, values, len(best))[heard]
        for row in np.setdiff1d(np.arange(len(best)), heard).tolist():
            if len(barred.get(row, ())) < len(self.keys):
                best[row] = self._elsewhere(row, barred.get(row, []))
        return best, leads.round(6)

    def _elsewhere(self, row: int, barred: list[int]) -> int:
        """Where a label goes that must leave and is like nothing elsewhere: its next best, or the largest."""
        second = label_key(self.resolution.proposal.labels[row].second)
        code = self.keys.index(second) if second in self.keys else -1
        sizes = np.bincount(self.homes, minlength=len(self.keys))
        sizes[barred] = -1
        return code if code >= 0 and code not in barred else int(sizes.argmax())

    def trust(self) -> dict[Slot, Trust]:
        """How sure each undecided place is; the proposal's own confidence while little is decided."""
        best, leads = self.choices
        entries = self.resolution.proposal.labels
        judged = np.flatnonzero(self.decided & self.movable)
        rows = np.flatnonzero(~self.decided & self.movable).tolist()
        if len(judged) < _FEWEST:
            return {self.slots[row]: Trust(entries[row].confidence) for row in rows}
        right, judged_leads = (best[judged] == self.homes[judged]), leads[judged]
        n_like, n_right = min(N_LIKE, len(judged)), dict[float, int]()
        for lead in np.unique(leads[rows]):
            nearest = np.argsort(np.abs(judged_leads - lead), kind="stable")[:N_LIKE]
            n_right[float(lead)] = int(np.count_nonzero(right[nearest]))
        trusts = {}
        for row, lead in zip(rows, leads[rows].tolist(), strict=True):
            fitted = (n_right[lead] + _PRIOR * entries[row].confidence) / (n_like + _PRIOR)
            trusts[self.slots[row]] = Trust(round(fitted, 3), n_right[lead], n_like)
        return trusts


def spread(resolution: Resolution) -> None:
    """Place labels that nobody decided anew, where decisions about their like say so, and say how sure that is.

    Only labels that likeness placed may move: what the data say, what types or names of landmarks say, stays.
    """
    proposal, finest, first = resolution.proposal, resolution.levels[0], resolution.levels[1]
    if proposal.types or not (resolution.decided or resolution.barred):
        return
    movable = np.array(
        [entry.source in ("text", "named") and bool(entry.likeness) for entry in proposal.labels], bool
    )
    if not movable.any():
        return
    slots = [(finest, key) for key in proposal.label_keys]
    decided = np.array([slot in resolution.decided for slot in slots], bool)
    if not (decided.any() or resolution.barred):
        return
    places = [resolution.final(first, resolution.place_of[slot]) for slot in slots]
    keys = sorted(set(places))
    code = {key: i for i, key in enumerate(keys)}
    homes = np.array([code[place] for place in places], np.int64)
    found = Spread(resolution, slots, keys, homes, decided, movable)
    best, _ = found.choices
    for row in np.flatnonzero(~decided & movable & (best != homes)).tolist():
        resolution.place_of[slots[row]] = keys[best[row]]
        resolution.followed.add(slots[row])
    resolution.trust = found.trust()
