"""One name under two parents is two labels, told apart by rule; placeholders are one node per parent."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairnhub.core.errors import BadInput
from cairnhub.core.text import label_key
from cairnhub.hierarchies.label_tree.qualification import PLACEHOLDERS, qualify
from cairnhub.hierarchies.label_tree.tree import LabelTree

RANKS = ["species", "genus", "family", "order", "class"]
# Rows of iNaturalist-2018's categories.json: a bird and a plant of one genus name, fungi without a family.
PRUNELLA = [
    ("Prunella vulgaris", "Prunella", "Lamiaceae", "Lamiales", "Magnoliopsida"),
    ("Prunella modularis", "Prunella", "Prunellidae", "Passeriformes", "Aves"),
]
NAMELESS = [
    ("Sirococcus clavigignenti-juglandacearum", "Sirococcus", "NA", "Diaporthales", "Sordariomycetes"),
    ("Rickenella fibula", "Rickenella", "NA", "Auriculariales", "Agaricomycetes"),
]


def columns(rows: list[tuple[str, ...]], levels: list[str]) -> dict[str, list[str]]:
    frame, _ = qualify(pd.DataFrame(rows, columns=levels), levels)
    LabelTree.from_table(frame, levels)  # it is a strict tree
    return {level: frame[level].tolist() for level in levels}


@pytest.mark.parametrize(
    ("rows", "level", "expected"),
    [
        (PRUNELLA, "genus", ["Prunella (Lamiaceae)", "Prunella (Prunellidae)"]),
        (PRUNELLA, "family", ["Lamiaceae", "Prunellidae"]),
        (NAMELESS, "family", ["NA (Diaporthales)", "NA (Auriculariales)"]),
        (NAMELESS, "genus", ["Sirococcus", "Rickenella"]),
        # below placeholders, and under nothing but placeholders
        ([("a", "X", "NA", "O", "C"), ("b", "X", "NA", "P", "C")], "genus", ["X (O)", "X (P)"]),
        ([("a", "g", "NA", "NA", "C"), ("b", "h", "NA", "NA", "D")], "family", ["NA (C)", "NA (D)"]),
        ([("a", "g", "f", "NA", "NA"), ("b", "h", "i", "O", "C")], "order", ["NA", "O"]),
        # the parent's name is not enough, or is a label already
        ([("a", "X", "f", "O", "C"), ("b", "X", "f", "P", "C")], "genus", ["X (f, O)", "X (f, P)"]),
        ([("a", "X", "f", "O", "C"), ("b", "X", "g", "O", "C"), ("c", "X (f)", "h", "O", "C")], "genus",
         ["X (f, O)", "X (g)", "X (f)"]),
        # ways to write that there is none, alone and side by side
        ([("a", "g", "", "O", "C"), ("b", "h", "f", "O", "C")], "family", ["NA (O)", "f"]),
        ([("a", "g", "n/a", "O", "C"), ("b", "h", "Not assigned", "O", "C")], "family", ["Not assigned (O)"] * 2),
        ([("a", "g", "unassigned", "O", "C"), ("b", "h", "NULL", "P", "C")], "family", ["unassigned (O)", "NULL (P)"]),
        # blanks are no part of a name; the finest level knows no placeholder
        ([("a", "g", "f ", "O", "C"), ("b", "h", " f", "O", "C")], "family", ["f", "f"]),
        ([("NA", "g", "f", "O", "C"), ("None", "g", "f", "O", "C")], "species", ["NA", "None"]),
        ([("NA", "g", "f", "O", "C"), ("NA", "h", "f", "O", "C")], "species", ["NA (g)", "NA (h)"]),
    ],
)  # fmt: skip
def test_what_a_label_is_called(rows, level, expected):
    assert columns(rows, RANKS)[level] == expected
    backwards = columns(rows[::-1], RANKS)[level]
    assert backwards[::-1] == expected  # whatever the order of the rows


def test_the_report_names_level_parent_and_first_row():
    _, report = qualify(pd.DataFrame(PRUNELLA + NAMELESS, columns=RANKS), RANKS)
    assert [tuple(each) for each in report] == [
        ("family", "NA", "NA (Auriculariales)", "Auriculariales", 3),
        ("family", "NA", "NA (Diaporthales)", "Diaporthales", 2),
        ("genus", "Prunella", "Prunella (Lamiaceae)", "Lamiaceae", 0),
        ("genus", "Prunella", "Prunella (Prunellidae)", "Prunellidae", 1),
    ]


def test_a_table_without_homonyms_is_left_as_it_is():
    frame = pd.DataFrame({"fine": ["a", "b", "b"], "coarse": ["x", "x", "x"], "other": ["NA", " ", ""]})
    told_apart, report = qualify(frame, ["fine", "coarse"])
    assert report == []
    pd.testing.assert_frame_equal(told_apart, frame)


def test_labels_that_cannot_be_told_apart_are_refused():
    rows = [("X", "f"), ("X", "g"), ("X (f)", "h")]
    with pytest.raises(BadInput, match=r"level 'fine': 'X' cannot be told apart .* rename one"):
        qualify(pd.DataFrame(rows, columns=["fine", "coarse"]), ["fine", "coarse"])


names = st.sampled_from(["a", "b", "c", "NA", "", "not assigned", "é"])


@given(st.lists(st.tuples(names, names, names, names), min_size=1, max_size=12))
@settings(max_examples=150, deadline=None)
def test_any_table_becomes_a_strict_tree_and_nothing_is_mixed_up(rows):
    levels = ["fine", "middle", "coarse", "top"]
    rows = [(row[0] or "leaf", *row[1:]) for row in rows]
    frame, _ = qualify(pd.DataFrame(rows, columns=levels), levels)
    tree = LabelTree.from_table(frame, levels)
    places = {
        (leaf, *("" if label_key(name) in PLACEHOLDERS else name for name in above)) for leaf, *above in rows
    }
    assert len(tree) == len(places)
    for row, path in zip(rows, frame.itertuples(index=False, name=None), strict=True):
        assert tree.path(path[0]) == path
        for name, label in zip(row, path, strict=True):
            assert label.split(" (")[0] in (
                {"NA", "not assigned"} if label_key(name) in PLACEHOLDERS else {name}
            )


@pytest.mark.shared
def test_the_real_names_of_inat_have_as_many_places_as_its_codes(shared_dir):
    named, coded = (
        pd.read_csv(shared_dir / f"reference/inat2018_categories{kind}.csv", dtype=str, keep_default_na=False)
        for kind in ("_named", "")
    )
    trees = [LabelTree.from_inat(categories) for categories in (named, coded)]
    assert [[len(level) for level in tree.names] for tree in trees] == [
        [8142, 4412, 1120, 273, 57, 25, 6]
    ] * 2
    ranks = RANKS[1:]
    told_apart, report = qualify(named, ["name", *ranks, "phylum", "kingdom"])
    assert len({each.name for each in report if each.level == "genus"}) == 11
    pairs = pd.concat([told_apart[ranks], coded[ranks].add_prefix("code ")], axis="columns")
    for rank in ranks:  # one label, one code
        assert len(pairs[[rank, f"code {rank}"]].drop_duplicates()) == coded[rank].nunique()
