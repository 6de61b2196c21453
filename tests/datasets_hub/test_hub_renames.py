"""A rename touches card, tree and tables; what is compared calls it a rename."""

from collections.abc import Sequence
from pathlib import Path

import datasets
import numpy as np
import pytest
from hub_toy import LEAVES, content, toy_partitions, toy_row, toy_tree, write_toy

from cairnhub.datasets_hub.check import check_dataset
from cairnhub.datasets_hub.dataset_diff import diff_datasets
from cairnhub.datasets_hub.loader import load_dataset
from cairnhub.datasets_hub.push import push
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.proposal.tree_proposal import GroupEntry, LabelEntry, TreeProposal
from cairnhub.hierarchies.review.apply import apply_decisions
from cairnhub.hierarchies.review.decisions import Decision
from tests.hierarchies.toy import MODEL

CATEGORIES = [f"category {i // 50:02d}" for i in range(len(LEAVES))]
LEVELS = ("landmark", "category", "kind")
FIRST, LAST = CATEGORIES[0], CATEGORIES[-1]


def reviewed(*decisions: Decision) -> LabelTree:
    """The tree of the toy's leaves, twelve categories and two kinds, after some decisions."""
    kinds = ("natural", "human-made")
    entries = tuple(
        GroupEntry("category", name, kinds[i % 2], 0.9) for i, name in enumerate(sorted({*CATEGORIES}))
    )
    groups = (*entries, *(GroupEntry("kind", kind) for kind in kinds))
    leaves = sorted(zip(LEAVES, CATEGORIES, strict=True))
    labels = tuple(LabelEntry(leaf, None, name, 0.9, "assigned") for leaf, name in leaves)
    tree, report = apply_decisions(TreeProposal(LEVELS, labels, groups, models=(MODEL,)), decisions)
    report.check()
    return tree


def publish(folder: Path, tree: LabelTree, **options: object) -> dict[str, bytes]:
    from hub_toy import toy_card

    write_toy(folder, tree=tree, card=toy_card(levels=tree.levels), **options)
    assert check_dataset(folder).ok
    return content(folder)


def rename(label: str, to: str) -> Decision:
    return Decision("rename", "category", label, to)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("before") / "toy"
    publish(folder, reviewed())
    return folder


@pytest.mark.parametrize(
    "decisions",
    [
        [rename(FIRST, "zzz")],
        [rename(LAST, "aaa")],
        [rename(FIRST, LAST), rename(LAST, FIRST)],
        [rename("category 03", "Ünïcode"), rename("category 04", "category 03")],
    ],
)
def test_a_rename_touches_card_tree_and_tables_only(
    before: Path, tmp_path: Path, decisions: Sequence[Decision]
) -> None:
    old, new = content(before), publish(tmp_path / "toy", reviewed(*decisions))
    changed = {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}
    assert not [path for path in changed if path.startswith("data/")]
    assert {path.split("/")[0].split("-")[0] for path in changed} <= {
        "README.md", "tree", "tree.json", "stats.json", "croissant.json", "assets"
    }  # fmt: skip
    names = {decision.label: decision.to for decision in decisions}
    folders = {"old": str(before), "new": str(tmp_path / "toy")}
    loaded = {name: datasets.load_dataset(folder, "test", split="test") for name, folder in folders.items()}
    assert loaded["old"]["category"][:] == loaded["new"]["category"][:]
    spelt = {
        name: [i if i is None else split.features["category"].int2str(i) for i in split["category"]]
        for name, split in loaded.items()
    }
    assert spelt["new"] == [names.get(name, name) for name in spelt["old"]]


def test_a_prepared_copy_with_old_names_is_not_used(before: Path, tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    publish(folder, reviewed())
    load_dataset(folder, "test")
    datasets.load_dataset(str(folder), split="test")
    publish(folder, reviewed(rename(FIRST, "zzz")))
    for loaded in (
        load_dataset(folder, "test"),
        datasets.load_dataset(str(folder), split="test"),
        datasets.load_dataset(str(folder), "test", split="test"),
    ):
        assert loaded.features["category"].names[0] == "zzz"


def test_a_rename_pushes_no_shard(before: Path, tmp_path: Path) -> None:
    push(before, tmp_path / "there")
    publish(tmp_path / "toy", reviewed(rename(FIRST, "zzz")))
    result = push(tmp_path / "toy", tmp_path / "there")
    assert not [path for path in result.sent if path.startswith("data/")]
    assert result.changes == ("category labels renamed: 1 (category 00 -> zzz)",)


@pytest.mark.parametrize(
    ("decisions", "said"),
    [
        ([rename(FIRST, "zzz"), rename(LAST, "aaa")],
         ["category labels renamed: 2 (category 00 -> zzz; category 11 -> aaa)"]),
        ([rename(FIRST, "zzz"), Decision("move", "category", FIRST, "human-made")],
         ["category labels renamed: 1 (category 00 -> zzz)", "category labels moved: 1 (zzz: natural -> human-made)",
          "images with another kind"]),
        ([Decision("merge", "category", FIRST, LAST)],
         ["landmark labels moved: 50", "category labels removed: 1 (category 00)", "images with another category",
          "images with another kind"]),
        ([Decision("assign", "landmark", LEAVES[7], "new one", "natural")],
         ["landmark labels moved: 1", "category labels added: 1 (new one)", "images with another category"]),
    ],
)  # fmt: skip
def test_a_rename_is_called_a_rename(
    before: Path, tmp_path: Path, decisions: Sequence[Decision], said: Sequence[str]
) -> None:
    publish(tmp_path / "toy", reviewed(*decisions))
    lines = str(diff_datasets(before, tmp_path / "toy")).splitlines()
    assert len(lines) == len(said)
    assert all(line.startswith(start) for line, start in zip(lines, said, strict=True)), lines


def test_a_renamed_leaf_is_a_rename_too(hub: Path, tmp_path: Path) -> None:
    leaf = toy_row("train", 1).leaf
    tree = toy_tree()
    table = tree.table().replace({"fine": {leaf: "another name"}})
    order = ["another name" if name == leaf else name for name in tree.leaves]
    renamed = LabelTree.from_table(table, tree.levels).in_order({"fine": order})
    changes = {
        f"{split}_{i}": row.__class__(
            row.image, row.path, row.image_id, split, "another name", row.attribution
        )
        for split, n in (("train", 240), ("test", 60))
        for i in range(n)
        if (row := toy_row(split, i)).leaf == leaf
    }
    write_toy(tmp_path / "toy", tree=renamed, partitions=toy_partitions(**changes))
    assert str(diff_datasets(hub / "sample" / "toy", tmp_path / "toy")) == (
        f"fine labels renamed: 1 ({leaf} -> another name)"
    )


def test_a_moved_category_changes_the_columns_above_it_alone(before: Path, tmp_path: Path) -> None:
    publish(tmp_path / "toy", reviewed(Decision("move", "category", FIRST, "human-made")))
    old, new = (load_dataset(folder, "train", names=True) for folder in (before, tmp_path / "toy"))
    for column in ("image_id", "landmark", "category"):
        assert old[column][:] == new[column][:]
    moved = np.array([a != b for a, b in zip(old["kind_name"], new["kind_name"], strict=True)])
    assert moved.tolist() == [name == FIRST for name in old["category_name"]]
