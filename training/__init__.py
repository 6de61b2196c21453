"""Rank losses, exact retrieval metrics, and the trainer that uses them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.inference import encode

__all__ = ["encode"]


def __getattr__(name: str) -> object:
    """`training.encode` is imported when it is first used: the losses alone need none of its parts."""
    if name != "encode":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from training.inference import encode

    return encode
