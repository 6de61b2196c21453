"""How a dataset is evaluated: the protocols of its card, and the answers of its benchmark where there are some."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pydantic import TypeAdapter

from cairnhub.core.parse import read_json
from cairnhub.datasets_hub.card import EvaluationProtocol


@dataclass(frozen=True)
class ProtocolsFolder:
    """The folder with `protocols.json` and, for a benchmark with answers of its own, `ground_truth.parquet`."""

    folder: Path

    def protocols(self) -> tuple[EvaluationProtocol, ...]:
        """In the order of the card; the first is the benchmark's."""
        return read_json(self.folder / "protocols.json", tuple[EvaluationProtocol, ...])

    def ground_truth(self) -> pd.DataFrame | None:
        """The benchmark's answers: columns `query_id`, `image_id`, `usage`; None where it has none."""
        path = self.folder / "ground_truth.parquet"
        return pd.read_parquet(path) if path.is_file() else None

    def save(self, protocols: tuple[EvaluationProtocol, ...], ground_truth: pd.DataFrame | None) -> None:
        """Write both into the folder, which must exist."""
        text = TypeAdapter(tuple[EvaluationProtocol, ...]).dump_json(protocols, indent=1).decode()
        (self.folder / "protocols.json").write_text(text + "\n", encoding="utf-8")
        if ground_truth is not None:
            ground_truth.to_parquet(self.folder / "ground_truth.parquet", index=False)
