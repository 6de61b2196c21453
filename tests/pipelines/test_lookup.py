"""Names among millions: what Arrow finds is what pandas finds."""

from unittest.mock import patch

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from cairnhub.pipelines import lookup
from cairnhub.pipelines.lookup import is_in, is_repeated, rows_among, take

NAMES = st.lists(st.sampled_from(["", "a", "b", "ä", "a\u0308", "x" * 40, "日本"]), max_size=12)


def texts(names: list[str], of_python: bool) -> "pd.Series[str]":
    return pd.Series(names, index=range(5, 5 + len(names)), dtype="object" if of_python else "str")


@settings(deadline=None, max_examples=60)
@given(NAMES, NAMES, st.booleans(), st.booleans())
def test_rows_and_members_are_those_of_pandas(a: list[str], b: list[str], first: bool, second: bool):
    names, known = texts(a, first), texts(list(dict.fromkeys(b)), second)
    assert rows_among(names, known).tolist() == pd.Index(known).get_indexer(pd.Index(names)).tolist()
    found = is_in(names, known)
    assert found.equals(names.isin(b))
    assert (is_repeated(names) == names.duplicated().to_numpy()).all()


@settings(deadline=None, max_examples=60)
@given(NAMES, NAMES)
def test_names_of_one_hash_are_told_apart(a: list[str], b: list[str]):
    names, known = texts(a, False), texts(list(dict.fromkeys(b)), False)
    with patch.object(lookup, "hashes", lambda names: np.array([len(name) % 2 for name in names], np.uint64)):
        rows, repeated = rows_among(names, known), is_repeated(names)
    assert rows.tolist() == pd.Index(known).get_indexer(pd.Index(names)).tolist()
    assert (repeated == names.duplicated().to_numpy()).all()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(st.none(), NAMES.map("".join)), max_size=9), st.data())
def test_what_is_taken_is_what_pandas_takes(values: list[str | None], data: st.DataObject):
    names = pd.Series(values, dtype="str")
    rows = data.draw(st.lists(st.integers(-1, len(values) - 1), max_size=12))
    with patch.object(lookup, "_AT_ONCE", 3):
        taken = take(names, np.array(rows, np.int64))
    expected = [None if row < 0 or values[row] is None else values[row] for row in rows]
    assert taken.dtype == "str"
    assert [None if pd.isna(text) else text for text in taken] == expected


def test_a_gap_is_nowhere_and_repeats_itself():
    names = pd.Series(["a", None, None], dtype="str")
    assert rows_among(names, names[:2]).tolist() == [0, -1, -1]
    assert is_in(names, names).tolist() == [True, False, False]
    assert is_repeated(names).tolist() == [False, False, True]
    assert rows_among(names[:0], names[:0]).dtype == np.int64


def test_joined_pieces_of_either_kind_are_texts():
    pieces = pa.chunked_array([pa.array(["a"], pa.large_string()), pa.array(["b"], pa.large_string())])
    joined = pd.concat([pd.Series(pd.array(pieces, dtype="str")), pd.Series([None, "c"], dtype="str")])
    assert rows_among(joined, pd.Series(["c", "b"])).tolist() == [-1, 1, -1, 0]
    assert take(joined, np.array([3, 0])).tolist() == ["c", "a"]
