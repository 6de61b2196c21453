"""Mining against a server that speaks MediaWiki's JSON, and misbehaves in its ways."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.sources.formats.gldv2.wikimedia import Mining, WikiApi, category_title, mine
from tests.pipelines.wikimedia_server import Server, Wiki, item, serving

ENTITIES = {
    "Q1": item("Q1", "Pont Neuf", P31=["Q10", ("Q11", "preferred"), ("Q12", "deprecated"), ""]),
    "Q2": item("Q2", "Category:Louvre", P301=["Q3"]),
    "Q3": item("Q3", "Louvre", P31=["Q13"]),
    "Q4": item("Q4", "Tower", P31=["Q1386235"]),
    "Q10": item("Q10", "arch bridge", P279=["Q20"]),
    "Q11": item("Q11", "stone bridge", P279=["Q20", "Q21"]),
    "Q13": item("Q13", "art museum", P279=["Q22"]),
    "Q20": item("Q20", "bridge", P279=["Q23"]),
    "Q21": item("Q21", "masonry"),
    "Q22": item("Q22", "museum", P279=["Q13"]),
    "Q23": item("Q23", "structure", P279=["Q20"]),
    "Q1386235": item("Q1386235"),
}
MERGED = {"Q1999": "Q1"}
ITEMS = {"Category:Pont Neuf": "Q1999", "Category:Louvre": "Q2", "Category:Tower": "Q4", "Category:Plain": ""}
REDIRECTS = {"Category:New bridge": "Category:Pont Neuf"}
WIKI = Wiki(ENTITIES, ITEMS, MERGED, REDIRECTS)
TITLES = [
    "Category:New_bridge",
    "http://commons.wikimedia.org/wiki/Category:Louvre",
    "tower",
    "Plain",
    "Gone",
]


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(WIKI) as running:
        yield running


def run(
    server: Server, cache: Path, titles: list[str] = TITLES, depth: int = 5
) -> tuple[Mining, list[float]]:
    waits: list[float] = []
    apis = [
        WikiApi(server.url, cache / name, "ada@example.org", 5.0, waits.append)
        for name in ("commons", "wikidata")
    ]
    return mine(titles, apis[0], apis[1], depth), waits


def test_categories_lead_to_types_and_their_superclasses(server: Server, tmp_path: Path) -> None:
    mining, waits = run(server, tmp_path)
    found = {category: (mined.item, mined.types) for category, mined in mining.landmarks.items()}
    assert found == {
        "Category:New_bridge": ("Q1", ("stone bridge", "arch bridge")),
        "http://commons.wikimedia.org/wiki/Category:Louvre": ("Q3", ("art museum",)),
        "tower": ("Q4", ("Q1386235",)),
        "Plain": ("", ()),
        "Gone": ("", ()),
    }
    assert mining.chains["stone bridge"] == ("bridge", "masonry", "structure")
    assert mining.chains["art museum"] == ("museum",)
    assert waits == []
    assert all("ada@example.org" in agent and "Cairn" in agent for agent in server.agents)
    assert all(asked["maxlag"] == "5" for asked in server.requests)


@pytest.mark.parametrize(
    ("trouble", "wait"),
    [("maxlag", 11), ("busy", 23), ("html", 1), ("cut", 1), ("half", 1), ("short", 1), ("continued", None)],
)
def test_passing_troubles_change_nothing(
    server: Server, tmp_path: Path, trouble: str, wait: float | None
) -> None:
    plain, _ = run(server, tmp_path / "plain")
    server.troubles = [trouble]
    troubled, waits = run(server, tmp_path / "troubled")
    assert troubled == plain
    assert waits == ([] if wait is None else [wait])


def test_lasting_troubles_are_told(server: Server, tmp_path: Path) -> None:
    server.troubles = ["html"] * 20
    with pytest.raises(CairnError, match="no JSON, or only a part of it, 6 times"):
        run(server, tmp_path)
    server.troubles = ["badvalue"]
    with pytest.raises(CairnError, match="'badvalue': says the server"):
        run(server, tmp_path)
    server.troubles = ["short"] * 20
    with pytest.raises(CairnError, match="leave out"):
        run(server, tmp_path)


def test_a_second_run_asks_only_for_what_is_new(server: Server, tmp_path: Path) -> None:
    first, _ = run(server, tmp_path)
    n_requests = len(server.requests)
    assert run(server, tmp_path)[0] == first
    assert len(server.requests) == n_requests
    run(server, tmp_path, [*TITLES, "Fresh"])
    assert [asked["titles"] for asked in server.requests[n_requests:]] == ["Category:Fresh"]


def test_a_stopped_run_goes_on_and_a_half_file_is_asked_for_again(server: Server, tmp_path: Path) -> None:
    titles = [f"Place {i}" for i in range(120)]
    server.troubles = ["", "", *["busy"] * 6]
    with pytest.raises(CairnError, match="status 503"):
        run(server, tmp_path, titles)
    n_requests = len(server.requests)
    run(server, tmp_path, titles)
    sizes = [len(asked["titles"].split("|")) for asked in server.requests]
    assert sizes[:2] == [50, 50]
    assert sizes[n_requests:] == [20]
    stored = sorted((tmp_path / "commons").rglob("*.json"))
    assert json.loads(stored[0].read_text())["fetched"].startswith("20")
    stored[0].write_text(stored[0].read_text()[:100])
    n_requests = len(server.requests)
    run(server, tmp_path, titles)
    assert len(server.requests) == n_requests + 1


def test_titles_and_contact(tmp_path: Path) -> None:
    assert (
        category_title("https://commons.wikimedia.org/wiki/Category:Caf%C3%A9_des_2") == "Category:Café des 2"
    )
    assert category_title("category:a: b") == "Category:A: b"
    with pytest.raises(CairnError, match="contact"):
        WikiApi("http://localhost", tmp_path, "me")
