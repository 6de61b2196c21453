"""Words that tell what a place is, inside its own name: whole words, beginnings and endings, in ten scripts.

`concepts.tsv` has the words in Latin letters, `script_words.tsv` those in nine other scripts. In both `*x` matches an
ending, `x*` a beginning, and `?` before either marks a weak sign: a word with many meanings. Where a script
writes no spaces between words, every word is an ending (Chinese, Japanese, Korean: what a thing is comes last)
or a beginning (Thai: it comes first). Both were written from general knowledge of languages, not from any
dataset's names.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files

from cairnhub.hierarchies.proposal.clean_text import words

Claims = Mapping[str, Mapping[str, float]]
WEAK = 0.3  # vote of a word marked `?`: saints' names and words with many meanings
_ENDING = 0.8  # of a word that is only the ending of a longer one, in Latin letters
_BEGINNING = 0.6
_SHORTEST_WORD = 4  # Latin letters of an ending that is also a word by itself; `on` and `do` are others
_FIRST_NOT_LATIN = "\u0370"  # Greek begins here; accents are dropped before words are compared
_ARTICLES = ("وال", "ال", "ה")  # written together with their word in Arabic and Hebrew
_UNSPACED = {"chinese": "*{}", "japanese": "*{}", "korean": "*{}", "thai": "{}*"}


@dataclass(frozen=True)
class NameWords:
    """Votes of words: each maps to categories and strengths in 0..1, parted where several claim it.

    Attributes:
        whole: words and phrases of up to three words, folded.
        beginnings: what longer words begin with.
        endings: what longer words end in.
    """

    whole: Claims
    beginnings: Claims
    endings: Claims

    def of_phrase(self, tokens: list[str]) -> tuple[int, Mapping[str, float]]:
        """How many of the leading words, two or three, are a known phrase, and its votes; 0 if none is."""
        for length in (3, 2):
            if len(tokens) >= length and (claims := self.whole.get(" ".join(tokens[:length]))):
                return length, claims
        return 0, {}

    def of_token(self, token: str, shortest: int = 3) -> Mapping[str, float]:
        """Votes of one folded word: in full where it is known, less where only its ending or beginning is.

        Args:
            token: a word as `words` gives it.
            shortest: Latin endings and beginnings of fewer letters are left alone.
        """
        if claims := self._of_whole(token):
            return claims
        latin = token < _FIRST_NOT_LATIN
        longest, least = (len(token) - 3, shortest) if latin else (len(token) - 1, 1)  # beside three letters
        parts = range(longest, least - 1, -1)
        if claims := next(filter(None, (self.endings.get(token[-n:]) for n in parts)), {}):
            return _scaled(claims, _ENDING if latin else 1.0)
        if claims := next(filter(None, (self.beginnings.get(token[:n]) for n in parts)), {}):
            return _scaled(claims, _BEGINNING if latin else 1.0)
        return {}

    def knows(self, token: str) -> bool:
        """Whether the whole word is a clear sign."""
        return max(self._of_whole(token).values(), default=0.0) > WEAK

    def _of_whole(self, token: str) -> Mapping[str, float]:
        if claims := self.whole.get(token):
            return claims
        for article in _ARTICLES:
            if token.startswith(article) and (claims := self.whole.get(token.removeprefix(article))):
                return claims
        return {}


def name_words(latin: Iterable[tuple[str, Iterable[str]]]) -> NameWords:
    """The tables of the given words by category, and of those in `script_words.tsv`."""
    tables: dict[str, dict[str, dict[str, float]]] = {"whole": {}, "beginning": {}, "ending": {}}
    marked = [(category, word) for category, of_category in latin for word in of_category]
    for category, word in [*marked, *_script_words()]:
        strength = WEAK if word.startswith("?") else 1.0
        bare = word.lstrip("?")
        where = "ending" if bare.startswith("*") else "beginning" if bare.endswith("*") else "whole"
        key = " ".join(words(bare))
        claims = tables[where].setdefault(key, {})
        claims[category] = max(strength, claims.get(category, 0.0))
    for part in ("beginning", "ending"):  # what can be part of a word is also one by itself: `Burg Eltz`
        for key, claims in tables[part].items():
            if len(key) >= _SHORTEST_WORD or key >= _FIRST_NOT_LATIN:
                tables["whole"].setdefault(key, claims)
    whole, beginnings, endings = (
        {key: _parted(claims) for key, claims in table.items()} for table in tables.values()
    )
    return NameWords(whole, beginnings, endings)


def _script_words() -> list[tuple[str, str]]:
    with (files("cairnhub.hierarchies.proposal") / "script_words.tsv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    marked = []
    for row in rows:
        for word in row["words"].split("|"):
            mark, bare = word[: len(word) - len(word.lstrip("?"))], word.lstrip("?")
            form = "{}" if "*" in bare else _UNSPACED.get(row["script"], "{}")
            marked.append((row["category"], mark + form.format(bare)))
    return marked


def _parted(claims: Mapping[str, float]) -> dict[str, float]:
    """Claims of several categories on one word: the strongest's strength, shared out."""
    whole, most = sum(claims.values()), max(claims.values())
    return {category: most * strength / whole for category, strength in claims.items()}


def _scaled(claims: Mapping[str, float], factor: float) -> dict[str, float]:
    return {category: factor * strength for category, strength in claims.items()}
