"""Laws of decisions on a tree of any depth: whatever people decide, in whatever order, on whatever level."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairnhub.core.text import label_key
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.render import images_per_node
from cairnhub.hierarchies.review.apply import DecisionReport, apply_decisions
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.outcomes import Outcome
from cairnhub.hierarchies.review.preview import effect_of, holdings, refusal
from cairnhub.hierarchies.review.provenance import trace
from cairnhub.hierarchies.review.queue import queue
from cairnhub.hierarchies.review.resolution import Resolution
from cairnhub.hierarchies.review.resolve import PLACINGS, resolve
from cairnhub.hierarchies.review.state import Layout
from tests.hierarchies.toy import MEMBERS, REALM_OF, TREE

LAYOUT = Layout.of(TREE)
UNTOUCHED = apply_decisions(TREE, [])[0]
IMAGES = {entry.label: entry.n_images for entry in TREE.labels}
NAMES = {
    "thing": [*IMAGES, "unicorn"],
    "group": [*MEMBERS, "felines", "Canines"],
    "branch": [*REALM_OF, "pets", "felines"],
    "realm": ["animals", "artefacts", "ideas"],
    "clade": [*MEMBERS, "beasts", "pets"],
}
ABOVE = {"thing": "group", "group": "branch", "branch": "realm", "clade": "branch", "realm": "clade"}
BELOW = {"group": "thing", "branch": "group", "realm": "branch", "clade": "group"}


@st.composite
def placings(draw: st.DrawFn, levels: Sequence[str] = ("thing", "group", "branch")) -> Decision:
    """Acts on one thing or on several."""
    level, act = draw(st.sampled_from(levels)), draw(st.sampled_from([*PLACINGS, "move", "exclude"]))
    above = ABOVE[level]
    n = draw(st.sampled_from([1, 1, 2, 3]))
    things = draw(st.lists(st.sampled_from(NAMES[level]), min_size=n, max_size=n, unique=True))
    leaves = n > 1 and act == "move" and draw(st.booleans())
    return Decision(
        act,
        level,
        "cats" if leaves else "" if n > 1 else things[0],
        draw(st.sampled_from(NAMES[above])),
        draw(st.sampled_from(["", *NAMES[ABOVE[above]]])),
        tuple(things) if n > 1 else (),
        new=draw(st.booleans()),
    )


@st.composite
def on_groups(draw: st.DrawFn, levels: Sequence[str] = ("group", "branch", "realm")) -> Decision:
    """Acts on a group."""
    level, act = draw(st.sampled_from(levels)), draw(st.sampled_from(["rename", "merge", "split"]))
    name, to = (draw(st.sampled_from(NAMES[level])) for _ in range(2))
    members = st.lists(st.sampled_from(MEMBERS.get(name, NAMES[BELOW[level]])), min_size=1, max_size=3)
    return Decision(act, level, name, to, members=tuple(draw(members)) if act == "split" else ())


on_levels = st.one_of(
    st.builds(Decision, st.just("add_level"), st.sampled_from(list(ABOVE)), st.just(""), st.just("clade")),
    st.builds(
        Decision,
        st.just("add_level"),
        st.sampled_from(list(NAMES)),
        st.just(""),
        st.sampled_from(["order", "branch"]),
    ),
    st.builds(Decision, st.just("remove_level"), st.sampled_from(list(NAMES))),
)


@st.composite
def several(draw: st.DrawFn) -> list[Decision]:
    """Decisions on all levels, also on one that they add."""
    some = draw(st.one_of(st.just([]), st.lists(on_levels, min_size=1, max_size=3)))
    more = ["clade"] if "clade" in {decision.to for decision in some} else []
    placed = placings(["thing", "thing", "group", "branch", "realm", *more])
    joined = on_groups(["group", "branch", "realm", *more])
    return some + draw(st.lists(st.one_of(placed, joined), min_size=1, max_size=8))


decisions_ = several()
law = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def endings(report: DecisionReport) -> dict[str, list[Outcome]]:
    return {how: list(getattr(report, how)) for how in ("applied", "no_op", "stale", "conflicting")}


def home_of(resolution: Resolution, level: str, thing: str) -> str | None:
    return resolution.home(resolution.slot(level, thing))


def says(resolution: Resolution, decision: Decision) -> str:
    """Key of the group that a decision names, as it ends."""
    above = resolution.above(decision.level)
    return resolution.final(above, resolution.meant(above, decision.to))


@given(decisions_, st.randoms(use_true_random=False))
@law
def test_order_and_repetition_do_not_matter(decisions: list[Decision], random: Random) -> None:
    tree, report = apply_decisions(TREE, decisions)
    shuffled = [*decisions, *decisions]
    random.shuffle(shuffled)
    again, same = apply_decisions(TREE, shuffled)
    assert again.to_json() == tree.to_json()
    assert same == report


@given(decisions_)
@law
def test_every_decision_ends_once_and_every_label_keeps_one_path(decisions: list[Decision]) -> None:
    tree, report = apply_decisions(TREE, decisions)
    ended = Counter(outcome.decision.id for outcomes in endings(report).values() for outcome in outcomes)
    assert ended == Counter({decision.id for decision in decisions})
    assert tree.leaves == UNTOUCHED.leaves
    assert {len(tree.path(leaf)) for leaf in tree.leaves} == {len(tree.levels)}
    assert LabelTree.from_json(tree.to_json()) == tree


@given(decisions_)
@law
def test_levels_are_those_that_decisions_imply(decisions: list[Decision]) -> None:
    tree, report = apply_decisions(TREE, decisions)
    expected, applied = list(TREE.levels), [outcome.decision for outcome in report.applied]
    added = [decision for decision in applied if decision.act == "add_level"]
    while ready := [d for d in added if d.level in expected and d.to not in expected]:
        expected.insert(expected.index(ready[0].level) + 1, ready[0].to)
    gone = {decision.level for decision in applied if decision.act == "remove_level"}
    assert tree.levels == tuple(level for level in expected if level not in gone)
    assert {decision.to for decision in added} <= set(expected)


@given(decisions_, st.data())
@law
def test_an_undo_is_as_if_it_had_never_been_decided(decisions: list[Decision], data: st.DataObject) -> None:
    distinct = list({decision.id: decision for decision in decisions}.values())
    gone = data.draw(st.sampled_from(distinct))
    rest = [decision for decision in distinct if decision != gone]
    undo = Decision("undo", of=gone.id)
    tree, report = apply_decisions(TREE, [*rest, gone, undo])
    expected, without = apply_decisions(TREE, rest)
    assert tree.to_json() == expected.to_json()
    left = {how: [o for o in found if o.decision != undo] for how, found in endings(report).items()}
    assert left == endings(without)
    again = apply_decisions(TREE, [*rest, gone, undo, Decision("undo", of=undo.id)])[0]
    assert again.to_json() == apply_decisions(TREE, distinct)[0].to_json()


@given(decisions_)
@law
def test_what_conflicts_is_not_applied(decisions: list[Decision]) -> None:
    resolution = resolve(TREE, decisions)
    for decision in (outcome.decision for outcome in resolution.outcomes["conflicting"]):
        if decision.act in PLACINGS:
            slots = [resolution.slot(decision.level, thing) for thing in decision.things]
            target = says(resolution, decision)
            assert not all(slot in resolution.decided and resolution.home(slot) == target for slot in slots)
        elif decision.act == "exclude":
            barred = [resolution.barred.get(("thing", label_key(thing)), {}) for thing in decision.things]
            assert not all(says(resolution, decision) in keys for keys in barred)
        elif decision.act == "add_level" and decision.to not in TREE.levels:
            assert decision.to not in resolution.levels


@given(decisions_)
@law
def test_what_is_placed_stands_there(decisions: list[Decision]) -> None:
    resolution = resolve(TREE, decisions)
    tree, report = apply_decisions(TREE, decisions)
    for decision in (outcome.decision for outcome in (*report.applied, *report.no_op)):
        if decision.act in PLACINGS:
            target = says(resolution, decision)
            assert {home_of(resolution, decision.level, thing) for thing in decision.things} == {target}
            if decision.level == "thing":
                name = resolution.name_of[resolution.levels[1], target]
                spelt = {label_key(leaf): leaf for leaf in tree.leaves}
                assert {tree.path(spelt[label_key(thing)])[1] for thing in decision.things} == {name}
        elif decision.act == "exclude":
            homes = {resolution.home(("thing", label)) for label in IMAGES}
            for slot in (("thing", label_key(thing)) for thing in decision.things):
                bars = resolution.barred[slot]
                assert says(resolution, decision) in bars
                if slot not in resolution.decided and slot[1] != "ferry" and homes - bars.keys():
                    assert resolution.home(slot) not in bars


@given(decisions_)
@law
def test_what_nobody_decided_stays_or_follows_its_like(decisions: list[Decision]) -> None:
    resolution = resolve(TREE, decisions)
    assert not resolution.followed & resolution.decided
    assert ("thing", "ferry") not in resolution.followed, "what the data say"
    assert {level for level, _ in resolution.followed} <= {"thing"}
    for slot in resolution.proposed_place_of.keys() - resolution.decided - resolution.followed:
        assert resolution.place_of[slot] == resolution.proposed_place_of[slot]
    assert resolution.trust.keys() <= {("thing", label) for label in IMAGES} - resolution.decided


@given(decisions_)
@law
def test_the_state_and_its_holdings_are_those_of_the_tree(decisions: list[Decision]) -> None:
    tree, _ = apply_decisions(TREE, decisions)
    state = LAYOUT.state(decisions)
    assert state.levels == tree.levels
    for rank, level in enumerate(tree.levels[1:], start=1):
        names = state.groups_of(level).names
        for row, label in enumerate(LAYOUT.labels):
            assert names[state.of_label_by_level[level][row]] == tree.path(label)[rank]
    held, first = holdings(state), tree.levels[1]
    counts = images_per_node(tree, IMAGES)[1].tolist()
    assert {name: holding.n_images for name, holding in held.items()} == dict(
        zip(tree.at_level(first), counts, strict=True)
    )
    for name, holding in held.items():
        assert holding.path == tuple(node.name for node in tree.ancestors(name, first))


@given(decisions_, st.one_of(placings(), on_groups(), on_levels))
@law
def test_a_preview_says_what_the_trees_say(decisions: list[Decision], made: Decision) -> None:
    before, after = LAYOUT.state(decisions), LAYOUT.state([*decisions, made])
    effect = effect_of([made], before, after)
    old, new = (apply_decisions(TREE, part)[0] for part in (decisions, [*decisions, made]))
    assert tuple(change.level for change in effect.levels) == new.levels[1:]
    for change in effect.levels:
        moved = [
            leaf
            for leaf in old.leaves
            if change.level not in old.levels
            or old.path(leaf)[old.levels.index(change.level)]
            != new.path(leaf)[new.levels.index(change.level)]
        ]
        assert (change.n_labels, change.n_images) == (len(moved), sum(IMAGES[leaf] for leaf in moved))
    assert (effect.refused == "") == (refusal(made, before, after) == "")


@given(decisions_)
@law
def test_what_is_asked_is_open_and_what_is_traced_is_there(decisions: list[Decision]) -> None:
    tree, report = apply_decisions(TREE, decisions)
    state = LAYOUT.state(decisions)
    for question in queue(TREE, decisions):
        if question.members:
            (below,) = state.resolution.below(question.level)
            open_ = {state.resolution.slot(below, member) for member in question.members}
            assert not open_ & state.resolution.decided
            inside = {tree.ancestors(member, below)[0].name for member in question.members}
            assert inside == {question.label}
    traced = {touch.decision for touch in trace(TREE, decisions, tree)}
    assert traced == {o.decision for o in (*report.applied, *report.no_op)}


@given(
    st.lists(
        st.builds(
            Decision,
            st.just("move"),
            st.just("thing"),
            st.sampled_from(sorted(IMAGES)),
            st.sampled_from(NAMES["group"]),
            st.sampled_from(sorted(REALM_OF)),
        ),
        min_size=1,
        max_size=8,
    ),
    st.permutations(sorted(IMAGES)),
)
@law
def test_another_proposal_keeps_what_decisions_say(decisions: list[Decision], order: list[str]) -> None:
    """The labels are grouped anew under other names; what stands above the groups is there still."""
    again = regrouped(order)
    tree, report = apply_decisions(again, decisions)
    assert not report.stale
    conflicting = {outcome.decision for outcome in report.conflicting}
    for decision in set(decisions) - conflicting:
        assert label_key(tree.path(decision.label)[1]) == label_key(decision.to)
        assert tree.path(decision.label)[2] in {d.kind for d in decisions if d.to == decision.to}


def regrouped(order: list[str]) -> TreeProposal:
    first = [replace(group, name=f"cluster {i}") for i, group in enumerate(TREE.of_level("group"))]
    group_of = {label: first[place % len(first)].name for place, label in enumerate(order)}
    return replace(
        TREE,
        labels=tuple(replace(entry, group=group_of[entry.label]) for entry in TREE.labels),
        groups=(*first, *(group for group in TREE.groups if group.level != "group")),
    )
