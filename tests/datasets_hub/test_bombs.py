"""A small file that stands for a large one is refused before it is decoded; what is merely large is read."""

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.core import url_to_fs
from fsspec.spec import AbstractBufferedFile
from hub_toy import N_IMAGES

from cairnhub.core.errors import BadInput, BrokenData
from cairnhub.datasets_hub import parquet_files
from cairnhub.datasets_hub.check import check_dataset
from cairnhub.datasets_hub.dataset_diff import diff_datasets
from cairnhub.datasets_hub.loader import load_dataset
from cairnhub.datasets_hub.open_split import read_columns
from cairnhub.datasets_hub.parquet_files import VARIABLE, open_parquet, read_parquet, require_bounded
from cairnhub.datasets_hub.push import push
from cairnhub.datasets_hub.streaming import READ_AT_ONCE
from cairnhub.pipelines.embedding_files import read_embeddings
from cairnhub.pipelines.label_vectors import read_label_vectors
from cairnhub.pipelines.own_images.hugging_face_labels import read_hugging_face

MB = 2**20
ALLOWED = 16 * MB
N = 2_500_000
LONG = "x" * 10_000


def pointing(n: int) -> pa.Array:
    """A long text, n times."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([LONG]))


def lists(n: int) -> pa.Array:
    """One row that is a list of n zeros."""
    return pa.ListArray.from_arrays([0, n], pa.array(np.zeros(n, np.float32)))


def dictionary_bomb(path: Path) -> None:
    pq.write_table(pa.table({"license": pointing(N)}), path, row_group_size=N)


def without_a_schema_of_arrow(path: Path) -> None:
    pq.write_table(pa.table({"license": pointing(N)}), path, store_schema=False)


def bomb_in_an_image(path: Path) -> None:
    image = pa.StructArray.from_arrays([pointing(3_000).dictionary_decode().cast(pa.binary())], ["bytes"])
    pq.write_table(pa.table({"image": image}), path, compression="zstd")


def run_of_equal_numbers(path: Path) -> None:
    pq.write_table(pa.table({"a": np.zeros(N, np.int8)}), path, compression="zstd", row_group_size=N)


def nulls(path: Path) -> None:
    pq.write_table(pa.table({"a": pa.nulls(N, pa.int64())}), path, row_group_size=N)


def one_giant_text(path: Path) -> None:
    pq.write_table(
        pa.table({"a": ["x" * (ALLOWED + MB)]}),
        path,
        compression="zstd",
        use_dictionary=False,
        write_statistics=False,
    )


def one_giant_dictionary(path: Path) -> None:
    table = pa.table({"a": ["x" * (ALLOWED + MB)]})
    pq.write_table(table, path, compression="zstd", dictionary_pagesize_limit=4 * ALLOWED)


def texts_by_their_beginnings(path: Path) -> None:
    encoding = {"use_dictionary": False, "column_encoding": {"a": "DELTA_BYTE_ARRAY"}}
    pq.write_table(pa.table({"a": pointing(3_000).cast(pa.string())}), path, **encoding)


def long_list(path: Path) -> None:
    pq.write_table(pa.table({"vector": lists(N)}), path, compression="zstd")


def list_of_texts(path: Path) -> None:
    texts = pointing(3_000).cast(pa.string())
    pq.write_table(pa.table({"a": pa.ListArray.from_arrays([0, 3_000], texts)}), path, compression="zstd")


def lying_footer(path: Path) -> None:
    """The footer of a row of a thousand numbers, above the pages of a row of millions."""
    numbers = pa.array(np.arange(1_000, dtype=np.float32))
    pq.write_table(pa.table({"vector": pa.ListArray.from_arrays([0, 1_000], numbers)}), path)
    honest = bytearray(path.read_bytes())
    pq.write_table(pa.table({"vector": lists(N)}), path)
    chunk = pq.read_metadata(path).row_group(0).column(0)
    pages = path.read_bytes()[4 : 4 + chunk.total_compressed_size]
    assert len(pages) < 4_000
    honest[4 : 4 + len(pages)] = pages
    path.write_bytes(honest)
    assert pq.read_metadata(path).row_group(0).column(0).num_values == 1_000


BOMBS: tuple[Callable[[Path], None], ...] = (
    dictionary_bomb,
    without_a_schema_of_arrow,
    bomb_in_an_image,
    run_of_equal_numbers,
    nulls,
    one_giant_text,
    one_giant_dictionary,
    texts_by_their_beginnings,
    long_list,
    list_of_texts,
    lying_footer,
)


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_files, "MOST_BYTES", ALLOWED)


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.__name__)
def test_a_bomb_is_refused_and_not_decoded(
    bomb: Callable[[Path], None], tmp_path: Path, allowed: None
) -> None:
    path = tmp_path / "x.parquet"
    bomb(path)
    assert path.stat().st_size < MB
    with pytest.raises(BrokenData, match=rf"x\.parquet: [\d,]+ bytes that take more than .*{VARIABLE}"):
        read_parquet([path])
    with path.open("rb") as file, pytest.raises(BrokenData, match="take more than"):
        require_bounded([file])


def many_columns(path: Path) -> None:
    pq.write_table(pa.table({f"c{i}": pa.nulls(0) for i in range(parquet_files.MOST_COLUMNS + 1)}), path)


def many_row_groups(path: Path) -> None:
    pq.write_table(pa.table({"a": np.zeros(1_001, np.int8)}), path, row_group_size=1)


def long_footer(path: Path) -> None:
    with path.open("wb") as file:
        file.seek(parquet_files.MOST_FOOTER_BYTES + 8)  # of nothing, on most disks
        file.write((parquet_files.MOST_FOOTER_BYTES + 1).to_bytes(4, "little") + b"PAR1")


@pytest.mark.parametrize("bomb", [many_columns, many_row_groups, long_footer], ids=lambda bomb: bomb.__name__)
def test_a_footer_without_end_is_refused(
    bomb: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_files, "MOST_CHUNKS", 1_000)
    bomb(tmp_path / "x.parquet")
    with pytest.raises(BrokenData, match=r"x\.parquet: .*more than .*do not trust it"):
        open_parquet(tmp_path / "x.parquet")


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from Linux's /proc")
def test_a_file_that_was_closed_is_forgotten(tmp_path: Path) -> None:
    """Arrow keeps the footer, some 9 kB per row group here, of a file whose reading ended with an error of Python's."""
    table = pa.table({f"column {i}": list(range(1_000)) for i in range(10)})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=1)
    for _ in range(3):
        open_parquet(tmp_path / "x.parquet").close()
    before = resident_bytes()
    for _ in range(20):
        open_parquet(tmp_path / "x.parquet").close()
    assert resident_bytes() - before < 50_000_000  # of 180,000,000 that were kept


