"""From archives to a published dataset: read once, hostile or damaged members quarantined, killed at any moment."""

import errno
import json
import multiprocessing
import random
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pytest
from tiny import inat_names, member, photograph, record_store, tiny_context, write_archive, write_tree

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.check import check_dataset
from cairnhub.datasets_hub.loader import describe
from cairnhub.pipelines.artifacts.index import IndexFolder, shuffle_keys
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.index_parts import Index, cut_parts, cut_runs
from cairnhub.pipelines.stages import index, publish
from cairnhub.pipelines.unpack import unpack_streamed

OPENED: list[str] = []
"""Every file that is opened while `watching` says so."""
watching = False


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if watching and event == "open":
        OPENED.append(str(arguments[0]))


sys.addaudithook(_watch)


def build(context: Context) -> None:
    index.run(context)
    write_tree(context)
    publish.run(context)


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_streamed_archive_is_read_once_and_gives_every_image(tmp_path, monkeypatch):
    context = tiny_context(tmp_path, "inat2018")
    OPENED.clear()
    monkeypatch.setattr(f"{__name__}.watching", True)
    build(context)
    monkeypatch.setattr(f"{__name__}.watching", False)
    assert OPENED.count(str(context.paths.store / "train_val2018.tar.gz")) == 1
    images = {name.split("/")[-1][:-4]: photograph(i) for i, name in enumerate(inat_names())}
    species = {name.split("/")[-1][:-4]: name.split("/")[2] for name in inat_names()}
    found = {}
    for split in ("train", "test"):
        published = datasets.load_dataset(
            str(context.paths.hub), split, split=split, cache_dir=str(tmp_path / "cache")
        )
        for row in published.cast_column("image", datasets.Image(decode=False)):
            assert (species[row["image_id"]] == "3") == (split == "test")
            found[row["image_id"]] = row["image"]["bytes"]
    assert found == images
    assert len(describe(context.paths.hub).stats.splits["train"].shards) > 1
    assert check_dataset(context.paths.hub).ok


@pytest.mark.parametrize("dataset", ["inat2018", "grocery"])
def test_bytes_do_not_depend_on_the_number_of_workers(tmp_path, dataset):
    found = []
    for n_workers in (1, 2, 3):
        context = tiny_context(tmp_path / str(n_workers), dataset, n_workers)
        build(context)
        found.append((content(context.paths.index), content(context.paths.hub)))
    assert found[0] == found[1] == found[2]
    assert len(found[0][1]) > 10


def hostile(names: list[str]) -> list[tuple[tarfile.TarInfo, bytes]]:
    """Good members, and one of every kind of bad."""
    good = [member(name, photograph(i)) for i, name in enumerate(names)]
    good[1] = member(names[1], photograph(1)[:-100])
    good[2] = member(names[2], b"", tarfile.SYMTYPE)
    good[3] = member(names[3], b"<html>")
    del good[4]
    strange = [member("/etc/cron.d/x.jpg", b"1"), member("../up.jpg", b"2"), member(names[0], photograph(9))]
    return [*good, *strange, member("readme.txt", b"of no interest")]


@pytest.mark.parametrize("dataset", ["inat2018", "grocery"])
def test_bad_members_are_quarantined_by_name_and_the_counts_add_up(tmp_path, dataset):
    names = inat_names() if dataset == "inat2018" else [f"{i:03d}.jpg" for i in range(60)]
    context = tiny_context(tmp_path, dataset, members=hostile(names))
    build(context)
    stats = describe(context.paths.hub).stats
    assert sum(split.n_listed for split in stats.splits.values()) == 60
    assert sum(split.n_quarantined for split in stats.splits.values()) == 4
    absent = "not in train_val2018.tar.gz" if dataset == "inat2018" else "not in images.tar"
    assert stats.quarantine == {
        "truncated": 1,
        "refused: a symbolic link": 1,
        "no image": 1,
        absent: 1,
        "refused: its name leaves the archive": 2,
        "replaced by a later member of its name": 1,
    }
    table = datasets.load_dataset(
        str(context.paths.hub), "quarantine", split="train", cache_dir=str(tmp_path / "cache")
    )
    strange = [row["path"] for row in table if row["image_id"] is None]
    assert sorted(strange) == sorted(["/etc/cron.d/x.jpg", "../up.jpg", names[0]])
    published = datasets.load_dataset(str(context.paths.hub), cache_dir=str(tmp_path / "cache"))
    rows = datasets.concatenate_datasets(list(published.values())).cast_column(
        "image", datasets.Image(decode=False)
    )
    assert next(row["image"] for row in rows if row["image"]["path"] == names[0])["bytes"] == photograph(9)
    counts = json.loads((context.paths.index / "counts.json").read_text())["splits"]
    assert check_dataset(
        context.paths.hub, expected_listed={split: count["listed"] for split, count in counts.items()}
    ).ok


