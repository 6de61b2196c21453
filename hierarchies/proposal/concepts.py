"""General knowledge of places: the categories people name them by, and the words that tell which.

`concepts.tsv` lists some eighty everyday categories with their kind, a description, English terms for their
types (`x *` matches a type that begins with x, `x !` does so even against the head noun) and words for them
in the names of places in many languages (see `name_words`). It was written from general knowledge of gazetteers
and encyclopedias, not from any dataset's labels.
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from cairnhub.core.text import fold
from cairnhub.hierarchies.proposal.clean_text import clean_type, noun_phrase, singular, words
from cairnhub.hierarchies.proposal.name_words import NameWords, name_words

GENERIC = "building"  # a head noun of this concept says little: look at the words before it
# After one of these a word is not English: `Playa de la Concha` is no salt flat.
_NOT_ENGLISH = frozenset(
    {"de", "del", "della", "di", "do", "da", "dos", "das", "du", "des", "von", "vom", "van"}
)
_BRACKET = re.compile(r"[()\[\]]+")
_CONTAINERS = frozenset(
    {"group", "pair", "set", "series", "part", "row", "collection", "kind", "type", "class"}
)
_HYPHENATED = re.compile(r"(?<=\w)-(\w+)\b")


@dataclass(frozen=True)
class Concept:
    """An everyday category of places."""

    category: str
    kind: str
    description: str
    terms: tuple[str, ...]
    words: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """What the words of a label say: a category, how sure (0..1), and the words that say it."""

    category: str
    confidence: float
    why: str


@dataclass(frozen=True)
class Concepts:
    """Concepts with look-up tables for their words."""

    by_name: Mapping[str, Concept]
    terms: Mapping[tuple[str, ...], str]
    openings: Mapping[tuple[str, ...], str]
    overriding: Mapping[tuple[str, ...], str]
    in_names: NameWords

    def of_type(self, text: str) -> Evidence | None:
        """What the words of a type say, by its head noun first; None if they say nothing known."""
        everything = [singular(token) for token in words(clean_type(text))]
        phrase, rest = noun_phrase(everything)
        if phrase and phrase[-1] in _CONTAINERS and rest:
            phrase, rest = noun_phrase(rest[1:])
        if not phrase:
            return None
        if whole := self._opening(everything, self.terms, longer_than=len(phrase)):
            return Evidence(whole[0], 0.97, whole[1])
        head = self._ending(phrase)
        if (not head or " " not in head[1]) and (match := self._opening(phrase, self.overriding)):
            return Evidence(match[0], 0.85, match[1])
        if head and head[0] != GENERIC:
            return Evidence(head[0], 0.97 if " " in head[1] or len(phrase) == 1 else 0.93, head[1])
        if head:
            phrase = phrase[: len(phrase) - len(head[1].split())]
            if (before := self._ending(phrase)) and before[0] != GENERIC:
                return Evidence(before[0], 0.9, before[1])
        if match := self._opening([*phrase, *rest], self.openings):
            return Evidence(match[0], 0.8, match[1])
        return self._inside(phrase, rest) or (Evidence(GENERIC, 0.5, head[1]) if head else None)

    def of_name(self, name: str) -> dict[str, float]:
        """Votes of the words of a place's own name, in any language: category -> strength.

        A known type in brackets, as in `Hill House (castle)`, and the English head noun count most; then
        words that open or end the leading phrase, where most languages put what a thing is; words elsewhere
        count little.
        """
        votes: dict[str, float] = {}

        def vote(claims: Mapping[str, float], factor: float) -> None:
            for category, strength in claims.items():
                votes[category] = votes.get(category, 0.0) + factor * strength

        bare, *aside = _BRACKET.split(name)
        for part in aside:
            inside = words(part)
            if match := self._ending([singular(token) for token in inside]):
                vote({match[0]: 1.0}, 2.0)
            elif len(inside) == 1:  # a word for a place, not the ending of a place's name
                vote(self.in_names.whole.get(inside[0], {}), 2.0)
        tokens = words(bare.split(",")[0])
        phrase, rest = noun_phrase(tokens)
        english = not rest or rest[0] not in _NOT_ENGLISH
        if english and (match := self._ending([singular(token) for token in phrase])):
            vote({match[0]: 1.0}, 0.5 if match[0] == GENERIC else 1.5 + 0.5 * match[1].count(" "))
        # Beside a known word an ending is that of a town's name: `Rathaus Heidelberg`.
        said = any(map(self.in_names.knows, tokens))
        start = 0
        while start < len(tokens):
            length, claims = self.in_names.of_phrase(tokens[start:])
            if length:
                vote(claims, 1.5)
            else:
                leads = start in (0, len(phrase) - 1) and (not said or self.in_names.knows(tokens[start]))
                vote(self.in_names.of_token(tokens[start]), 1.0 if leads else 0.35)
            start += max(length, 1)
        for tail in _HYPHENATED.findall(fold(bare)):
            vote(self.in_names.endings.get(tail, {}), 1.0)
        return votes

    def _ending(self, tokens: list[str]) -> tuple[str, str] | None:
        """The longest known term that the phrase ends in."""
        for start in range(len(tokens)):
            if category := self.terms.get(tuple(tokens[start:])):
                return category, " ".join(tokens[start:])
        return None

    @staticmethod
    def _opening(
        tokens: list[str], table: Mapping[tuple[str, ...], str], longer_than: int = 0
    ) -> tuple[str, str] | None:
        """The longest entry of the table that the phrase begins with."""
        for stop in range(len(tokens), longer_than, -1):
            if category := table.get(tuple(tokens[:stop])):
                return category, " ".join(tokens[:stop])
        return None

    def _inside(self, tokens: list[str], rest: list[str]) -> Evidence | None:
        """Weaker signs: a term further left, a word of another language, a term after the small word."""
        for stop in range(len(tokens) - 1, 0, -1):
            match = self._ending(tokens[:stop])
            if match and match[0] != GENERIC:
                return Evidence(match[0], 0.7, match[1])
        votes: dict[str, float] = {}
        for token in tokens:
            for category, strength in self.in_names.of_token(token, shortest=4).items():
                votes[category] = votes.get(category, 0.0) + strength
        if votes:
            best = max(sorted(votes), key=lambda category: votes[category])
            return Evidence(best, 0.75 * votes[best] / max(sum(votes.values()), 1.0), " ".join(tokens))
        match = self._ending(rest)
        return Evidence(match[0], 0.4, match[1]) if match and match[0] != GENERIC else None


@cache
def load_concepts() -> Concepts:
    """Read `concepts.tsv`."""
    with (files("cairnhub.hierarchies.proposal") / "concepts.tsv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    by_name: dict[str, Concept] = {}
    tables: dict[str, dict[tuple[str, ...], str]] = {"": {}, "*": {}, "!": {}}
    for row in rows:
        concept = Concept(
            row["category"],
            row["kind"],
            row["description"],
            tuple(row["terms"].split("|")),
            tuple(row["words"].split("|")),
        )
        by_name[concept.category] = concept
        for term in (concept.category, *concept.terms):
            mark = term[-1] if term[-1] in "*!" else ""
            key = tuple(singular(token) for token in words(term.rstrip("*! ")))
            tables[mark].setdefault(key, concept.category)
    in_names = name_words((concept.category, concept.words) for concept in by_name.values())
    return Concepts(by_name, tables[""], tables["*"], tables["!"], in_names)
