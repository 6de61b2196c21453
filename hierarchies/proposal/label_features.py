"""Labels to vectors that show which of them belong together: their words, what they mean, what they are kinds of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cairnhub.hierarchies.proposal.label_senses import (
    LabelSense,
    choose_senses,
    informative_kinds,
    kind_matrix,
)
from cairnhub.hierarchies.proposal.remembered import Remembered
from cairnhub.hierarchies.proposal.text_vectors import Embedder
from cairnhub.hierarchies.proposal.wordnet import WordNet

FloatArray = npt.NDArray[np.float64]
_DESCRIPTION_SHARE = 0.5  # of a description's vector beside that of the label
_GLOSS_SHARE = 0.5  # of a gloss's, times the trust in its sense
_KINDS_SHARE = 0.3  # of the kinds, where the labels are of many domains
_ENOUGH_NOUNS = 0.4  # labels that are nouns as they stand; where they are fewer, parts of labels mislead
_NARROW, _BROAD = 0.4, 0.1  # specificity of what nearly all labels are: `bird` .40, `whole` .08
_NEARLY_ALL = 0.6
_MAX_KIND_COLUMNS = 512
_DECIMALS = 6


@dataclass(frozen=True)
class LabelFeatures:
    """What a proposal is made from.

    Attributes:
        vectors: rows of unit length, (n, d); their products say how alike two labels are.
        senses: what each label is about, None where that is not known, (n,).
        words: what `vectors` are without the views, (n, d); (n, 0) where there are no views.
        views: each view by itself, its mean subtracted, (n, d) each.
    """

    vectors: FloatArray
    senses: tuple[LabelSense | None, ...]
    words: FloatArray
    views: tuple[FloatArray, ...] = ()

    @classmethod
    def of(
        cls,
        words: Sequence[FloatArray],
        senses: Sequence[LabelSense | None],
        views: Sequence[FloatArray],
    ) -> "LabelFeatures":
        """Everything side by side."""
        seen = tuple(map(_centred, views))
        apart = _joined(words) if seen else np.zeros((len(senses), 0))
        return cls(_joined([*words, *seen]), tuple(senses), apart, seen)

    def rows(self, rows: slice) -> "LabelFeatures":
        """Those of some labels."""
        views = tuple(view[rows] for view in self.views)
        return LabelFeatures(self.vectors[rows], self.senses[rows], self.words[rows], views)


def label_features(
    texts: Sequence[str],
    embedder: Embedder,
    wordnet: WordNet | None = None,
    descriptions: Sequence[str] | None = None,
    views: Sequence[FloatArray] = (),
) -> LabelFeatures:
    """Add up vectors of texts, descriptions and glosses, their mean subtracted; set kinds and other views beside them.

    What all labels share says nothing about which belong together, so each view loses its mean. Kinds count as much as
    the words in a narrow domain, where words are mostly modifiers (`acorn woodpecker`), and less in a broad one, where
    only far ancestors are shared.

    Args:
        texts: cleaned labels, (n,).
        embedder: of the texts.
        wordnet: senses of nouns, if it is installed.
        descriptions: a sentence per label, `""` where there is none, (n,).
        views: further vectors of the labels, such as means of their photos, (n, d) each; rows of zeros where unknown.
    """
    embedder = Remembered(embedder)
    vectors = _encode(texts, embedder)
    if descriptions is not None:
        vectors = vectors + _DESCRIPTION_SHARE * _encode(descriptions, embedder)
    if wordnet is None:
        return LabelFeatures.of([_centred(vectors)], (None,) * len(texts), views)
    senses = choose_senses(texts, wordnet, embedder)
    trust = np.array([found.trust if found else 0.0 for found in senses])
    trust *= min(1.0, float((trust == 1).mean()) / _ENOUGH_NOUNS)
    glosses = _encode([found.sense.gloss if found else "" for found in senses], embedder)
    vectors = _centred(vectors + _GLOSS_SHARE * trust[:, None] * glosses)
    narrowness = _narrowness(senses, wordnet)
    share = max(narrowness, _KINDS_SHARE)
    kinds = share * (narrowness + (1 - narrowness) * trust)[:, None] * _kinds(senses)
    return LabelFeatures.of([vectors, kinds], senses, views)


def _encode(texts: Sequence[str], embedder: Embedder) -> FloatArray:
    """Unit vectors; zeros for an empty text."""
    vectors = np.asarray(embedder.encode(list(texts)), np.float64)
    vectors[[not text for text in texts]] = 0
    return vectors


def _kinds(senses: Sequence[LabelSense | None]) -> FloatArray:
    """Kinds of each label, rows of unit length or zero; reduced where they are many."""
    matrix = informative_kinds(kind_matrix([found.sense if found else None for found in senses]))
    if matrix.shape[1] <= _MAX_KIND_COLUMNS or matrix.shape[0] <= _MAX_KIND_COLUMNS:
        return np.asarray(matrix.toarray(), np.float64)
    from sklearn.decomposition import TruncatedSVD

    return np.asarray(TruncatedSVD(_MAX_KIND_COLUMNS // 2, random_state=0).fit_transform(matrix), np.float64)


def _narrowness(senses: Sequence[LabelSense | None], wordnet: WordNet) -> float:
    """0 for labels of all sorts, 1 where nearly all are of one specific kind."""
    known = [found.sense for found in senses if found]
    counts: dict[str, int] = {}
    for sense in known:
        for kind in sense.kinds:
            counts[kind] = counts.get(kind, 0) + 1
    shared = [wordnet.specificity(kind) for kind, n in counts.items() if n >= _NEARLY_ALL * len(known)]
    return float(np.clip((max(shared, default=0.0) - _BROAD) / (_NARROW - _BROAD), 0, 1))


def _centred(vectors: FloatArray) -> FloatArray:
    """Rows of unit length around their mean; rows of zeros stay, and so do rows that are alone."""
    known = np.flatnonzero(np.abs(vectors).sum(axis=1) > 0)
    if len(known) > 2:  # two that are centred are opposites
        vectors = vectors.copy()
        vectors[known] -= vectors[known].mean(axis=0)
    return _unit(vectors)


def _joined(views: Sequence[FloatArray]) -> FloatArray:
    return _unit(np.hstack(views)).round(_DECIMALS)


def _unit(vectors: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)