def test_a_cut_archive_is_named_and_nothing_is_published(tmp_path):
    context = tiny_context(tmp_path, "inat2018")
    index.run(context)
    write_tree(context)
    archive = context.paths.store / "train_val2018.tar.gz"
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) * 2 // 3])
    record_store(context)
    with pytest.raises(
        CairnError, match=r"train_val2018\.tar\.gz: damaged gzipped tar .*last whole member: train_val"
    ):
        publish.run(context)
    assert not context.paths.hub.exists()


def run_stage(stage: str, root: Path, dataset: str) -> None:
    context = tiny_context(root, dataset, n_workers=2)
    (index if stage == "index" else publish).run(context)


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["inat2018", "grocery"])
def test_killed_at_random_moments_then_again_gives_the_same_bytes(tmp_path, dataset):
    expected = tiny_context(tmp_path / "expected", dataset)
    build(expected)
    context = tiny_context(tmp_path / "killed", dataset)
    write_tree(context)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(
        ["cairnhub.pipelines.stages.index", "cairnhub.pipelines.stages.publish", "tiny"]
    )
    moments = random.Random(dataset)
    for stage, latest_s in (("index", 0.4), ("publish", 1.5)):
        for _ in range(4):
            process = processes.Process(target=run_stage, args=(stage, tmp_path / "killed", dataset))
            process.start()
            time.sleep(moments.uniform(0.05, latest_s))
            process.kill()
            process.join()
        run_stage(stage, tmp_path / "killed", dataset)
    assert content(context.paths.index) == content(expected.paths.index)
    assert content(context.paths.hub) == content(expected.paths.hub)
    assert not [path for path in context.paths.hub.parent.iterdir() if path.name != dataset]


def shuffled(n_rows: int, name: str = "image") -> "tuple[list[str], np.ndarray]":
    """Ids in the order of publication, and their keys."""
    ids = pd.Series([f"{name} {i}" for i in range(n_rows)])
    keys = shuffle_keys(ids)
    order = np.argsort(keys)
    return ids[order].tolist(), keys[order]


@pytest.mark.parametrize(("n_rows", "limit"), [(1, 1), (90, 100), (1000, 300), (5000, 100_000)])
def test_runs_keep_the_limit_and_cover_every_row(n_rows, limit):
    _, keys = shuffled(n_rows)
    sizes = np.random.default_rng(n_rows).integers(0, 31, n_rows)
    runs = cut_runs(keys, sizes, limit)
    assert [start for start, _ in runs[1:]] == [stop for _, stop in runs[:-1]]
    assert (runs[0][0], runs[-1][1]) == (0, n_rows)
    totals = [int(sizes[start:stop].sum()) for start, stop in runs]
    assert max(totals) <= max(limit, int(sizes.max()))
    assert n_rows < 1000 or np.mean(totals) > limit / 3 or len(runs) == 1


def test_rows_that_are_too_large_or_empty_make_runs_too():
    _, keys = shuffled(3)
    assert cut_runs(keys, np.array([0, 0, 0]), 10) == [(0, 3)]
    assert cut_runs(keys, np.array([900, 900, 900]), 10) == [(0, 1), (1, 2), (2, 3)]
    assert cut_runs(np.array([7, 7], np.uint64), np.array([9, 9]), 10) == [(0, 2)]  # the writer cuts it


@pytest.mark.parametrize("n_new", [1, 5, 20])
def test_runs_of_images_that_stay_are_the_same_but_where_new_ones_fall(n_new):
    ids, _ = shuffled(2000)
    both = pd.Series([*ids, *(f"new {i}" for i in range(n_new))])
    runs = []
    for names in (pd.Series(ids), both):
        keys = shuffle_keys(names)
        order = np.argsort(keys)
        cut = cut_runs(keys[order], np.full(len(order), 10), 400)
        runs.append({tuple(names[order[start:stop]]) for start, stop in cut})
    assert len(runs[0]) > 60
    assert len(runs[0] - runs[1]) <= n_new


def published_rows(context: Context, split: str) -> pd.DataFrame:
    files = describe(context.paths.hub).data_files["default"][split]
    return pd.concat(pd.read_parquet(file, columns=["image_id", "fine", "middle"]) for file in files)


def class_sorted(root: Path, n_classes: int, per_class: int, n_new: int = 0) -> Context:
    """A table with a folder per class, published; new images are more of the last class, in the same tar."""
    names = [f"c{k:02d}/{i:03d}.jpg" for k in range(n_classes) for i in range(per_class)]
    names += [f"c{n_classes - 1:02d}/new {i}.jpg" for i in range(n_new)]
    members = [member(name, photograph(i % 9)) for i, name in enumerate(names)]
    rows = [f"{name},fine {int(name[1:3]) % 6},middle {int(name[1:3]) % 3},all,train" for name in names]
    rows[:2] = [row.replace(",train", ",test") for row in rows[:2]]
    context = tiny_context(root, "grocery", members=members, rows=rows)
    build(context)
    return context


