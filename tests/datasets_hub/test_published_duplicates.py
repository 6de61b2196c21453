"""The config `duplicates`: images that are the same or look so, in the published folder itself."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cairnhub.datasets_hub.check import check_dataset
from cairnhub.datasets_hub.decoding import decode_image
from cairnhub.datasets_hub.duplicate_table import SCHEMA
from cairnhub.datasets_hub.duplicates import columns_of, look
from cairnhub.datasets_hub.image_check import ImageCheck
from cairnhub.datasets_hub.labels_only import write_labels_only
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.location import PublishedDataset
from cairnhub.datasets_hub.published_duplicates import Traces, signature, traced
from cairnhub.datasets_hub.records import ImageRow, RowList
from cairnhub.datasets_hub.stats import Stats
from tests.datasets_hub.hub_toy import content, toy_partitions, toy_row, write_toy


def other_leaf(row: ImageRow) -> str:
    return next(leaf for n in range(1, 60) if (leaf := toy_row("train", n).leaf) not in (None, row.leaf))


def copies() -> list[ImageRow]:
    first = toy_row("train", 8)
    return [
        replace(first, image_id="same label"),
        replace(first, image_id="other label", leaf=other_leaf(first)),
        replace(first, image_id="other split", split="test"),
        replace(first, image_id="no label", split="test", leaf=None),
    ]


def write_copies(folder: Path, rows: Sequence[ImageRow] | None = None, **options: object) -> Stats:
    return write_toy(folder, partitions=[*toy_partitions(), RowList(rows or copies())], **options)


def published_pairs(folder: Path) -> pd.DataFrame:
    return load_dataset(str(folder), "duplicates", split="train").to_pandas()


def test_any_reader_finds_all_pairs_those_with_two_labels_first(tmp_path: Path) -> None:
    stats = write_copies(tmp_path / "toy")
    pairs = published_pairs(tmp_path / "toy")
    assert list(pairs.columns) == SCHEMA.names
    assert pairs["image_id_b"].tolist() == ["other label", "same label", "other split", "no label"]
    assert set(pairs["image_id_a"]) == {"train-0008"}
    assert pairs["conflicting"].tolist() == [True, False, False, False]
    assert pairs["split_b"].tolist() == ["train", "train", "test", "test"]
    assert pairs["label_b"].isna().tolist() == [False, False, False, True]
    assert stats.tables["duplicates"].n_rows == 4
    assert "4 pairs, in config `duplicates`" in (tmp_path / "toy" / "README.md").read_text()
    report = check_dataset(tmp_path / "toy")
    assert report.ok
    assert pairs.equals(report.duplicates.to_pandas())


def test_no_table_where_no_image_occurs_twice(tmp_path: Path) -> None:
    stats = write_toy(tmp_path / "toy")
    assert set(stats.tables) == {"nodes", "edges"}
    assert not (tmp_path / "toy" / "duplicates").exists()


@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "second", "last"])
def test_two_labels_show_wherever_the_unlabelled_copy_stands(tmp_path: Path, place: int) -> None:
    first = toy_row("train", 8)
    rows = [
        replace(first, image_id=f"copy {n}", leaf=leaf)
        for n, leaf in enumerate([first.leaf, other_leaf(first)])
    ]
    rows.insert(place, replace(first, image_id="no label", leaf=None))
    write_toy(tmp_path / "toy", partitions=[RowList([toy_row("test", 1), *rows])])
    pairs = published_pairs(tmp_path / "toy")
    assert pairs[pairs["conflicting"]][["image_id_a", "image_id_b"]].to_numpy().tolist() == [
        ["copy 0", "copy 1"]
    ]
    assert len(pairs) == 2


def bitmap(place: int) -> bytes:
    """A 30 KB bitmap, one byte of which is another."""
    out = io.BytesIO()
    Image.effect_noise((100, 100), 1).convert("RGB").point(lambda _: 7).save(out, "BMP")
    data = bytearray(out.getvalue())
    data[place] ^= 1
    return bytes(data)


def test_files_that_share_a_signature_are_compared_byte_for_byte(tmp_path: Path) -> None:
    one, other = bitmap(20_001), bitmap(20_002)
    assert one != other
    assert signature(one) == signature(other)
    first = toy_row("train", 8)
    images = {"one": one, "other": other, "one again": one}
    rows = [replace(first, image_id=name, image=image, path=f"{name}.bmp") for name, image in images.items()]
    write_copies(tmp_path / "toy", rows)
    assert published_pairs(tmp_path / "toy")[["image_id_a", "image_id_b"]].to_numpy().tolist() == [
        ["one", "one again"]
    ]


def test_a_run_that_continues_knows_the_images_written_before(tmp_path: Path) -> None:
    write_copies(tmp_path / "whole" / "toy")

    def killed(write: object, tasks: Sequence[object]) -> Iterator[object]:
        for task in tasks[:2]:
            yield write(task)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_copies(tmp_path / "toy", run_all=killed)
    write_copies(tmp_path / "toy")
    assert content(tmp_path / "toy") == content(tmp_path / "whole" / "toy")


@pytest.mark.parametrize(
    "rows", [slice(0, 3), slice(0, 0), slice(None, None, -1)], ids=["less", "none", "turned"]
)
def test_a_table_with_other_pairs_is_a_violation(tmp_path: Path, rows: slice) -> None:
    write_copies(tmp_path / "toy")
    path = next((tmp_path / "toy" / "duplicates").glob("*.parquet"))
    table = pq.read_table(path)
    pq.write_table(table.take(np.arange(len(table))[rows]), path)
    report = check_dataset(tmp_path / "toy")
    assert not report.ok
    assert "the table duplicates has other pairs than the images" in {
        found.rule for found in report.violations
    }


def test_the_edition_without_images_keeps_both_tables(tmp_path: Path) -> None:
    write_copies(
        tmp_path / "toy", [*copies(), replace(toy_row("train", 8), image_id="broken", image=b"no image")]
    )
    dataset: PublishedDataset = describe(tmp_path / "toy")
    stats = write_labels_only(dataset, tmp_path / "labels")
    assert set(stats.tables) == {"nodes", "edges", "quarantine", "duplicates"}
    assert check_dataset(tmp_path / "labels").ok
    assert published_pairs(tmp_path / "labels").equals(published_pairs(tmp_path / "toy"))
    assert load_dataset(str(tmp_path / "labels"), "quarantine", split="train")["image_id"] == ["broken"]


def recompressed(image: bytes) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(image)).save(out, "JPEG", quality=70)
    return out.getvalue()


def test_where_images_are_decoded_look_alikes_are_published_too(tmp_path: Path) -> None:
    first = toy_row("train", 8)
    alike = replace(first, image_id="alike", leaf=other_leaf(first), image=recompressed(first.image))
    rows = [*copies(), alike]
    write_copies(tmp_path / "toy", rows, check=ImageCheck(decode=True))
    pairs = published_pairs(tmp_path / "toy")
    assert pairs[["image_id_b", "kind", "conflicting"]].to_numpy().tolist() == [
        ["other label", "identical", True],
        ["alike", "alike", True],
        ["same label", "identical", False],
        ["other split", "identical", False],
        ["no label", "identical", False],
    ]
    report = check_dataset(tmp_path / "toy")
    assert report.ok
    assert pairs.equals(report.duplicates.to_pandas())
    write_copies(tmp_path / "plain", rows)
    assert published_pairs(tmp_path / "plain")["kind"].unique().tolist() == ["identical"]
    assert check_dataset(tmp_path / "plain").ok
    path = next((tmp_path / "toy" / "duplicates").glob("*.parquet"))
    pq.write_table(
        pq.read_table(path).slice(0, 4), path
    )  # some of the look-alikes, and not all identical ones
    assert "the table duplicates has other pairs than the images" in {
        found.rule for found in check_dataset(tmp_path / "toy").violations
    }


@given(st.lists(st.binary(max_size=50), max_size=5), st.booleans())
def test_traces_come_back(images: list[bytes], is_decoded: bool) -> None:
    shown = [look(decode_image(toy_row("train", i).image)) for i in range(len(images))]
    traces = Traces()
    for image, seen in zip(images, shown, strict=True):
        traces.add(image, seen if is_decoded else None)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "traces.npz"
        traces.save(file)
        signatures = traced([file, file], "signatures").view(np.uint64).tolist()
        gradients = traced([file], "gradients").view(np.uint64).tolist()
        layouts = traced([file], "layouts").tobytes()
    assert signatures == 2 * [signature(image) for image in images]
    assert gradients == (columns_of(shown)[0].tolist() if is_decoded else [])
    assert layouts == b"".join(seen.layout for seen in shown if is_decoded)


@given(st.binary(max_size=5_000))
def test_equal_files_share_their_signature(image: bytes) -> None:
    assert signature(image) == signature(bytes(bytearray(image)))
    assert signature(image) != signature(image + b"\0")
