"""Labels to meanings: which noun of WordNet a label is about, and in which of its senses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cairnhub.hierarchies.proposal.clean_text import noun_phrase, words
from cairnhub.hierarchies.proposal.wordnet import Sense, WordNet

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from cairnhub.hierarchies.proposal.text_vectors import Embedder

FloatArray = npt.NDArray[np.float64]
_WHOLE, _HEAD, _ANY = 1.0, 0.25, 0.125  # trust in a noun that is the whole label, its head, any word of it
_RANK_COST = 0.1  # per doubling of a sense's rank among those of its word
_GLOSS_SHARE = 0.5  # of the glosses' likeness beside that of the kinds
_KIN_SHARE, _FEWEST_KIN = 0.06, 4  # how many other labels a sense should fit to
_ALL_UP_TO, _SAMPLE = 5_000, 2_000  # of more labels so many, evenly spaced, stand for all


@dataclass(frozen=True)
class LabelSense:
    """What a label is about.

    Attributes:
        sense: the meaning chosen.
        trust: 1 where the noun is the whole label, less where it is a part of it.
    """

    sense: Sense
    trust: float


def choose_senses(texts: Sequence[str], wordnet: WordNet, embedder: "Embedder") -> list[LabelSense | None]:
    """The sense of each label that is common and fits the other labels: `seal` among `otter` is no wax.

    Args:
        texts: cleaned labels, (n,).
        wordnet: the senses.
        embedder: for the glosses.

    Returns:
        (n,); None where no word of a label is a known noun.
    """
    matches = [_match(text, wordnet) for text in texts]
    senses = {sense.name: sense for candidates, _ in matches for sense in candidates}
    if not senses:
        return [None] * len(texts)
    place = {name: i for i, name in enumerate(sorted(senses))}
    fit = _fit_to_others(
        [senses[name] for name in place], place, [found for found, _ in matches], texts, embedder
    )
    chosen: list[LabelSense | None] = []
    for row, (candidates, trust) in enumerate(matches):
        scores = [
            fit[place[s.name], row] - _RANK_COST * np.log2(1 + rank) for rank, s in enumerate(candidates)
        ]
        chosen.append(LabelSense(candidates[int(np.argmax(np.round(scores, 6)))], trust) if scores else None)
    return chosen


def _match(text: str, wordnet: WordNet) -> tuple[tuple[Sense, ...], float]:
    """Senses of the longest noun that ends the label's first phrase, else of one inside it, and how far to trust."""
    everything = words(text)
    if found := wordnet.senses(" ".join(everything)):
        return found, _WHOLE
    phrase, rest = noun_phrase(everything)
    for start in range(len(phrase)):
        head = " ".join(phrase[start:])
        if len(head) > 2 and (found := wordnet.senses(head)):
            return found, _HEAD
    inside = (" ".join(phrase[:stop]) for stop in range(len(phrase) - 1, 0, -1))
    for part in (*inside, *reversed(rest)):
        if len(part) > 2 and (found := wordnet.senses(part)):
            return found, _ANY
    return (), 0.0


def _fit_to_others(
    senses: Sequence[Sense],
    place: dict[str, int],
    candidates: Sequence[Sequence[Sense]],
    texts: Sequence[str],
    embedder: "Embedder",
) -> dict[tuple[int, int], float]:
    """By sense and label that may mean it: likeness to the other labels that the sense is most like."""
    from scipy.sparse import csr_matrix, diags

    columns = [
        (place[sense.name], row, 1 / (1 + rank))
        for row, c in enumerate(candidates)
        for rank, sense in enumerate(c)
    ]
    at, rows, shares = zip(*columns, strict=True)
    likely = csr_matrix((shares, (rows, at)), (len(texts), len(senses)))
    likely = diags(1 / np.maximum(likely.sum(axis=1).A1, 1e-9)) @ likely
    kinds = kind_matrix(senses)
    kinds = unit_rows(kinds @ diags(_weights((likely @ kinds).sum(axis=0).A1, len(texts))))
    glosses = np.asarray(embedder.encode([sense.gloss for sense in senses]), np.float64)
    n = len(texts)
    held = np.arange(n) if n <= _ALL_UP_TO else np.linspace(0, n - 1, _SAMPLE).astype(np.int64)
    position = {row: i for i, row in enumerate(held.tolist())}
    of_texts = np.asarray(embedder.encode([texts[row] for row in held.tolist()]), np.float64)
    n_kin = min(max(_FEWEST_KIN, int(_KIN_SHARE * len(held))), max(len(held) - 1, 1))
    by_kind, of_labels = kinds.tocsr(), (likely[held] @ kinds).T.tocsc()
    fit = {}
    for at_, sense_rows in _labels_of(rows, at).items():
        alike = (by_kind[at_] @ of_labels).toarray()[0]
        alike_in_words = of_texts @ glosses[at_]
        for row in sense_rows:
            itself = position.get(row)
            fit[at_, row] = _kin(alike, itself, n_kin) + _GLOSS_SHARE * _kin(alike_in_words, itself, n_kin)
    return fit


def _labels_of(rows: Sequence[int], at: Sequence[int]) -> dict[int, list[int]]:
    labels: dict[int, list[int]] = {}
    for row, sense in zip(rows, at, strict=True):
        labels.setdefault(sense, []).append(row)
    return labels


def _kin(alike: FloatArray, itself: int | None, n_kin: int) -> float:
    """Mean of the largest, one left out."""
    others = alike if itself is None else np.delete(alike, itself)
    return (
        float(np.partition(others, len(others) - n_kin)[len(others) - n_kin :].mean()) if len(others) else 0.0
    )


def kind_matrix(senses: Sequence[Sense | None]) -> "csr_matrix":
    """Which sense is a kind of what: 0 or 1, (n_senses, n_kinds), kinds in code point order."""
    from scipy.sparse import csr_matrix

    kinds = sorted({kind for sense in senses if sense for kind in sense.kinds})
    column = {kind: i for i, kind in enumerate(kinds)}
    cells = [(row, column[kind]) for row, sense in enumerate(senses) if sense for kind in sorted(sense.kinds)]
    at = np.array(cells, np.int64).reshape(-1, 2).T
    return csr_matrix((np.ones(len(cells)), (at[0], at[1])), (len(senses), len(kinds)))


def informative_kinds(matrix: "csr_matrix") -> "csr_matrix":
    """Kinds weighted by how few labels share them, rows of unit length: what all are says nothing."""
    from scipy.sparse import diags

    return unit_rows(matrix @ diags(_weights(matrix.sum(axis=0).A1, matrix.shape[0])))


def _weights(counts: FloatArray, n_labels: int) -> FloatArray:
    return np.sqrt(np.maximum(np.log(n_labels / np.maximum(counts, 1)), 0))


def unit_rows(matrix: "csr_matrix") -> "csr_matrix":
    """Rows of unit length; those without anything in them stay as they are."""
    from scipy.sparse import diags

    lengths = np.sqrt(matrix.multiply(matrix).sum(axis=1).A1)
    return diags(1 / np.where(lengths > 0, lengths, 1)) @ matrix
