"""One slip in a word, put right where only one known word is so near."""

from collections.abc import Callable, Iterator, Sequence

from cairnhub.hierarchies.proposal.clean_text import words

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SHORTEST = 6  # shorter words are one letter from many
_MOST_UNKNOWN = 1 / 3  # of all words: names, or another language, are no slips


def slips(texts: Sequence[str], knows: Callable[[str], bool]) -> dict[str, str]:
    """Words that are unknown, and the known word that each is one letter from; of other labels first.

    Args:
        texts: cleaned labels.
        knows: whether a word is known.
    """
    known = {word: knows(word) for word in sorted({word for text in texts for word in words(text)})}
    unknown = [word for word, is_known in known.items() if not is_known]
    if len(unknown) > _MOST_UNKNOWN * len(known):
        return {}
    meant = {}
    for word in unknown:
        if len(word) < _SHORTEST or not (word.isascii() and word.isalpha()):
            continue
        near = set(_one_letter_off(word))
        ours = sorted(other for other in near if known.get(other))
        candidates = ours or sorted(other for other in near if knows(other))
        if len(candidates) == 1:
            meant[word] = candidates[0]
    return meant


def put_right(text: str, meant: dict[str, str]) -> str:
    """A text with those words replaced."""
    return " ".join(meant.get(part, part) for part in text.split(" "))


def _one_letter_off(word: str) -> Iterator[str]:
    """A letter too many, too few, another one, or two that changed places (Damerau 1964)."""
    for at in range(len(word) + 1):
        before, after = word[:at], word[at:]
        yield from (before + letter + after for letter in _LETTERS)
        if after:
            yield before + after[1:]
            yield from (before + letter + after[1:] for letter in _LETTERS)
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]
