"""MAT-files and pickles of strangers: plain values are read, whatever else is refused by name, and nothing is run."""

import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.sources.mat_files import MAX_BYTES, read_mat
from cairnhub.pipelines.sources.plain_pickle import read_plain_pickle
from tests.pipelines.untrusted import annotations, gnd, saved

HERE = Path("x.mat")
PKL = Path("gnd.pkl")

# ---- MAT-files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [True, False])
def test_mat_files_read_as_scipy_writes_them(compressed):
    names = np.array([["one", "zwei", "troïs"]], dtype=object)
    struct_array = np.zeros((1, 2), dtype=[("a", object), ("b", object)])
    struct_array[0, 0], struct_array[0, 1] = (7, "x"), (2.5, "")
    matrix = np.arange(6, dtype=np.int16).reshape(2, 3)
    read = read_mat(
        saved(compressed, names=names, s=struct_array, matrix=matrix, empty=np.zeros((0, 0))), HERE
    )
    assert read["names"] == ["one", "zwei", "troïs"]
    assert read["s"] == [{"a": [7], "b": "x"}, {"a": [2.5], "b": ""}]
    assert read["matrix"] == matrix.ravel(order="F").tolist()
    assert read["empty"] == []


def nested(depth: int) -> bytes:
    """Cells in cells, which SciPy's reader follows to the end of the stack."""

    def element(kind: int, data: bytes) -> bytes:
        return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)

    head = element(6, struct.pack("<II", 1, 0)) + element(5, struct.pack("<ii", 1, 1)) + element(1, b"")
    tags = [
        struct.pack("<II", 14, (8 + len(head)) * rest + len(head)) + head for rest in reversed(range(depth))
    ]
    return saved(False)[:128] + b"".join(tags)


def test_whatever_is_cut_from_a_mat_file_is_an_error_that_names_it():
    whole = annotations((1, "00001.jpg"), (2, "00002.jpg"))
    assert len(read_mat(whole, HERE)["annotations"]) == 2
    for end in range(0, len(whole) - 1, 3):
        if end != 128:  # a head without variables is whole
            with pytest.raises(CairnError, match=r"x\.mat: no (whole )?MAT-file.*fetch it again"):
                read_mat(whole[:end], HERE)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"MATLAB 7.3 MAT-file".ljust(128), r"x\.mat: a MAT-file of version 7\.3; save it with `-v7`"),
        (b"PK\3\4" * 50, r"x\.mat: no MAT-file of level 5"),
        (nested(20_000), r"x\.mat: no whole MAT-file \(cells nested too deeply\)"),
        (saved(False)[:128] + struct.pack("<II", 14, 2**31), r"an element of 2,147,483,648 bytes where 0 are left"),
        (
            saved(False)[:128] + (lambda packed: struct.pack("<II", 15, len(packed)) + packed)(
                zlib.compress(bytes(MAX_BYTES + 1))
            ),
            "a compressed part that is cut, or too large",
        ),
        (saved(True, z=np.array([1 + 2j])), "an array of class 6, which is no text, number, cell or struct"),
    ],
    ids=["hdf5", "a zip", "nested", "longer than the file", "a bomb", "complex"],
)  # fmt: skip
def test_a_hostile_mat_file_is_refused_by_name(content, message):
    with pytest.raises(CairnError, match=message):
        read_mat(content, HERE)


# ---- pickles ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_answers_are_read_from_every_protocol_of_pickles(protocol, kind):
    made = gnd(easy=kind([0, 1]), bbx=kind([1.5, 2, 3, 4]), hard=kind([]))
    read = read_plain_pickle(pickle.dumps(made, protocol=protocol), PKL)
    if kind is np.array:
        assert read["gnd"][0]["easy"] == [0, 1]
    assert [*read["gnd"][0]["bbx"]] == [1.5, 2, 3, 4]
    assert read["imlist"] == made["imlist"]
    assert read_plain_pickle(pickle.dumps([np.float32(2.5), np.int64(-3)], protocol=protocol), PKL) == [
        2.5,
        -3,
    ]


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemExit('it ran')",)


class Sly:
    """Sets the state of an object that it was handed."""

    def __reduce__(self):
        return np.dtype, ("O",)


def test_nothing_that_a_pickle_names_is_run():
    for protocol in range(6):
        with pytest.raises(CairnError, match=r"gnd\.pkl: holds a call of .*exec.* nothing of it was run"):
            read_plain_pickle(pickle.dumps({"imlist": [Evil()]}, protocol=protocol), PKL)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps(Sly()), "an array of something other than numbers"),
        (pickle.dumps(np.array([None])), "an array of something other than numbers"),
        (pickle.dumps({1, 2}), "holds the opcode EMPTY_SET"),
        (pickle.dumps(Path("x")), r"holds a call of 'pathlib"),
        (b"cos\nsystem\n(S'true'\ntR.", r"holds a call of 'os\.system'"),
        (b"\x80\x02cnumpy\ndtype\n}b.", "an object with a state of its own"),
        (b"Pmodule\n.", "holds the opcode PERSID"),
        (b"\x82\x01.", "holds the opcode EXT1"),
        (b"j\xff\xff\xff\x7f.", r"no whole pickle of plain values"),
        (b"]" * 1000, "no whole pickle"),
        (b"0.", "no whole pickle"),
        (b"K\x01K\x02a.", "appends to what is no list"),
        (b"", "no whole pickle"),
        (b"<html>404</html>", "no whole pickle"),
    ],
)
def test_a_hostile_pickle_is_refused_by_name(content, message):
    with pytest.raises(CairnError, match=rf"gnd\.pkl: .*{message}"):
        read_plain_pickle(content, PKL)


def test_a_pickle_larger_than_any_list_is_refused_unread():
    with pytest.raises(CairnError, match=r"gnd\.pkl: larger than 33,554,432 bytes"):
        read_plain_pickle(bytes(2**25 + 1), PKL)


def test_a_cut_pickle_is_named():
    whole = pickle.dumps(gnd())
    for end in range(len(whole)):
        with pytest.raises(CairnError, match=r"gnd\.pkl: no whole pickle of plain values"):
            read_plain_pickle(whole[:end], PKL)
