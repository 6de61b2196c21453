"""What photographs say: the nearest labelled ones of each label, and the group that they vote for."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cairnhub.core.text import label_key
from cairnhub.hierarchies.label_tree.tree_rules import IntArray
from cairnhub.hierarchies.proposal.disagreement import spoken_for
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.review.wall import Wall

SingleArray = npt.NDArray[np.float32]
_N_NEAREST = 8
_SURE = 0.8  # confidence from which an undecided label may vote


@dataclass(frozen=True)
class NearPhoto:
    """A photograph of another label.

    Attributes:
        row: of the label, in the layout.
        nth: which of the label's photographs, in the order of the vectors.
        label: its text.
        group: where it stands now.
        similarity: cosine with the mean of the photographs in question.
        decided: whether a person placed it.
    """

    row: int
    nth: int
    label: str
    group: str
    similarity: float
    decided: bool


@dataclass(frozen=True)
class PhotoVote:
    """What the nearest labelled photographs say of a place.

    Attributes:
        near: the nearest photographs of labels that are decided or sure, nearest first.
        votes: groups with their share of the similarity of these, the largest first.
    """

    near: tuple[NearPhoto, ...]
    votes: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class PhotoEvidence:
    """Vectors of photographs, by label.

    Attributes:
        keys: key of the label of each photograph, (n,).
        vectors: of unit length, or zero, (n, d).
    """

    keys: tuple[str, ...]
    vectors: SingleArray

    @classmethod
    def of(cls, labels: Sequence[str], vectors: npt.NDArray[np.floating]) -> "PhotoEvidence":
        """Vectors of any length, a row per photograph, with the label of each."""
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
        return cls(tuple(map(label_key, labels)), unit)

    @cached_property
    def places(self) -> dict[str, IntArray]:
        """Rows of the vectors of each label."""
        found = defaultdict[str, list[int]](list)
        for place, key in enumerate(self.keys):
            found[key].append(place)
        return {key: np.array(rows, np.int64) for key, rows in found.items()}

    def vote(self, wall: Wall, rows: Sequence[int]) -> PhotoVote:
        """What the photographs nearest to those of some labels say; nothing where these have no vectors.

        Args:
            wall: where everything stands.
            rows: of the labels, in the layout.
        """
        layout = wall.state.layout
        own = [key for key in (label_key(layout.labels[row]) for row in rows) if key in self.places]
        if not own:
            return PhotoVote((), ())
        query = self.vectors[np.concatenate([self.places[key] for key in own])].mean(axis=0)
        query /= np.linalg.norm(query) or 1.0
        may_vote = wall.decided | (wall.confidence >= _SURE)
        cosines = self.vectors @ query
        near: list[NearPhoto] = []
        for place in np.argsort(-cosines, kind="stable").tolist():
            key = self.keys[place]
            row = layout.label_of.get(key)
            if row is None or key in own or not may_vote[row]:
                continue
            nth = int(np.searchsorted(self.places[key], place))
            similarity = round(float(cosines[place]), 3)
            near.append(
                NearPhoto(
                    row, nth, layout.labels[row], wall.group_of(row), similarity, bool(wall.decided[row])
                )
            )
            if len(near) == _N_NEAREST:
                break
        weights = defaultdict[str, float](float)
        for photo in near:
            weights[photo.group] += max(photo.similarity, 0.0)
        total = sum(weights.values()) or 1.0
        votes = sorted(
            ((group, round(weight / total, 2)) for group, weight in weights.items()), key=_first_most
        )
        return PhotoVote(tuple(near), tuple(votes))

    def with_disputes(self, proposal: TreeProposal) -> TreeProposal:
        """A proposal whose labels say where their photographs speak for another group than the texts.

        What the data themselves say, and what is disputed already, stays as it is.
        """
        means = np.zeros((len(proposal.labels), self.vectors.shape[1]))
        for row, entry in enumerate(proposal.labels):
            places = self.places.get(label_key(entry.label))
            if places is not None:
                mean = self.vectors[places].mean(axis=0)
                means[row] = mean / (np.linalg.norm(mean) or 1.0)
        homes = [entry.group or proposal.group_of[entry.type or ""] for entry in proposal.labels]
        names, groups = np.unique(homes, return_inverse=True)
        told = spoken_for(means, groups.astype(np.int64))
        labels = [
            replace(entry, dispute=f"photographs speak for {names[said]}")
            if said >= 0
            and said != group
            and means[row].any()
            and not entry.dispute
            and entry.source != "known"
            else entry
            for row, (entry, said, group) in enumerate(
                zip(proposal.labels, told.tolist(), groups.tolist(), strict=True)
            )
        ]
        return replace(proposal, labels=tuple(labels))


def _first_most(vote: tuple[str, float]) -> tuple[float, str]:
    return -vote[1], vote[0]
