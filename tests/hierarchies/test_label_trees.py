"""A table of labels becomes a proposal: of places where they are such, else by what the texts mean."""

from dataclasses import replace

import pytest

from cairnhub.core.errors import BadInput
from cairnhub.hierarchies.proposal.label_trees import LabelTable, Pack, propose_labels
from cairnhub.hierarchies.proposal.named_groups import NamedGroup
from tests.hierarchies.toy import ToyEmbedder

TOY = ToyEmbedder()
LEVELS = ("spot", "sort", "realm")
PLACES = LabelTable(
    ["arch bridge", "castle", "lake", "mosque", "waterfall", "gizmo"], LEVELS, n_images=[5, 4, 3, 2, 1, 9]
)
THINGS = LabelTable(["red apple", "green apple", "sour pear", "sweet pear", "oak chair", "castle"], LEVELS)


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No WordNet, whose loading takes seconds; says whether it was looked for."""
    asked: list[str] = []
    monkeypatch.setattr(
        "cairnhub.hierarchies.proposal.propose_tree.find_wordnet", lambda: asked.append("WordNet")
    )
    return asked


def groups(table: LabelTable, pack: Pack) -> dict[str, str | None]:
    return {entry.label: entry.group for entry in propose_labels(table, TOY, pack, "en").labels}


@pytest.mark.parametrize(
    ("table", "pack", "as_places"),
    [
        (PLACES, "auto", True),
        (PLACES, "none", False),
        (THINGS, "auto", False),
        (THINGS, "places", True),
        (replace(PLACES, labels=[*PLACES.labels[:3], "gizmo", "doodah"], n_images=()), "auto", True),
        (replace(PLACES, labels=[*PLACES.labels[:2], "gizmo", "doodah"], n_images=()), "auto", False),
        (replace(PLACES, sizes=(3, 2)), "auto", False),
        (replace(PLACES, names=[NamedGroup("bridge"), NamedGroup("lake")]), "auto", False),
        (replace(PLACES, known={"realm": ["x", "x", "y", "y", "y", "x"]}), "auto", False),
        (replace(PLACES, levels=("spot", "sort")), "auto", False),
        (replace(PLACES, levels=("spot", "sort")), "places", True),
    ],
)  # fmt: skip
def test_places_are_told_by_their_words(table: LabelTable, pack: Pack, as_places: bool) -> None:
    proposal = propose_labels(table, TOY, pack, "en")
    proposal.check("here")
    assert proposal.levels == tuple(table.levels)
    assert {entry.label for entry in proposal.labels} == set(table.labels)
    assert ({"mined", "cluster"} >= {entry.source for entry in proposal.labels}) == as_places
    assert proposal.tree().levels == tuple(table.levels)
    if as_places:
        assert {entry.label: entry.group for entry in proposal.labels}["castle"] == "castle"


def test_places_have_two_levels_at_most() -> None:
    with pytest.raises(BadInput, match="places have 2 levels above the labels, not 3; say pack: none"):
        propose_labels(replace(PLACES, levels=(*LEVELS, "world")), TOY, "places", "en")


def test_what_is_known_and_wanted_is_kept() -> None:
    known = {"sort": ["span", "", "", "", "", ""]}
    assert groups(replace(PLACES, known=known), "none")["arch bridge"] == "span"
    named = groups(replace(THINGS, names=[NamedGroup("apple"), NamedGroup("pear")]), "none")
    assert (named["red apple"], named["sour pear"]) == ("apple", "pear")


def test_wordnet_is_asked_unless_the_texts_alone_are_wanted(asked: list[str]) -> None:
    propose_labels(THINGS, TOY, "none", "en")
    propose_labels(PLACES, TOY, "auto", "en")
    assert asked == []
    propose_labels(THINGS, TOY, "auto", "en")
    assert asked == ["WordNet"]


@pytest.mark.parametrize("pack", ["auto", "places", "none"])
def test_images_are_counted_per_label(pack: Pack) -> None:
    found = {entry.label: entry.n_images for entry in propose_labels(PLACES, TOY, pack, "en").labels}
    assert found == dict(zip(PLACES.labels, PLACES.n_images, strict=True))
    uncounted = propose_labels(replace(PLACES, n_images=()), TOY, pack, "en").labels
    assert {entry.n_images for entry in uncounted} == {1}


def test_ids_are_read_by_their_texts() -> None:
    ids = replace(PLACES, labels=["p6", "p5", "p4", "p3", "p2", "p1"], texts=PLACES.labels)
    assert groups(ids, "auto")["p5"] == "castle"
    assert list(groups(ids, "auto")) == sorted(ids.labels)
    same = replace(ids, texts=["castle"] * 6)
    assert set(groups(same, "auto").values()) == {"castle"}
