"""Acts on every level of a tree, one by one: levels, groups, and what decisions teach."""

import pytest

from cairnhub.hierarchies.proposal.tree_proposal import GroupEntry, LabelEntry, TreeProposal
from cairnhub.hierarchies.review.apply import apply_decisions
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.question import ask
from cairnhub.hierarchies.review.resolve import resolve
from cairnhub.hierarchies.review.state import Layout
from tests.hierarchies.acts import CATS, LABELS, add, into, remove
from tests.hierarchies.toy import MEMBERS, PROPOSAL, TREE


def path(label: str, *decisions: Decision) -> str:
    tree, report = apply_decisions(TREE, decisions)
    report.check()
    return " ".join(tree.path(label))


def counts(*decisions: Decision, proposal: TreeProposal = TREE) -> dict[str, int]:
    report = apply_decisions(proposal, decisions)[1]
    return {how: n for how, n in report.counts().items() if n and how != "pending"}


# ---- levels -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decisions", "levels", "of_cat"),
    [
        ([add("thing", "kin")], "thing kin group branch realm", "cat cat cats beasts animals"),
        ([add("group", "kin")], "thing group kin branch realm", "cat cats cats beasts animals"),
        ([add("realm", "kin")], "thing group branch realm kin", "cat cats beasts animals animals"),
        ([add("kin", "clan"), add("group", "kin")], "thing group kin clan branch realm",
         "cat cats cats cats beasts animals"),
        ([remove("group")], "thing branch realm", "cat beasts animals"),
        ([remove("branch")], "thing group realm", "cat cats animals"),
        ([remove("realm")], "thing group branch", "cat cats beasts"),
        ([remove("realm"), remove("branch")], "thing group", "cat cats"),
        ([add("group", "kin"), remove("branch"), remove("group")], "thing kin realm", "cat cats animals"),
        ([add("group", "kin"), Decision("merge", "kin", "dogs", "cats"), Decision("rename", "kin", "cats", "prey")],
         "thing group kin branch realm", "cat cats prey beasts animals"),
        ([add("group", "kin"), Decision("move", "group", "dogs", "cats"), Decision("move", "kin", "cats", "machines")],
         "thing group kin branch realm", "cat cats cats machines artefacts"),
        ([add("realm", "kin"), Decision("move", "realm", "animals", "all", new=True)],
         "thing group branch realm kin", "cat cats beasts animals all"),
        ([remove("group"), into("machines", "cat")], "thing branch realm", "cat machines artefacts"),
    ],
)  # fmt: skip
def test_levels_come_and_go(decisions: list[Decision], levels: str, of_cat: str) -> None:
    tree, report = apply_decisions(TREE, decisions)
    assert " ".join(tree.levels) == levels
    assert " ".join(tree.path("cat")) == of_cat
    assert len(report.applied) == len(decisions)


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        ([add("group", "kin"), add("group", "clan")], {"conflicting": 2}),
        ([add("group", "kin"), add("branch", "Kin")], {"conflicting": 2}),
        ([add("group", "kin", "ada"), add("group", "kin", "bob")], {"applied": 1, "no_op": 1}),
        ([add("group", "kin"), add("nowhere", "kin")], {"applied": 1, "stale": 1}),
        ([add("a", "b"), add("b", "a")], {"stale": 2}),
        ([add("group", "realm")], {"no_op": 1}),
        ([add("group", "Realm")], {"stale": 1}),
        ([add("group", "Type")], {"stale": 1}),
        ([remove("group", "ada"), remove("group", "bob")], {"applied": 1, "no_op": 1}),
        ([remove("thing")], {"stale": 1}),
        ([remove("nowhere")], {"stale": 1}),
        ([remove("group"), remove("branch"), remove("realm")], {"applied": 2, "stale": 1}),
        ([remove("group"), into("dogs", "cat")], {"applied": 1, "stale": 1}),
        ([remove("realm"), Decision("move", "branch", "beasts", "artefacts")], {"applied": 1, "stale": 1}),
    ],
)
def test_how_acts_on_levels_end(decisions: list[Decision], expected: dict[str, int]) -> None:
    assert counts(*decisions) == expected


