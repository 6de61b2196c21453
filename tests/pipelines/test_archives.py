"""From archives to a published dataset: read once, hostile or damaged members quarantined, killed at any moment."""

import json
import multiprocessing
import random
import sys
import tarfile
import time
from pathlib import Path

import datasets
import pytest
from tiny import inat_names, member, photograph, tiny_context, write_manifest, write_tree

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.check import check_dataset
from cairnhub.datasets_hub.loader import describe
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.index_parts import cut_runs
from cairnhub.pipelines.stages import index, publish

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


def test_a_streamed_archive_is_read_once_in_its_own_order(tmp_path, monkeypatch):
    context = tiny_context(tmp_path, "inat2018")
    OPENED.clear()
    monkeypatch.setattr(f"{__name__}.watching", True)
    build(context)
    monkeypatch.setattr(f"{__name__}.watching", False)
    assert OPENED.count(str(context.paths.store / "train_val2018.tar.gz")) == 1
    published = datasets.load_dataset(str(context.paths.hub), cache_dir=str(tmp_path / "cache"))
    for split, species in (("train", "012"), ("test", "3")):
        expected = [name for name in inat_names() if name.split("/")[2] in species]
        assert [name.split("/")[-1][:-4] for name in expected] == published[split]["image_id"]
    assert len(describe(context.paths.hub).stats.splits["train"].shards) > 1
    assert check_dataset(context.paths.hub).ok


@pytest.mark.parametrize("dataset", ["inat2018", "grocery"])
def test_bytes_do_not_depend_on_the_number_of_workers(tmp_path, dataset):
    found = []
    for n_workers in (1, 2):
        context = tiny_context(tmp_path / str(n_workers), dataset, n_workers)
        build(context)
        found.append((content(context.paths.index), content(context.paths.hub)))
    assert found[0] == found[1]
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
    is_once = dataset == "inat2018"  # read once: nobody knows what will come
    absent = "not in train_val2018.tar.gz" if is_once else "not in images.tar"
    twice = (
        "comes after another member of its name, in an archive that is read once"
        if is_once
        else "replaced by a later member of its name"
    )
    assert stats.quarantine == {
        "truncated": 1,
        "refused: a symbolic link": 1,
        "no image": 1,
        absent: 1,
        "refused: its name leaves the archive": 2,
        twice: 1,
    }
    table = datasets.load_dataset(
        str(context.paths.hub), "quarantine", split="train", cache_dir=str(tmp_path / "cache")
    )
    strange = [row["path"] for row in table if row["image_id"] is None]
    assert sorted(strange) == sorted(["/etc/cron.d/x.jpg", "../up.jpg", names[0]])
    split = "train" if is_once else "test"
    published = datasets.load_dataset(
        str(context.paths.hub), split=split, cache_dir=str(tmp_path / "cache")
    ).cast_column("image", datasets.Image(decode=False))
    images = {row["image_id"]: row["image"]["bytes"] for row in published}
    first = next(
        image for image_id, image in images.items() if names[0].endswith(f"{image_id.split('/')[-1][:3]}.jpg")
    )
    assert first == photograph(0 if is_once else 9)
    counts = json.loads((context.paths.index / "counts.json").read_text())["splits"]
    assert check_dataset(
        context.paths.hub, expected_listed={split: count["listed"] for split, count in counts.items()}
    ).ok


def test_a_cut_archive_is_named_and_finished_shards_are_kept(tmp_path):
    context = tiny_context(tmp_path, "inat2018")
    index.run(context)
    write_tree(context)
    archive = context.paths.store / "train_val2018.tar.gz"
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) * 2 // 3])
    write_manifest(context)
    with pytest.raises(
        CairnError, match=r"train_val2018\.tar\.gz: damaged gzipped tar .*last whole member: train_val"
    ):
        publish.run(context)
    assert not context.paths.hub.exists()
    assert list(context.paths.hub.parent.glob(".*.partial/data/*.parquet"))


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


def test_runs_have_even_size_and_cover_every_row():
    sizes = [7, 1, 30, 4, 4, 4, 20, 1, 1, 1] * 9
    runs = cut_runs(sizes, 100)
    assert [start for start, _ in runs[1:]] == [stop for _, stop in runs[:-1]]
    assert (runs[0][0], runs[-1][1]) == (0, len(sizes))
    totals = [sum(sizes[start:stop]) for start, stop in runs]
    assert max(totals) <= 100
    assert max(totals) - min(totals) <= 2 * max(sizes)
    assert cut_runs([0, 0], 10) == [(0, 2)]
    assert len(cut_runs([1, 900, 1], 10)) <= 3
