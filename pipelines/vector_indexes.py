"""Files by which search engines find the nearest vectors, by their dot products: faiss, usearch, LanceDB."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Vectors = npt.NDArray[np.float32]
Writer = Callable[[Path, Vectors, pa.Table], None]


def faiss_writer() -> Writer:
    """`index.faiss`: an exact `IndexFlatIP`; its ids are rows of `ids.parquet`."""
    import faiss

    def write(folder: Path, vectors: Vectors, ids: pa.Table) -> None:
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        faiss.write_index(index, str(folder / "index.faiss"))

    return write


def usearch_writer() -> Writer:
    """`index.usearch`: a graph (HNSW, Malkov and Yashunin, TPAMI 2018); its keys are rows of `ids.parquet`."""
    from usearch.index import Index

    def write(folder: Path, vectors: Vectors, ids: pa.Table) -> None:
        index = Index(ndim=vectors.shape[1], metric="ip", dtype="f32")
        index.add(np.arange(len(vectors), dtype=np.uint64), vectors, threads=1)  # the same graph each time
        index.save(str(folder / "index.usearch"))

    return write


def lancedb_writer() -> Writer:
    """`lancedb/`, a database whose table `images` has ids, labels and `vector`; LanceDB names files by chance."""
    import lancedb

    def write(folder: Path, vectors: Vectors, ids: pa.Table) -> None:
        flat = pa.array(vectors.ravel(), pa.float32())
        column = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
        database = lancedb.connect(str(folder / "lancedb"))
        database.create_table("images", ids.append_column("vector", column))

    return write


WRITERS: dict[str, Callable[[], Writer]] = {
    "faiss": faiss_writer,
    "usearch": usearch_writer,
    "lancedb": lancedb_writer,
}
"""Each looks for its package first, before anything is embedded."""
