"""Embeddings and labels as people keep them: arrays, tables and tensors in files, read strictly."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from safetensors import SafetensorError
from safetensors.numpy import load_file

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.text import quoted
from cairnhub.datasets_hub.parquet_files import open_parquet, read_parquet
from cairnhub.pipelines.sources.csv_tables import read_csv

ID = "image_id"
TENSOR = "embeddings"
KINDS = (".npy", ".parquet", ".safetensors")


@dataclass(frozen=True)
class EmbeddingFile:
    """Vectors from a file.

    Attributes:
        path: the file.
        vectors: (N, d), finite, none of length 0.
        ids: of the images, where the file has them.
    """

    path: Path
    vectors: npt.NDArray[np.floating[Any]]
    ids: tuple[str, ...] | None

    def in_order(self, image_ids: Sequence[str], whose: str) -> npt.NDArray[np.floating[Any]]:
        """Vectors of these images, by their ids, or in the order of the file where it has none.

        Args:
            image_ids: all of them, each once.
            whose: what they are of, for messages.

        Raises:
            BadInput: another number of vectors, or an image without one.
            NotFound: a vector of an image that is not among them.
        """
        if self.ids is None:
            self.require_rows(len(image_ids), whose)
            return self.vectors
        places = pd.Index(image_ids)
        strange = np.flatnonzero(places.get_indexer(pd.Index(self.ids)) < 0)
        if len(strange):
            row = int(strange[0])
            raise NotFound(f"{self.path}: row {row}: {ID} {self.ids[row]!r} is not in {whose}")
        rows = pd.Index(self.ids).get_indexer(places)
        missing = np.flatnonzero(rows < 0)
        if len(missing):
            raise BadInput(
                f"{self.path}: no vector for {len(missing):,} of {len(rows):,} images of {whose}, first "
                f"{image_ids[int(missing[0])]!r}; give all"
            )
        return self.vectors[rows]

    def require_rows(self, n_rows: int, whose: str) -> None:
        """Check that there is a vector for each row of something else.

        Raises:
            BadInput: there are more or fewer.
        """
        if len(self.vectors) != n_rows:
            raise BadInput(
                f"{self.path}: {len(self.vectors):,} vectors for {n_rows:,} rows of {whose}: give as many, in one order"
            )


def read_embeddings(path: Path) -> EmbeddingFile:
    """Read vectors.

    Args:
        path: `.npy` (N, d); `.safetensors` with one such tensor, or one called `embeddings`; `.parquet` with one column
            of lists of numbers, and ids in `image_id` if there is such a column.

    Raises:
        NotFound: no such file.
        BadInput: of another kind or shape; or a row with NaN, infinity or zeros only, or an id twice: names the row.
    """
    if not path.is_file():
        raise NotFound(f"{path}: no such file; give embeddings as {', '.join(KINDS)}")
    readers = {".npy": _read_npy, ".safetensors": _read_safetensors, ".parquet": _read_parquet}
    if path.suffix not in readers:
        raise BadInput(f"{path}: embeddings are read from {', '.join(KINDS)}")
    vectors, ids = readers[path.suffix](path)
    if vectors.dtype.kind != "f" or vectors.ndim != 2 or 0 in vectors.shape:
        raise BadInput(
            f"{path}: {vectors.dtype} of shape {vectors.shape}; wanted are floats (images, dimensions)"
        )
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise BadInput(f"{path}: row {bad[0]}: NaN or infinity (rows from 0); {len(bad):,} such rows")
    zero = np.flatnonzero(~vectors.any(axis=1))
    if len(zero):
        raise BadInput(
            f"{path}: row {zero[0]}: all zeros, which has no direction (rows from 0); {len(zero):,} such"
        )
    _require_once(ids, path, "row")
    return EmbeddingFile(path, vectors, ids)


Read = tuple[npt.NDArray[Any], tuple[str, ...] | None]


_NPY_ERRORS = (
    *(
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        SyntaxError,
        OverflowError,
        TokenError,
    ),  # of its header
    *(EOFError, OSError, MemoryError, RecursionError),
)


def _read_npy(path: Path) -> Read:
    try:
        array = np.load(path, mmap_mode="r")  # refuses objects, and a shape that the file is too short for
    except _NPY_ERRORS as error:
        raise BadInput(f"{path}: not a plain array of numpy ({error}); write it by numpy.save") from None
    if not isinstance(array, np.ndarray):
        raise BadInput(f"{path}: an archive of arrays (.npz); write one array by numpy.save")
    return array, None


def _read_safetensors(path: Path) -> Read:
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, KeyError, TypeError) as error:
        raise BadInput(
            f"{path}: not readable as safetensors of float32, float64 or float16 ({error}); write it again"
        ) from None
    if TENSOR not in tensors and len(tensors) != 1:
        raise BadInput(
            f"{path}: has the tensors {quoted(tensors) or 'none'}; call the one to read {TENSOR!r}"
        )
    return tensors[TENSOR] if TENSOR in tensors else next(iter(tensors.values())), None


def _read_parquet(path: Path) -> Read:
    try:
        with open_parquet(path) as file:
            schema = file.schema_arrow
        vectors = [field.name for field in schema if _is_vector(field.type)]
        if len(vectors) != 1:
            raise BadInput(
                f"{path}: wanted is one column of lists of numbers, there are {quoted(vectors) or 'none'} among "
                f"{quoted(schema.names, 20)}"
            )
        table = read_parquet([path], [*vectors, *({ID} & set(schema.names))])
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path}: not readable as Parquet ({error}); write it again") from None
    column = table[vectors[0]].combine_chunks()
    ids = tuple(map(str, table[ID].to_pylist())) if ID in table.column_names else None
    return _matrix(column, path), ids


def _is_vector(kind: pa.DataType) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(is_list and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)))


def _matrix(column: pa.Array, path: Path) -> npt.NDArray[Any]:
    """A column of lists as (N, d)."""
    lengths = np.array([0 if n is None else n for n in pa.compute.list_value_length(column).to_pylist()])
    odd = np.flatnonzero(lengths != lengths[0]) if len(lengths) else lengths
    if len(odd):
        raise BadInput(
            f"{path}: row {odd[0]}: {lengths[odd[0]]} numbers, where row 0 has {lengths[0]} (rows from 0)"
        )
    flat: npt.NDArray[Any] = column.flatten().to_numpy(zero_copy_only=False)
    matrix = flat.reshape(len(lengths), lengths[0] if len(lengths) else 0)
    return matrix if matrix.dtype.kind == "f" else matrix.astype(np.float64)


@dataclass(frozen=True)
class LabelFile:
    """Labels from a CSV: a column per level, fine -> coarse, and ids where it has them."""

    path: Path
    labels: pd.DataFrame
    ids: tuple[str, ...] | None

    @property
    def levels(self) -> list[str]:
        """The columns of labels."""
        return [str(name) for name in self.labels.columns]

    def of(self, embeddings: EmbeddingFile) -> pd.DataFrame:
        """Labels of each vector, by their ids where both files have some, else row by row.

        Raises:
            BadInput: another number of rows.
            NotFound: an id that this file has not; names the row.
        """
        if self.ids is None or embeddings.ids is None:
            embeddings.require_rows(len(self.labels), str(self.path))
            return self.labels
        rows = pd.Index(self.ids).get_indexer(pd.Index(embeddings.ids))
        unknown = np.flatnonzero(rows < 0)
        if len(unknown):
            row = int(unknown[0])
            raise NotFound(
                f"{embeddings.path}: row {row}: {ID} {embeddings.ids[row]!r} is not in {self.path}; "
                f"{len(unknown):,} such rows"
            )
        return self.labels.iloc[rows]


def read_labels(path: Path, levels: Sequence[str] = ()) -> LabelFile:
    """Read names of labels from a CSV or TSV; a column `image_id` holds ids.

    Args:
        path: the file, with a header.
        levels: columns to read, fine -> coarse; by default all but `image_id`, in their order.

    Raises:
        NotFound: no such file.
        BadInput: no such column, no level, no row, or an id twice; names the line.
    """
    if not path.is_file():
        raise NotFound(f"{path}: no such file; give labels as a CSV with a column per level, fine to coarse")
    table = read_csv(path, list(levels))
    kept = list(levels) or [str(name) for name in table.columns if name != ID]
    if not kept or table.empty:
        raise BadInput(
            f"{path}: no {'row' if kept else 'column of labels'}; wanted is a column per level, with a header"
        )
    ids = tuple(table[ID]) if ID in table.columns else None
    _require_once(ids, path, "line", list(table.index))
    return LabelFile(path, table[kept], ids)


def _require_once(
    ids: Sequence[str] | None, path: Path, unit: str, numbers: Sequence[int] | None = None
) -> None:
    repeated = np.flatnonzero(pd.Index(ids).duplicated()) if ids else np.empty(0, int)
    if len(repeated):
        assert ids is not None
        row = int(repeated[0])
        at = f"{path}:{numbers[row]}" if numbers else f"{path}: {unit} {row}"
        raise BadInput(f"{at}: {ID} {ids[row]!r} stands there for the second time; give each image once")
