"""A saved dataset of a stranger: no offset leads out of its Arrow files, nothing in them is larger than they are."""

import re
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cairnhub.core.errors import BrokenData
from cairnhub.pipelines.own_images.arrow_streams import require_sound
from cairnhub.pipelines.own_images.hugging_face_labels import read_hugging_face


def write(path: Path, table: pa.Table, compression: str | None = None) -> None:
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema, options=options) as stream:
        stream.write_table(table)


def words(path: Path) -> None:
    write(path, pa.table({"a": ["abcdef", "x", "y"], "b": pa.array(["p", "q", "p"]).dictionary_encode()}))


def test_a_sound_stream_is_let_in(tmp_path: Path) -> None:
    words(tmp_path / "x.arrow")
    require_sound(tmp_path / "x.arrow")


def compressed(path: Path) -> None:
    write(path, pa.table({"a": np.zeros(10_000, np.int64)}), "zstd")


def of_nothing(path: Path) -> None:
    write(path, pa.table({"a": pa.nulls(2**31 - 1)}))


def cut(path: Path) -> None:
    words(path)
    path.write_bytes(path.read_bytes()[:-40])


def offset_out_of_the_buffer(path: Path) -> None:
    words(path)
    raw = bytearray(path.read_bytes())
    place = raw.index(np.array([0, 6, 7, 8], np.int32).tobytes())
    raw[place + 4 : place + 8] = (2**30).to_bytes(4, "little")
    path.write_bytes(raw)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (compressed, r"a compressed Arrow file; load it and save it by `save_to_disk`"),
        (of_nothing, r"2,147,483,647 rows in \d+ bytes; do not trust it"),
        (cut, "not a dataset that `datasets` reads"),
        (offset_out_of_the_buffer, "not a dataset that `datasets` reads: .*offset"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_not_sound_is_refused(spoil, said: str, tmp_path: Path) -> None:
    spoil(tmp_path / "x.arrow")
    (tmp_path / "state.json").write_text('{"_data_files": [{"filename": "x.arrow"}]}')
    with pytest.raises(BrokenData) as caught:
        read_hugging_face(tmp_path)
    assert re.search(said, str(caught.value)), caught.value
    assert str(tmp_path) in str(caught.value)


def test_no_bytes_make_it_crash(tmp_path: Path) -> None:
    """Each byte of the messages is spoilt once."""
    words(tmp_path / "x.arrow")
    honest = (tmp_path / "x.arrow").read_bytes()
    for place in range(0, len(honest), 5):
        spoilt = bytearray(honest)
        spoilt[place] ^= 0xFF
        (tmp_path / "x.arrow").write_bytes(spoilt)
        with suppress(BrokenData, pa.ArrowException, OSError):
            require_sound(tmp_path / "x.arrow")
