"""The writer: same bytes always, whole or not at all."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import datasets
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hub_toy import (
    N_IMAGES,
    content,
    toy_card,
    toy_partitions,
    toy_row,
    toy_tree,
    write_few,
    write_killed,
    write_toy,
)

from cairnhub.core.errors import CairnError, Unreachable
from cairnhub.datasets_hub.check import check_dataset
from cairnhub.datasets_hub.loader import describe, label_array
from cairnhub.datasets_hub.records import QuarantineRow, RowList
from cairnhub.datasets_hub.staging import STAGED, Staging
from cairnhub.datasets_hub.writer import UnpublishedImages, write_dataset
from cairnhub.hierarchies.label_tree.tree import LabelTree


def test_plain_datasets_reads_rows_labels_and_tree(hub: Path) -> None:
    loaded = datasets.load_dataset(str(hub / "sample" / "toy"))
    tree = toy_tree()
    for split, n_images in N_IMAGES.items():
        assert loaded[split].num_rows == n_images
        for i in (0, 7, n_images - 1):
            found, row = loaded[split][i], toy_row(split, i)
            assert (found["image_id"], found["author"]) == (row.image_id, row.attribution.author)
            assert found["image"].size == (48, 36)
            raw = loaded[split].cast_column("image", datasets.Image(decode=False))[i]["image"]
            assert raw == {"bytes": row.image, "path": row.path.split("/")[-1]} or raw["path"] == row.path
            names = (None,) * 3 if row.leaf is None else tree.path(row.leaf)
            assert names[0] == (None if found["fine"] is None else tree.leaves[found["fine"]])
            features = loaded[split].features
            assert names[1:] == tuple(
                None if found[k] is None else features[k].int2str(found[k]) for k in tree.levels[1:]
            )
    nodes = datasets.load_dataset(str(hub / "sample" / "toy"), "nodes", split="train").to_pandas()
    assert nodes["name"].tolist() == tree.nodes()["name"].tolist()


def test_label_array_gives_class_indices_fine_to_coarse(hub: Path) -> None:
    tree = toy_tree()
    test = datasets.load_dataset(str(hub / "sample" / "toy"), split="test")
    labels = label_array(test, tree)
    for i in range(N_IMAGES["test"]):
        leaf = toy_row("test", i).leaf
        expected = [-1, -1, -1] if leaf is None else tree.codes[tree.leaves.index(leaf)].tolist()
        assert labels[i].tolist() == expected


@pytest.mark.parametrize("n_workers", [1, 3])
def test_bytes_do_not_depend_on_workers_or_folder(hub: Path, tmp_path: Path, n_workers: int) -> None:
    with ThreadPoolExecutor(n_workers) as pool:
        write_toy(tmp_path / "elsewhere", run_all=pool.map)
    assert content(tmp_path / "elsewhere") == content(hub / "sample" / "toy")


def test_shards_are_named_by_content_and_cut_into_row_groups(hub: Path) -> None:
    stats = describe("toy", hub=hub).stats
    assert len(stats.splits["train"].shards) > 2
    for file in stats.files:
        raw = (hub / "sample" / "toy" / file.path).read_bytes()
        assert hashlib.sha256(raw).hexdigest() == file.sha256
        assert file.path.endswith(f"-{file.sha256[:16]}.parquet")
    for shard in stats.splits["train"].shards:
        meta = pq.ParquetFile(hub / "sample" / "toy" / shard.path).metadata
        for group in range(meta.num_row_groups):
            columns = {
                meta.row_group(group).column(i).path_in_schema: meta.row_group(group).column(i)
                for i in range(meta.num_columns)
            }
            assert meta.row_group(group).num_rows <= 50
            assert columns["coarse"].statistics.has_min_max
            assert columns["coarse"].has_column_index
            assert columns["image.bytes"].has_offset_index
            assert columns["image.bytes"].statistics is None


def test_shards_are_cut_by_the_bytes_that_arrive(hub: Path) -> None:
    shards = describe("toy", hub=hub).stats.splits["train"].shards
    assert all(shard.image_bytes <= 120_000 for shard in shards)
    assert sum(shard.image_bytes for shard in shards) == sum(
        len(toy_row("train", i).image) for i in range(240)
    )


def test_bad_images_go_to_the_quarantine_and_the_counts_add_up(tmp_path: Path) -> None:
    whole = toy_row("train", 5).image
    parts = toy_partitions(
        train_5=replace(toy_row("train", 5), image=whole[:-200]),
        train_79=replace(toy_row("train", 79), image=b"<html>"),
        test_0=QuarantineRow("test-0000", "test", "test/0000.jpg", "not in the archive"),
    )
    missing = UnpublishedImages([QuarantineRow("lost", "train", None, "in no tar")], {"train": 7})
    strange = RowList([QuarantineRow(None, None, "../../etc/passwd", "refused: its name leaves the archive")])
    stats = write_toy(tmp_path / "toy", partitions=[*parts, strange], unpublished=missing)
    train, test = stats.splits["train"], stats.splits["test"]
    assert (train.n_listed, train.n_images, train.n_quarantined, train.n_excluded) == (248, 238, 3, 7)
    assert (test.n_listed, test.n_images, test.n_quarantined, test.n_excluded) == (60, 59, 1, 0)
    table = datasets.load_dataset(str(tmp_path / "toy"), "quarantine", split="train").to_pandas()
    assert table["image_id"].fillna("").tolist() == ["lost", "train-0005", "train-0079", "test-0000", ""]
    assert table["reason"].tolist()[1:3] == ["truncated", "no image"]
    listed = {"train": 248, "test": 60}
    assert check_dataset(tmp_path / "toy", expected_listed=listed).ok


def test_row_groups_close_before_arrow_overflows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cairnhub.datasets_hub.shards.MAX_GROUP_BYTES", 5_000)
    stats = write_toy(tmp_path / "toy")
    meta = pq.ParquetFile(tmp_path / "toy" / stats.splits["train"].shards[0].path).metadata
    largest = max(len(toy_row("train", i).image) for i in range(N_IMAGES["train"]))
    for i in range(meta.num_row_groups):
        assert meta.row_group(i).column(0).total_uncompressed_size < 5_000 + largest + 1_000


def shards_below(folder: Path) -> list[Path]:
    """As `**/data/*.parquet` of duckdb and polars finds them: in hidden folders too."""
    return list(folder.rglob("data/*.parquet"))


@pytest.mark.slow
@pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.long)])
def test_killed_anywhere_then_again_gives_the_same_bytes(
    tmp_path: Path, run_killed: Callable[..., bool], stride: int
) -> None:
    folder, old, new = tmp_path / "hub" / "toy", tmp_path / "old", tmp_path / "new"
    write_toy(old, partitions=[RowList([toy_row(split, 1)]) for split in N_IMAGES])
    write_few(new)
    before, after = content(old), content(new)
    for step in count(1, stride):
        shutil.rmtree(tmp_path / "hub", ignore_errors=True)
        shutil.copytree(old, folder)
        if not run_killed(write_killed, folder, step):
            break
        assert content(folder) in (before, after), f"half-visible after step {step}"
        assert set(shards_below(folder.parent)) == set(shards_below(folder)), f"seen by ** after step {step}"
        write_few(folder)
        assert content(folder) == after
        assert [path.name for path in folder.parent.iterdir()] == ["toy"], f"rubbish after step {step}"
        assert {path.name for path in tmp_path.iterdir()} == {"hub", "old", "new"}, (
            f"rubbish after step {step}"
        )
    assert step > 30


def test_finished_shards_are_used_again(tmp_path: Path, run_killed: Callable[..., bool]) -> None:
    assert run_killed(write_killed, tmp_path / "toy", 36)
    staging = Staging.of(tmp_path / "toy")
    finished = [json.loads(path.read_text())["file"]["path"] for path in staging.markers.glob("*-*.json")]
    *kept, altered = sorted(finished)
    at = {path: staging.whole / f"{path}{STAGED}" for path in finished}
    before = {path[-24:]: at[path].stat().st_ino for path in kept}  # final names keep the hash
    assert before
    assert not list(tmp_path.rglob("data/*.parquet")), "no glob finds what is not whole"
    with at[altered].open("r+b") as file:
        file.write(b"XXXX")
    write_few(tmp_path / "toy")
    files = {path.name[-24:]: path for path in (tmp_path / "toy" / "data").iterdir()}
    assert {name: files[name].stat().st_ino for name in before} == before
    assert files[altered[-24:]].read_bytes()[:4] == b"PAR1"


def test_two_writers_do_not_mix(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    write_few(folder)
    before = content(folder)
    with (
        Staging.of(folder).held(),
        pytest.raises(Unreachable, match="another process is writing this dataset"),
    ):
        write_few(folder)
    assert content(folder) == before
    write_few(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]


@pytest.mark.parametrize("folder", ["hub/sample/toy", "hub/toy", "hub/sample/of/mine/toy"])
def test_what_is_not_whole_lies_outside_of_the_hub(tmp_path: Path, folder: str) -> None:
    old = tmp_path / folder
    old.with_name(".toy.partial").mkdir(parents=True)  # of an older Cairn that was killed
    with Staging.of(old).held() as staging:
        hub = tmp_path / "hub" if "mine" not in folder else old.parent
        assert not staging.root.is_relative_to(hub)
        assert staging.root.parent == hub.parent
        assert list(old.parent.rglob("*")) == [staging.gate]
    assert list(old.parent.iterdir()) == []


@contextmanager
def _may_not_write_beside(hub: Path) -> Iterator[None]:
    """What runs here may write to the hub, and not beside it; root is somebody else meanwhile."""
    is_root = os.geteuid() == 0
    hub.parent.chmod(0o555)
    if is_root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        hub.parent.chmod(0o755)


def test_two_logins_of_different_rights_do_not_write_at_once() -> None:
    with TemporaryDirectory() as created:
        top = Path(created)
        folder = top / "beside/hub/sample/toy"
        folder.parent.mkdir(parents=True)
        for path in (top, top / "beside", top / "beside/hub", folder.parent):
            path.chmod(0o755 if path != folder.parent else 0o777)
        with Staging.of(folder).held() as first, _may_not_write_beside(top / "beside/hub"):
            second = Staging.of(folder)
            assert second.root != first.root, "the second login stages elsewhere"
            with pytest.raises(Unreachable, match="another process is writing this dataset"), second.held():
                pass
        with _may_not_write_beside(top / "beside/hub"), Staging.of(folder).held() as alone:
            assert alone.root == alone.gate


def test_a_hub_that_is_a_disk_of_its_own_has_its_staging(small_disk: Path) -> None:
    staging = Staging.of(small_disk / "toy")
    assert staging.root == small_disk / ".toy.partial"
    assert staging.root.parent.is_dir()


def test_another_input_does_not_continue_a_killed_run(
    tmp_path: Path, run_killed: Callable[..., bool]
) -> None:
    assert run_killed(write_killed, tmp_path / "toy", 36)
    row = replace(toy_row("train", 0), image_id="changed")
    write_toy(tmp_path / "toy", partitions=toy_partitions(train_0=row))
    assert datasets.load_dataset(str(tmp_path / "toy"), split="train")[0]["image_id"] == "changed"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"partitions": toy_partitions(train_5=replace(toy_row("train", 5), leaf="nowhere"))},
            "train-0005.*'nowhere'",
        ),
        ({"partitions": [RowList([])], "card": toy_card(protocols=())}, "no image"),
        (
            {"partitions": [*toy_partitions()[:3], RowList([QuarantineRow("a", "test", "a", "gone")])]},
            "'test' has no image",
        ),
        ({"partitions": [*toy_partitions(), RowList([toy_row("a-b", 1)])]}, "'a-b'"),
        (
            {"partitions": [*toy_partitions(), RowList([toy_row("nodes", 1)])]},
            "'nodes'.*every split is a config",
        ),
        ({"card": toy_card(levels=("coarse", "middle", "fine"))}, "levels coarse"),
        ({"partitions": toy_partitions()[:3]}, "protocol.*'test'"),
    ],
)
def test_bad_input_is_named_and_changes_nothing(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    write_toy(tmp_path / "toy")
    before = content(tmp_path / "toy")
    with pytest.raises(CairnError, match=message):
        write_toy(tmp_path / "toy", **options)
    assert content(tmp_path / "toy") == before


def test_a_level_that_cannot_be_a_column_is_refused(tmp_path: Path) -> None:
    tree = LabelTree.from_table(pd.DataFrame({"image": ["a"]}), ["image"])
    parts = [RowList([toy_row("train", 1)])]
    with pytest.raises(CairnError, match="'image' cannot be a column"):
        write_dataset(tmp_path / "x", toy_card(levels=("image",), protocols=()), tree, parts)


def test_a_full_disk_keeps_the_old_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_toy(tmp_path / "toy")
    before = content(tmp_path / "toy")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("cairnhub.datasets_hub.shards.HashedFile.write", full)
        with pytest.raises(CairnError, match=r"disk .* is full"):
            write_toy(tmp_path / "toy", rows_per_group=49)
    assert content(tmp_path / "toy") == before
