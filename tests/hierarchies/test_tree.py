"""A label tree is strict, whatever it is built from, and comes back from every form it is written in."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from cairnhub.core.errors import CairnError
from cairnhub.core.text import label_key
from cairnhub.hierarchies.label_tree.label_rules import disambiguate
from cairnhub.hierarchies.label_tree.node import Node, NodeInfo
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.render import render_text

LEVELS = ("landmark", "category", "kind")
TABLE = pd.DataFrame(
    {
        "landmark": ["Lac d'Annecy", "Pont Neuf", "Tower Bridge", "Notre-Dame", "Pont Neuf"],
        "category": ["lake", "bridge", "bridge", "church", "bridge"],
        "kind": ["natural", "human-made", "human-made", "human-made", "human-made"],
    }
)
TREE = LabelTree.from_table(TABLE, LEVELS)

names = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1).filter(
    label_key  # neither white nor invisible
)


@st.composite
def trees(draw: st.DrawFn) -> LabelTree:
    kinds = draw(st.lists(names, min_size=1, max_size=3, unique_by=label_key))
    above, columns = kinds, []
    rows = [(kind,) for kind in kinds]
    for _ in range(draw(st.integers(0, 2))):
        below = draw(st.lists(names, min_size=len(above), max_size=len(above) + 4, unique_by=label_key))
        parents = list(range(len(above))) + [
            draw(st.integers(0, len(above) - 1)) for _ in below[len(above) :]
        ]
        rows = [(name, *rows[p]) for name, p in zip(below, parents, strict=True)]
        above = below
    columns = [f"level {i}" for i in range(len(rows[0]))]
    return LabelTree.from_table(pd.DataFrame(rows, columns=columns), columns)


def test_names_paths_and_class_indices() -> None:
    assert TREE.leaves == ["Lac d'Annecy", "Notre-Dame", "Pont Neuf", "Tower Bridge"]
    assert TREE.at_level("category") == ["bridge", "church", "lake"]
    assert TREE.path("Pont Neuf") == ("Pont Neuf", "bridge", "human-made")
    assert TREE.ancestors("bridge") == (Node("kind", "human-made"),)
    assert [n.name for n in TREE.children("bridge")] == ["Pont Neuf", "Tower Bridge"]
    assert [n.name for n in TREE.children()] == ["human-made", "natural"]
    assert TREE.leaves_below(Node("kind", "human-made")) == ["Notre-Dame", "Pont Neuf", "Tower Bridge"]


def test_nodes_are_numbered_breadth_first() -> None:
    nodes = TREE.nodes()
    assert list(nodes["name"]) == ["root", "human-made", "natural", "bridge", "church", "lake", *TREE.leaves]
    assert list(nodes["parent_id"].fillna(-1)) == [-1, 0, 0, 1, 1, 2, 5, 4, 3, 3]
    assert list(nodes["class_index"]) == [0, 0, 1, 0, 1, 2, 0, 1, 2, 3]
    assert nodes["node_id"].dtype == nodes["class_index"].dtype == np.int64
    assert str(nodes["parent_id"].dtype) == "Int64"
    assert len(TREE.edges()) == len(nodes) - 1


def test_match_depth_and_lowest_common_ancestor() -> None:
    a = np.arange(4)
    assert TREE.match_depth(a[:, None], a).tolist() == [
        [3, 0, 0, 0],
        [0, 3, 1, 1],
        [0, 1, 3, 2],
        [0, 1, 2, 3],
    ]
    assert TREE.lca("Pont Neuf", "Tower Bridge") == Node("category", "bridge")
    assert TREE.lca("Pont Neuf", "Lac d'Annecy") == Node("root", "root")
    with pytest.raises(CairnError, match="run from 0 to 3"):
        TREE.match_depth([0], [4])
    with pytest.raises(CairnError, match="integers"):
        TREE.match_depth([0.5], [1.0])


def test_find_folds_accents_and_case() -> None:
    tree = LabelTree.from_table(
        pd.DataFrame({"name": ["Église de Pérouges", "Egeskov", "Kölner Dom"]}), ["name"]
    )
    assert tree.find("eglise")[0].name == "Église de Pérouges"
    assert tree.find("KOLNER")[0].name == "Kölner Dom"
    assert tree.find("Egeskof")[0].name == "Egeskov"
    with pytest.raises(CairnError, match="Egeskov"):
        tree.path("Egeskof")


def test_a_name_may_stand_on_two_levels() -> None:
    tree = LabelTree.from_table(
        pd.DataFrame({"fine": ["tower", "keep"], "coarse": ["tower", "tower"]}), ["fine", "coarse"]
    )
    assert tree.path("tower") == ("tower", "tower")
    with pytest.raises(CairnError, match="say which"):
        tree.children("tower")


ROOTS = {
    "on the coarsest level": [("carrot", "root"), ("spinach", "leaf"), ("leek", "stem")],
    "on the finest level": [("root", "plant"), ("leaf", "plant")],
    "on both": [("root", "root"), ("leaf", "root"), ("x", "other")],
    "as the only label": [("root", "root")],
}


@pytest.mark.parametrize("where", ROOTS)
def test_a_label_may_be_called_root(where: str) -> None:
    tree = LabelTree.from_table(pd.DataFrame(ROOTS[where], columns=["fine", "coarse"]), ["fine", "coarse"])
    coarse = sorted({row[1] for row in ROOTS[where]})
    assert [node.name for node in tree.children()] == coarse
    assert tree.children() == tree.children("root", "root")
    for label in coarse:
        below = sorted(row[0] for row in ROOTS[where] if row[1] == label)
        assert [node.name for node in tree.children(label, "coarse")] == below
    assert LabelTree.from_json(tree.to_json()) == LabelTree.from_nodes(tree.nodes()) == tree
    assert len(tree.graph) == 1 + len(tree.names[0]) + len(tree.names[1])
    printed = io.StringIO()
    Console(file=printed, width=80).print(render_text(tree))
    assert len(printed.getvalue().splitlines()) == len(tree.graph)


def test_links_cannot_hold_a_label_called_root() -> None:
    with pytest.raises(CairnError, match=r"a label is called 'root'.*from_table"):
        LabelTree.from_parents({"root": "plant", "plant": "root"}, ["part", "whole"])


TWINS = (
    ["a", "A", "b", "B"],
    ["x²", "x2"],
    ["Maße", "Masse"],
    ["CO", "Co"],
    ["Café", "Cafe\u0301"],
    ["a b", "a  b"],
)


@pytest.mark.parametrize("names", TWINS)
def test_twins_are_refused_unless_they_are_kept_and_then_in_every_form(
    names: list[str], tmp_path: Path
) -> None:
    frame = pd.DataFrame({"fine": [*names, "other"], "coarse": "all"})
    with pytest.raises(
        CairnError, match=r"differ only in case, spaces or Unicode form.*set `twins` to `keep`"
    ):
        LabelTree.from_table(frame, ["fine", "coarse"])
    tree = LabelTree.from_table(frame, ["fine", "coarse"], twins="keep")
    assert set(tree.leaves) == {*names, "other"}
    tree.save(tmp_path / "tree.json")
    assert LabelTree.load(tmp_path / "tree.json") == tree
    assert LabelTree.from_nodes(tree.nodes(), twins="keep") == tree
    assert set(tree.prune(names).leaves) == set(names)
    assert tree.with_info({Node("coarse", "all"): NodeInfo(3)}).twins == "keep"
    unmarked = (tmp_path / "tree.json").read_text(encoding="utf-8").replace(', "twins": "keep"', "")
    with pytest.raises(CairnError, match="differ only in case"):
        LabelTree.from_json(unmarked)


@given(trees())
@settings(max_examples=50, deadline=None)
def test_every_form_gives_the_tree_back(tree: LabelTree) -> None:
    assert LabelTree.from_json(tree.to_json()) == tree
    assert LabelTree.from_json(tree.to_json()).to_json() == tree.to_json()
    assert LabelTree.from_nodes(tree.nodes()) == tree
    assert LabelTree.from_table(tree.table(), tree.levels) == tree
    assert all(tree.graph.in_degree(node) == 1 for node in tree.graph if node != Node("root", "root"))


@given(trees(), st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_row_order_does_not_matter(tree: LabelTree, random: object) -> None:
    shuffled = tree.table().sample(frac=1, random_state=random.randint(0, 2**31))  # type: ignore[attr-defined]
    assert LabelTree.from_table(shuffled, tree.levels).to_json() == tree.to_json()


@given(trees(), st.data())
@settings(max_examples=25, deadline=None)
def test_match_depth_counts_shared_levels(tree: LabelTree, data: st.DataObject) -> None:
    a, b = (data.draw(st.sampled_from(tree.leaves)) for _ in range(2))
    shared = sum(x == y for x, y in zip(tree.path(a), tree.path(b), strict=True))
    indices = [tree.leaves.index(name) for name in (a, b)]
    assert tree.match_depth(*indices) == shared


def test_info_travels_with_the_file_but_not_the_fingerprint(tmp_path: Path) -> None:
    info = {Node("category", "bridge"): NodeInfo(n_images=12, confidence=0.5, source="cluster")}
    tree = TREE.with_info(info)
    tree.save(tmp_path / "tree.json")
    loaded = LabelTree.load(tmp_path / "tree.json")
    assert loaded.info == info
    assert loaded.fingerprint == TREE.fingerprint
    assert loaded.prune(["Pont Neuf"]).info == info
    with pytest.raises(CairnError, match="canal"):
        TREE.with_info({Node("category", "canal"): NodeInfo(1)})


def test_one_moved_label_changes_one_line() -> None:
    moved = TABLE.assign(category=["lake", "bridge", "church", "church", "bridge"])
    before, after = TREE.to_json().splitlines(), LabelTree.from_table(moved, LEVELS).to_json().splitlines()
    assert sum(x != y for x, y in zip(before, after, strict=True)) == 1


def test_parent_links_and_subtree() -> None:
    links = {
        "natural": "root",
        "human-made": "root",
        "lake": "natural",
        "bridge": "human-made",
        "church": "human-made",
    }
    links |= dict(zip(TABLE["landmark"], TABLE["category"], strict=True))
    assert LabelTree.from_parents(links, LEVELS) == TREE
    assert TREE.subtree("bridge").leaves == ["Pont Neuf", "Tower Bridge"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", "x"), ("a", "y")], "'a' under 'x', 'y'"),
        ([("a", "x"), ("A", "x")], "differ only in case"),
        ([("a", "x"), (None, "x")], r"1 empty label\(s\), first in row\(s\) 1"),
        ([("a", "x"), ("  ", "x")], "empty label"),
        ([("a" * 100_000, "x")], "100,000 characters"),
        ([("a\nb", "x")], "control characters"),
        ([], "no row"),
    ],
)
def test_broken_tables_are_refused_by_name(rows: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(CairnError, match=message):
        LabelTree.from_table(pd.DataFrame(rows, columns=["fine", "coarse"]), ["fine", "coarse"])


@pytest.mark.parametrize(
    ("links", "message"),
    [
        ([("a", "b"), ("b", "a")], "a cycle: 'a' -> 'b' -> 'a'"),
        ([("a", "a")], "a cycle"),
        ([("a", "b"), ("a", "c"), ("b", "root"), ("c", "root")], "two parents, 'b' and 'c'"),
        ([("a", "b")], "'b' has no parent"),
        ([("a", "b"), ("b", "root"), ("c", "root")], "'c' is 1 below the root"),
    ],
)
def test_broken_links_are_refused_by_name(links: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(CairnError, match=message):
        LabelTree.from_parents(links, ["fine", "coarse"])


def test_missing_level_is_named() -> None:
    with pytest.raises(CairnError, match="'genus'"):
        LabelTree.from_table(TABLE, ["landmark", "genus"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"tree\.json: not JSON"),
        (TREE.to_json()[:200], "not JSON"),
        ("[]", "not a label tree"),
        ('{"format": "cairn-tree", "schema": 99}', "schema 99"),
        (
            '{"format": "cairn-tree", "schema": 1, "levels": ["a"], "nodes": [{"level": "b"}]}',
            "nodes.0.name: Field required",
        ),
        (TREE.to_json().replace('"parent": "lake"', '"parent": "pond"'), "'pond'"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "tree.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CairnError, match=message):
        LabelTree.load(path)


def test_equal_names_are_told_apart_by_id() -> None:
    assert disambiguate(["Hill House", "hill  house", "Keep"], ["7", "8", "9"]) == [
        "Hill House (7)",
        "hill  house (8)",
        "Keep",
    ]


@pytest.mark.slow
def test_two_hundred_thousand_leaves(tmp_path: Path) -> None:
    """What is quadratic does not end here."""
    size, random = 200_000, np.random.default_rng(0)
    category = random.integers(0, 500, size)
    columns = {"landmark": [f"Landmark {i}" for i in range(size)], "category": category, "kind": category % 2}
    tree = LabelTree.from_table(pd.DataFrame(columns).astype(str), LEVELS)
    tree.save(tmp_path / "tree.json")
    assert LabelTree.load(tmp_path / "tree.json") == tree
    depth = tree.match_depth(random.integers(0, size, 10_000_000), random.integers(0, size, 10_000_000))
    assert 0.4 < (depth > 0).mean() < 0.6


@pytest.mark.shared
def test_reference_labels_are_strict_trees(shared_dir: Path) -> None:
    gldv2 = pd.read_csv(shared_dir / "reference" / "gldv2_index_label_to_hierarchical.csv")
    tree = LabelTree.from_table(gldv2, ["landmark_id", "hierarchical_label", "natural_or_human_made"])
    assert [len(names) for names in tree.names] == [55_529, 78, 2]
    inat = LabelTree.from_inat(pd.read_csv(shared_dir / "reference" / "inat2018_categories.csv"))
    assert [len(names) for names in inat.names] == [8142, 4412, 1120, 273, 57, 25, 6]


@given(trees(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_a_given_order_of_class_indices_is_kept_by_every_form(tree: LabelTree, random: object) -> None:
    order = {level: tree.at_level(level) for level in tree.levels}
    for names_of_level in order.values():
        random.shuffle(names_of_level)  # type: ignore[attr-defined]
    other = tree.in_order(order)
    assert {level: other.at_level(level) for level in tree.levels} == order
    assert {leaf: other.path(leaf) for leaf in other.leaves} == {
        leaf: tree.path(leaf) for leaf in tree.leaves
    }
    assert LabelTree.from_json(other.to_json()) == LabelTree.from_nodes(other.nodes()) == other
    assert other.in_order({level: sorted(names_of_level) for level, names_of_level in order.items()}) == tree
    part = other.prune(other.leaves[::2])
    assert [name for name in other.leaves if name in set(part.leaves)] == part.leaves
    assert [node.name for node in other.children()] == sorted(other.names[-1])


def test_a_file_states_indices_only_where_they_are_not_by_name() -> None:
    text = TREE.in_order({"category": ["lake", "church", "bridge"]}).to_json()
    assert "index" not in TREE.to_json()
    assert [line for line in text.splitlines() if "index" in line] == [
        '{"level": "category", "name": "bridge", "parent": "human-made", "index": 2},',
        '{"level": "category", "name": "church", "parent": "human-made", "index": 1},',
        '{"level": "category", "name": "lake", "parent": "natural", "index": 0},',
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"index": 1', '"index": 2'),
        ('"index": 2', '"index": 3'),
        (', "index": 0', ""),
        ('"index": 0', '"index": -1'),
        ('"index": 1', '"index": "1"'),
        ('"index": 1', '"index": true'),
        ('"index": 1', '"index": 1.5'),
    ],
)
def test_indices_that_are_no_numbering_are_refused(before: str, after: str) -> None:
    text = TREE.in_order({"category": ["lake", "church", "bridge"]}).to_json()
    assert before in text
    with pytest.raises(CairnError, match=r"^t\.json: .*(class indices must run from 0 to 2|index)"):
        LabelTree.from_json(text.replace(before, after), "t.json")


@pytest.mark.parametrize("order", [["lake", "bridge"], ["lake", "bridge", "bridge"], ["lake", "church", "x"]])
def test_an_order_names_every_label_once(order: list[str]) -> None:
    with pytest.raises(CairnError, match=r"level 'category': its order must name each of its 3 labels once"):
        TREE.in_order({"category": order})


@pytest.mark.parametrize("indices", [[0, 0, 1], [1, 2, 3], [0, None, 2]])
def test_a_table_of_nodes_with_another_numbering_is_refused(indices: list[int | None]) -> None:
    nodes = TREE.nodes().astype({"class_index": "Int64"})
    nodes.loc[nodes["level"] == "category", "class_index"] = pd.array(indices, "Int64")
    with pytest.raises(
        CairnError, match=r"the node table: level 'category': class indices must run from 0 to 2"
    ):
        LabelTree.from_nodes(nodes)
