"""What readers refuse, `datasets` and the Pillow that it decodes with: one rule for params, tables and the writer."""

import re

from cairnhub.datasets_hub.schema import CONFIGS

MAX_PIXELS = 178_956_970
"""Twice Pillow's `MAX_IMAGE_PIXELS`: of larger images it reads nothing."""
_NAME = re.compile(r"[^\W\d]\w*")
_MAX_BYTES = 100  # names of files begin with it


def split_name_fault(name: str) -> str | None:
    """Why `datasets` would not load a split of this name; None if it does."""
    if name.lower() == "all":
        return f"split {name!r}: `datasets` takes this word for all splits together; call it something else"
    if name in CONFIGS:
        return f"split {name!r}: every split is a config, and {', '.join(CONFIGS)} are others; rename it"
    if not _NAME.fullmatch(name) or len(name.encode()) > _MAX_BYTES:
        return (
            f"split {name[:_MAX_BYTES]!r}: a split's name has letters, digits and _, begins with no digit and takes at "
            f"most {_MAX_BYTES} bytes, for `datasets` loads no other; rename it"
        )
    return None
