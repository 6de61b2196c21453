"""Data inside a page as base64: numbers as little-endian bytes (`unpack` in `elements.js`), JSON as a gzip file."""

import base64
import json

import numpy as np
import numpy.typing as npt


def packed(numbers: npt.ArrayLike, kind: str) -> str:
    """Numbers in row order as text.

    Args:
        numbers: of any shape.
        kind: of numpy, such as `u2` or `f4`; the script must name the same.
    """
    return base64.b64encode(np.ascontiguousarray(numbers, dtype=f"<{kind}").tobytes()).decode()


def packed_json(value: object) -> str:
    """JSON, compressed, as text: `unpackJson` in `explorer.js` reads it.

    Arrow brings its own zlib along; that of Python differs between machines, and so would the page.
    """
    import pyarrow as pa

    content = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return base64.b64encode(pa.Codec("gzip", 6).compress(content, asbytes=True)).decode()
