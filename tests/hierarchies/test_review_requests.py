"""What is asked and answered at every level: pages of members, requests of the app, lines of the decisions."""

import hashlib
from pathlib import Path

import pytest

from cairnhub.core.errors import CairnError
from cairnhub.hierarchies.review.apply import apply_decisions
from cairnhub.hierarchies.review.branches import two_branches
from cairnhub.hierarchies.review.decisions import Decision, append_decision, read_decisions
from cairnhub.hierarchies.review.question import ask
from cairnhub.hierarchies.review.queue import queue
from cairnhub.hierarchies.review.state import Layout
from tests.hierarchies.acts import CATS, add, into, remove
from tests.hierarchies.test_review_session import act, call, client, in_terminal, start
from tests.hierarchies.toy import MEMBERS, TREE
from tests.project import ROOT

# ---- pages ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "branches"),
    [
        ((), ((), ())),
        (("cat",), (("cat",), ())),
        (("cat", "dog"), (("cat",), ("dog",))),
        (("cat", "dog", "van", "trout"), (("cat", "dog", "van"), ("trout",))),
        (
            ("trout", "wolf", "lion", "dog", "shark", "fox"),
            (("wolf", "lion", "dog", "fox"), ("trout", "shark")),
        ),
        ((*MEMBERS["dogs"], *CATS), (CATS, MEMBERS["dogs"])),
    ],
)
def test_two_branches(labels: tuple[str, ...], branches: tuple[tuple[str, ...], ...]) -> None:
    assert two_branches(TREE, labels) == branches


def test_beyond_what_is_compared_all_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cairnhub.hierarchies.review.branches._MOST", 4)
    assert two_branches(TREE, ("cat", "lion", "dog", "fox", "van")) == (
        ("cat", "lion", "van"),
        ("dog", "fox"),
    )


def test_the_largest_unnamed_group_is_asked_first_and_its_page_goes_when_it_is_decided() -> None:
    pages = [question for question in queue(TREE, []) if question.level == "group"]
    assert [page.label for page in pages] == ["cats", "cars", "dogs", "fish", "boats"]
    assert (pages[0].level, set(pages[0].members)) == ("group", set(CATS))
    assert queue(TREE, [])[0] == pages[0]
    assert not any(question.level == "thing" for question in queue(TREE, [])), "labels are on pages"
    some = into("cats", *CATS[:4], act="accept")
    assert queue(TREE, [some])[0].label == "cars", "a named group waits behind those without a name"
    assert ask(Layout.of(TREE).state([some]), "group", "cats").members == CATS[4:]
    decided = [into("cats", *CATS, act="accept"), Decision("accept", "group", "cats", "beasts")]
    assert "cats" not in {question.label for question in queue(TREE, decided)}
    everything = [into(name, *members, act="accept") for name, members in MEMBERS.items()]
    everything += [
        Decision("accept", group.level, group.name, group.parent) for group in TREE.groups if group.parent
    ]
    assert queue(TREE, everything) == []


@pytest.mark.parametrize(
    ("keys", "lines", "acts"),
    [
        ("a", (), [("accept", {"members": "all"})]),
        ("n", ("felines",), [("move", {"to": "felines", "members": "all"})]),
        ("x", ("1 3", "big ones"), [("move", {"to": "big ones", "members": (0, 2), "leaves": True})]),
        ("x", ("2-3", "do"), [("move", {"to": "dogs", "members": (1, 2), "leaves": True})]),
        ("x", ("1", ""), [("exclude", {"members": (0,)})]),
        ("xn", ("5", "dogs", "felines"), [("move", {"to": "dogs", "members": (4,), "leaves": True}),
                                          ("move", {"to": "felines", "members": "all"})]),
        ("b", ("dogs",), [("move", {"to": "dogs", "members": "branch", "leaves": True})]),
        ("m", ("mach",), [("move", {"to": "machines"})]),
        ("r", ("felines",), [("rename", {"to": "felines"})]),
        ("g", ("dog",), [("merge", {"to": "dogs"})]),
        ("p", ("1 2", "big ones"), [("split", {"to": "big ones", "members": ("tiger", "lynx")})]),
        ("nu", ("felines",), [("move", {"to": "felines", "members": "all"}), ("undo", {})]),
    ],
)  # fmt: skip
def test_terminal_and_app_write_the_same_on_a_page(tmp_path: Path, keys, lines, acts) -> None:
    written = in_terminal(tmp_path / "terminal.jsonl", keys, lines, TREE)
    app = client(start(tmp_path / "app.jsonl", proposal=TREE))
    for name, more in acts:
        page = call(app, "question", level="group", label="cats")["question"]["members"]
        chosen = more.get("members", ())
        if chosen == "all":
            more = more | {"members": page}
        elif chosen == "branch":
            more = more | {"members": call(app, "branches", level="group", label="cats")["leave"]}
        elif chosen and isinstance(chosen[0], int):
            more = more | {"members": [page[place] for place in chosen]}
        answer = call(app, "undo") if name == "undo" else act(app, name, "group", "cats", **more)
        assert "error" not in answer
    assert (tmp_path / "app.jsonl").read_text(encoding="utf-8") == written
    assert written.count("\n") == len(acts)
    report = apply_decisions(TREE, read_decisions(tmp_path / "app.jsonl"))[1]
    assert len(report.applied) + sum(name == "undo" for name, _ in acts) == len(acts)


@pytest.mark.parametrize(("keys", "lines"), [("n", ("",)), ("x", ("99",)), ("x", ("",)), ("x", ("1", "ca"))])
def test_keys_that_say_nothing_write_nothing(tmp_path: Path, keys: str, lines: tuple[str, ...]) -> None:
    assert in_terminal(tmp_path / "d.jsonl", keys, lines, TREE) == ""


