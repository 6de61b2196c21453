"""A category for a landmark that has no type, from its name alone, in any language; or no answer.

Signs are added up as log-odds: the words of the name (`name_words`), how like the categories its sentence vector is,
votes from elsewhere, such as from images, and what the landmarks with a type of this very dataset teach. They teach
what unknown words mean, by how well the landmarks of a word agree, what known words turn out to mean here: where
most that are called a temple are Buddhist temples, the next is one too; and how far votes are to be trusted. Each
lesson is used only where it brings more right answers on landmarks held out.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cairnhub.hierarchies.proposal.clean_text import content_words
from cairnhub.hierarchies.proposal.concepts import load_concepts
from cairnhub.hierarchies.proposal.name_likeness import NameLikeness

FloatArray = npt.NDArray[np.float64]
ABSTAIN_BELOW = 0.6  # confidence below which no category is given
_PER_VOTE = 6.0  # log-odds of one full vote of a known word
_PER_COSINE = 4.0  # of likeness by sentence vectors; beyond 8 it outweighs words and answers get worse
_SHRINK = 1.5  # pseudo-count that draws rarely seen words towards the prior
_SEEN_OFTEN = 2  # words of a single landmark teach nothing
_AS_WORDS_SAY = 2.0  # landmarks that a word's known meaning is worth against what it turns out to mean
_MOST_VOTES = 2.0
_TRUSTS_OF_VOTES = (0.0, 0.25, 0.5, 1.0)  # weights of votes that are tried out
_UNTRIED = 0.5  # where landmarks are too few to try
_FOLDS = 5
_FEWEST = 20  # typed landmarks below which nothing is tried out on held-out ones
_LESSONS = (
    (0.0, False),
    (0.0, True),
    (0.4, True),
    (0.8, True),
)  # weight of unknown words; whether known ones are mended
_UNCALIBRATED = (
    1.0,
    0.5,
    0.7,
)  # see `NameModel.calibration`; words of a name are not independent: too sure near 1
_CALIBRATION_VARIANCE = (0.1, 0.1, 2.0)  # how far few landmarks may draw it from there
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
        learned: per word that typed landmarks have, log-odds added to each category.
        turned_out: row c: shares of what typed landmarks are whose words say category c, (n_categories,) twice.
        likeness: sentence vectors of the names; None does without.
        trust: weight of `learned`, 0 where it would bring no more right answers.
        trust_of_votes: weight of votes, likewise.
        calibration: (a, b, c): confidence = sigmoid(a log p - b log(1 - p) + c) of the top probability p.
    """

    categories: tuple[str, ...]
    prior: FloatArray
    learned: Mapping[str, FloatArray]
    turned_out: FloatArray
    likeness: NameLikeness | None
    trust: float = _LESSONS[-1][0]
    trust_of_votes: float = _UNTRIED
    calibration: tuple[float, float, float] = _UNCALIBRATED

    def probabilities(self, names: Sequence[str], votes: Votes | None = None) -> FloatArray:
        """Uncalibrated probabilities, shape (n_names, n_categories)."""
        known = self.prior + _known(names, self.categories, self.likeness)
        known += self.trust_of_votes * _voted(names, self.categories, votes)
        return _softmax(known + self.trust * self.taught(names)) @ self.turned_out

    def taught(self, names: Sequence[str]) -> FloatArray:
        """Log-odds from what typed landmarks show about the words of names, shape (n_names, n_categories)."""
        scores = np.zeros((len(names), len(self.categories)))
        for row, name in enumerate(names):
            for word in content_words(name):
                if word in self.learned:
                    scores[row] += self.learned[word]
        return scores

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
        confidences = _sigmoid(_sides(top) @ np.array(self.calibration))
        assignments = []
        for ranked, confidence in zip(order, confidences, strict=True):
            best = self.categories[ranked[0]]
            second = self.categories[ranked[1]] if len(ranked) > 1 else ""
            category = best if confidence >= ABSTAIN_BELOW else None
            assignments.append(Assignment(category, best, second, round(float(confidence), 3)))
        return assignments


def fit(
    names: Sequence[str],
    categories: Sequence[str],
    likeness: NameLikeness | None = None,
    votes: Votes | None = None,
) -> NameModel:
    """Learn from landmarks whose category is known by type; try lessons out and calibrate on folds held out.

    Args:
        names: names of landmarks with a type; may be empty.
        categories: their categories.
        likeness: sentence vectors of these names and of those that will be assigned.
        votes: of other sources, such as photographs, on these landmarks; none of them by the landmark itself.
    """
    everything = tuple(sorted({*load_concepts().by_name, *categories}))
    known, voted = _known(names, everything, likeness), _voted(names, everything, votes)
    truth = np.array([everything.index(category) for category in categories], dtype=np.intp)
    if len(names) < _FEWEST:
        return _learn(names, truth, known + _UNTRIED * voted, everything, likeness)
    tried = [
        _try_out(names, truth, known + trust * voted, everything, likeness, trust)
        for trust in (_TRUSTS_OF_VOTES if votes else (_UNTRIED,))
    ]
    return max(tried, key=lambda of_trust: of_trust[1])[
        0
    ]  # the first, which trusts least, of equally good ones


