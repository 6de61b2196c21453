"""What holds for every view of the review app: axe finds nothing, all can be read at 200 % and 400 %, no name runs."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cairnhub.hierarchies.proposal.tree_proposal import GroupEntry, LabelEntry, TreeProposal, TypeEntry
from cairnhub.hierarchies.review.app.api import ReviewApi
from cairnhub.hierarchies.review.decisions import Decision, append_decision
from cairnhub.hierarchies.review.evidence import Reasoner
from cairnhub.hierarchies.review.session import Session
from tests.browser.axe import violations
from tests.browser.conftest import requested, resize
from tests.browser.hostile_pages import HOSTILE, picture
from tests.browser.legible import troubles
from tests.browser.served import served
from tests.browser.test_every_page import READY, prefer, schemes
from tests.browser.test_review_app import Page
from tests.hierarchies.toy import TREE, ToyEmbedder, ToyPhotos, type_entry

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.usefixtures("schemes")]
__all__ = ["schemes"]
NAMES = tuple(name for name in HOSTILE if "\n" not in name and "\u202e" not in name)
"""A proposal is read from a file, whose reader refuses control characters and overrides of the writing direction."""
HOSTILE_PROPOSAL = TreeProposal(
    ("landmark", "category", "kind"),
    tuple(LabelEntry(name, name, None, 0.5, "mined", n_images=9) for name in NAMES),
    (
        *(GroupEntry("category", name, "natural", 0.6) for name in NAMES[:3]),
        GroupEntry("category", "lake", "human-made", 0.4),
        GroupEntry("kind", "human-made"),
        GroupEntry("kind", "natural"),
    ),
    tuple(type_entry(name, NAMES[i % 3], 0.5, 9.0 - i, "lake") for i, name in enumerate(NAMES)),
    (),
)
VIEWS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "question": ("", (), "#question h1"),
    "wall": ("view=wall&show=all", (), ".tile"),
    "selected": ("view=wall&show=all", ("*",), ".tile[aria-selected=true]"),
    "viewer": ("view=wall&show=all&row=1", (), "#viewer-dialog[open]"),
    "history": ("", ("h",), "#history-dialog[open] li"),
    "move": ("", ("m",), "#act-dialog[open]"),
    "levels": ("", ("l",), "#levels-dialog[open]"),
    "help": ("", ("?",), "#help-dialog[open]"),
    "conflicts": ("", (), ".settle img"),
    "page of a group": ("", (), ".page-members"),
}
"""By name: what the address says, keys that lead to it, what is there then."""
BY_DEFAULT = ("question", "wall", "conflicts")


@pytest.fixture
def view(browser, tmp_path: Path) -> Iterator[Callable[[str], Page]]:
    def show(name: str) -> Page:
        proposal = TREE if name == "page of a group" else HOSTILE_PROPOSAL
        path = tmp_path / "toy.jsonl"
        first = proposal.types[0] if proposal.types else None
        if name == "conflicts" and first:
            contradict(path, first)
        if name == "history" and first:
            append_decision(path, Decision("accept", "type", first.text, first.group, author="<b>ada</b>"))
        api = ReviewApi(
            Session(proposal, path, "ada"), "toy", Reasoner(ToyEmbedder()), ToyPhotos(picture(90, (60, 90)))
        )
        page = Page(browser, running.enter_context(served(api)), path, proposal)
        place, keys, there = VIEWS[name]
        requested(browser)
        browser.get(f"{page.url}#{place}")
        page.until(lambda: page.find("body.ready"))
        page.press(*keys)
        page.until(lambda: page.find(there))
        return page

    with ExitStack() as running:
        yield show
        browser.get("about:blank")


def contradict(path: Path, entry: TypeEntry) -> None:
    """Two reviewers say different things of one type, and a third of what is not there."""
    append_decision(path, Decision("move", "type", entry.text, "lake", author="bob", reason=HOSTILE[0]))
    append_decision(path, Decision("move", "type", entry.text, NAMES[2], author="eve"))
    append_decision(path, Decision("accept", "type", "moon base", "lake", author="eve"))


@pytest.mark.parametrize(
    "name", [name if name in BY_DEFAULT else pytest.param(name, marks=pytest.mark.long) for name in VIEWS]
)
def test_it_is_accessible_legible_at_any_zoom_and_runs_no_name(browser, view, name: str) -> None:
    prefer(browser, "light")
    page = view(name)
    assert violations(browser) == []
    prefer(browser, "dark")
    assert violations(browser, "color-contrast") == []
    for zoom in (1, 2, 4):
        resize(browser, 1280 // zoom, 1024 // zoom, zoom)
        browser.execute_async_script(READY)
        assert troubles(browser) == [], f"at {100 * zoom} %"
    assert "run" not in browser.title.split()
    hosts = {url.split("/")[2] for url in requested(browser) if url.startswith("http")}
    assert hosts == {page.url.split("/")[2]}
