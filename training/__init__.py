"""Rank losses, exact retrieval metrics, and the trainer that uses them.

Names are imported when they are first used: the package itself costs nothing.
"""

from typing import TYPE_CHECKING

from cairnhub.core.lazy import lazy_names

if TYPE_CHECKING:
    from cairnhub.training.inference import encode

__all__ = ["encode"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "encode": "cairnhub.training.inference",
    },
)
