"""Types that a source does not give, mined from Wikimedia into the store beside its files."""

import hashlib
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cairnhub.core.errors import CairnError
from cairnhub.core.files import write_text_atomic
from cairnhub.core.parse import FORBID, read_json
from cairnhub.pipelines.settings.fetch import Wikimedia
from cairnhub.pipelines.sources.formats.gldv2.wikimedia import WikiApi, mine
from cairnhub.pipelines.sources.ledger import FetchedFile

log = logging.getLogger(__name__)

FOLDER = "wikimedia"
FILE = f"{FOLDER}/mined.json"
_RAW_ID = re.compile(r"Q\d+")


@dataclass(frozen=True)
class MinedTypes:
    """What was mined.

    Attributes:
        types: Commons category, as the source writes it -> its type: the label of what it is an instance of.
        chains: type -> labels of its superclasses, nearest first.
    """

    __pydantic_config__ = FORBID

    types: Mapping[str, str]
    chains: Mapping[str, tuple[str, ...]]


def mine_types(categories: Sequence[str], store: Path, settings: Wikimedia) -> FetchedFile:
    """Ask Wikimedia for the types of Commons categories and write `wikimedia/mined.json`.

    Raw answers stay in the store: a stopped run goes on where it stood, a second one asks for nothing.

    Args:
        categories: titles or URLs of Commons categories.
        store: folder of the dataset's files.
        settings: whom to ask, and in whose name.

    Raises:
        CairnError: a server keeps failing.
    """
    answers = store / FOLDER / "answers"
    commons = WikiApi(settings.commons, answers / "commons", settings.contact)
    wikidata = WikiApi(settings.wikidata, answers / "wikidata", settings.contact)
    mining = mine(sorted(set(categories)), commons, wikidata, settings.depth)
    types = {category: _readable(landmark.types) for category, landmark in mining.landmarks.items()}
    content = {"types": {category: name for category, name in types.items() if name}, "chains": mining.chains}
    write_text_atomic(store / FILE, json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n")
    log.info(f"{len(content['types']):,} of {len(types):,} Commons categories have a type on Wikidata")
    data = (store / FILE).read_bytes()
    return FetchedFile(FILE, len(data), hashlib.sha256(data).hexdigest(), None)


def forget_types(store: Path) -> None:
    """Take away what was mined, where the parameters no longer ask for it; the raw answers stay."""
    (store / FILE).unlink(missing_ok=True)


def mined_types(store: Path) -> MinedTypes:
    """What was mined into a store; nothing where nobody asked for it.

    Raises:
        CairnError: the file is damaged.
    """
    path = store / FILE
    if not path.is_file():
        return MinedTypes({}, {})
    try:
        return read_json(path, MinedTypes)
    except CairnError as error:
        raise error.with_advice("delete it and run the fetch stage again") from error


def _readable(types: Sequence[str]) -> str:
    """The first label that is one; Wikidata gives the bare id of a class without a label."""
    return next((name for name in types if not _RAW_ID.fullmatch(name)), "")