def test_types_get_a_level_above_them_too() -> None:
    tree = apply_decisions(PROPOSAL, [add("landmark", "sort"), Decision("merge", "sort", "keep", "fort")])[0]
    assert tree.path("Great Keep") == ("Great Keep", "fort", "castle", "human-made")
    assert tree.path("Burg Eltz")[1:3] == ("Burg Eltz", "castle")
    assert apply_decisions(PROPOSAL, [remove("category")])[0].path("Great Keep")[1:] == ("human-made",)


# ---- groups -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decision", "label", "expected"),
    [
        (Decision("rename", "branch", "beasts", "mammals"), "cat", "cat cats mammals animals"),
        (Decision("rename", "realm", "animals", "fauna"), "trout", "trout fish swimmers fauna"),
        (Decision("merge", "branch", "swimmers", "beasts"), "trout", "trout fish beasts animals"),
        (Decision("merge", "realm", "artefacts", "animals"), "van", "van cars machines animals"),
        (Decision("split", "branch", "beasts", "pets", members=("dogs",)), "fox", "fox dogs pets animals"),
        (Decision("split", "realm", "animals", "sea", members=("swimmers",)), "trout", "trout fish swimmers sea"),
        (Decision("move", "group", "fish", "beasts"), "trout", "trout fish beasts animals"),
        (Decision("move", "group", to="sea", kind="animals", members=("fish", "boats")), "boat",
         "boat boats sea animals"),
        (Decision("move", "branch", "swimmers", "Artefacts"), "trout", "trout fish swimmers artefacts"),
        (Decision("move", "branch", "swimmers", "sea", new=True), "trout", "trout fish swimmers sea"),
        (Decision("accept", "branch", members=("beasts", "swimmers"), to="animals"), "cat", "cat cats beasts animals"),
    ],
)  # fmt: skip
def test_acts_on_groups_of_every_level(decision: Decision, label: str, expected: str) -> None:
    assert path(label, decision) == expected
    assert counts(decision) == {"applied": 1}


@pytest.mark.parametrize(
    ("decision", "why"),
    [
        (Decision("move", "branch", "swimmers", "sea"), "say `new` to make it"),
        (Decision("move", "group", "fish", "sea"), "give a `kind` to make it"),
        (Decision("move", "group", "fish", "sea", new=True), "give a `kind` to make it"),
        (Decision("move", "group", "fish", "sea", "plants"), "there is no realm 'plants'"),
        (Decision("move", "realm", "animals", "all", new=True), "nothing stands above the level 'realm'"),
        (Decision("accept", "branch", "swimmers", "sea"), "there is no realm 'sea'"),
        (Decision("rename", "thing", "cat", "kitten"), "rename is about groups, not about 'thing'"),
        (Decision("exclude", "group", "cats", "beasts"), "exclude is about thing, not about 'group'"),
        (Decision("exclude", "thing", "cat", "plants"), "there is no group 'plants'"),
        (Decision("exclude", "thing", "unicorn", "cats"), "there is no thing unicorn"),
        (
            Decision("split", "branch", "machines", "sea", members=("fish", "boats")),
            "no longer in 'machines': fish",
        ),
    ],
)
def test_what_does_not_fit_says_why(decision: Decision, why: str) -> None:
    (stale,) = apply_decisions(TREE, [decision])[1].stale
    assert why in stale.why


@pytest.mark.parametrize("rename", [("plants", "felines"), ("felines", "Felines")])
def test_a_rename_that_is_stale_or_respells_keeps_no_group_from_being_made(rename: tuple[str, str]) -> None:
    made = into("felines", "cat", kind="beasts")
    assert path("cat", made, Decision("rename", "group", *rename)).split()[1].lower() == "felines"


def test_a_group_made_anew_may_be_named_again() -> None:
    renames = [
        Decision("rename", "group", "kin", "felines"),
        Decision("rename", "group", "felines", "cats of old"),
    ]
    tree, report = apply_decisions(TREE, [into("kin", "cat", leave="cats", kind="beasts"), *renames])
    assert tree.path("cat")[1] == "cats of old"
    assert len(report.applied) == 3


# ---- what decisions teach ---------------------------------------------------------------------------------


def groups_of(*decisions: Decision, labels: tuple[str, ...] = LABELS) -> dict[str, str]:
    tree = apply_decisions(TREE, decisions)[0]
    return {label: tree.path(label)[1] for label in labels if tree.path(label)[1] not in MEMBERS}


