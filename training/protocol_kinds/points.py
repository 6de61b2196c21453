"""A split as points, with what protocols ask of its images beside their labels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cairnhub.core.errors import BadInput
from cairnhub.core.text import quoted
from cairnhub.training.encoders import EmbeddedSplit
from cairnhub.training.evaluation import IntArray


@dataclass(frozen=True)
class Points(EmbeddedSplit):
    """An embedded split; what no protocol asks for may be left out.

    Attributes:
        image_ids: (N,).
        texts: columns of text, (N,) each.
        content: gives the published bytes of a row.
    """

    image_ids: Sequence[str] = ()
    texts: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    content: Callable[[int], bytes] | None = None

    def at(self, rows: IntArray) -> "Points":
        """Some of them."""
        content = self.content
        return replace(
            self,
            embeddings=self.embeddings[rows],
            labels=self.labels[rows],
            image_ids=[self.image_ids[row] for row in rows] if self.image_ids else (),
            texts={name: [texts[row] for row in rows] for name, texts in self.texts.items()},
            content=content and (lambda row: content(int(rows[row]))),
        )

    def words(self, column: str, protocol: str) -> list[list[str]]:
        """The words of each image in a column of text.

        Raises:
            BadInput: no such column.
        """
        if column not in self.texts:
            raise BadInput(
                f"protocol {protocol!r} needs a column of text {column!r}; there are "
                f"{quoted(sorted(self.texts), 20) or 'none'}. Keep it: `keep: [{column}]` under the source"
            )
        return [(text or "").split() for text in self.texts[column]]

    def rows_with(self, only: Mapping[str, str], protocol: str) -> IntArray:
        """Rows whose texts have the word that `only` asks for in each column."""
        is_kept = np.ones(len(self.labels), dtype=bool)
        for column, word in only.items():
            is_kept &= [word in words for words in self.words(column, protocol)]
        return np.flatnonzero(is_kept)
