"""Photographs of labels, wherever they lie."""

from typing import Protocol


class Photos(Protocol):
    """Photographs of labels as JPEG."""

    def count(self, label: str) -> int:
        """How many there are of a label."""

    def photo(self, label: str, nth: int, large: bool = False) -> bytes | None:
        """The n-th of a label, whole, small or large; None where there is none or it cannot be read."""