@pytest.mark.parametrize(("n_classes", "per_class"), [(6, 50), (3, 100), (2, 150)])
def test_the_first_tenth_of_a_source_that_is_sorted_by_class_has_every_class(tmp_path, n_classes, per_class):
    rows = published_rows(class_sorted(tmp_path, n_classes, per_class), "train")
    tenth = rows[: len(rows) // 10]
    assert tenth["fine"].nunique() == n_classes
    counts = tenth["fine"].value_counts(normalize=True)
    assert counts.max() < 2.2 / n_classes
    runs = (rows["fine"].diff() != 0).sum()
    assert runs > len(rows) / 3  # neighbours differ


def test_new_images_change_the_shards_that_they_fall_into_and_no_other(tmp_path):
    before = class_sorted(tmp_path / "before", 6, 60)
    after = class_sorted(tmp_path / "after", 6, 60, n_new=4)
    hashes = [
        {shard.sha256 for shard in describe(context.paths.hub).stats.splits["train"].shards}
        for context in (before, after)
    ]
    assert len(hashes[0]) > 12
    assert 1 <= len(hashes[0] - hashes[1]) <= 5


def streamed_index(root: Path, members) -> Index:
    """An index of `a.jpg` (train), `b.jpg` and `c.jpg` (test) in a streamed archive."""
    write_archive(root / "x.tar.gz", members)
    rows = [(name[0], split, "x.tar.gz", name, None, None, "fine") for name, split in
            (("a.jpg", "train"), ("b.jpg", "test"), ("c.jpg", "test"))]  # fmt: skip
    columns = ["image_id", "split", "archive", "member", "offset", "size_bytes", "fine"]
    frame = pd.DataFrame(rows, columns=columns).astype({"offset": "Int64", "size_bytes": "Int64"})
    IndexFolder(root).save_images(frame)
    return Index(root / "images.parquet", root, "fine", "one")


@pytest.mark.parametrize(
    ("members", "images", "reasons"),
    [
        (["a", "b", "c"], {"a": 0, "b": 1, "c": 2}, {}),
        (["c", "a", "b", "c"], {"a": 1, "b": 2, "c": 3}, {"c.jpg": "replaced by a later member of its name"}),
        (["a", "../a", "c"], {"a": 0, "c": 2},
         {"b.jpg": "not in x.tar.gz", "../a.jpg": "refused: its name leaves the archive"}),
        (["a", "b", "b", "b", "x"], {"a": 0, "b": 3}, {"b.jpg": "replaced by a later member of its name",
                                                       "c.jpg": "not in x.tar.gz"}),
    ],
)  # fmt: skip
def test_a_streamed_archive_is_unpacked_to_the_byte(tmp_path, members, images, reasons):
    data = [photograph(i)[: 1000 + 512 * i] for i in range(len(members))]
    named = [member(f"{name}.jpg", content) for name, content in zip(members, data, strict=True)]
    index, quarantined = unpack_streamed(streamed_index(tmp_path, named), tmp_path / "unpacked", map)
    found = {row.image_id: row.image for part in cut_parts(index, 10**9) for row in part.read()}
    assert found == {name: data[i] for name, i in images.items()}
    assert {row.path: row.reason for row in quarantined} == reasons


def test_what_was_unpacked_is_used_again_by_the_same_index_only(tmp_path):
    index = streamed_index(tmp_path, [member(f"{name}.jpg", photograph(1)) for name in "abc"])
    unpack_streamed(index, tmp_path / "unpacked", map)
    inode = (tmp_path / "unpacked/00000.tar").stat().st_ino
    unpack_streamed(index, tmp_path / "unpacked", map)
    assert (tmp_path / "unpacked/00000.tar").stat().st_ino == inode
    write_archive(tmp_path / "x.tar.gz", [member(f"{name}.jpg", photograph(2)) for name in "abc"])
    again, _ = unpack_streamed(replace(index, fingerprint="two"), tmp_path / "unpacked", map)
    assert {row.image for part in cut_parts(again, 10**9) for row in part.read()} == {photograph(2)}


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    index = streamed_index(tmp_path, [member("a.jpg", photograph(1))])
    monkeypatch.setattr(tarfile.TarFile, "addfile", full)
    with pytest.raises(CairnError, match=r"disk of .* is full: the images of x\.tar\.gz"):
        unpack_streamed(index, tmp_path / "unpacked", map)


def test_a_split_without_an_image_is_named(tmp_path):
    index = streamed_index(tmp_path, [member("b.jpg", photograph(1))])
    with pytest.raises(CairnError, match=r"split 'train' has no image: not in x\.tar\.gz"):
        unpack_streamed(index, tmp_path / "unpacked", map)


def test_an_index_of_another_order_is_refused(tmp_path):
    context = tiny_context(tmp_path, "grocery")
    index.run(context)
    write_tree(context)
    images = pd.read_parquet(context.paths.index / "images.parquet")
    images[::-1].to_parquet(context.paths.index / "images.parquet", index=False)
    with pytest.raises(CairnError, match="not in their order; run the index stage again"):
        publish.run(context)
