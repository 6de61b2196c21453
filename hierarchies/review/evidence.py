"""Why something was proposed where it is: what is like it, facts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cairnhub.core.text import label_key
from cairnhub.hierarchies.proposal.concepts import load_concepts
from cairnhub.hierarchies.proposal.propose import Anchors, anchors, text_to_embed
from cairnhub.hierarchies.proposal.text_vectors import Embedder, FloatArray
from cairnhub.hierarchies.proposal.tree_proposal import TYPE
from cairnhub.hierarchies.review.question import Question
from cairnhub.hierarchies.review.state import ReviewState

_N_NEAREST = 5


@dataclass(frozen=True)
class SimilarItem:
    """A type, label or group that is like the item in question.

    Attributes:
        name: the type, label or group.
        similarity: cosine; for a group the mean of those with its center and its nearest text. None where no
            embeddings are at hand.
        group: where a type or label stands now; empty for a group.
    """

    name: str
    similarity: float | None
    group: str = ""


@dataclass(frozen=True)
class Reasons:
    """What speaks for and against a place.

    Attributes:
        alike: the nearest other types or labels.
        groups: the nearest everyday groups, in the tree or not.
        facts: what was mined or what the words say.
    """

    alike: tuple[SimilarItem, ...]
    groups: tuple[SimilarItem, ...]
    facts: tuple[str, ...]


class Reasoner:
    """Finds reasons; without embeddings it knows only the neighbours that the proposal kept.

    Args:
        embedder: the stored vectors that the proposal was made with.
        chains: per type, its superclasses, nearest first, where they were mined.
    """

    def __init__(
        self, embedder: Embedder | None = None, chains: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self._embedder = embedder
        self._chains = {label_key(text): chain for text, chain in (chains or {}).items()}
        self._vectors: FloatArray | None = None

    def of(self, question: Question, state: ReviewState) -> Reasons:
        """Reasons for the place of what is asked."""
        proposal = state.layout.proposal
        if question.level in state.levels[1:]:
            concept = load_concepts().by_name.get(label_key(question.label)) if proposal.types else None
            return Reasons((), (), (concept.description,) if concept else ())
        if question.level == TYPE and proposal.types:
            return Reasons(
                self._types(question, state), self._groups(question.label), self._type_facts(question)
            )
        entry = proposal.labels[state.layout.label_of[label_key(question.label)]]
        alike = tuple(
            SimilarItem(name, likeness, state.resolution.group_of((question.level, label_key(name))))
            for name, likeness in zip(entry.neighbours[:_N_NEAREST], entry.likeness, strict=False)
        )
        meant = (f"taken for: {entry.meaning}",) if entry.meaning else ()
        named = self._name_facts(question) if entry.type is not None or entry.source == "assigned" else ()
        return Reasons(alike, (), meant or named)

    def _types(self, question: Question, state: ReviewState) -> tuple[SimilarItem, ...]:
        def similar(text: str, similarity: float | None) -> SimilarItem:
            return SimilarItem(text, similarity, state.resolution.group_of((TYPE, label_key(text))))

        if self._embedder is None:
            return tuple(similar(text, None) for text in question.neighbours)
        texts = [entry.text for entry in state.layout.proposal.types]
        if self._vectors is None:
            self._vectors = self._embedder.encode([text_to_embed(text) for text in texts])
        row = state.layout.row_of[TYPE, label_key(question.label)]
        cosines = self._vectors @ self._vectors[row]
        cosines[row] = -np.inf
        nearest = np.argsort(-cosines, kind="stable")[: min(_N_NEAREST, len(texts) - 1)]
        return tuple(similar(texts[row], round(float(cosines[row]), 2)) for row in nearest)

    @cached_property
    def _anchors(self) -> Anchors | None:
        return anchors(load_concepts(), self._embedder) if self._embedder else None

    def _groups(self, text: str) -> tuple[SimilarItem, ...]:
        if self._embedder is None or self._anchors is None:
            return ()
        vector = np.asarray(self._embedder.encode([text_to_embed(text)]), dtype=np.float64)
        similarities = self._anchors.similarities(vector)[0]
        nearest = np.argsort(-similarities, kind="stable")[:_N_NEAREST]
        return tuple(SimilarItem(self._anchors.names[i], round(float(similarities[i]), 2)) for i in nearest)

    def _type_facts(self, question: Question) -> tuple[str, ...]:
        chain = self._chains.get(label_key(question.label), ())
        return tuple(f"subclass of {label}" for label in chain)

    @staticmethod
    def _name_facts(question: Question) -> tuple[str, ...]:
        votes = load_concepts().of_name(question.label)
        ranked = sorted(votes.items(), key=lambda vote: (-vote[1], vote[0]))[:_N_NEAREST]
        return tuple(f"words of its name say {group} ({strength:.1f})" for group, strength in ranked)
