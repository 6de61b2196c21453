"""Relevance against its definition; exports that other tools read; diffs that tell what happened."""

import csv
import io
import json
import re

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnhub.core.errors import CairnError
from cairnhub.hierarchies.export import export
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.relevance import relevance
from cairnhub.hierarchies.tree_diff import Change, diff

LEVELS = ["landmark", "category", "kind"]


def tree_of(text: str) -> LabelTree:
    rows = [line.split(" < ") for line in text.strip().splitlines()]
    return LabelTree.from_table(
        pd.DataFrame([[cell.strip() for cell in row] for row in rows], columns=LEVELS), LEVELS
    )


OLD = tree_of("""
    a1 < bridge < human-made
    a2 < bridge < human-made
    a3 < bridge < human-made
    b1 < fort < human-made
    b2 < castle < human-made
    b3 < castle < human-made
    c1 < lake < natural
    c2 < lake < natural
    d1 < dam < natural
""")


def test_relevance_shares_a_weight_among_the_items_of_a_depth() -> None:
    found = relevance([3, 2, 2, 1, 0, 0], n_levels=3, alpha=2.0)
    assert np.allclose(found, [1, 4 / 9 / 2, 4 / 9 / 2, 1 / 9, 0, 0])


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_map_relevance_follows_its_sum(depths: list[int]) -> None:
    weights = [0.5, 0.3, 0.2]
    expected = [sum(weights[p - 1] / sum(d >= p for d in depths) for p in range(1, m + 1)) for m in depths]
    assert np.allclose(relevance(depths, 3, kind="map", weights=weights), expected)
    assert np.allclose(relevance([depths, depths], 3, kind="map", weights=weights)[1], expected)


@pytest.mark.parametrize(
    ("depths", "weights"), [([4], None), ([-1], None), ([0.5], None), ([1], [1.0]), ([1], [-1, 1, 1])]
)
def test_bad_relevance_input(depths: list[int], weights: list[float] | None) -> None:
    with pytest.raises(CairnError):
        relevance(depths, 3, kind="map", weights=weights)


ODD = tree_of(
    """
    O'Brien, "Hall" \\ Müller; (x) < house & home < human-made
    北京 < <b>lake</b> < natural
""".replace(" < <b>", " < \t<b>")
)


def test_exports_are_read_back_by_others() -> None:
    rows = list(csv.reader(io.StringIO(export(ODD, "csv"))))
    assert rows[0] == LEVELS
    assert sorted(map(tuple, rows[1:])) == sorted(ODD.path(leaf) for leaf in ODD.leaves)
    graph = nx.parse_graphml(export(ODD, "graphml"))
    assert sorted(data["name"] for _, data in graph.nodes(data=True)) == sorted(ODD.nodes()["name"])
    assert nx.is_arborescence(graph)
    nested = json.loads(export(ODD, "d3"))
    assert [child["name"] for child in nested["children"]] == ["human-made", "natural"]
    assert nested["children"][1]["children"][0]["children"] == [{"name": "北京", "level": "landmark"}]


def test_newick_and_dot_quote_labels() -> None:
    newick = export(ODD, "newick")
    assert "'O''Brien, \"Hall\" \\ Müller; (x)'" in newick
    unquoted = re.sub("'(?:[^']|'')*'", "L", newick)
    assert unquoted == "(((L)L)L,((L)L)L)L;\n"
    dot = export(ODD, "dot")
    assert '[label="O\'Brien, \\"Hall\\" \\\\ Müller; (x)"];' in dot
    assert dot.count("->") == len(ODD.edges())
    with pytest.raises(CairnError, match="newick"):
        export(ODD, "xml")


def test_diff_names_what_happened() -> None:
    new = tree_of("""
        a1 < bridge < human-made
        a2 < bridge < human-made
        a3 < viaduct < human-made
        b1 < castle < human-made
        b2 < castle < human-made
        b3 < castle < human-made
        c1 < lakes < natural
        c2 < lakes < natural
        d1 < dam < human-made
        e1 < bridge < human-made
    """)
    found = {(change.what, change.level, change.before, change.after): change for change in diff(OLD, new)}
    assert set(found) == {
        ("renamed", "category", "lake", "lakes"),
        ("merged", "category", "fort", "castle"),
        ("split", "category", "bridge", "viaduct"),
        ("moved", "category", "natural", "human-made"),
        ("added", "landmark", "", ""),
    }
    assert found["moved", "category", "natural", "human-made"].examples == ("dam",)
    counted = diff(OLD, new, {"b1": 70})
    assert Change("merged", "category", "fort", "castle", 1, 1, 70) in counted


def test_one_moved_landmark_is_one_move() -> None:
    table = OLD.table()
    table.loc[table["landmark"] == "a3", "category"] = "castle"
    assert [
        (c.what, c.before, c.after, c.examples) for c in diff(OLD, LabelTree.from_table(table, LEVELS))
    ] == [("moved", "bridge", "castle", ("a3",))]
    assert diff(OLD, OLD) == []