def deep_schema(depth: int) -> bytes:
    """A Parquet file whose one column lies in so many groups."""
    group = b"\x35\x02\x18\x01a\x15\x02\x00"  # optional, called a, of one child
    leaf = b"\x15\x02\x25\x02\x18\x01x\x00"  # a number of 32 bits
    count = depth + 1
    varint = bytes([count & 127 | 128, count >> 7 & 127 | 128, count >> 14])
    footer = b"\x15\x04\x19\xfc" + varint + group * depth + leaf + b"\x16\x00\x19\x0c\x00"
    return b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def test_deep_nesting_is_one_message(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(deep_schema(50))
    with open_parquet(path) as file:
        assert file.schema_arrow.names == ["a"]
    path.write_bytes(deep_schema(100_000))
    with pytest.raises(BadInput, match="not readable as Parquet"):
        read_embeddings(path)
    with pytest.raises(BrokenData, match=r"x\.parquet: not readable as Parquet .*get it again"):
        read_parquet([path])


def test_what_is_large_and_honest_is_read(tmp_path: Path, allowed: None) -> None:
    """A page's dictionary times its rows would be gigabytes; its texts are a few megabytes."""
    names = pa.array([f"label {i}" for i in range(5_000)] + [LONG])
    places = np.random.default_rng(0).integers(0, 5_000, 200_000).astype(np.int32)
    texts = pa.DictionaryArray.from_arrays(pa.array(np.append(places, 5_000).astype(np.int32)), names).cast(
        pa.string()
    )
    table = pa.table(
        {
            "label": texts,
            "lists": pa.ListArray.from_arrays(range(len(texts) + 1), pa.array(range(len(texts)))),
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    assert read_parquet([tmp_path / "x.parquet"], ["label"]).num_rows == 200_001
    assert read_parquet([tmp_path / "x.parquet"] * 2, ["lists"]).num_rows == 400_002


def test_more_is_allowed_by_whoever_says_so(
    tmp_path: Path, allowed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb_in_an_image(tmp_path / "x.parquet")
    monkeypatch.setenv(VARIABLE, str(64 * MB))
    assert read_parquet([tmp_path / "x.parquet"]).num_rows == 3_000
    with pytest.raises(BrokenData, match="take more than 67,108,864 in memory"):
        read_parquet([tmp_path / "x.parquet"] * 3)  # together they are too large
    monkeypatch.setenv(VARIABLE, "1 GB")
    with pytest.raises(BadInput, match=f"{VARIABLE} is '1 GB': set it to a number of bytes"):
        read_parquet([tmp_path / "x.parquet"])


def test_a_larger_file_may_take_many_times_its_size(tmp_path: Path, allowed: None) -> None:
    noise = np.random.default_rng(0).bytes(MB)
    table = pa.table({"noise": [noise], "a": [b"x" * (ALLOWED + MB)]})
    pq.write_table(table, tmp_path / "x.parquet", use_dictionary=False, write_statistics=False)
    assert read_parquet([tmp_path / "x.parquet"]).num_rows == 1


def test_no_reader_of_a_strangers_dataset_decodes_a_bomb(hub: Path, tmp_path: Path, allowed: None) -> None:
    stranger = tmp_path / "stranger"
    shutil.copytree(hub / "sample" / "toy", stranger)
    bomb = pa.table({"image_id": pointing(N)})
    for path in (*stranger.glob("data/test-*.parquet"), *stranger.glob("tree/nodes-*.parquet")):
        pq.write_table(bomb, path, store_schema=False)
    found = [str(finding) for finding in check_dataset(stranger).violations]
    assert any("cannot be read: 2" in finding and "take more than" in finding for finding in found), found
    for read in (
        lambda: load_dataset(stranger, "test"),
        lambda: load_dataset(stranger),
        lambda: load_dataset(stranger, config="nodes"),
        lambda: next(iter(load_dataset(stranger, "test", streaming=True))),
        lambda: next(iter(load_dataset(stranger, streaming=True)["test"])),
        lambda: next(iter(load_dataset(stranger, config="nodes", streaming=True)["train"])),
        lambda: read_columns(stranger, "test", ["image_id"]),
        lambda: diff_datasets(hub / "sample" / "toy", stranger),
    ):
        with pytest.raises(BrokenData, match=rf"parquet: .* take more than .*'image_id'; .*{VARIABLE}"):
            read()
    assert len(load_dataset(stranger, "train")) == N_IMAGES["train"]  # which holds none
    assert len(list(load_dataset(stranger, "train", streaming=True))) == N_IMAGES["train"]


def test_what_is_streamed_from_elsewhere_is_looked_into_file_by_file(
    hub: Path, allowed: None, tmp_path: Path
) -> None:
    """Those before a bomb are read."""
    place = f"memory://{tmp_path.name}/toy"
    push(hub / "sample" / "toy", place)
    filesystem, root = url_to_fs(place)
    dictionary_bomb(tmp_path / "bomb")
    (nodes,) = filesystem.glob(f"{root}/tree/nodes-*.parquet")
    for file in (nodes, sorted(filesystem.glob(f"{root}/data/train-*.parquet"))[-1]):
        filesystem.pipe_file(file, (tmp_path / "bomb").read_bytes())
    with pytest.raises(BrokenData, match="take more than"):
        load_dataset(place, config="nodes", streaming=True)
    rows = iter(load_dataset(place, "train", streaming=True))
    read = []
    with pytest.raises(BrokenData, match="take more than"):
        read.extend(row["image_id"] for row in rows)
    assert len(set(read)) in range(1, N_IMAGES["train"])


def test_a_stream_travels_to_another_process(hub: Path) -> None:
    stream = pickle.loads(pickle.dumps(load_dataset(hub / "sample" / "toy", "test", streaming=True)))
    assert len(list(stream)) == N_IMAGES["test"]


def test_of_a_large_file_little_is_fetched_to_bound_it(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    images = [noise.bytes(MB) for _ in range(24)]
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"image": images}), path, use_dictionary=False, data_page_size=4 * MB)
    fetched = []

    class Remote(AbstractBufferedFile):
        def _fetch_range(self, start: int, end: int) -> bytes:
            fetched.append(end - start)
            return path.read_bytes()[start:end]

    with Remote(None, "x", size=path.stat().st_size, block_size=READ_AT_ONCE) as file:
        require_bounded([file])
    assert 0 < sum(fetched) < path.stat().st_size / 10


def test_own_data_and_vectors_of_strangers_are_bounded(tmp_path: Path, allowed: None) -> None:
    long_list(tmp_path / "vectors.parquet")
    with pytest.raises(BrokenData, match=r"vectors\.parquet: .*'vector\.list\.element'"):
        read_embeddings(tmp_path / "vectors.parquet")
    pq.write_table(pa.table({"label": ["a"], "vector": lists(N)}), tmp_path / "labels.parquet")
    with pytest.raises(BrokenData, match=r"labels\.parquet: .* take more than"):
        read_label_vectors(tmp_path / "labels.parquet", ["a"])
    bomb_in_an_image(tmp_path / "images.parquet")
    with pytest.raises(BrokenData, match=r"images\.parquet: .*'image\.bytes'"):
        read_hugging_face(tmp_path / "images.parquet")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (b"%\x02\x18\x07element", b"%\x00\x18\x07element", "not readable as Parquet .*histogram"),
        (b"\x18\x07element", b"\x18\x07\xff\xfeement", "a column's name is no UTF-8"),
    ],
)
def test_a_footer_that_would_end_the_process_is_named(
    tmp_path: Path, before: bytes, after: bytes, message: str
) -> None:
    """Arrow ends the whole process where its footer's counts do not fit its schema: found by fuzzing."""
    path = tmp_path / "vectors.parquet"
    pq.write_table(pa.table({"id": ["a", "b"], "vector": [[1.0], [2.0]]}), path)
    raw = path.read_bytes()
    assert raw.count(before) == 1
    path.write_bytes(raw.replace(before, after))
    with pytest.raises(BrokenData, match=rf"vectors\.parquet: {message}.*get it again"):
        require_bounded([path])


def test_a_compression_that_nobody_knows_does_not_end_the_process(tmp_path: Path) -> None:
    """Arrow, asked for its name, ends the whole process: found by fuzzing."""
    path = tmp_path / "vectors.parquet"
    pq.write_table(pa.table({"id": ["a", "b"]}), path, compression="snappy")
    raw = path.read_bytes()
    before = b"\x18\x02id\x15\x02\x16"  # the column's path, its codec, its number of values
    assert raw.count(before) == 1
    path.write_bytes(raw.replace(before, b"\x18\x02id\x15\x22\x16"))
    require_bounded([path])
    with pytest.raises(OSError, match="Unsupported compression"):
        read_parquet([path])


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "brotli", "zstd", "lz4"])
def test_texts_in_lists_are_counted_whatever_packs_them(codec: str, tmp_path: Path, allowed: None) -> None:
    """Their dictionary is long, and none of them."""
    texts = pa.array([f"{i:05} {'x' * 90}" for i in range(5_000)] * 4)
    table = pa.table({"a": pa.ListArray.from_arrays(range(len(texts) + 1), texts)})
    pq.write_table(table, tmp_path / "x.parquet", compression=codec)
    assert read_parquet([tmp_path / "x.parquet"]).num_rows == len(texts)
