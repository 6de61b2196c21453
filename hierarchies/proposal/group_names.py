"""A name for a group of labels: a word that most members share, what most of them are, or the most typical one."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count

import numpy as np
import numpy.typing as npt

from cairnhub.core.text import label_key
from cairnhub.hierarchies.proposal.clean_text import noun_phrase, singular, words
from cairnhub.hierarchies.proposal.label_features import LabelFeatures
from cairnhub.hierarchies.proposal.wordnet import WordNet

IntArray = npt.NDArray[np.int64]
_SHARED_WORD = 0.4  # of the members
_SHARED_KIND = 0.6
_SPECIFIC = 0.2  # a name must say at least so much: `artifact` (.20) and what is above it do not
_SHORTEST_WORD = 3
_TYPICAL = "its most typical label"
_OF_HOW_MANY = re.compile(r"([\d,]+) of its ([\d,]+) labels")
_WEAK = 0.5  # of the members: a name that says less is a guess


@dataclass(frozen=True)
class GroupName:
    """A name and how it was found."""

    name: str
    why: str


def name_groups(
    texts: Sequence[str],
    labels: Sequence[str],
    groups: IntArray,
    features: LabelFeatures,
    wordnet: WordNet | None,
) -> list[GroupName]:
    """Name every group of a level; no name is given twice. Larger groups choose first.

    Args:
        texts: cleaned labels, (n,).
        labels: as they are written, (n,).
        groups: group of each label, numbered from 0, (n,).
        features: of the labels.
        wordnet: for what they are kinds of.
    """
    nouns = [_nouns(text) for text in texts]
    everywhere = Counter(word for found in nouns for word in set(found))
    sizes = np.bincount(groups)
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(sizes)[:-1])
    named: dict[int, GroupName] = {}
    taken: set[str] = set()
    order: list[int] = np.argsort(-sizes, kind="stable").tolist()
    for group in order:
        rows = members[group]
        candidates = chain(
            _shared_words([nouns[row] for row in rows.tolist()], everywhere),
            _shared_kinds(rows, features, wordnet) if wordnet else (),
            _typical(rows, labels, features),
        )
        named[group] = next(found for found in candidates if label_key(found.name) not in taken)
        taken.add(label_key(named[group].name))
    return [named[group] for group in range(len(sizes))]


def is_guess(why: str) -> bool:
    """Whether a group's name, found as `why` says, may well be wrong: that of a member, or true of fewer than half."""
    told = _OF_HOW_MANY.search(why)
    n, n_all = (int(part.replace(",", "")) for part in told.groups()) if told else (1, 1)
    return why == _TYPICAL or n < _WEAK * n_all


def _nouns(text: str) -> list[str]:
    """Words that can name what a label is: those of its first phrase, plurals aside."""
    phrase, _ = noun_phrase(words(text))
    return [singular(word) for word in phrase if len(word) >= _SHORTEST_WORD and not word.isdigit()]


def _shared_words(nouns: Sequence[Sequence[str]], everywhere: Counter[str]) -> Iterator[GroupName]:
    """Head nouns of many members, those before the others that few labels elsewhere have."""
    if len(nouns) == 1:
        return
    counts = Counter(word for found in nouns for word in set(found))
    heads = Counter(found[-1] for found in nouns if found)
    shared = [word for word, count in counts.items() if count >= max(2, _SHARED_WORD * len(nouns))]
    ranked = sorted(
        shared, key=lambda word: (-heads[word], -counts[word] / everywhere[word], -counts[word], word)
    )
    for word in ranked:
        yield GroupName(word, f"a word of {counts[word]:,} of its {len(nouns):,} labels")


def _shared_kinds(rows: IntArray, features: LabelFeatures, wordnet: WordNet) -> Iterator[GroupName]:
    """What most members are, the most specific first."""
    senses = [found.sense for row in rows.tolist() if (found := features.senses[row])]
    counts = Counter(kind for sense in senses for kind in sense.kinds)
    common = {
        kind: wordnet.specificity(kind)
        for kind, count in counts.items()
        if count >= max(2, _SHARED_KIND * len(rows))
    }
    ranked = sorted(common, key=lambda kind: (-common[kind], kind))
    for kind in ranked:
        if common[kind] > _SPECIFIC:
            why = f"WordNet: what {counts[kind]:,} of its {len(rows):,} labels are"
            yield GroupName(wordnet.word_of(kind), why)


def _typical(rows: IntArray, labels: Sequence[str], features: LabelFeatures) -> Iterator[GroupName]:
    """The member that is most like all members; a number tells it from a group that took its name."""
    vectors = features.vectors[rows]
    closeness = (vectors @ vectors.mean(axis=0)).round(6)
    name = labels[int(rows[np.argmax(closeness)])]
    why = "its only label" if len(rows) == 1 else _TYPICAL
    yield GroupName(name, why)
    yield from (GroupName(f"{name} {i}", why) for i in count(2))
