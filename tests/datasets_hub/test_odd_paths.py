"""Folders with signs that patterns, shells and addresses are made of are folders."""

from pathlib import Path

import pytest
from hub_toy import N_IMAGES, write_few

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.loader import describe, list_datasets, load_dataset, load_tree


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
