"""A category for a landmark that has no type, from its name alone, in any language; or no answer.

Three signs are added up as log-odds: the words of the name (`concepts.tsv`), what landmarks with a type show
about words and word endings in this very dataset, and votes from elsewhere, such as from images. Sentence
embeddings of names were tried and left out: measured, they lowered the share of right answers.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cairnhub.hierarchies.proposal.clean_text import words
from cairnhub.hierarchies.proposal.concepts import Concepts, load_concepts

FloatArray = npt.NDArray[np.float64]
ABSTAIN_BELOW = 0.6  # confidence below which no category is given
_PER_VOTE = 6.0  # log-odds of one full vote of a known word
_PER_WORD = 0.8  # weight of what the typed landmarks teach; words of a name are not independent
_SHRINK = 1.5  # pseudo-count that draws rarely seen words towards the prior
_SEEN_OFTEN = 2  # words of a single landmark teach nothing
_MOST_VOTES = 2.0
_FOLDS = 5
_FEWEST = 20  # typed landmarks below which calibration stays at its prior
_PRIOR_PLATT = (0.5, 0.5)  # slope and offset: names' words are not independent, so the model is too sure
Votes = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Assignment:
    """Category from a name, None where the model abstains; `best` and `second` are its guesses."""

    category: str | None
    best: str
    second: str
    confidence: float


@dataclass(frozen=True)
class NameModel:
    """Names to categories; made by `fit`.

    Attributes:
        categories: sorted.
        prior: log share of each category among typed landmarks, smoothed, shape (n_categories,).
        learned: per word feature, log-odds added to each category.
        slope: calibration: confidence = sigmoid(slope * logit(top probability) + offset).
        offset: see `slope`.
        concepts: the words that are known without learning.
    """

    categories: tuple[str, ...]
    prior: FloatArray
    learned: Mapping[str, FloatArray]
    concepts: Concepts
    slope: float = 1.0
    offset: float = 0.0

    def probabilities(self, names: Sequence[str], votes: Votes | None = None) -> FloatArray:
        """Uncalibrated probabilities, shape (n_names, n_categories)."""
        place = {name: i for i, name in enumerate(self.categories)}
        scores = np.tile(self.prior, (len(names), 1))
        for row, name in enumerate(names):
            for source in (self.concepts.of_name(name), (votes or {}).get(name, {})):
                for category, strength in source.items():
                    if category in place:
                        scores[row, place[category]] += _PER_VOTE * min(strength, _MOST_VOTES)
            for feature in features(name):
                if feature in self.learned:
                    scores[row] += self.learned[feature]
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))

    def assign(self, names: Sequence[str], votes: Votes | None = None) -> list[Assignment]:
        """A category per name where the calibrated confidence reaches `ABSTAIN_BELOW`.

        Args:
            names: names of landmarks without a type.
            votes: per name, strength (1 is a clear vote) per category from other sources, such as images.
        """
        if not names:
            return []
        probabilities = self.probabilities(names, votes)
        order = np.argsort(-probabilities, axis=1, kind="stable")
        top = np.take_along_axis(probabilities, order[:, :1], axis=1)[:, 0]
        confidences = _sigmoid(self.slope * _logit(top) + self.offset)
        assignments = []
        for ranked, confidence in zip(order, confidences, strict=True):
            best = self.categories[ranked[0]]
            second = self.categories[ranked[1]] if len(ranked) > 1 else ""
            category = best if confidence >= ABSTAIN_BELOW else None
            assignments.append(Assignment(category, best, second, round(float(confidence), 3)))
        return assignments


def features(name: str) -> list[str]:
    """Words of a name and their endings, each once."""
    tokens = words(name)
    endings = [f"-{token[-n:]}" for token in tokens for n in (3, 4, 5) if len(token) > n + 1]
    return list(dict.fromkeys([*tokens, *endings]))


def fit(names: Sequence[str], categories: Sequence[str]) -> NameModel:
    """Learn from landmarks whose category is known by type, and calibrate on folds that were held out.

    Args:
        names: names of landmarks with a type; may be empty.
        categories: their categories.
    """
    concepts = load_concepts()
    model = _fit(names, categories, concepts)
    fold_of = np.array([_fold(name) for name in names])
    top, right = [], []
    for fold in range(_FOLDS if len(names) >= _FEWEST else 0):
        train, test = (np.flatnonzero(which).tolist() for which in (fold_of != fold, fold_of == fold))
        part = _fit([names[i] for i in train], [categories[i] for i in train], concepts)
        for row, i in zip(part.probabilities([names[i] for i in test]), test, strict=True):
            top.append(float(row.max()))
            right.append(part.categories[int(row.argmax())] == categories[i])
    slope, offset = _platt(np.array(top), np.array(right, dtype=np.float64))
    return replace(model, slope=slope, offset=offset)


def _fit(names: Sequence[str], categories: Sequence[str], concepts: Concepts) -> NameModel:
    everything = tuple(sorted({*concepts.by_name, *categories}))
    place = {name: i for i, name in enumerate(everything)}
    counts = np.full(len(everything), 0.5)
    seen: dict[str, FloatArray] = {}
    often = Counter(feature for name in names for feature in features(name))
    for name, category in zip(names, categories, strict=True):
        counts[place[category]] += 1
        for feature in features(name):
            if often[feature] >= _SEEN_OFTEN:
                seen.setdefault(feature, np.zeros(len(everything)))[place[category]] += 1
    share = counts / counts.sum()
    learned = {}
    for feature, counts_of_feature in seen.items():
        posterior = (counts_of_feature + _SHRINK * share) / (counts_of_feature.sum() + _SHRINK)
        learned[feature] = _PER_WORD * np.maximum(np.log(posterior / share), math.log(0.2))
    return NameModel(everything, 0.5 * np.log(share), learned, concepts)


def _fold(name: str) -> int:
    """A fold by the text alone, so that it depends on no order and no random state."""
    return sum((i + 1) * ord(c) for i, c in enumerate(name)) % _FOLDS


def _platt(top: FloatArray, right: FloatArray) -> tuple[float, float]:
    """Slope and offset of calibration (Platt 1999), drawn towards their priors where data are few."""
    from scipy.optimize import minimize

    logits = _logit(top)

    def loss(weights: FloatArray) -> float:
        margin = weights[0] * logits + weights[1]
        likelihood = np.logaddexp(0, margin) - right * margin
        return float(likelihood.sum() + ((weights - _PRIOR_PLATT) ** 2 / [0.1, 2.0]).sum())

    slope, offset = minimize(loss, np.array(_PRIOR_PLATT), method="Nelder-Mead").x
    return round(float(max(slope, 0.05)), 3), round(float(offset), 3)


def _logit(p: FloatArray) -> FloatArray:
    clipped = np.clip(p, 1e-4, 1 - 1e-4)
    return np.asarray(np.log(clipped / (1 - clipped)))


def _sigmoid(x: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -30, 30))))
