"""Loading: by name, folder and URI; errors that say what to run."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import datasets
import pandas as pd
import pytest
from hub_toy import LEAVES, N_IMAGES, toy_card, toy_partitions, toy_row, toy_tree, write_toy

from cairnhub.core.errors import BadInput, CairnError, NotFound
from cairnhub.datasets_hub.check import check_dataset
from cairnhub.datasets_hub.loader import describe, label_array, list_datasets, load_dataset, load_tree
from cairnhub.datasets_hub.location import Location, find_hub
from cairnhub.datasets_hub.open_split import open_split
from cairnhub.datasets_hub.records import RowList
from cairnhub.datasets_hub.torch_dataset import TorchDataset
from cairnhub.datasets_hub.writer import write_dataset
from cairnhub.hierarchies.label_tree.node import Node
from cairnhub.hierarchies.label_tree.tree import LabelTree

IDS = [toy_row("test", i).image_id for i in range(N_IMAGES["test"])]


def test_name_folder_and_environment_lead_to_the_same(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project" / "data").mkdir(parents=True)
    (tmp_path / "project" / "data" / "hub").symlink_to(hub)
    (tmp_path / "project" / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "project" / "deep")
    assert load_dataset("toy", "test")["image_id"][:] == IDS
    monkeypatch.setenv("CAIRN_HUB", str(tmp_path / "nowhere"))
    with pytest.raises(CairnError, match=r"nowhere: there is no such hub.*CAIRN_HUB"):
        load_dataset("toy")
    assert load_dataset("toy", "test", hub=hub)["image_id"][:] == IDS
    monkeypatch.setenv("CAIRN_HUB", hub.as_uri())
    assert load_dataset("toy", "test")["image_id"][:] == IDS
    assert load_dataset(hub / "sample" / "toy", "test")["image_id"][:] == IDS


def test_streaming_gives_the_same_rows(hub: Path) -> None:
    whole = load_dataset("toy", "test", hub=hub)
    streamed = list(load_dataset("toy", "test", streaming=True, hub=hub))
    assert [row["image_id"] for row in streamed] == IDS
    for column in ("fine", "middle", "coarse", "author"):
        assert [row[column] for row in streamed] == whole[column][:]
    assert streamed[3]["image"].tobytes() == whole[3]["image"].tobytes()


@pytest.mark.parametrize("streaming", [False, True])
def test_levels_are_chosen_and_get_names(hub: Path, streaming: bool) -> None:
    loaded = load_dataset("toy", levels=["fine", "coarse"], names=True, streaming=streaming, hub=hub)
    row = next(iter(loaded["test"].skip(7)))
    assert "middle" not in row
    path = toy_tree().path(toy_row("test", 7).leaf)
    assert (row["fine_name"], row["coarse_name"]) == (path[0], path[2])
    assert "middle_name" not in row


@pytest.fixture
def own_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], set[str]]:
    """A cache of the test's own; says which `config/split` were prepared in it."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    def prepared() -> set[str]:
        files = (tmp_path / "cache").rglob("*.arrow")
        return {f"{file.parts[-4]}/{file.stem.split('-')[1]}" for file in files}

    return prepared


@pytest.mark.parametrize(
    ("split", "prepared", "n_rows"),
    [
        ("test", {"test/test"}, 60),
        ("train", {"train/train"}, 240),
        ("train[:10%]", {"train/train"}, 24),
        ("test[50:]+test[:5]", {"test/test"}, 15),
        ("test[:10]+train", {"test/test", "train/train"}, 250),
        (None, {"default/train", "default/test"}, 300),
    ],
)
def test_only_the_splits_that_are_asked_for_are_prepared(
    hub: Path, own_copies: Callable[[], set[str]], split: str | None, prepared: set[str], n_rows: int
) -> None:
    loaded = load_dataset("toy", split, hub=hub)
    parts = loaded.values() if isinstance(loaded, datasets.DatasetDict) else [loaded]
    assert sum(part.num_rows for part in parts) == n_rows
    assert own_copies() == prepared