@pytest.mark.parametrize(
    ("decision", "who"),
    [
        (into("felines", "cat", "lion", kind="beasts"), CATS),
        (into("felines", "cat", "lion", leave="cats", kind="beasts"), ("cat", "lion")),
        (Decision("move", "thing", "cat", "felines", "beasts"), ("cat",)),
        (
            Decision("split", "group", "cats", "felines", members=("cat", "lion", "lynx")),
            ("cat", "lion", "lynx"),
        ),
        (into("felines", "boat", "ship", kind="beasts"), ("boat", "ship")),  # the data say where the ferry is
    ],
)
def test_fellows_follow_a_name_but_not_who_leaves(decision: Decision, who: tuple[str, ...]) -> None:
    assert groups_of(decision) == dict.fromkeys(who, "felines")
    followed = resolve(TREE, [decision]).followed
    assert followed == {("thing", label) for label in who if label not in decision.things}


def test_who_follows_says_so_and_is_asked_still() -> None:
    named = into("felines", "cat", "lion", kind="beasts")
    state = Layout.of(TREE).state([named])
    assert "decisions about its like" in ask(state, "thing", "lynx").why
    assert set(ask(state, "group", "felines").members) == {"leopard", "lynx", "tiger"}
    sources = {node.name: info.source for node, info in apply_decisions(TREE, [named])[0].info.items()}
    assert (sources["cat"], sources["lynx"], sources["van"]) == ("human", "decisions", "text")


@pytest.mark.parametrize(
    "others",
    [[], [Decision("merge", "group", "boats", "fish")], [into("fish", *(set(LABELS) - {"shark", "wolf"}))]],
)
def test_elsewhere_is_elsewhere(others: list[Decision]) -> None:
    excluded = Decision("exclude", "thing", "shark", "fish")
    assert path("shark", *others).split()[1] == "fish"
    assert path("shark", *others, excluded).split()[1] != "fish"
    assert counts(excluded, Decision("accept", "thing", "shark", "fish")) == {"conflicting": 2}


def test_who_has_nowhere_else_to_go_stays() -> None:
    bars = [Decision("exclude", "thing", "shark", group) for group in MEMBERS]
    assert path("shark", *bars).split()[1] == "fish"
    assert path("ferry", Decision("exclude", "thing", "ferry", "boats")).split()[1] == "boats", (
        "the data say so"
    )
    assert counts(Decision("exclude", "thing", "ferry", "boats")) == {"stale": 1}
    assert counts(*bars) == {"applied": len(bars) - 1, "stale": 1}


def pair_of_groups() -> TreeProposal:
    """Two groups of six, each label like the five others of its group, and unlike the rest."""
    members = {name: [f"{name}{i}" for i in range(6)] for name in "ab"}
    return TreeProposal(
        ("thing", "group"),
        tuple(
            LabelEntry(label, None, group, 0.5, "text", "its nearest",
                       neighbours=tuple(other for other in members[group] if other != label), likeness=(0.9,) * 5)
            for group in members for label in members[group]
        ),
        (GroupEntry("group", "a"), GroupEntry("group", "b")),
    )  # fmt: skip


def test_trust_is_told_from_ten_decisions_on() -> None:
    """Of five and four that are accepted each is where the others are; one of b is put into a, against the others."""
    proposal = pair_of_groups()
    nine = [
        into("a", *(f"a{i}" for i in range(5)), act="accept"),
        into("b", *(f"b{i}" for i in range(4)), act="accept"),
    ]
    ten = [*nine, Decision("move", "thing", "b4", "a")]
    before, after = (ask(Layout.of(proposal).state(made), "thing", "a5") for made in (nine, ten))
    assert (before.why, before.confidence) == ("its nearest", 0.5)
    assert after.why == "of 10 such, 9 were right"
    assert after.confidence == pytest.approx((9 + 2 * 0.5) / 12, abs=1e-3)
    info = apply_decisions(proposal, ten)[0].info
    assert {info[node].confidence for node in info if node.name in ("a5", "b5")} == {after.confidence}


def test_nothing_is_learned_where_types_tell() -> None:
    assert resolve(PROPOSAL, [Decision("move", "type", "keep", "bridge")]).trust == {}
