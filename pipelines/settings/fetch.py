"""`fetch`: where files come from."""

from pydantic import Field

from cairnhub.pipelines.settings.strict import Strict


class Wikimedia(Strict):
    """Whom to ask for the types of landmarks that GLDv2 gives none, and in whose name."""

    contact: str
    """A mail address or page of whoever runs this: Wikimedia asks for it."""
    commons: str = "https://commons.wikimedia.org/w/api.php"
    wikidata: str = "https://www.wikidata.org/w/api.php"
    depth: int = Field(default=5, ge=0, le=100)
    """How many steps of `subclass of` to follow."""


class Fetch(Strict):
    """Where files come from and how patiently."""

    mirrors: dict[str, str] = {}
    """Dataset -> folder or URL that holds its files, in place of the authors' own server."""
    n_connections: int = Field(default=4, ge=1, le=64)
    timeout_s: float = Field(default=30, gt=0, le=86_400)
    n_retries: int = Field(default=5, ge=0, le=1000)
    wikimedia: Wikimedia | None = None
    """Mine types for landmarks without one; not asked for by default, since it takes hours."""
