"""Images read in place from shards."""

import pickle
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_toy import N_IMAGES, toy_row, toy_tree, write_toy

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.loader import label_array, load_dataset
from cairnhub.datasets_hub.mmap_images import MmapImages
from cairnhub.datasets_hub.open_split import open_split


@pytest.mark.parametrize("split", N_IMAGES)
def test_every_image_and_label_is_the_published_one(hub: Path, split: str) -> None:
    opened = open_split(hub / "sample" / "toy", split)
    assert len(opened.images) == N_IMAGES[split]
    for row in np.random.default_rng(0).permutation(N_IMAGES[split]).tolist():
        assert opened.images[row] == toy_row(split, row).image
    loaded = load_dataset(hub / "sample" / "toy", split=split)
    assert np.array_equal(opened.labels, label_array(loaded, toy_tree()))
    with pytest.raises(IndexError):
        opened.images[N_IMAGES[split]]


def test_nothing_is_written_for_it(hub: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    assert open_split(hub / "sample" / "toy", "train").images[5]
    assert list(tmp_path.iterdir()) == []


def shard_of(path: Path, images: list[bytes | None], **options: object) -> str:
    image = pa.array([{"bytes": value, "path": "x"} for value in images])
    pq.write_table(
        pa.table({"image": image}), path, **({"use_dictionary": False, "compression": "none"} | options)
    )
    return str(path)


@pytest.mark.parametrize("n_images", [1, 7, 8, 500])
@pytest.mark.parametrize("page_bytes", [1, 10_000])
def test_pages_of_other_writers(tmp_path: Path, n_images: int, page_bytes: int) -> None:
    images = [bytes([i % 251]) * (i % 97) for i in range(n_images)]
    options = {
        "data_page_size": page_bytes,
        "write_batch_size": 3,
        "row_group_size": 64,
        "write_statistics": True,
    }
    mapped = MmapImages([shard_of(tmp_path / "a", images, **options), shard_of(tmp_path / "b", images[:3])])
    assert [mapped[row] for row in range(len(mapped))] == images + images[:3]
    assert pickle.loads(pickle.dumps(mapped))[n_images // 2] == images[n_images // 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compression": "zstd"}, "encoded or compressed; publish"),
        ({"use_dictionary": True}, "encoded or compressed; publish"),
        ({"data_page_version": "2.0"}, "encoded or compressed; publish"),
    ],
)
def test_what_cannot_be_read_in_place_is_named(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(CairnError, match=message):
        MmapImages([shard_of(tmp_path / "shard", [b"image" * 20] * 20, **options)])


def test_a_missing_image_or_shard_is_named(hub: Path, tmp_path: Path) -> None:
    mapped = MmapImages([shard_of(tmp_path / "shard", [b"first", None, b"third"])])
    with pytest.raises(CairnError, match="an image is missing or the file is damaged"):
        mapped[2]
    write_toy(tmp_path / "toy")
    next((tmp_path / "toy" / "data").glob("train-*")).unlink()
    with pytest.raises(CairnError, match="not whole"):
        open_split(tmp_path / "toy", "train")
    with pytest.raises(CairnError, match="no split 'nosuch'"):
        open_split(hub / "sample" / "toy", "nosuch")
