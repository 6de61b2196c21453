"""Loading: by name, folder and URI; errors that say what to run."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import datasets
import pytest
from hub_toy import LEAVES, N_IMAGES, toy_partitions, toy_row, toy_tree, write_toy

from cairnhub.core.errors import BadInput, CairnError, NotFound
from cairnhub.datasets_hub.loader import describe, label_array, list_datasets, load_dataset, load_tree
from cairnhub.datasets_hub.location import Location, find_hub
from cairnhub.datasets_hub.open_split import open_split
from cairnhub.datasets_hub.torch_dataset import TorchDataset

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
def test_levels_are_chosen_and_large_ones_get_names(hub: Path, streaming: bool) -> None:
    loaded = load_dataset("toy", levels=["fine", "coarse"], names=True, streaming=streaming, hub=hub)
    row = next(iter(loaded["test"].skip(7)))
    assert "middle" not in row
    assert row["fine_name"] == toy_row("test", 7).leaf
    assert "coarse_name" not in row


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
        describe("tois", scale=scale, hub=hub)
    suggested = re.search(r"did you mean '(.+?)'", str(caught.value))
    assert suggested
    assert describe(suggested[1], scale=scale, hub=hub).card.name == "toy"


def test_a_name_of_another_scale_is_not_suggested(hub: Path) -> None:
    with pytest.raises(NotFound, match=r"no dataset 'tois' of scale 'full' in (?!.*did you mean)"):
        describe("tois", scale="full", hub=hub)