def test_a_joined_split_has_the_rows_that_datasets_gives(hub: Path) -> None:
    for split in ("train[:10%]", "test[50:]+train[-30%:]", "train+test"):
        plain = datasets.load_dataset(str(hub / "sample" / "toy"), split=split)
        ours = load_dataset("toy", split, hub=hub)
        assert ours["image_id"][:] == plain["image_id"][:]
        assert (ours.features, str(ours.split)) == (plain.features, str(plain.split))


def test_cairn_and_datasets_share_one_prepared_copy(hub: Path, own_copies: Callable[[], set[str]]) -> None:
    folder = str(hub / "sample" / "toy")
    datasets.load_dataset(folder, "test", split="test")
    assert load_dataset("toy", "test", hub=hub)["image_id"][:] == IDS
    assert own_copies() == {"test/test"}
    datasets.load_dataset(folder)  # all of it, in one copy
    both = {"test/test", "default/train", "default/test"}
    assert load_dataset("toy", "train", hub=hub).num_rows == 240
    load_dataset("toy", hub=hub)
    assert own_copies() == both


def test_a_split_loads_where_another_one_is_not_whole(hub: Path, tmp_path: Path) -> None:
    shutil.copytree(hub / "sample" / "toy", tmp_path / "toy")
    for shard in (tmp_path / "toy" / "data").glob("train-*"):
        shard.unlink()
    assert load_dataset(tmp_path / "toy", "test")["image_id"][:] == IDS
    assert len(list(load_dataset(tmp_path / "toy", "test", streaming=True))) == len(IDS)
    with pytest.raises(CairnError, match=r"missing .*train-00000"):
        load_dataset(tmp_path / "toy", "test+train")


@pytest.mark.parametrize("name", ["birds [2019]", "what?", "best*", "{a,b}", "é ü"])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_folder_whose_path_reads_as_a_pattern(
    hub: Path, tmp_path: Path, name: str, streaming: bool
) -> None:
    folder = tmp_path / name / "toy"
    shutil.copytree(hub / "sample" / "toy", folder)
    loaded = load_dataset(folder, "test", streaming=streaming)
    assert [row["image_id"] for row in loaded] == IDS
    assert loaded.features == load_dataset("toy", "test", hub=hub).features


@pytest.mark.parametrize("n_names", [1, 3, 499, 500, 501, 720])
def test_a_label_column_is_the_class_index_whatever_the_level_s_size(tmp_path: Path, n_names: int) -> None:
    leaves = [f"leaf {i:03d}" for i in range(720)]
    frame = pd.DataFrame({"fine": leaves, "coarse": [f"group {i % n_names:03d}" for i in range(720)]})
    tree = LabelTree.from_table(frame, ["fine", "coarse"])
    rows = [replace(toy_row("test", i), leaf=leaves[-1 - i] if i else None) for i in range(8)]
    card = toy_card(levels=("fine", "coarse"))
    write_dataset(tmp_path / "toy", card, tree, [RowList(rows)])
    loaded = datasets.load_dataset(str(tmp_path / "toy"), split="test")
    expected = [None if row.leaf is None else tree.path(row.leaf) for row in rows]
    for rank, level in enumerate(tree.levels):
        indices = [None if path is None else tree.class_index(Node(level, path[rank])) for path in expected]
        assert loaded[level][:] == indices
        nodes = datasets.load_dataset(str(tmp_path / "toy"), "nodes", split="train").to_pandas()
        names = nodes[nodes["level"] == level].set_index("class_index")["name"]
        assert [path and names[i] for i, path in zip(indices, expected, strict=True)] == [
            path and path[rank] for path in expected
        ]
    named = load_dataset(tmp_path / "toy", "test", names=True)
    assert named["coarse_name"][:] == [path and path[1] for path in expected]
    assert label_array(loaded, tree)[1:].tolist() == tree.codes[[-1 - i for i in range(1, 8)]].tolist()
    assert check_dataset(tmp_path / "toy").ok


