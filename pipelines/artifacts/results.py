"""Small results in git."""

import json
from pathlib import Path

from cairnhub.core.files import write_text_atomic


def write_result(path: Path, content: object) -> None:
    """Write JSON that git shows line by line."""
    write_text_atomic(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
