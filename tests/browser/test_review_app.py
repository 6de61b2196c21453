"""The review app as a person uses it: in a real browser, by key and by mouse."""

import io
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from cairnhub.hierarchies.label_tree.label_rules import MAX_NAME_LENGTH
from cairnhub.hierarchies.label_tree.node import Node
from cairnhub.hierarchies.proposal.tree_proposal import GroupEntry, LabelEntry, TreeProposal
from cairnhub.hierarchies.review.app.api import ReviewApi
from cairnhub.hierarchies.review.apply import apply_decisions
from cairnhub.hierarchies.review.decisions import Decision, append_decision, read_decisions
from cairnhub.hierarchies.review.evidence import Reasoner
from cairnhub.hierarchies.review.session import Session
from tests.browser.conftest import resize
from tests.browser.served import served
from tests.hierarchies.toy import MEMBERS, PROPOSAL, TREE, ToyEmbedder, ToyPhotos, type_entry

By = pytest.importorskip("selenium.webdriver.common.by").By
Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
ActionChains = pytest.importorskip("selenium.webdriver").ActionChains

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PATIENCE_S = 60
HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">",
    "\"quotes\" 'and' `ticks` & &amp; ${x}",
    "🏰 castle 👩‍👩‍👧‍👦 with emoji",
    "قلعة right to left حلب",
    "endless " * 1250,  # longer than a decision may name
)


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (160, 120), "teal").save(out, "JPEG")
    return out.getvalue()


class Page:
    """The page and what a person does with it."""

    def __init__(self, browser, url: str, path: Path, proposal: TreeProposal) -> None:
        self.browser, self.url, self.path, self.proposal = browser, url, path, proposal

    def open(self) -> None:
        self.browser.get(self.url)
        self.until(lambda: self.find("body.ready"))

    def until(self, condition: Callable[[], object]) -> object:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if found := condition():
                return found
            time.sleep(0.03)
        raise AssertionError(f"not within {PATIENCE_S} s; the page shows:\n{self.text('body')[:2000]}")

    def find(self, css: str):
        found = [one for one in self.browser.find_elements(By.CSS_SELECTOR, css) if one.is_displayed()]
        return found[0] if found else None

    def text(self, css: str) -> str:
        return self.browser.execute_script(
            "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent).join('\\n')",
            css,
        )

    @property
    def title(self) -> str:
        return self.text("h1")

    def press(self, *keys: str) -> None:
        for key in keys:
            ActionChains(self.browser).send_keys(key).perform()

    def click(self, css: str, containing: str = "") -> None:
        def target():
            everything = self.browser.find_elements(By.CSS_SELECTOR, css)
            return next((one for one in everything if containing in one.text and one.is_displayed()), None)

        self.until(target).click()

    def save(self) -> None:
        """Wait for the preview, then press Enter."""
        self.until(lambda: self.find("#act-dialog button.primary:enabled"))
        self.until(lambda: self.browser.switch_to.active_element.get_attribute("type") == "submit")
        self.press(Keys.ENTER)
        self.until(lambda: not self.find("#act-dialog[open]"))

    def at_label(self, level: str, label: str) -> None:
        """The question about something, by its address."""
        self.browser.execute_script(
            "location.hash = `#level=${arguments[0]}&label=${arguments[1]}`", level, label
        )
        self.until(lambda: self.title == label)

    @property
    def made(self) -> list[tuple[str, str, str]]:
        return [(found.act, found.label, found.to) for found in read_decisions(self.path)]


