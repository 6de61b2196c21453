"""Names looked up among millions of others, by their 64-bit hashes: tables of the texts would take a gigabyte.

Whatever the hashes say is held against the texts themselves, so that two names of one hash are never mistaken.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Names = pd.Series | pd.Index
"""Texts, with or without gaps."""
_AT_ONCE = 100_000  # names as Python's texts


def hashes(names: Names, key: str = "cairn: look-ups.") -> npt.NDArray[np.uint64]:
    """SipHash of each name, (N,).

    Args:
        names: texts.
        key: of the hash, 16 bytes.
    """
    made = np.empty(len(names), np.uint64)
    for start in range(0, len(names), _AT_ONCE):
        texts = names[start : start + _AT_ONCE].to_numpy(object)
        made[start : start + len(texts)] = pd.util.hash_array(texts, hash_key=key, categorize=False)
    return made


def rows_among(names: Names, known: Names) -> npt.NDArray[np.int64]:
    """The row of each name among `known`, -1 where it is not there or a gap, (N,).

    Args:
        names: that are looked up.
        known: each of them once.
    """
    rows = np.full(len(names), -1, np.int64)
    if len(known) == 0:
        return rows
    of_known, of_names = hashes(known), hashes(names)
    order = of_known.argsort(kind="stable")
    places = np.searchsorted(of_known, of_names, sorter=order)
    found = order[places.clip(max=len(order) - 1)]
    alike = np.flatnonzero(of_known[found] == of_names)
    texts, known_texts = _texts(names), _texts(known)
    for start in range(0, len(alike), _AT_ONCE):
        block = alike[start : start + _AT_ONCE]
        agree = pc.fill_null(pc.equal(texts.take(block), known_texts.take(found[block])), False)
        is_same = agree.to_numpy(zero_copy_only=False)
        rows[block[is_same]] = found[block[is_same]]
        if not is_same.all():
            others = texts.take(block[~is_same])
            exact = pc.fill_null(pc.index_in(others, value_set=known_texts, skip_nulls=True), -1)
            rows[block[~is_same]] = exact.to_numpy(zero_copy_only=False)
    return rows


def is_in(names: "pd.Series[str]", known: Names) -> "pd.Series[bool]":
    """Which names are among `known`; `Series.isin` takes those up one by one, minutes for millions."""
    return pd.Series(rows_among(names, known) >= 0, names.index)


def is_repeated(names: "pd.Series[str]") -> npt.NDArray[np.bool_]:
    """Which names stood in an earlier row already, (N,); a gap is a name here."""
    repeated = np.zeros(len(names), bool)
    of_names = hashes(names)
    in_order = np.sort(of_names)
    twice = np.unique(in_order[1:][in_order[1:] == in_order[:-1]])
    if len(twice):
        alike = np.flatnonzero(np.isin(of_names, twice))
        repeated[alike] = names.iloc[alike].duplicated()
    return repeated


def take(names: "pd.Series[str]", rows: npt.NDArray[np.int64]) -> "pd.Series[str]":
    """Texts by their row, a gap where that is -1; as one piece of memory that is asked for once.

    Arrow's own `take` grows what it makes, and holds it twice when it does.
    """
    values = _texts(names)
    lengths = pc.fill_null(pc.binary_length(values), 0).to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(rows) + 1, np.int64)
    for start in range(0, len(rows), _AT_ONCE):
        block = rows[start : start + _AT_ONCE]
        offsets[start + 1 : start + 1 + len(block)] = (
            np.where(block < 0, 0, lengths[block]) if len(values) else 0
        )
    np.cumsum(offsets, out=offsets)
    content, is_known = np.empty(offsets[-1], np.uint8), np.zeros(len(rows), bool)
    for start in range(0, len(rows), _AT_ONCE):
        stop = min(start + _AT_ONCE, len(rows))
        block = values.take(pa.array(rows[start:stop], mask=rows[start:stop] < 0))
        is_known[start:stop] = block.is_valid().to_numpy(zero_copy_only=False)
        of_block = slice(int(offsets[start]), int(offsets[stop]))
        if of_block.stop > of_block.start:
            content[of_block] = np.frombuffer(block.buffers()[2], np.uint8, of_block.stop - of_block.start)
    bits = pa.array(is_known).buffers()[1]
    made = pa.LargeStringArray.from_buffers(len(rows), pa.py_buffer(offsets), pa.py_buffer(content), bits)
    return pd.Series(pd.array(made, dtype="str"))


def _texts(names: Names) -> pa.Array:
    """As one piece; what pandas joined may be of pieces with short and with long offsets."""
    texts = pa.array(names, pa.large_string())
    pieces = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    pieces = [piece.cast(pa.large_string()) for piece in pieces]
    return pieces[0] if len(pieces) == 1 else pa.concat_arrays(pieces or [pa.array([], pa.large_string())])
