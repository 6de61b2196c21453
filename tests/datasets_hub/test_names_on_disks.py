"""Names that differ by case or Unicode form only: one file on some disks, so refused, or kept apart, on all."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hub_toy import toy_card, toy_row, toy_tree, write_toy

from cairnhub.core.errors import BadInput
from cairnhub.core.text import twins_on_a_disk
from cairnhub.datasets_hub.check import check_dataset
from cairnhub.datasets_hub.level_names import check_level_names
from cairnhub.datasets_hub.records import RowList
from cairnhub.pipelines.image_vectors import _on_disk


def test_what_a_disk_takes_for_one() -> None:
    assert twins_on_a_disk(["train", "test", "Train"]) == ("train", "Train")
    assert twins_on_a_disk(["caf\u00e9", "cafe\u0301"]) == ("caf\u00e9", "cafe\u0301")
    assert twins_on_a_disk(["stra\u00dfe", "STRASSE"]) == ("stra\u00dfe", "STRASSE")
    assert twins_on_a_disk(["train", "train", "test", "train_2"]) is None


def test_levels_are_columns_also_where_case_does_not_count() -> None:
    with pytest.raises(BadInput, match=r"levels 'Species', 'species' differ by case only: .*rename one"):
        check_level_names(["Species", "genus", "species"])


def test_splits_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    rows = [
        replace(toy_row("test", i), split=split, image_id=f"{split}-{i}")
        for i, split in enumerate(("test", "Test"))
    ]
    with pytest.raises(BadInput, match=r"splits 'test', 'Test' differ by case only: .*spell them alike"):
        write_toy(tmp_path / "toy", partitions=[RowList(rows, "all")])
    assert not (tmp_path / "toy").exists()


def test_splits_of_a_stranger_are_a_violation(tmp_path: Path) -> None:
    rows = [
        replace(toy_row("test", i), split=split, image_id=f"{split}-{i}")
        for i, split in enumerate(("test", "more"))
    ]
    card, tree = toy_card(protocols=()), toy_tree(10)
    write_toy(
        tmp_path / "toy",
        card=card,
        tree=tree,
        partitions=[RowList([replace(row, leaf=None) for row in rows], "all")],
    )
    stats = json.loads((tmp_path / "toy/stats.json").read_text())
    stats["splits"]["Test"] = stats["splits"].pop("more")
    (tmp_path / "toy/stats.json").write_text(json.dumps(stats))
    found = [str(finding) for finding in check_dataset(tmp_path / "toy").violations]
    assert any("differ by case only" in finding and "test and Test" in finding for finding in found), found


def test_vectors_of_such_splits_are_kept_apart() -> None:
    names = [_on_disk(split) for split in ("train", "Train", "TRAIN")]
    assert names[0] == "train"
    assert twins_on_a_disk(names) is None
