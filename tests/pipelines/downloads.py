"""What the tests of downloads share: a content, and how it is asked for."""

import hashlib
import random
from pathlib import Path

from cairnhub.pipelines.sources import download
from cairnhub.pipelines.sources.download import fetch_file
from tests.pipelines.misbehaving_server import Misbehaviour

CONTENT = random.Random("content").randbytes(60_000)
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()
KNOWN = ("size and hash", "hash", "nothing")


def get(server: Misbehaviour, folder: Path, **options: object) -> download.FetchedFile:
    settings: dict[str, object] = {
        "size_bytes": len(CONTENT),
        "hash": SHA256,
        "timeout_s": 0.3,
        "n_retries": 3,
    }
    return fetch_file(f"{server.url}/a.tar", folder / "a.tar", **{**settings, **options})  # type: ignore[arg-type]


def only(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