@pytest.fixture
def serving(browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    def start(proposal: TreeProposal = PROPOSAL) -> Page:
        path = tmp_path / "toy.jsonl"
        session = Session(proposal, path, "ada")
        api = ReviewApi(session, "toy", Reasoner(ToyEmbedder()), ToyPhotos(jpeg()))
        page = Page(browser, running.enter_context(served(api)), path, proposal)
        page.open()
        return page

    with ExitStack() as running:
        yield start
        browser.get("about:blank")


def test_decide_by_key_undo_and_reload(serving) -> None:
    page = serving()
    assert page.title == "keep"
    page.press("a")
    page.until(lambda: page.title == "Naturama")
    assert page.made == [("accept", "keep", "castle")]
    page.press("u")
    page.until(lambda: page.title == "keep")
    page.press("1")  # tower: a new category, whose kind is known
    page.until(lambda: "20 images of 1 landmark change category" in page.text(".effect"))
    assert page.made[-1][0] == "undo"  # nothing is written before it is saved
    page.save()
    page.until(lambda: page.title == "Naturama")
    assert "tower20" in page.text("#tree")
    page.open()
    assert page.title == "Naturama"
    assert "tower20" in page.text("#tree")
    assert page.made[-1] == ("move", "keep", "tower")
    tree, report = apply_decisions(PROPOSAL, read_decisions(page.path))
    assert tree.path("Great Keep") == ("Great Keep", "tower", "human-made")
    report.check()


def test_decide_by_mouse(serving) -> None:
    page = serving()
    page.click(".more-acts button", "Skip")
    page.until(lambda: page.title == "Naturama")
    page.click(".more-acts button", "Assign")
    page.until(lambda: page.find("#act-dialog input")).send_keys("cas")
    page.click("#choices li", "castle")
    page.until(lambda: "8 images" in page.text(".effect"))
    page.find("input[placeholder^=Reason]").send_keys("it looks so")
    page.click("#act-dialog button", "Save")
    page.until(lambda: page.made)
    (made,) = read_decisions(page.path)
    assert (made.act, made.label, made.to, made.reason) == ("assign", "Naturama", "castle", "it looks so")
    page.until(lambda: "castle68" in page.text("#tree"))


@pytest.mark.parametrize(
    ("key", "fill", "expected", "shown"),
    [
        ("r", lambda page: page.press("fortress"), ("rename", "castle", "fortress"), "fortress60"),
        ("g", lambda page: page.press("lak", Keys.ENTER), ("merge", "castle", "lake"), "lake65"),
        ("p", lambda page: page.find("#act-dialog [type=text]").send_keys("towers"),
         ("split", "castle", "towers"), "towers20"),
        ("m", lambda page: page.press("bri", Keys.ENTER), ("move", "keep", "bridge"), "bridge60"),
    ],
)  # fmt: skip
def test_each_act_shows_its_effect_and_updates_the_tree(serving, key, fill, expected, shown) -> None:
    page = serving()
    page.press(key)
    page.until(lambda: page.find("#act-dialog[open]"))
    fill(page)
    page.until(lambda: page.find("#act-dialog button.primary:enabled"))
    assert "change category" in page.text(".effect")
    page.press(Keys.ENTER)
    page.until(lambda: page.made == [expected])
    page.until(lambda: shown in page.text("#tree"))


def test_search_help_history_and_the_tree(serving) -> None:
    page = serving()
    page.press("/")
    page.press("moat of")
    page.until(lambda: "Moat of Bodiam" in page.text("#found"))
    page.press(Keys.ENTER)
    page.until(lambda: page.title == "Moat of Bodiam")
    assert "lake" in page.text("[aria-current]")
    page.click("#tree .name", "bridge")
    page.until(lambda: page.title == "bridge")
    page.click(".line.here .toggle")
    page.until(lambda: "arch bridge" in page.text(".members"))
    page.press("?")
    page.until(lambda: "Undo your last decision" in page.text("#help-dialog"))
    page.press(Keys.ESCAPE)
    page.until(lambda: not page.find("#help-dialog[open]"))  # the browser closes it in its own time
    page.press("n")
    page.until(lambda: page.title != "bridge")
    page.press("a")
    page.until(lambda: page.made)
    page.press("h")
    page.until(lambda: page.find("#history-dialog[open]"))
    page.click("#history-dialog button", "Undo")
    page.until(lambda: [act for act, *_ in page.made] == ["accept", "undo"])


def test_another_reviewer_is_seen(serving) -> None:
    page = serving()
    append_decision(page.path, Decision("move", "type", "keep", "bridge", author="bob"))
    page.until(lambda: "bridge60" in page.text("#tree"))
    append_decision(page.path, Decision("move", "type", "keep", "lake", author="eve"))
    page.until(lambda: "2 decisions contradict each other" in page.text("#notices"))
    page.click("#notices button", "Undo this")
    page.until(lambda: not page.text("#notices"))


def test_to_the_end(serving) -> None:
    page = serving()
    while page.title != "Everything is decided":
        before = page.title
        assert "null" not in page.text("#question")
        page.press("a")
        page.until(lambda title=before: page.title != title)
    assert "9 answers" in page.text(".done"), "two categories of one kind are one question"
    assert apply_decisions(PROPOSAL, read_decisions(page.path))[1].pending == ()


def test_a_page_of_a_group_takes_two_out_and_names_the_rest(serving) -> None:
    page = serving(TREE)
    assert page.title == "cats"
    assert not page.find(".page-acts button[aria-keyshortcuts=x]:enabled")
    for name in ("lynx", "cat"):
        page.click(".member", name)
    page.press("x")
    page.until(lambda: "Out go lynx, cat" in page.text("#act-dialog"))
    page.until(lambda: page.find("#act-dialog input"))
    page.press("small ones", Keys.ENTER)
    page.until(lambda: "15 images of 2 things change group" in page.text(".effect"))
    assert not page.made
    page.save()
    page.until(lambda: "small ones15" in page.text("#tree"))
    page.until(lambda: page.text(".member") == "tiger\nlion\nleopard")
    page.press("e")
    page.until(lambda: "These belong together: tiger, lion, leopard." in page.text("#act-dialog"))
    page.press("big cats")
    page.until(lambda: "31 images of 3 things change group" in page.text(".effect"))
    page.until(lambda: page.find("#act-dialog button.primary:enabled"))
    page.press(Keys.ENTER)
    page.until(lambda: "big cats31" in page.text("#tree"))
    page.until(lambda: page.title == "cars")
    taken, named = read_decisions(page.path)
    assert (taken.act, taken.level, taken.label, taken.to) == ("move", "thing", "cats", "small ones")
    assert (named.act, named.label, named.to, named.kind) == ("move", "", "big cats", "beasts")
    assert (taken.members, named.members) == (("lynx", "cat"), ("tiger", "lion", "leopard"))
    tree, report = apply_decisions(TREE, read_decisions(page.path))
    assert tree.path("lion") == ("lion", "big cats", "beasts", "animals")
    assert not tree.has(Node("group", "cats"))
    report.check()


def test_elsewhere_branches_and_accept_on_a_page(serving) -> None:
    page = serving(TREE)
    page.press("b")
    page.until(lambda: page.text(".member[aria-pressed=true]") == "cat")
    page.press("x")
    page.until(lambda: page.find("#act-dialog[open]"))
    page.until(lambda: page.find("#act-dialog button.primary:enabled"))
    page.click("#act-dialog button", "Save")
    page.until(lambda: page.made == [("exclude", "", "cats")])
    page.until(lambda: page.text(".member") == "tiger\nlynx\nlion\nleopard")
    page.press("a")
    page.until(lambda: len(page.made) == 2)
    assert [set(made.members) for made in read_decisions(page.path)] == [
        {"cat"}, set(MEMBERS["cats"]) - {"cat"}
    ]  # fmt: skip
    page.press("h")
    page.until(lambda: "Took cat out of cats" in page.text("#history-dialog"))


def test_photos_are_drawn(serving) -> None:
    page = serving()
    widths = "return [...document.querySelectorAll('.photos img')].map((one) => one.naturalWidth)"
    page.until(lambda: page.browser.execute_script(widths) == [160, 160])  # its one landmark has two


def hostile_proposal() -> TreeProposal:
    """A category, a type and a landmark of each name, to be asked about in turn."""
    return replace(
        PROPOSAL,
        groups=(*(GroupEntry("category", name, "natural", 0.9) for name in HOSTILE), *PROPOSAL.groups),
        types=(
            *PROPOSAL.types,
            *(
                type_entry(f"{name} type", name, 0.1, 900 - place, second=f"{name} other")
                for place, name in enumerate(HOSTILE)
            ),
        ),
        labels=(
            *PROPOSAL.labels,
            *(
                LabelEntry(f"{name} landmark", f"{name} type", None, 0.1, "mined", n_images=500)
                for name in HOSTILE
            ),
        ),
    )


def test_hostile_names_are_text(serving) -> None:
    page = serving(hostile_proposal())
    for name in HOSTILE:
        page.until(lambda name=name: page.title == f"{name} type")
        assert page.text(".place") == name
        page.until(lambda name=name: f"{name} landmark" in page.text(".labels"))
        assert page.text(".chip .label").startswith(f"{name} other")
        assert name in page.text("#tree")
        for width in (400, 1280):
            resize(page.browser, width, 900)
            assert page.browser.execute_script("return document.documentElement.scrollWidth") <= width
        page.press("m")
        page.until(lambda: page.find("#act-dialog[open]"))
        page.press("bridge", Keys.ENTER)
        if len(name) > MAX_NAME_LENGTH:
            page.until(lambda: "characters" in page.text(".effect .error"))
            break
        page.save()
        page.until(lambda name=name: page.made[-1] == ("move", f"{name} type", "bridge"))
    page.press(Keys.ESCAPE)
    page.until(lambda: not page.find("#act-dialog[open]"))
    page.press("h")
    page.until(lambda: page.find("#history-dialog[open]"))
    assert all(name in page.text("#history-dialog") for name in HOSTILE[:-1])
    assert "owned" not in page.browser.title.split(" · ")[0][:5]


def test_enter_right_after_typing_a_name_is_heard(serving) -> None:
    page = serving()
    page.press("r")
    page.until(lambda: page.find("#act-dialog[open]"))
    page.press("fortress" + Keys.ENTER)  # faster than any preview
    page.until(lambda: page.made == [("rename", "castle", "fortress")])
    page.until(lambda: not page.find("#act-dialog[open]"))


def test_undo_after_a_skip_takes_the_skip_back(serving) -> None:
    page = serving()
    page.press("a")
    page.until(lambda: page.title == "Naturama")
    page.press("s")
    page.until(lambda: page.title not in ("Naturama", "keep"))
    page.press("u")
    page.until(lambda: page.title == "Naturama")
    assert page.made == [("accept", "keep", "castle")]
    assert "Skipped Naturama" in page.text("#toast")


def test_what_no_longer_matches_is_seen(serving) -> None:
    page = serving()
    append_decision(page.path, Decision("accept", "type", "moon base", "castle", author="bob"))
    page.until(lambda: "1 decision no longer match" in page.text("#notices"))
    page.click("#notices summary")
    assert "Accepted moon base in castle bob: there is no type" in page.text("#notices li")


def test_confidence_is_rounded_as_the_terminal_does(serving) -> None:
    entries = tuple(replace(entry, confidence=0.7967) for entry in PROPOSAL.types)
    page = serving(replace(PROPOSAL, types=entries))
    assert "80 % sure" in page.text(".confidence.sure")
