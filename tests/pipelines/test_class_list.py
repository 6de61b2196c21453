"""A published class index keeps its label, whatever data and decisions come; the class list in git carries it."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnhub.core.errors import BrokenData
from cairnhub.datasets_hub.dataset_diff import diff_datasets
from cairnhub.datasets_hub.loader import load_dataset
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.proposal.tree_proposal import GroupEntry, LabelEntry, TreeProposal
from cairnhub.hierarchies.review.decisions import Decision, append_decision
from cairnhub.pipelines.artifacts import class_list
from cairnhub.pipelines.artifacts.class_list import HEADER, ClassList, keep_indices
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.stages import review
from tests.hierarchies.toy import PROPOSAL
from tests.pipelines.table_project import Row, TableProject, grid
from tests.project import ROOT

STAGES = ("fetch", "index", "taxonomy", "publish")
FINE = ["fine0", "fine1", "fine2", "fine3"]


def tree_of(project: TableProject) -> LabelTree:
    return LabelTree.load(project.at("data/tree") / "tree.json")


def content(*folders: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()
    }


def label_columns(folder: Path) -> dict[str, tuple[int, int]]:
    """Class indices of each image."""
    return {
        row["image_id"]: (row["fine"], row["coarse"])
        for split in ("train", "test")
        for row in load_dataset(folder, split).remove_columns("image")
    }


def more(*labels: tuple[str, str]) -> list[Row]:
    """Two images of each new label."""
    return [
        (f"photos/new{i}_{split}.jpg", fine, coarse, split)
        for i, (fine, coarse) in enumerate(labels)
        for split in ("train", "test")
    ]


@pytest.mark.parametrize(
    "labels",
    [
        [("aaa", "coarse1")],
        [("aaa", "aaa")],
        [("zzz", "coarse0"), ("aaa", "another"), ("fine1.5", "coarse0")],
        [("Ünïcode", "猫"), ("0", "# 1")],
    ],
)
def test_labels_of_new_data_come_behind(tmp_path: Path, labels: Sequence[tuple[str, str]]) -> None:
    project = TableProject(tmp_path, grid())
    project.stage(*STAGES)
    first, before = tree_of(project), tmp_path / "before"
    assert '"index"' not in first.to_json()  # as if there were no class list
    shutil.copytree(project.at("data/hub"), before)

    project.write([*grid(), *more(*labels)])
    project.stage(*STAGES)
    tree, hub = tree_of(project), project.at("data/hub")
    fine, coarse = sorted({fine for fine, _ in labels}), sorted({c for _, c in labels} - {*first.names[1]})
    assert tree.names == ((*first.names[0], *fine), (*first.names[1], *coarse))
    assert label_columns(before).items() <= label_columns(hub).items()
    said = str(diff_datasets(before, hub)).splitlines()
    assert [line.split(":")[0] for line in said] == [
        "fine labels added", *["coarse labels added"] * bool(coarse), "images added"
    ]  # fmt: skip


def test_a_fresh_clone_gives_the_same_bytes_and_so_does_a_second_run(tmp_path: Path) -> None:
    project = TableProject(tmp_path, grid())
    project.stage(*STAGES)
    project.write([*grid(), *more(("aaa", "aaa"))])
    project.stage(*STAGES)
    made = project.at("data/tree"), project.at("data/hub"), project.at("results/classes")
    built = content(*made)
    project.stage("taxonomy", "publish")
    assert content(*made) == built
    shutil.rmtree(project.root / "data")
    project.stage(*STAGES)
    assert content(*made) == built
    shutil.rmtree(project.root / "results/classes")  # the way to start over
    project.stage("taxonomy")
    assert tree_of(project).leaves == ["aaa", *FINE]


@pytest.mark.parametrize(
    ("without", "with_new", "leaves", "moved"),
    [
        ("fine1", [], ["fine0", "fine3", "fine2"], "1 ('fine3: 3 -> 1');"),
        ("fine3", [], ["fine0", "fine1", "fine2"], "0;"),
        ("fine0", [("aaa", "coarse0")], ["aaa", "fine1", "fine2", "fine3"], "0;"),
        ("fine2", [("a", "coarse0"), ("b", "coarse0")], ["fine0", "fine1", "b", "fine3", "a"], "0;"),
    ],
)  # fmt: skip
def test_a_label_that_is_gone_moves_one_other_at_most_and_is_said(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    without: str,
    with_new: Sequence[tuple[str, str]],
    leaves: Sequence[str],
    moved: str,
) -> None:
    project = TableProject(tmp_path, grid())
    project.stage("fetch", "index", "taxonomy")
    project.write([*(row for row in grid() if row[1] != without), *more(*with_new)])
    with caplog.at_level("WARNING"):
        project.stage("fetch", "index", "taxonomy")
    assert tree_of(project).leaves == leaves
    assert f"fine: published labels that are gone: 1 ('{without}')" in caplog.text
    assert f"published labels with another index than before: {moved}" in caplog.text
    caplog.clear()
    project.stage("taxonomy")
    assert "published" not in caplog.text


# ---- trees that are reviewed ----------------------------------------------------------------------------------


def with_more(proposal: TreeProposal) -> TreeProposal:
    """A category and a landmark that sort first."""
    category = GroupEntry("category", "abbey", "human-made", 0.9)
    landmark = LabelEntry("Abbey Road", None, "abbey", 0.9, "assigned", n_images=3)
    return replace(proposal, groups=(category, *proposal.groups), labels=(landmark, *proposal.labels))


def rename(label: str, to: str) -> Decision:
    return Decision("rename", "category", label, to)


MADE = Decision("assign", "landmark", "Naturama", "Museum", "human-made")
WRONG = rename("bridge", "viaduct")


@pytest.mark.parametrize(
    ("first", "then", "categories"),
    [
        ([], [], ["bridge", "castle", "lake", "unclear human-made", "abbey"]),
        ([], [rename("lake", "a water")], ["bridge", "castle", "a water", "unclear human-made", "abbey"]),
        ([WRONG], [Decision("undo", of=WRONG.id)], ["bridge", "castle", "lake", "unclear human-made", "abbey"]),
        ([WRONG], [rename("castle", "bridge")], ["viaduct", "bridge", "lake", "unclear human-made", "abbey"]),
        ([MADE], [rename("Museum", "a museum")], ["bridge", "castle", "lake", "a museum", "abbey"]),
        ([], [rename("castle", "Castle")], ["bridge", "Castle", "lake", "unclear human-made", "abbey"]),
        ([], [Decision("merge", "category", "castle", "bridge")], ["bridge", "abbey", "lake", "unclear human-made"]),
    ],
)  # fmt: skip
def test_a_reviewed_tree_keeps_indices_too(
    tmp_path: Path, first: Sequence[Decision], then: Sequence[Decision], categories: Sequence[str]
) -> None:
    here = Context("mine", "sample", load_params(ROOT / "params.yaml"), Paths(tmp_path, "sample", "mine"))
    here.paths.decisions.parent.mkdir(parents=True)
    here.paths.decisions.touch()

    def reviewed(proposal: TreeProposal, decisions: Sequence[Decision]) -> LabelTree:
        proposal.save(here.paths.proposal)
        for decision in decisions:
            append_decision(here.paths.decisions, decision)
        review.run(here)
        return LabelTree.load(here.paths.tree)

    before = reviewed(PROPOSAL, first)
    after = reviewed(with_more(PROPOSAL), then)
    assert after.at_level("category") == categories
    assert after.leaves == [*before.leaves, "Abbey Road"]
    assert after.at_level("kind") == before.at_level("kind")
    text = after.to_json()
    assert reviewed(with_more(PROPOSAL), []).to_json() == text


# ---- the list -------------------------------------------------------------------------------------------------

LABELS = st.lists(st.integers(0, 20), unique=True)


@given(published=LABELS, present=LABELS)
def test_indices_are_dense_and_few_move(published: list[int], present: list[int]) -> None:
    old, new = [f"{label}" for label in published], sorted(f"{label}" for label in present)
    kept = keep_indices(old, new)
    assert sorted(kept) == new
    assert keep_indices(kept, new) == kept
    gone, added = set(old) - set(new), set(new) - set(old)
    moved = [label for i, label in enumerate(old) if label in kept and kept[i : i + 1] != [label]]
    assert len(moved) <= max(len(gone) - len(added), 0)
    assert gone or kept[: len(old)] == old


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"classes\.tsv:1: not a class list"),
        ("fine\ta\n", r"classes\.tsv:1: not a class list"),
        (f"{HEADER}\nfine\ta\n<<<<<<< HEAD\n", r"classes\.tsv:3: not a level, a tab and a label: '<<<<<<< HEAD'"),
        (f"{HEADER}\n\ta\n", r"classes\.tsv:2: not a level, a tab and a label: '\\ta'"),
        (f"{HEADER}\nfine\ta\ncoarse\ta\nfine\ta\n", r"classes\.tsv:4: 'a' stands on line 2 already"),
        (f"{HEADER}\nfine\tab\n\t3\tc\n", r"classes\.tsv:3: not a level, a tab and a label: '\\t3\\tc'"),
        (f"{HEADER}\nfine\tab\n\t-1\tc\n", r"classes\.tsv:3: not a level"),
        (f"{HEADER}\nfine\tab\n\t2\t\n", r"classes\.tsv:3: 'ab' stands on line 2 already"),
    ],
)  # fmt: skip
def test_a_damaged_list_is_an_error_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "classes.tsv").write_text(text)
    with pytest.raises(BrokenData, match=f"{said}.*from git, or delete it to number all labels by name"):
        ClassList.load(tmp_path / "classes.tsv")


def test_a_level_stands_where_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "classes.tsv"
    labels = {"fine": ("b", "a"), "coarse": ("c",)}
    ClassList(labels, path).save()
    assert path.read_text() == f"{HEADER}\nfine\tb\n\ta\ncoarse\tc\n"
    assert ClassList.load(path).labels == labels
    path.write_text(f"{HEADER}\nfine\tb\nfine\ta\ncoarse\tc\n")  # on every line, as earlier versions wrote
    assert ClassList.load(path).labels == labels


def test_line_ends_of_windows_are_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "classes.tsv"
    path.write_bytes(f"{HEADER}\r\nfine\tb\r\nfine\ta x\r\n".encode())
    assert ClassList.load(path).labels == {"fine": ("b", "a x")}


NAMES = st.lists(st.text("ab😀é 1", max_size=9), unique=True)


@given(fine=NAMES, coarse=NAMES, very_many=st.integers(0, 5))
def test_very_many_labels_are_cut_and_come_back(fine: list[str], coarse: list[str], very_many: int) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(class_list, "VERY_MANY", very_many)
        path = Path(folder) / "classes.tsv"
        labels = {"fine": tuple(fine), "coarse": tuple(coarse)}
        ClassList(labels, path).save()
        assert ClassList.load(path).labels == {level: names for level, names in labels.items() if names}


def test_a_cut_label_is_a_line_and_short_lists_are_not_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = ClassList({"landmark": ("Araberg museum", "Araberg stadium", "Ost")}, tmp_path / "classes.tsv")
    listed.save()
    assert listed.path.read_text() == f"{HEADER}\nlandmark\tAraberg museum\n\tAraberg stadium\n\tOst\n"
    monkeypatch.setattr(class_list, "VERY_MANY", 2)
    listed.save()
    assert listed.path.read_text() == f"{HEADER}\nlandmark\tAraberg museum\n\t8\tstadium\n\tOst\n"
