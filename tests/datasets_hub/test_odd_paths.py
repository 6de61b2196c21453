"""Folders with signs that patterns, shells and addresses are made of are folders, here and in object stores."""

from pathlib import Path

import pytest
from hub_toy import N_IMAGES, toy_row, toy_tree, write_few, write_toy

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.loader import describe, list_datasets, load_dataset, load_tree
from cairnhub.datasets_hub.push import push
from cairnhub.datasets_hub.records import RowList


@pytest.mark.parametrize("odd", ["a[1]", "b*c", "d?e", "$NOTHING", "i#j", "k%20l", "m n", "x~"])
def test_a_hub_with_an_odd_name_is_read(tmp_path: Path, odd: str) -> None:
    (tmp_path / "bXc").mkdir()  # what a pattern would find
    folder = tmp_path / odd / "sample" / "toy"
    folder.parent.mkdir(parents=True)
    write_few(folder)
    hub = tmp_path / odd
    rows = {split: describe(folder).stats.splits[split].n_images for split in N_IMAGES}
    loaded = load_dataset("toy", scale="sample", hub=hub)
    assert {split: len(part) for split, part in loaded.items()} == rows
    assert (
        sum(1 for _ in load_dataset("toy", split="train", scale="sample", hub=hub, streaming=True))
        == rows["train"]
    )
    assert [found.card.name for found in list_datasets(hub=hub)] == ["toy"]


@pytest.mark.parametrize("odd", ["g::h", "$HOME"])
def test_what_datasets_takes_for_another_folder_is_refused(tmp_path: Path, odd: str) -> None:
    folder = tmp_path / odd / "sample" / "toy"
    folder.parent.mkdir(parents=True)
    write_few(folder)
    assert load_tree("toy", scale="sample", hub=tmp_path / odd).leaves
    with pytest.raises(CairnError, match="rename or link the folder"):
        load_dataset("toy", scale="sample", hub=tmp_path / odd)


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of eight images and one more."""
    folder = tmp_path_factory.mktemp("eight") / "toy"
    rows = [*(toy_row("train", i) for i in range(8)), toy_row("test", 0)]
    write_toy(folder, tree=toy_tree(200), partitions=[RowList(rows)])
    return folder


def test_odd_names_in_an_object_store_are_read(eight: Path, s3: dict[str, object]) -> None:
    for name in ("b*c", "bXc"):
        push(eight, f"s3://hub/{name}/sample/toy", storage_options=s3)
    to = "s3://hub/b*c/sample/toy"
    assert len(load_dataset(to, "train", storage_options=s3)) == 8
    (found,) = list_datasets(hub="s3://hub/b*c", storage_options=s3)
    assert found.location.uri == to


def test_brackets_in_an_address_are_streamed(eight: Path) -> None:
    push(eight, "memory://odd/a[1]/sample/toy")
    assert sum(1 for _ in load_dataset("memory://odd/a[1]/sample/toy", "train", streaming=True)) == 8
    assert [found.card.name for found in list_datasets(hub="memory://odd/a[1]")] == ["toy"]


def test_a_seam_in_an_address_is_refused(eight: Path, tmp_path: Path) -> None:
    for act in (describe, load_dataset, lambda uri: push(eight, uri), lambda uri: list_datasets(hub=uri)):
        for uri in ("s3://hub/g::h", "hf://org/g::h", "memory://g::file:///tmp"):
            with pytest.raises(CairnError, match="seam between two addresses"):
                act(uri)
    push(eight, tmp_path / "g::h" / "toy")
    assert [path.name for path in tmp_path.iterdir()] == ["g::h"]
    assert describe(tmp_path / "g::h" / "toy").version == "v1"
