"""`embed`: the text model."""

from pydantic import Field

from cairnhub.pipelines.settings.strict import Strict


class Embed(Strict):
    """The text model; its weights are checked by hash wherever they come from."""

    model: str
    revision: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    batch_size: int = Field(default=64, ge=1, le=1_000_000)
