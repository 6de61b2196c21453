"""Docstrings as the reference shows them: examples are code, formulas stand in a block of their own."""

import re
from typing import Any

import griffe

FORMULA = re.compile(r"^( *)\.\. math:: *(.*(?:\n\1   .*)*)$", re.M)


class Docstrings(griffe.Extension):
    """Rewrites docstrings before they are read."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Of each object with a docstring."""
        if obj.docstring is not None:
            value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.M)
            obj.docstring.value = FORMULA.sub(lambda found: _block(*found.groups()), value)


def _block(indent: str, formula: str) -> str:
    lines = [line.strip() for line in formula.splitlines()]
    return "\n".join(f"{indent}{line}" for line in ("```", *filter(None, lines), "```"))