def test_tree_card_and_list(hub: Path) -> None:
    assert load_tree("toy", hub=hub) == toy_tree()
    (found,) = list_datasets(hub=hub)
    assert (found.card.name, found.stats.n_images) == ("toy", sum(N_IMAGES.values()))
    assert list_datasets(scale="full", hub=hub) == []
    assert describe("toy", hub=hub).stats.n_names == {"fine": len(LEAVES), "middle": 60, "coarse": 6}


def test_configs_nodes_and_edges(hub: Path) -> None:
    edges = load_dataset("toy", "train", config="edges", hub=hub)
    assert edges.num_rows == len(toy_tree().nodes()) - 1


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (
            {"name": "tay"},
            NotFound,
            r"no dataset 'tay' in .*did you mean 'toy'\?; there are, with their scales: toy \(sample\).*dvc repro",
        ),
        ({"name": "toy", "scale": "full"}, NotFound, "no dataset 'toy' of scale 'full'"),
        ({"name": "toy", "scale": "../sample"}, BadInput, "is no name"),
        ({"name": "../toy"}, NotFound, "no published dataset there"),
        ({"name": "..", "scale": "sample"}, NotFound, "no published dataset there"),
        ({"name": "toy", "split": "val"}, NotFound, "no split 'val'.*'train'"),
        ({"name": "toy", "split": "train+val[:5]"}, NotFound, "no split 'val'.*'train'"),
        ({"name": "toy", "split": ["train"]}, BadInput, r"split must be a name.*got \['train'\]"),
        (
            {"name": "toy", "split": "train[:5]", "streaming": True},
            BadInput,
            r"cannot be streamed.*take\(n\)",
        ),
        ({"name": "toy", "levels": ["genus"]}, NotFound, "no level 'genus'.*'fine'"),
        ({"name": "toy", "levels": "fine"}, BadInput, r"levels must be a list, such as \['fine'\]"),
        ({"name": "toy", "config": "leaves"}, NotFound, "no config 'leaves'"),
        ({"name": "toy", "revision": "v9"}, NotFound, "'v9'"),
        ({"name": "toy", "revision": "../../x"}, BadInput, "is no name"),
        ({"name": "ftp9://host/toy"}, BadInput, "ftp9:// is not known"),
    ],
)
def test_errors_say_what_to_do(
    hub: Path, arguments: dict[str, object], kind: type[CairnError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        load_dataset(**arguments, hub=hub)


@pytest.fixture
def scales(hub: Path, tmp_path: Path) -> Path:
    """A hub with `toy` at both scales, the full one with one image changed, and `mini` as a sample only."""
    shutil.copytree(hub, tmp_path / "hub")
    row = replace(toy_row("test", 0), image_id="full")
    write_toy(tmp_path / "hub/full/toy", partitions=toy_partitions(test_0=row))
    shutil.copytree(hub / "sample/toy", tmp_path / "hub/sample/mini")
    return tmp_path / "hub"


def test_full_is_read_where_it_is_published_else_the_sample_and_it_is_said_once(
    scales: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        assert load_dataset("toy", "test", hub=scales)[0]["image_id"] == "full"
        assert load_dataset("mini", "test", hub=scales)[0]["image_id"] == IDS[0]
    load_tree("toy", hub=scales)
    said = [record.getMessage() for record in caplog.records if record.name.startswith("cairnhub")]
    assert [line.split(",")[0] for line in said] == [
        "toy: reading scale 'full'",
        "mini: reading scale 'sample'",
    ]
    assert load_dataset("toy", "test", scale="sample", hub=scales)[0]["image_id"] == IDS[0]
    assert open_split("toy", "test", scale="sample", hub=scales).labels.shape[0] == N_IMAGES["test"]


def test_a_named_scale_is_not_spoken_of(scales: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_tree("toy", scale="full", hub=scales)
    load_tree(scales / "sample/toy")
    assert not [record for record in caplog.records if record.name.startswith("cairnhub")]


def test_a_folder_named_like_a_dataset_is_pointed_to(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CairnError, match=r"no dataset 'mine'.*write \./mine for the folder"):
        describe("mine", hub=hub)


def test_labels_are_taken_from_one_split_that_is_there(hub: Path) -> None:
    for loaded in (load_dataset("toy", hub=hub), load_dataset("toy", "test", streaming=True, hub=hub)):
        with pytest.raises(CairnError, match=f"one split, got {type(loaded).__name__}"):
            label_array(loaded, toy_tree())
        with pytest.raises(CairnError, match="one split"):
            TorchDataset(loaded, toy_tree())
    labels_only = load_dataset("toy", "test", hub=hub).remove_columns("image")
    with pytest.raises(CairnError, match="has no images"):
        TorchDataset(labels_only, toy_tree())


def test_dvc_repository(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dvc", reason="dvc is not installed")
    repository = tmp_path / "repository"
    shutil.copytree(hub, repository / "data" / "hub")
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    settings = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (
        ["git", "init", "--quiet"],
        [sys.executable, "-m", "dvc", "init", "--quiet"],
        [sys.executable, "-m", "dvc", "remote", "add", "--quiet", "-d", "store", str(tmp_path / "store")],
        [sys.executable, "-m", "dvc", "add", "--quiet", "data/hub/sample/toy"],
        ["git", "add", "."],
        ["git", *settings, "commit", "--quiet", "-m", "Publish"],
        ["git", "tag", "published"],
    ):
        subprocess.run(command, cwd=repository, check=True)
    shutil.rmtree(repository / "data" / "hub" / "sample" / "toy")  # what is read now comes from DVC's cache
    options = {"repo": str(repository)}
    uri = "dvc://data/hub/sample/toy"
    assert load_tree(uri, revision="published", storage_options=options) == toy_tree()
    loaded = load_dataset(uri, "test", revision="published", storage_options=options)
    assert loaded["image_id"][:] == IDS

    # A git address: what is read comes from DVC's remote, once it was pushed there.
    by_url = {"repo": repository.as_uri()}
    with pytest.raises(CairnError, match="dvc push"):
        load_tree(uri, storage_options=by_url)
    subprocess.run([sys.executable, "-m", "dvc", "push", "--quiet"], cwd=repository, check=True)
    assert load_dataset(uri, "test", revision="published", storage_options=by_url)["image_id"][:] == IDS
    with pytest.raises(CairnError, match=r"unknown Git revision 'v7'.*check repository and revision"):
        load_tree(uri, revision="v7", storage_options=by_url)


def test_no_hub_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CAIRN_HUB", raising=False)
    with pytest.raises(CairnError, match=r"no data/hub.*dvc repro.*CAIRN_HUB"):
        find_hub()


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../../b", "s3://other/file"])
def test_a_dataset_cannot_point_out_of_its_folder(path: str) -> None:
    with pytest.raises(CairnError, match="leads out of the dataset"):
        Location("/hub/toy").file(path)


def test_a_dataset_replaced_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, load = tmp_path / "toy", datasets.load_dataset
    write_toy(folder)
    changed = replace(toy_row("test", 0), image_id="changed")

    def load_late(*arguments: object, **options: object) -> object:
        monkeypatch.setattr(datasets, "load_dataset", load)
        write_toy(folder, partitions=toy_partitions(test_0=changed))
        return load(*arguments, **options)

    monkeypatch.setattr(datasets, "load_dataset", load_late)
    assert load_dataset(folder, "test")["image_id"][:] == ["changed", *IDS[1:]]
    shutil.rmtree(next((folder / "data").glob("test-*")).parent)
    with pytest.raises(CairnError, match="missing"):
        load_dataset(folder, "test")


@pytest.mark.parametrize("scale", [None, "sample"])
def test_what_is_suggested_loads(hub: Path, scale: str | None) -> None:
    with pytest.raises(NotFound) as caught:
        describe("toyy", scale=scale, hub=hub)
    suggested = re.search(r"did you mean '(.+?)'", str(caught.value))
    assert suggested
    assert describe(suggested[1], scale=scale, hub=hub).card.name == "toy"


def test_a_name_of_another_scale_is_not_suggested(hub: Path) -> None:
    with pytest.raises(NotFound, match=r"no dataset 'toyy' of scale 'full' in (?!.*did you mean)"):
        describe("toyy", scale="full", hub=hub)
