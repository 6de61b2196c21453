"""`fetch`: where files come from."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from cairnhub.pipelines.settings.strict import Strict


class Wikimedia(Strict):
    """Whom to ask for the types of landmarks that GLDv2 gives none, and in whose name."""

    contact: str
    """A mail address or page of whoever runs this: Wikimedia asks for it."""
    commons: str = "https://commons.wikimedia.org/w/api.php"
    wikidata: str = "https://www.wikidata.org/w/api.php"
    depth: int = Field(default=5, ge=0, le=100)
    """How many steps of `subclass of` to follow."""


def _without_secrets(address: str) -> str:
    parts = urlsplit(address) if "://" in address else None
    if parts and (parts.query or parts.fragment or "@" in parts.netloc):
        raise ValueError(
            "holds a user, a password or a signature, and params.yaml is in git: give the whole address in the "
            "environment, CAIRN_MIRROR_<DATASET>, or the password in ~/.netrc"
        )
    return address


class Fetch(Strict):
    """Where files come from and how patiently."""

    mirrors: dict[str, Annotated[str, AfterValidator(_without_secrets)]] = {}
    """Dataset -> folder or URL that holds its files, in place of the authors' own server. `CAIRN_MIRROR_<DATASET>` in
    the environment comes before it and is recorded nowhere; it may hold a password or a signature."""
    mirror_files: Literal["link", "copy"] = "link"
    """Whether images and archives of a mirror that is a folder on the store's disk are shared with it, and take no room
    twice. A hard link is the mirror's own file: what changes there is noticed, but is gone from the store too; `copy`
    keeps a second copy."""
    n_connections: int = Field(default=4, ge=1, le=64)
    timeout_s: float = Field(default=30, gt=0, le=86_400)
    n_retries: int = Field(default=5, ge=0, le=1000)
    wikimedia: Wikimedia | None = None
    """Mine types for landmarks without one; not asked for by default, since it takes hours."""
