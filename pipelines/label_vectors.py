"""Vectors of labels from a file: what a network sees in their photographs, or anything else that tells them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cairnhub.core.errors import BadInput, BrokenData, NotFound
from cairnhub.core.text import quoted
from cairnhub.datasets_hub.parquet_files import read_parquet


def read_label_vectors(path: Path, labels: Sequence[str]) -> npt.NDArray[np.float64]:
    """Mean direction of each label's vectors, (n, d); zeros for a label that the file has not.

    Args:
        path: a Parquet file with the columns `label` and `vector`, a row per label or per photograph.
        labels: distinct.

    Raises:
        NotFound: no such file.
        BadInput: other columns, vectors of several lengths or with gaps, or none of these labels.
    """
    named, vectors = read_vectors(path, labels)
    row_of = {label: row for row, label in enumerate(labels)}
    known = np.array([row_of.get(label, -1) for label in named])
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    means = np.zeros((len(labels), vectors.shape[1]))
    np.add.at(means, known[known >= 0], (vectors / np.where(lengths > 0, lengths, 1))[known >= 0])
    return means


def read_vectors(path: Path, labels: Sequence[str]) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Vectors as the file has them, (n, d), and the label of each.

    Args:
        path: as for `read_label_vectors`.
        labels: of which it must have one at least.

    Raises:
        NotFound: no such file.
        BadInput: other columns, vectors of several lengths or with gaps, or none of these labels.
        BrokenData: it is no Parquet file, or would take more memory than is allowed.
    """
    if not path.is_file():
        raise NotFound(f"{path}: no such file; it should be Parquet with the columns `label` and `vector`")
    try:
        table = read_parquet([path], ["label", "vector"])
        vectors = np.array(table["vector"].to_pylist(), np.float64)
    except BrokenData:
        raise
    except (KeyError, ValueError, pa.ArrowException) as error:
        raise BadInput(
            f"{path}: not Parquet with a `label` and a `vector` of one length in each row ({error})"
        ) from error
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise BadInput(f"{path}: vectors need one length and finite numbers in each row")
    named = [str(label) for label in table["label"].to_pylist()]
    if not set(labels).intersection(named):
        raise BadInput(f"{path}: has none of the labels; it names {quoted(dict.fromkeys(named))}")
    return named, vectors
