"""The wall: what it shows, what an act on a selection says, the same lines from both faces, flags and the past."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from cairnhub.core.errors import CairnError
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.review.app.api import ReviewApi
from cairnhub.hierarchies.review.apply import apply_decisions
from cairnhub.hierarchies.review.decisions import Decision, append_decision, read_decisions
from cairnhub.hierarchies.review.queue import queue
from cairnhub.hierarchies.review.selection import Selection
from cairnhub.hierarchies.review.sentences import matching, sentence
from cairnhub.hierarchies.review.session import Session
from cairnhub.hierarchies.review.state import Layout
from cairnhub.hierarchies.review.terminal import Review
from cairnhub.hierarchies.review.wall import View, Wall
from tests.hierarchies.toy import MEMBERS, PROPOSAL, TREE, ToyPhotos


def wall(*decisions: Decision, proposal: TreeProposal = PROPOSAL) -> Wall:
    return Wall(Layout.of(proposal).state(decisions))


def labels(found: Wall, view: View, photos: ToyPhotos | None = None) -> list[str]:
    rows = found.rows(view, photos and photos.count)
    return [found.state.layout.labels[row] for row in rows]


def start(path: Path, proposal: TreeProposal = PROPOSAL, author: str = "ada") -> Session:
    clock = iter(range(10_000))
    return Session(proposal, path, author, now=lambda: f"2026-03-01T10:00:{next(clock):02}Z")


FLAG = Decision("unsure", "type", "keep", author="ada", reason="or a tower")


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        (View(), ["Great Keep", "Naturama", "Moat of Bodiam", "Fort Knox", "Sonning Bridge", "Burg Eltz"]),
        (View(order="name"), ["Burg Eltz", "Fort Knox", "Great Keep", "Moat of Bodiam", "Naturama", "Sonning Bridge"]),
        (View("category", "castle", order="images"), ["Fort Knox", "Great Keep", "Burg Eltz"]),
        (View("kind", "natural"), ["Moat of Bodiam"]),
        (View("type", "keep"), ["Great Keep"]),
        (View("landmark", "Burg Eltz"), ["Burg Eltz"]),
        (View(show="doubt"), ["Great Keep", "Naturama", "Moat of Bodiam"]),
        (View(below=0.5), ["Naturama", "Moat of Bodiam"]),
        (View(text="KEEP"), ["Great Keep"]),
        (View(text="castle", order="name"), ["Burg Eltz", "Fort Knox", "Great Keep"]),
        (View(second="museum"), ["Naturama"]),
        (View(kind="natural"), ["Moat of Bodiam"]),
        (View(kind="human-made", text="castle", order="name"), ["Burg Eltz", "Fort Knox", "Great Keep"]),
        (View(kind="moon"), []),
        (View(photos="some"), ["Naturama"]),
        (View("category", "castle", photos="none", order="name"), ["Burg Eltz", "Fort Knox", "Great Keep"]),
        (View(order="next")
        , ["Sonning Bridge", "Fort Knox", "Burg Eltz", "Moat of Bodiam", "Naturama", "Great Keep"]),
        (View(show="decided"), []),
    ],
)  # fmt: skip
def test_what_is_shown(view: View, shown: list[str]) -> None:
    assert labels(wall(), view, ToyPhotos(b"", {"Naturama": 3})) == shown


def test_what_people_did_is_shown() -> None:
    made = wall(FLAG, Decision("accept", "type", "fort", "castle", author="bob"))
    assert labels(made, View(show="unsure")) == ["Great Keep"]
    assert labels(made, View(show="decided")) == ["Fort Knox"]
    assert labels(made, View(show="all", reviewer="bob")) == ["Fort Knox"]
    assert labels(made, View(show="all", reviewer="ada")) == ["Great Keep"]
    assert made.tile(2).notes == ("or a tower",)
    with pytest.raises(CairnError, match="no category"):
        made.rows(View("category", "moon base"))


def test_a_type_is_meant_where_all_of_it_is_selected() -> None:
    (keep,) = (row for row, entry in enumerate(PROPOSAL.labels) if entry.label == "Great Keep")
    (made,) = Selection(wall(), [keep]).decisions("accept", "ada", "")
    assert (made.level, made.label, made.to) == ("type", "keep", "castle")
    types = [entry for entry in PROPOSAL.types if entry.text != "keep"]
    shared = [
        e if e.label != "Great Keep" else type(e)(e.label, "fort", n_images=20) for e in PROPOSAL.labels
    ]
    two = TreeProposal(PROPOSAL.levels, tuple(shared), PROPOSAL.groups, tuple(types), PROPOSAL.models)
    (made,) = Selection(wall(proposal=two), [keep]).decisions("move", "ada", "", "bridge")
    assert (made.act, made.level, made.label, made.to) == ("assign", "landmark", "Great Keep", "bridge")
    tree, report = apply_decisions(two, [made])
    assert (tree.path("Great Keep")[1], tree.path("Fort Knox")[1]) == ("bridge", "castle")
    report.check()


def test_who_leaves_a_group_takes_nobody_along() -> None:
    found = wall(proposal=TREE)
    rows = found.rows(View("group", "cats", order="name")).tolist()
    (some,) = Selection(found, rows[:2]).decisions("move", "ada", "", "dogs")
    (all_,) = Selection(found, rows).decisions("move", "ada", "", "dogs")
    assert (some.label, some.members) == ("cats", ("cat", "leopard"))
    assert (all_.label, all_.members) == ("", tuple(sorted(MEMBERS["cats"])))


def test_one_act_is_one_step_whatever_it_writes(tmp_path: Path) -> None:
    session = start(tmp_path / "d.jsonl")
    rows = session.wall.rows(View("category", "castle"))
    session.save(*session.draft_selection("accept", rows))
    assert [(made.level, made.things) for made in session.made] == [
        ("type", ("keep", "fort")), ("landmark", ("Burg Eltz",))
    ]  # fmt: skip
    assert not len(session.wall.rows(View("category", "castle")))
    session.undo()
    assert len(session.wall.rows(View("category", "castle"))) == 3
    with pytest.raises(CairnError, match="nothing is selected"):
        session.draft_selection("accept", ())
    session.save(*session.draft_selection("accept", rows))
    with pytest.raises(CairnError, match="decided already"):
        session.draft_selection("accept", rows)
    n_lines = len(session.decisions)
    with pytest.raises(CairnError, match="different groups"):
        session.save(*session.draft_selection("move", rows, "lake"))
    assert len(read_decisions(session.path)) == n_lines


@pytest.mark.parametrize(
    ("keys", "lines", "act", "chosen", "more"),
    [
        ("wa", ("", "all"), "accept", (0, 1, 2), {}),
        ("wm", ("", "1", "brid"), "move", (0,), {"to": "bridge"}),
        ("wph", ("", "2-3", "fortress"), "move", (1, 2), {"to": "fortress", "parent": "human-made"}),
        ("wf", ("", "1 3", "a palace?"), "unsure", (0, 2), {"reason": "a palace?"}),
    ],
)
def test_terminal_and_app_write_the_same_of_a_wall(tmp_path: Path, keys, lines, act, chosen, more) -> None:
    pressed, typed = iter(keys), iter(lines)
    console = Console(file=io.StringIO(), width=120)
    session = start(tmp_path / "terminal.jsonl")
    Review(session, console, lambda: next(pressed, "q"), lambda _: next(typed)).run()
    api = ReviewApi(start(tmp_path / "app.jsonl"), "toy")
    tiles = api.answer("wall", {"level": "category", "label": "castle"})["tiles"]
    some = [tiles[place] for place in chosen]
    seen = {"rows": [tile["row"] for tile in some], "groups": [tile["group"] for tile in some]}
    assert "error" not in api.answer("act_on_selection", {"act": act, **seen, **more})
    written = (tmp_path / "terminal.jsonl").read_text()
    assert written
    assert (tmp_path / "app.jsonl").read_text() == written


def test_elsewhere_on_a_wall_of_both(tmp_path: Path) -> None:
    pressed, typed = iter("wx"), iter(("l", "2 3"))
    session = start(tmp_path / "terminal.jsonl", TREE)
    Review(session, Console(file=io.StringIO()), lambda: next(pressed, "q"), lambda _: next(typed)).run()
    api = ReviewApi(start(tmp_path / "app.jsonl", TREE), "toy")
    tiles = api.answer("wall", {"level": "group", "label": "cats", "text": "l"})["tiles"][1:3]
    seen = {"rows": [tile["row"] for tile in tiles], "groups": ["cats", "cats"]}
    assert "error" not in api.answer("act_on_selection", {"act": "exclude", **seen})
    assert (tmp_path / "app.jsonl").read_text() == (tmp_path / "terminal.jsonl").read_text()
    assert session.made[0].members == ("lion", "leopard")


def test_the_question_is_flagged_by_both(tmp_path: Path) -> None:
    pressed, typed = iter("f"), iter(("or a tower",))
    session = start(tmp_path / "terminal.jsonl")
    Review(session, Console(file=io.StringIO()), lambda: next(pressed, "q"), lambda _: next(typed)).run()
    api = ReviewApi(start(tmp_path / "app.jsonl"), "toy")
    asked = api.answer("state", {})["question"]
    about = {key: asked[key] for key in ("level", "label", "seen")}
    assert "error" not in api.answer("act", {"act": "unsure", "reason": "or a tower", **about})
    assert (tmp_path / "app.jsonl").read_text() == (tmp_path / "terminal.jsonl").read_text()
    (made,) = session.made
    assert (made.act, made.label, made.reason) == ("unsure", "keep", "or a tower")
    assert [question.label for question in queue(PROPOSAL, [made])][-1] == "keep"


def test_a_flag_moves_nothing_waits_and_is_settled_by_a_decision() -> None:
    sure = Decision("unsure", "type", "arch bridge", reason="a viaduct?")
    plain, before = apply_decisions(PROPOSAL, ())
    tree, report = apply_decisions(PROPOSAL, [sure])
    assert tree.table().equals(plain.table())
    assert report.counts()["applied"] == 1
    assert {item.label for item in report.pending} - {item.label for item in before.pending} == {
        "arch bridge"
    }
    _, report = apply_decisions(PROPOSAL, [sure, Decision("accept", "type", "arch bridge", "bridge")])
    assert report.counts()["no_op"] == 1
    assert "arch bridge" not in {item.label for item in report.pending}
    _, report = apply_decisions(PROPOSAL, [Decision("unsure", "type", "moon base")])
    assert "there is no type moon base" in report.stale[0].why
    of_label = Decision("unsure", "landmark", "Fort Knox")
    assert "Fort Knox" in {item.label for item in apply_decisions(PROPOSAL, [of_label])[1].pending}
    with pytest.raises(CairnError, match="not both"):
        Decision("unsure", "type", "keep", members=("fort",))


def test_what_moved_meanwhile_is_not_decided(tmp_path: Path) -> None:
    api = ReviewApi(start(tmp_path / "d.jsonl"), "toy")
    tile = api.answer("wall", {"text": "great keep"})["tiles"][0]
    append_decision(tmp_path / "d.jsonl", Decision("move", "type", "keep", "bridge", author="bob"))
    seen = {"act": "accept", "rows": [tile["row"]], "groups": [tile["group"]]}
    assert "1 of what is selected moved" in api.answer("act_on_selection", seen)["error"]
    for rows, groups in (([99], ["x"]), ([-1], ["x"]), ([0], [])):
        answer = api.answer("act_on_selection", {"act": "accept", "rows": rows, "groups": groups})
        assert "does not fit" in answer["error"]


def test_all_of_a_wall_comes_in_pages(tmp_path: Path) -> None:
    api = ReviewApi(start(tmp_path / "d.jsonl", TREE), "toy", photos=ToyPhotos(b"", 2))
    first = api.answer("wall", {"order": "name"})
    assert first["total"] == len(first["tiles"]) == 17
    assert api.answer("wall", {"order": "name", "offset": 15})["tiles"] == first["tiles"][15:]
    rows = api.answer("wall_rows", {"order": "name"})
    assert rows["rows"] == [tile["row"] for tile in first["tiles"]]
    assert rows["groups"] == [tile["group"] for tile in first["tiles"]]
    assert first["tiles"][0]["n_photos"] == 2


def test_the_past_is_told_in_sentences_and_searched(tmp_path: Path) -> None:
    made = [
        Decision("move", "type", "keep", "bridge", author="bob", reason="an arch", date="2026-03-01"),
        Decision("accept", "type", "fort", "castle", author="eve"),
        FLAG,
    ]
    undo = Decision("undo", of=made[0].id, author="eve")
    assert [sentence(one) for one in made] == [
        "Moved keep to bridge", "Accepted fort in castle", "Unsure about keep"
    ]  # fmt: skip
    everything = [*made, undo]
    assert matching(everything) == everything[::-1]
    assert matching(everything, "KEEP bob") == [made[0]]
    assert matching(everything, "keep") == [undo, FLAG, made[0]]
    assert matching(everything, "keep", author="eve") == [undo]
    assert matching(everything, "zebra") == []
    (tmp_path / "d.jsonl").write_text("".join(one.to_line() + "\n" for one in everything))
    found = ReviewApi(start(tmp_path / "d.jsonl"), "toy").answer("history", {"standing": True})
    assert [item["act"] for item in found["items"]] == ["unsure", "accept"]


def test_both_sides_of_a_conflict_and_what_is_stale(tmp_path: Path) -> None:
    rivals = [Decision("move", "type", "keep", to, author=to) for to in ("bridge", "lake")]
    lost = Decision("accept", "type", "moon base", "castle")
    (tmp_path / "d.jsonl").write_text("".join(one.to_line() + "\n" for one in (*rivals, lost)))
    found = ReviewApi(start(tmp_path / "d.jsonl"), "toy").answer("to_settle", {})
    (clash,) = found["conflicts"]
    names = [entry.label for entry in PROPOSAL.labels]
    assert [names[row] for row in clash["rows"]] == ["Great Keep"]
    there = {side["to"]: [names[row] for row in side["there"]] for side in clash["sides"]}
    assert there == {"bridge": ["Sonning Bridge"], "lake": ["Moat of Bodiam"]}
    (stale,) = found["stale"]
    assert "there is no type 'moon base'" in stale["why"]


def test_every_act_has_a_sentence() -> None:
    lines = (
        Path(__file__).parents[2].joinpath("docs/trees.md").read_text().split("```json\n")[1].split("```")[0]
    )
    acts = {json.loads(line)["act"] for line in lines.splitlines()}
    assert acts == {"rename", "move", "merge", "split", "assign", "accept", "exclude", "unsure", "add_level",
                    "remove_level", "undo"}  # fmt: skip
    for line in lines.splitlines():
        assert sentence(Decision.from_line(line, "docs"))
