"""Which text model made vectors."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelRecord:
    """Which model made the vectors: its name, the published revision and the SHA-256 of its weights."""

    name: str
    revision: str
    sha256: str


MINILM = ModelRecord(
    name="sentence-transformers/all-MiniLM-L6-v2",
    revision="1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
