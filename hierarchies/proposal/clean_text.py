"""Label text made comparable: qualifiers, raw ids, plurals, case and spelling out of the way."""

import re
import unicodedata
from urllib.parse import unquote

from cairnhub.core.text import fold, label_key

_QUALIFIER = re.compile(r"\s*[(\[][^()\[\]]*(?:[)\]]|$)")
_ID = re.compile(r"^[qQpP]\d+$")
_PREFIX = re.compile(r"^(?:https?://\S+/wiki/)?(?:category|file|item)\s*:\s*", re.IGNORECASE)
# Vowel signs of Indian and South-East Asian scripts belong to their word, though `\w` leaves them out.
_SIGNS = "".join(c for c in map(chr, range(0x900, 0x1100)) if unicodedata.category(c) in ("Mn", "Mc"))
_LETTER = rf"(?:[^\W_]|[{_SIGNS}])"
_PLAIN = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"})
_WORD = re.compile(rf"{_LETTER}+(?:[.'’ʼ]{_LETTER}+)*\.?")
_SMALL_WORDS = (  # they end the noun phrase before them: `house of the poet`
    "of in for at on with by near from to and or as the a an "  # English
    "under over above below beside before after "
    "de du des da do das dos del della delle di la le les el los las y e et "  # Romance
    "von vom zu zum zur am an im der die das und och og"  # Germanic
)
_SMALL = frozenset(_SMALL_WORDS.split())
_NUMBERED = re.compile(r"^[\s#(]*\d+[\s.:)\-]+(?=\D)")
_CAMEL_CASE = re.compile(r"(?<=[^\W\d_A-Z]{2})(?=[A-Z])|(?<=[A-Z])(?=[A-Z][^\W\d_A-Z]{2})")
_PLURAL_MARK = re.compile(r"\((?:s|es)\)")
_KEEP_S = ("ss", "us", "is", "ous", "'s")


def clean_type(text: str) -> str:
    """The text of a type without what only tells its members apart.

    Wiki prefixes, percent codes, underscores and bracketed qualifiers (also one that is never closed) go;
    case and spaces are normalised. A raw id such as `Q1386235` has no text: the result is empty.

    Example:
        >>> clean_type("Hindu temple (Bhadrakali)")
        'hindu temple'
    """
    plain = unquote(text) if re.search(r"%[0-9A-Fa-f]{2}", text) else text
    plain = _PREFIX.sub("", unicodedata.normalize("NFKC", plain).replace("_", " ").strip())
    if _ID.match(plain):
        return ""
    bare = _QUALIFIER.sub("", plain).strip(" ,;:-–")
    return label_key(bare or plain.strip("()[] "))


def clean_label(text: str) -> str:
    """The text of any label, as a person would write it: numbers before it, underscores and CamelCase go.

    Example:
        >>> clean_label("004.Black_footed_Albatross"), clean_label("PickupTruck"), clean_label("inlet(s)")
        ('black footed albatross', 'pickup truck', 'inlets')
    """
    plain = unicodedata.normalize("NFKC", text).replace("_", " ").strip()
    plain = _PLURAL_MARK.sub("s", _NUMBERED.sub("", plain))
    if " " not in plain:
        plain = _CAMEL_CASE.sub(" ", plain)
    return label_key(plain)


def words(text: str) -> list[str]:
    """Words in folded form, letters with strokes made plain as accents are; hyphens part words."""
    return [word.strip("'’ʼ") for word in _WORD.findall(fold(text).translate(_PLAIN))]


def content_words(text: str) -> list[str]:
    """Each word once, without small words such as `of`, in any of the languages that have theirs listed."""
    return [word for word in dict.fromkeys(words(text)) if word not in _SMALL and len(word) > 1]


def singular(word: str) -> str:
    """An English word without its plural ending; only used to compare, so rough is enough."""
    if len(word) <= 3 or word.endswith(_KEEP_S) or not word.endswith("s"):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("ches", "shes", "xes", "sses")) else word[:-1]


def noun_phrase(tokens: list[str]) -> tuple[list[str], list[str]]:
    """Split words at the first small word: the phrase that ends in the head noun, and the rest.

    Example:
        >>> noun_phrase("ancestral house of the philippines".split())
        (['ancestral', 'house'], ['of', 'the', 'philippines'])
    """
    cut = next((i for i, token in enumerate(tokens) if i and token in _SMALL), len(tokens))
    return tokens[:cut], tokens[cut:]


def head_noun(text: str) -> str:
    """The last word of the leading noun phrase, singular; empty for a raw id."""
    phrase, _ = noun_phrase(words(clean_type(text)))
    return singular(phrase[-1]) if phrase else ""