def _try_out(
    names: Sequence[str],
    truth: npt.NDArray[np.intp],
    known: FloatArray,
    everything: tuple[str, ...],
    likeness: NameLikeness | None,
    trust_of_votes: float,
) -> tuple[NameModel, int]:
    """The model with the lessons that help, and how many answers on landmarks held out are right with them."""
    model = replace(_learn(names, truth, known, everything, likeness), trust_of_votes=trust_of_votes)
    fold_of = np.array([_fold(name) for name in names])
    top, right = np.zeros((2, len(_LESSONS), len(names)))
    for fold in range(_FOLDS):
        train, test = (np.flatnonzero(which).tolist() for which in (fold_of != fold, fold_of == fold))
        part = _learn([names[i] for i in train], truth[train], known[train], everything, likeness)
        taught = part.taught([names[i] for i in test])
        for lesson, (trust, mends) in enumerate(_LESSONS):
            shares = _softmax(part.prior + known[test] + trust * taught)
            shares = shares @ part.turned_out if mends else shares
            top[lesson, test] = shares.max(axis=1)
            right[lesson, test] = shares.argmax(axis=1) == truth[test]
    best = int(right.sum(axis=1).argmax())  # the first, which teaches least, of equally good ones
    trust, mends = _LESSONS[best]
    turned_out = model.turned_out if mends else np.eye(len(everything))
    model = replace(model, trust=trust, turned_out=turned_out, calibration=_calibrate(top[best], right[best]))
    return model, int(right[best].sum())


def _known(names: Sequence[str], categories: Sequence[str], likeness: NameLikeness | None) -> FloatArray:
    """Log-odds from what is known without learning, shape (n_names, n_categories)."""
    concepts = load_concepts()
    scores = _voted(names, categories, {name: concepts.of_name(name) for name in names})
    if likeness:
        scores += _PER_COSINE * likeness.cosines(names, categories)
    return scores


def _voted(names: Sequence[str], categories: Sequence[str], votes: Votes | None) -> FloatArray:
    """Log-odds of votes, shape (n_names, n_categories)."""
    place = {name: i for i, name in enumerate(categories)}
    scores = np.zeros((len(names), len(categories)))
    for row, name in enumerate(names):
        for category, strength in (votes or {}).get(name, {}).items():
            if category in place:
                scores[row, place[category]] += _PER_VOTE * min(strength, _MOST_VOTES)
    return scores


def _learn(
    names: Sequence[str],
    truth: npt.NDArray[np.intp],
    known: FloatArray,
    categories: tuple[str, ...],
    likeness: NameLikeness | None,
) -> NameModel:
    """Learn without trying anything out: `known` is what `_known` says of the names."""
    n_categories = len(categories)
    counts = 0.5 + np.bincount(truth, minlength=n_categories)
    share = counts / counts.sum()
    often = Counter(word for name in names for word in content_words(name))
    seen: dict[str, FloatArray] = {}
    for name, category in zip(names, truth, strict=True):
        for word in content_words(name):
            if often[word] >= _SEEN_OFTEN:
                seen.setdefault(word, np.zeros(n_categories))[category] += 1
    learned = {}
    for word, of_word in seen.items():
        n = of_word.sum()
        posterior = (of_word + _SHRINK * share) / (n + _SHRINK)
        agreement = (of_word * (of_word - 1)).sum() / (
            n * (n - 1)
        )  # share of its pairs that have one category
        learned[word] = agreement * np.maximum(np.log(posterior / share), math.log(0.2))
    prior = 0.5 * np.log(share)
    # A category that no landmark shows is taken to be right as often as all are, not always.
    said = _softmax(prior + known)
    agree = (_AS_WORDS_SAY + said[np.arange(len(truth)), truth].sum()) / (_AS_WORDS_SAY + len(truth))
    turned_out = _AS_WORDS_SAY * (agree * np.eye(n_categories) + (1 - agree) * share)
    np.add.at(turned_out.T, truth, said)
    turned_out /= turned_out.sum(axis=1, keepdims=True)
    return NameModel(categories, prior, learned, turned_out, likeness)


def _fold(name: str) -> int:
    """A fold by the text alone, so that it depends on no order and no random state."""
    return sum((i + 1) * ord(c) for i, c in enumerate(name)) % _FOLDS


def _calibrate(top: FloatArray, right: FloatArray) -> tuple[float, float, float]:
    """Beta calibration (Kull et al. 2017), drawn towards `_UNCALIBRATED` where data are few.

    Unlike a line through log-odds it does not lift the probabilities of names that say nothing.
    """
    from scipy.optimize import minimize

    sides = _sides(top)

    def loss(weights: FloatArray) -> float:
        margin = sides @ weights
        likelihood = np.logaddexp(0, margin) - right * margin
        return float(likelihood.sum() + ((weights - _UNCALIBRATED) ** 2 / _CALIBRATION_VARIANCE).sum())

    a, b, c = minimize(loss, np.array(_UNCALIBRATED), method="Nelder-Mead").x
    return round(float(max(a, 0.0)), 3), round(float(max(b, 0.0)), 3), round(float(c), 3)


def _sides(p: FloatArray) -> FloatArray:
    """What calibration weighs, shape (n, 3)."""
    clipped = np.clip(p, 1e-4, 1 - 1e-4)
    return np.stack([np.log(clipped), -np.log(1 - clipped), np.ones_like(clipped)], axis=1)


def _softmax(scores: FloatArray) -> FloatArray:
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _sigmoid(x: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -30, 30))))