def test_a_new_group_on_the_coarsest_level_is_made_on_purpose(tmp_path: Path) -> None:
    session = start(tmp_path / "d.jsonl", proposal=TREE)
    question = ask(session.state, "branch", "swimmers")
    with pytest.raises(CairnError, match="say that it is new"):
        session.draft("move", question, "sea")
    assert session.draft("move", question, "sea", new=True).new
    assert not session.draft("move", question, "artefacts", new=True).new
    for answer, made in (("n", 0), ("y", 1)):
        written = tmp_path / f"{answer}.jsonl"
        in_terminal(written, f"ssssssm{answer}", ("sea",), TREE)  # machines are asked last
        assert len(read_decisions(written)) == made


# ---- requests ---------------------------------------------------------------------------------------------


def test_requests_at_every_level(tmp_path: Path) -> None:
    app = client(start(tmp_path / "d.jsonl", proposal=TREE))
    assert call(app, "state")["levels"] == ["thing", "group", "branch", "realm"]
    assert call(app, "branches", level="group", label="cats")["stay"]
    assert "no branches" in call(app, "branches", level="realm", label="animals")["error"]
    assert [held["name"] for held in call(app, "groups", level="branch")["groups"]] == [
        "beasts",
        "machines",
        "swimmers",
    ]
    assert call(app, "groups", level="group")["groups"][0] == {
        "name": "cats", "path": ["beasts", "animals"], "n_images": 46
    }  # fmt: skip
    assert "no level 'thing'" in call(app, "groups", level="thing")["error"]
    assert call(app, "children", level="group", label="fish") == {"children": ["trout", "shark"]}
    assert call(app, "children", level="branch", label="beasts") == {"children": ["cats", "dogs"]}
    assert call(app, "children", level="realm", label="animals") == {"children": ["beasts", "swimmers"]}
    assert call(app, "children", level="realm", label="nothing") == {"children": []}
    members = call(app, "members", level="realm", label="animals")
    assert members["items"][0] == {"level": "branch", "label": "beasts", "weight": 75.0, "decided": False}
    assert call(app, "members", level="group", label="cats", offset=4)["items"][0]["label"] == "cat"
    assert call(app, "labels", level="realm", label="artefacts")["total"] == 7


@pytest.mark.parametrize(
    ("level", "label", "expected"),
    [
        ("group", "cats", (False, "beasts", ["beasts", "machines", "swimmers"])),
        ("group", "felines", (True, "", ["beasts", "machines", "swimmers"])),
        ("branch", "beasts", (False, "animals", ["animals", "artefacts"])),
        ("realm", "animals", (False, "", [])),
        ("realm", "sea", (True, "", [])),
    ],
)
def test_parents_of_groups(tmp_path: Path, level: str, label: str, expected: tuple) -> None:
    answer = call(client(start(tmp_path / "d.jsonl", proposal=TREE)), "parent_of", level=level, label=label)
    assert tuple(answer.values()) == expected


def test_levels_that_decisions_add_are_asked_about(tmp_path: Path) -> None:
    given = tmp_path / "d.jsonl"
    append_decision(given, add("group", "kin"))
    app = client(start(given, proposal=TREE))
    assert call(app, "state")["levels"] == ["thing", "group", "kin", "branch", "realm"]
    done = act(app, "move", "group", "dogs", to="cats")
    assert (done["done"]["level"], done["done"]["to"]) == ("group", "cats")
    assert call(app, "children", level="kin", label="cats") == {"children": ["cats", "dogs"]}
    held = {held["name"]: held["path"] for held in call(app, "state")["tree"]}
    assert held["dogs"] == ["cats", "beasts", "animals"]
    assert "is no group" in act(app, "exclude", "thing", "cat", members=["cat"])["error"]


def test_several_act_as_one_and_the_last_one_settles_the_page(tmp_path: Path) -> None:
    app = client(start(tmp_path / "d.jsonl", proposal=TREE))
    assert not act(app, "move", "group", "cats", to="dogs", members=["cat"], leaves=True)["settles"]
    rest = call(app, "question", level="group", label="cats")["question"]["members"]
    done = act(app, "accept", "group", "cats", members=rest)
    assert done["settles"]
    assert set(done["done"]["members"]) == set(CATS) - {"cat"}
    assert done["question"]["label"] == "cars"


# ---- lines ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "decision",
    [
        into("felines", "cat", "lion", leave="cats", kind="beasts"),
        into("felines", "قط", "קט", act="accept"),
        Decision("move", "branch", "swimmers", "sea", new=True),
        Decision("exclude", "thing", "cat", "dogs"),
        add("group", "kin"),
        remove("group", "ada"),
    ],
)
def test_lines_come_back(decision: Decision) -> None:
    again = Decision.from_line(decision.to_line(), "f:1")
    assert again == decision
    assert again.id == decision.id == hashlib.sha256(decision.to_line().encode()).hexdigest()[:12]
    assert '""' not in decision.to_line()
    assert "false" not in decision.to_line()


def test_lines_of_old_keep_their_ids() -> None:
    """An undo names what it takes back by its id."""
    old = read_decisions(ROOT / "pipelines/samples/demonstrations/gldv2.jsonl")
    assert [decision.id for decision in old][:3] == ["b03f14a1e8c3", "3b42189857af", "1edca70944a5"]
    together = hashlib.sha256(" ".join(decision.id for decision in old).encode()).hexdigest()
    assert together.startswith("e95a986bd331")
