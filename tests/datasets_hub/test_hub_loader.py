"""Loading: by name, folder and URI; errors that say what to run."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import datasets
import pytest
from hub_toy import LEAVES, N_IMAGES, toy_partitions, toy_row, toy_tree, write_toy

import cairnhub.datasets_hub
from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.loader import describe, label_array, list_datasets, load_dataset, load_tree
from cairnhub.datasets_hub.location import Location, find_hub
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
    ("arguments", "message"),
    [
        (
            {"name_or_uri": "tay"},
            r"no dataset 'tay' .*did you mean 'sample/toy'\?; there are: sample/toy.*dvc repro",
        ),
        ({"name_or_uri": "toy", "scale": "full"}, "no dataset 'toy' of scale 'full'"),
        ({"name_or_uri": "toy", "scale": "../sample"}, "is no name"),
        ({"name_or_uri": "../toy"}, "no published dataset there"),
        ({"name_or_uri": "..", "scale": "sample"}, "no published dataset there"),
        ({"name_or_uri": "toy", "split": "val"}, "no split 'val'.*'train'"),
        ({"name_or_uri": "toy", "split": "train+val[:5]"}, "no split 'val'.*'train'"),
        ({"name_or_uri": "toy", "split": ["train"]}, r"split must be a name.*got \['train'\]"),
        ({"name_or_uri": "toy", "split": "train[:5]", "streaming": True}, r"cannot be streamed.*take\(n\)"),
        ({"name_or_uri": "toy", "levels": ["genus"]}, "no level 'genus'.*'fine'"),
        ({"name_or_uri": "toy", "levels": "fine"}, r"levels must be a list, such as \['fine'\]"),
        ({"name_or_uri": "toy", "config": "leaves"}, "no config 'leaves'"),
        ({"name_or_uri": "toy", "revision": "v9"}, "'v9'"),
        ({"name_or_uri": "toy", "revision": "../../x"}, "is no name"),
        ({"name_or_uri": "ftp9://host/toy"}, "ftp9:// is not known"),
    ],
)
def test_errors_say_what_to_do(hub: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(CairnError, match=message):
        load_dataset(**arguments, hub=hub)


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


def test_import_is_light_and_brings_no_torch() -> None:
    code = (
        "import sys, time, datasets; start = time.perf_counter(); import cairnhub.datasets_hub; "
        "print(time.perf_counter() - start); cairnhub.datasets_hub.load_dataset; "
        "assert not {'torch', 'sentence_transformers', 'sklearn', 'plotly'} & set(sys.modules), 'heavy'"
    )
    # Torch, where installed, is imported by `datasets` itself unless told otherwise.
    environment = {
        **os.environ,
        "USE_TORCH": "0",
        "PYTHONPATH": str(Path(cairnhub.datasets_hub.__file__).parents[1]),
    }
    runs = [
        float(
            subprocess.run(
                [sys.executable, "-c", code], env=environment, capture_output=True, check=True
            ).stdout
        )
        for _ in range(3)
    ]
    assert min(runs) < 0.3


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
