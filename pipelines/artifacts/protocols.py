"""How a dataset is evaluated: its protocols, the answers of its benchmark where there are some, what may be shown.

It stands apart from the card, so that a title or a citation measures nothing anew.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ConfigDict

from cairnhub.core.parse import read_json
from cairnhub.datasets_hub.card import EvaluationProtocol


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    may_show_images: bool
    protocols: tuple[EvaluationProtocol, ...]


@dataclass(frozen=True)
class ProtocolsFolder:
    """The folder with `protocols.json` and, for a benchmark with answers of its own, `ground_truth.parquet`."""

    folder: Path

    @cached_property
    def _file(self) -> _File:
        return read_json(self.folder / "protocols.json", _File)

    @property
    def protocols(self) -> tuple[EvaluationProtocol, ...]:
        """In the order of the card; the first is the benchmark's."""
        return self._file.protocols

    @property
    def may_show_images(self) -> bool:
        """Whether the licence lets pictures be passed on."""
        return self._file.may_show_images

    @property
    def splits(self) -> tuple[str, ...]:
        """Those that some protocol needs."""
        return tuple(dict.fromkeys(split for each in self.protocols for split in (each.query, each.gallery)))

    def ground_truth(self) -> pd.DataFrame | None:
        """The benchmark's answers: `query_id`, `image_id`, and `usage` or `relevance`; None where it has none."""
        path = self.folder / "ground_truth.parquet"
        return pd.read_parquet(path) if path.is_file() else None

    def save(
        self,
        protocols: tuple[EvaluationProtocol, ...],
        ground_truth: pd.DataFrame | None,
        *,
        may_show_images: bool,
    ) -> None:
        """Write both into the folder, which must exist."""
        text = _File(may_show_images=may_show_images, protocols=protocols).model_dump_json(indent=1)
        (self.folder / "protocols.json").write_text(text + "\n", encoding="utf-8")
        if ground_truth is not None:
            ground_truth.to_parquet(self.folder / "ground_truth.parquet", index=False)
