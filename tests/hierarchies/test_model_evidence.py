"""What a language model answered is replayed: the same lines give the same tree, whatever their order."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairnhub.core.errors import CairnError
from cairnhub.hierarchies.proposal.group_names import is_guess
from cairnhub.hierarchies.proposal.tree_proposal import GroupEntry, LabelEntry, TreeProposal
from cairnhub.hierarchies.review.apply import apply_decisions
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.voice.model_evidence import Evidence, append_evidence, read_evidence, with_evidence
from cairnhub.hierarchies.voice.questions import open_questions
from tests.hierarchies.toy import PROPOSAL as LANDMARKS

DAY = "2026-03-01T10:00:00Z"
LATER = "2026-03-02T10:00:00Z"
TYPICAL = "its most typical label"


def entry(label: str, group: str, confidence: float, **more: object) -> LabelEntry:
    return LabelEntry(label, None, group, confidence, "text", "like others", **more)  # type: ignore[arg-type]


PROPOSAL = TreeProposal(
    ("label", "group", "field"),
    (
        entry("bus", "bus", 0.4),
        entry("maple", "oak", 0.3),
        entry("oak", "oak", 0.4),
        entry("otter", "seal", 0.4),
        entry("seal", "seal", 0.5),
        entry("tram", "oak", 0.1, second="bus", neighbours=("maple", "bus")),
        entry("walrus", "walrus", 0.05, second="oak"),
    ),
    (
        GroupEntry("group", "bus", "seal", 0.5, "its only label"),
        GroupEntry("group", "oak", "oak", 0.5, TYPICAL),
        GroupEntry("group", "seal", "seal", 0.5, TYPICAL),
        GroupEntry("group", "walrus", "oak", 0.5, "its only label"),
        GroupEntry("field", "oak", "", 1.0, TYPICAL),
        GroupEntry("field", "seal", "", 1.0, "a word of 3 of its 5 labels"),
    ),
)


def name(answer: str, *members: str, level: str = "group", date: str = DAY) -> Evidence:
    return Evidence("name", level, answer, members, "m", date)


def place(label: str, answer: str, *members: str, level: str = "label", date: str = DAY) -> Evidence:
    return Evidence("place", level, answer, members, "m", date, label, (answer, "something else"))


def home(proposal: TreeProposal, label: str) -> str | None:
    return next(entry.group for entry in proposal.labels if entry.label == label)


def groups(proposal: TreeProposal, level: str = "group") -> dict[str, str]:
    return {group.name: group.why for group in proposal.of_level(level)}


def test_without_evidence_nothing_changes() -> None:
    assert with_evidence(PROPOSAL, []) is PROPOSAL


def test_a_group_is_named_wherever_its_name_stands() -> None:
    told = with_evidence(
        PROPOSAL, [name("sea mammal", "otter", "SEAL "), name("plant", "oak", "maple", "tram")]
    )
    assert groups(told) == {
        "bus": "its only label",
        "plant": "named by m",
        "sea mammal": "named by m",
        "walrus": "its only label",
    }
    assert (home(told, "otter"), home(told, "maple")) == ("sea mammal", "plant")
    assert next(entry.second for entry in told.labels if entry.label == "walrus") == "plant"
    assert set(groups(told, "field")) == {"oak", "seal"}  # of another level, which has names of its own
    told.check("it")
    coarse = with_evidence(PROPOSAL, [name("wood", "oak", "maple", "tram", "walrus", level="field")])
    assert {group.parent for group in coarse.of_level("group")} == {"wood", "seal"}
    assert coarse.tree().path("maple") == ("maple", "oak", "wood")


@pytest.mark.parametrize(
    ("members", "named"),
    [
        (("otter", "seal"), True),
        (("otter",), True),
        (("otter", "x"), False),
        (("otter", "seal", "x", "y"), True),
    ],
)
def test_a_line_speaks_of_the_group_that_is_half_the_same(members: tuple[str, ...], named: bool) -> None:
    assert ("sea mammal" in groups(with_evidence(PROPOSAL, [name("sea mammal", *members)]))) == named


def test_a_name_is_given_once() -> None:
    both = [name("thing", "otter", "seal"), name("thing", "oak", "maple", "tram")]
    assert set(groups(with_evidence(PROPOSAL, both))) == {"thing", "seal", "bus", "walrus"}
    taken = with_evidence(PROPOSAL, [name("Bus", "otter", "seal")])
    assert groups(taken)["seal"] == TYPICAL
    swapped = with_evidence(PROPOSAL, [name("oak", "otter", "seal"), name("seal", "oak", "maple", "tram")])
    assert (home(swapped, "otter"), home(swapped, "maple")) == ("oak", "seal")


def test_what_the_data_or_a_person_named_keeps_its_name() -> None:
    given_ = tuple(replace(g, why="given") if g.name == "seal" else g for g in PROPOSAL.groups)
    told = with_evidence(replace(PROPOSAL, groups=given_), [name("sea mammal", "otter", "seal")])
    assert "seal" in groups(told)


def test_a_label_goes_where_the_chosen_group_is_now() -> None:
    told = with_evidence(PROPOSAL, [place("Tram", "a name of old", "bus", "gone")])
    moved = next(entry for entry in told.labels if entry.label == "tram")
    assert (moved.group, moved.second, moved.confidence, moved.why) == ("bus", "oak", 0.6, "m says so")
    stays = with_evidence(PROPOSAL, [place("tram", "x", "bus", "gone", "lost")])
    assert stays.labels == PROPOSAL.labels
    agreed = with_evidence(PROPOSAL, [place("tram", "x", "oak", "maple")])
    assert next(e for e in agreed.labels if e.label == "tram").second == "bus"


def test_a_group_that_everything_left_is_gone() -> None:
    told = with_evidence(PROPOSAL, [place("walrus", "seal", "otter", "seal")])
    assert "walrus" not in groups(told)
    assert told.tree().path("walrus") == ("walrus", "seal", "seal")
    everything = [place(label, "seal", "otter", "seal") for label in ("tram", "walrus", "maple", "oak")]
    told = with_evidence(PROPOSAL, everything)
    assert (set(groups(told)), set(groups(told, "field"))) == ({"bus", "seal"}, {"seal"})
    told.check("it")
    assert not [entry for entry in told.labels if entry.second == "oak"]


def test_what_is_surer_or_known_stays() -> None:
    sure = tuple(replace(e, confidence=0.6) if e.label == "tram" else e for e in PROPOSAL.labels)
    assert home(with_evidence(replace(PROPOSAL, labels=sure), [place("tram", "bus", "bus")]), "tram") == "oak"
    known = tuple(replace(g, why="given") if g.level == "field" else g for g in PROPOSAL.groups)
    below = replace(PROPOSAL, groups=known)
    assert home(with_evidence(below, [place("tram", "bus", "bus")]), "tram") == "oak"  # of another field
    assert home(with_evidence(below, [place("walrus", "oak", "oak")]), "walrus") == "oak"


def test_groups_are_named_by_the_members_that_they_now_have() -> None:
    lines = [place("walrus", "seal", "otter", "seal"), place("bus", "seal", "otter", "seal")]
    told = with_evidence(PROPOSAL, [*lines, name("all of it", "otter", "seal", "walrus", "bus")])
    assert home(told, "walrus") == "all of it"


def test_types_are_placed_and_named_too() -> None:
    told = with_evidence(
        LANDMARKS,
        [place("moat", "castle", "fort", "keep", level="type"), place("Naturama", "castle", "fort", level="landmark"),
         name("stronghold", "fort", "keep", "Burg Eltz", "moat", level="category")],
    )  # fmt: skip
    assert told.group_of["moat"] == "stronghold"
    assert told.tree().path("Moat of Bodiam") == ("Moat of Bodiam", "stronghold", "human-made")
    assert told.tree().path("Naturama")[1] == "stronghold"


def test_the_later_answer_counts() -> None:
    old, new = place("tram", "bus", "bus", date=DAY), place("tram", "seal", "seal", date=LATER)
    assert home(with_evidence(PROPOSAL, [new, old]), "tram") == "seal"
    first, last = name("b", "otter", "seal", date=DAY), name("a", "otter", "seal", date=LATER)
    assert "a" in groups(with_evidence(PROPOSAL, [last, first]))
    assert "b" in groups(with_evidence(PROPOSAL, [first, replace(last, date=DAY)]))


def test_people_come_last() -> None:
    told = with_evidence(PROPOSAL, [place("tram", "bus", "bus"), name("sea mammal", "otter", "seal")])
    decided = [
        Decision("move", "label", "tram", "sea mammal"),
        Decision("rename", "group", "sea mammal", "marine"),
    ]
    tree, report = apply_decisions(told, decided)
    assert tree.path("tram")[1] == "marine"
    assert len(report.applied) == 2
    assert any(item.label == "otter" for item in report.pending)


LABELS = st.sampled_from([entry.label for entry in PROPOSAL.labels])
SOME = st.lists(LABELS, min_size=1, max_size=4, unique=True).map(tuple)
DATES = st.sampled_from([DAY, LATER])
WORDS = st.sampled_from(["oak", "seal", "bus", "thing", "Thing", "walrus"])
LINES = st.builds(
    lambda kind, label, answer, members, date, level: (
        place(label, answer, *members, date=date) if kind else name(answer, *members, date=date, level=level)
    ),
    st.booleans(),
    LABELS,
    WORDS,
    SOME,
    DATES,
    st.sampled_from(["group", "field"]),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(LINES, max_size=8).flatmap(lambda lines: st.tuples(st.just(lines), st.permutations(lines))))
def test_the_order_of_the_lines_does_not_matter(both: tuple[list[Evidence], list[Evidence]]) -> None:
    lines, shuffled = both
    told = with_evidence(PROPOSAL, lines)
    assert told.to_json() == with_evidence(PROPOSAL, [*shuffled, *lines]).to_json()
    told.check("it")
    tree = told.tree()
    assert sorted(tree.leaves) == sorted(entry.label for entry in PROPOSAL.labels)
    assert {group.name for group in told.of_level("group")} == set(tree.at_level("group"))
    assert all(entry.confidence <= 0.6 for entry in told.labels)


# ---- lines ------------------------------------------------------------------------------------------------------


def test_lines_are_kept_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "decisions/mine.evidence.jsonl"
    assert read_evidence(path) == []
    lines = [name("Säuger", "otter", "seal"), place("tram", "bus", "bus")]
    for line in lines:
        append_evidence(path, line)
    assert read_evidence(path) == lines
    assert path.read_text(encoding="utf-8").startswith(
        '{"ask": "name", "level": "group", "members": ["otter", "seal"], "answer": "Säuger", "model": "m", "date": "'
    )
    path.write_text(path.read_text(encoding="utf-8").rstrip("\n"), encoding="utf-8")
    append_evidence(path, lines[0])
    assert len(read_evidence(path)) == 3


def test_writers_lose_none_of_each_others_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    lines = [name(f"name {i}", "otter") for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(partial(append_evidence, path), lines))
    assert set(read_evidence(path)) == set(lines)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"answer": ""}, "empty label"),
        ({"answer": "a\x1b[2J"}, "control characters"),
        ({"members": []}, "members"),
        ({"date": "yesterday"}, "date"),
        ({"date": "2026-03-01T10:00:00+01:00"}, "date"),
        ({"model": ""}, "model"),
        ({"ask": "sing"}, "ask"),
        ({"answer": "none of them"}, "choices"),
        ({"label": ""}, "label"),
        ({"weight": 3}, "weight"),
    ],
)
def test_a_line_that_is_none_stops_with_file_and_line(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    path = tmp_path / "mine.evidence.jsonl"
    good = place("tram", "bus", "bus").to_line()
    path.write_text(f"{good}\n\n{json.dumps(json.loads(good) | change)}\n", encoding="utf-8")
    with pytest.raises(CairnError, match=words) as raised:
        read_evidence(path)
    assert f"{path}:3" in str(raised.value)


def test_half_a_line_stops(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(name("a", "otter").to_line()[:-9], encoding="utf-8")
    with pytest.raises(CairnError, match=r"x\.jsonl:1"):
        read_evidence(tmp_path / "x.jsonl")


# ---- questions --------------------------------------------------------------------------------------------------


def test_what_is_open_is_asked_once() -> None:
    asked = list(open_questions(PROPOSAL, [], 0.2))
    assert [(q.ask, q.level, q.label or q.members) for q in asked] == [
        ("name", "group", ("maple", "oak", "tram")),
        ("name", "group", ("otter", "seal")),
        ("name", "field", ("maple", "oak", "tram", "walrus")),
        ("place", "label", "walrus"),
        ("place", "label", "tram"),
    ]
    answers = ["plant", "sea mammal", "wood", "seal", "bus"]
    lines = [
        q.evidence(json.dumps({"answer": said}), "m", DAY) for q, said in zip(asked, answers, strict=True)
    ]
    assert list(open_questions(PROPOSAL, lines, 0.2)) == []
    told = with_evidence(PROPOSAL, lines)
    assert told.tree().path("walrus") == ("walrus", "sea mammal", "seal")
    assert told.tree().path("tram") == ("tram", "bus", "seal")
    assert told.tree().path("maple") == ("maple", "plant", "wood")
    assert list(open_questions(told, lines, 0.2)) == []


def test_a_label_is_held_against_groups_told_by_others() -> None:
    tram = next(q for q in open_questions(PROPOSAL, [], 0.2) if q.label == "tram")
    assert tram.choices == {
        "bus": ("bus",),
        "oak": ("oak", "maple"),
        "seal": ("seal", "otter"),
        "walrus": ("walrus",),
    }
    assert '"tram"' in tram.prompt()
    assert '"oak": ["oak", "maple"]' in tram.prompt()


def test_members_that_an_answer_placed_do_not_tell_what_a_group_is() -> None:
    lines = [place("walrus", "seal", "otter", "seal")]
    told = with_evidence(PROPOSAL, lines)
    tram = next(q for q in open_questions(told, lines, 0.2) if q.label == "tram")
    assert tram.choices is not None
    assert tram.choices["seal"] == ("seal", "otter", "walrus")


def test_nothing_above_what_is_known_is_offered() -> None:
    known = tuple(replace(g, why="given") if g.level == "field" else g for g in PROPOSAL.groups)
    tram = next(q for q in open_questions(replace(PROPOSAL, groups=known), [], 0.2) if q.label == "tram")
    assert set(tram.choices or ()) == {"oak", "walrus"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no JSON object"),
        ("sea mammal", "no JSON object"),
        ('{"name": "sea mammal"}', "no JSON object"),
        ('{"answer": 7}', "no JSON object"),
        ('{"answer": " "}', "empty"),
        ('{"answer": "--"}', "empty"),
        ('{"answer": "a\\u0007b"}', "unprintable"),
        (json.dumps({"answer": "animals " * 20}), "longer than 60"),
        ('{"answer": "BUS"}', "name of another group"),
    ],
)
def test_an_answer_that_is_no_name_is_refused(content: str, words: str) -> None:
    question = next(q for q in open_questions(PROPOSAL, [], 0.2) if q.members == ("otter", "seal"))
    with pytest.raises(CairnError, match=words):
        question.evidence(content, "m", DAY)


def test_an_answer_may_think_first() -> None:
    question = next(q for q in open_questions(PROPOSAL, [], 0.2) if q.label == "tram")
    content = '<think>{"answer": "oak"}? No {rails}.</think>\n```json\n{"answer": " Bus "}\n```'
    line = question.evidence(content, "m", DAY)
    assert (line.answer, line.members, line.label) == ("bus", ("bus",), "tram")
    with pytest.raises(CairnError, match="none of"):
        question.evidence('{"answer": "train"}', "m", DAY)


@pytest.mark.parametrize(
    ("why", "guess"),
    [
        (TYPICAL, True),
        ("its only label", False),
        ("given", False),
        ("named by m", False),
        ("a word of 2 of its 5 labels", True),
        ("a word of 1,000 of its 2,000 labels", False),
        ("WordNet: what 3 of its 4 labels are", False),
    ],
)
def test_a_name_that_few_members_bear_out_is_a_guess(why: str, guess: bool) -> None:
    assert is_guess(why) == guess
