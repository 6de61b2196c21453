"""Numbers inside a page, as base64 of their little-endian bytes: `unpack` in `elements.js` reads them."""

import base64

import numpy as np
import numpy.typing as npt


def packed(numbers: npt.ArrayLike, kind: str) -> str:
    """Numbers in row order as text.

    Args:
        numbers: of any shape.
        kind: of numpy, such as `u2` or `f4`; the script must name the same.
    """
    return base64.b64encode(np.ascontiguousarray(numbers, dtype=f"<{kind}").tobytes()).decode()
