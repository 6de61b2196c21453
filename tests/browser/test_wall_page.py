"""The wall of photographs as a person uses it: select, act, filter, link, settle."""

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.review.app.api import ReviewApi
from cairnhub.hierarchies.review.apply import apply_decisions
from cairnhub.hierarchies.review.decisions import Decision, append_decision, read_decisions
from cairnhub.hierarchies.review.session import Session
from tests.browser.conftest import resize
from tests.browser.served import served
from tests.browser.test_review_app import ActionChains, By, Keys, Page
from tests.hierarchies.toy import MEMBERS, PROPOSAL, TREE, ToyPhotos

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def tall() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (90, 180), "teal").save(out, "JPEG")
    return out.getvalue()


class WallPage(Page):
    """The wall and what a person does with it."""

    def at(self, address: str) -> None:
        self.browser.get("about:blank")
        self.browser.get(f"{self.url}#{address}")
        self.until(lambda: self.find("body.ready"))
        self.until(lambda: self.find(".wall-counts") or self.find("#question h1"))

    @property
    def tiles(self) -> list[str]:
        return self.browser.execute_script(
            "return [...document.querySelectorAll('.tile .tile-text > .label')].map((one) => one.textContent)"
        )

    @property
    def selected(self) -> set[str]:
        return set(
            self.browser.execute_script(
                "return [...document.querySelectorAll('.tile[aria-selected=true] .tile-text > .label')]"
                ".map((one) => one.textContent)"
            )
        )

    def tile(self, label: str):
        found = self.browser.find_elements(By.CSS_SELECTOR, ".tile")
        return next(
            one for one in found if one.find_element(By.CSS_SELECTOR, ".tile-text > .label").text == label
        )

    @property
    def address(self) -> str:
        return self.browser.execute_script("return location.hash")


@pytest.fixture
def serving(browser, tmp_path: Path) -> Iterator[Callable[..., WallPage]]:
    def start(proposal: TreeProposal = TREE) -> WallPage:
        path = tmp_path / "toy.jsonl"
        api = ReviewApi(Session(proposal, path, "ada"), "toy", photos=ToyPhotos(tall(), 3))
        page = WallPage(browser, running.enter_context(served(api)), path, proposal)
        page.open()
        return page

    with ExitStack() as running:
        yield start
        browser.get("about:blank")


def test_select_by_click_range_and_key_and_accept(serving) -> None:
    page = serving()
    page.press("w")
    page.until(lambda: page.text("#wall h1") == "cats")
    page.until(lambda: len(page.tiles) == 5)
    order = page.tiles
    page.tile(order[0]).click()
    shift = ActionChains(page.browser).key_down(Keys.SHIFT).click(page.tile(order[2])).key_up(Keys.SHIFT)
    shift.perform()
    assert page.selected == set(order[:3])
    page.press(Keys.ARROW_RIGHT, " ")
    assert page.selected == set(order[:4])
    page.press("a")
    page.until(lambda: page.made == [("accept", "", "cats")])
    assert set(read_decisions(page.path)[0].members) == set(order[:4])
    page.until(lambda: page.tiles == order[4:])
    assert page.text(".wall-counts").startswith("1 of 5 things shown")
    page.press("*", "a")
    page.until(lambda: "Done: all of it is decided" in page.text("#wall"))
    page.press("u")
    page.until(lambda: page.tiles == order[4:])
    page.press("*", "a")
    page.until(lambda: "Done: all of it is decided" in page.text("#wall"))
    page.click("#wall button.primary", "Next")
    page.until(lambda: page.text("h1") != "cats" or page.find("#question h1"))


def test_lasso_and_drag_onto_the_tree(serving) -> None:
    page = serving()
    page.at("view=wall&level=group&label=cats&order=name")
    page.until(lambda: page.tiles == ["cat", "leopard", "lion", "lynx", "tiger"])
    first, second = page.tile("cat"), page.tile("leopard")
    drag = ActionChains(page.browser).move_to_element(first).click_and_hold()
    drag.move_to_element(second).release().perform()
    assert page.selected == {"cat", "leopard"}
    page.until(lambda: page.find("[data-drop=dogs]"))
    drag = ActionChains(page.browser).move_to_element(first).click_and_hold()
    drag.move_to_element(page.find("[data-drop=dogs]")).release().perform()
    page.until(lambda: "images of 2 things change group" in page.text(".effect"))
    assert not page.made
    page.save()
    page.until(lambda: page.tiles == ["lion", "lynx", "tiger"])
    (made,) = read_decisions(page.path)
    assert (made.act, made.label, made.to, made.members) == ("move", "cats", "dogs", ("cat", "leopard"))
    tree, report = apply_decisions(TREE, [made])
    assert tree.path("leopard")[1] == "dogs"
    report.check()


def test_split_out_and_flag_with_a_note(serving) -> None:
    page = serving()
    page.at("view=wall&level=group&label=cats&order=name")
    page.until(lambda: len(page.tiles) == 5)
    for name in ("lion", "tiger"):
        page.tile(name).click()
    page.press("p")
    page.until(lambda: page.find("#act-dialog[open]"))
    page.press("big cats", Keys.ENTER)
    page.save()
    page.until(lambda: page.made == [("move", "cats", "big cats")])
    page.until(lambda: page.tiles == ["cat", "leopard", "lynx"])
    page.tile("lynx").click()
    page.press("f")
    page.until(lambda: page.find("#act-dialog[open]"))
    page.press("could be a caracal")
    page.until(lambda: page.find("#act-dialog button.primary:enabled"))
    page.press(Keys.ENTER)
    page.until(lambda: "? could be a caracal" in page.text(".tile-note"))
    flagged = read_decisions(page.path)[-1]
    assert (flagged.act, flagged.label, flagged.reason) == ("unsure", "lynx", "could be a caracal")
    page.at("view=wall&show=unsure")
    page.until(lambda: page.tiles == ["lynx"])


def test_a_photo_is_whole_and_is_enlarged_by_key_and_click(serving) -> None:
    page = serving()
    page.at("view=wall&level=group&label=dogs&order=name")
    page.until(lambda: len(page.tiles) == 3)
    fit = "return getComputedStyle(document.querySelector('.tile img')).objectFit"
    assert page.browser.execute_script(fit) == "contain"
    page.press(Keys.ARROW_RIGHT, Keys.ENTER)
    page.until(lambda: page.text("#viewer-dialog h2") == "fox")
    assert "Photo 1 of 3" in page.text("#viewer-dialog")
    page.press(Keys.ARROW_RIGHT)
    assert "Photo 2 of 3" in page.text("#viewer-dialog")
    assert "nth=1" in page.address
    page.press(Keys.ARROW_DOWN)
    page.until(lambda: page.text("#viewer-dialog h2") == "wolf")
    page.press(" ", Keys.ESCAPE)
    page.until(lambda: not page.find("#viewer-dialog[open]"))
    assert page.selected == {"wolf"}
    ActionChains(page.browser).move_to_element(page.tile("dog")).perform()
    page.tile("dog").find_element(By.CSS_SELECTOR, ".enlarge").click()
    page.until(lambda: page.text("#viewer-dialog h2") == "dog")
    page.browser.refresh()
    page.until(lambda: page.text("#viewer-dialog h2") == "dog")  # the address has it


def test_filters_are_links_and_back_goes_back(serving) -> None:
    page = serving()
    page.at("view=wall&order=name")
    page.until(lambda: len(page.tiles) == 17)
    page.find("[data-filter=text]").send_keys("li")
    page.until(lambda: page.tiles == ["lion"])
    assert "text=li" in page.address
    page.click("#tree .name", "dogs")
    page.until(lambda: page.text("#wall h1") == "dogs")
    page.until(lambda: not page.find("[data-filter=kind]"))  # a group has one kind
    page.browser.back()
    page.until(lambda: page.tiles == ["lion"])
    page.browser.refresh()
    page.until(lambda: page.tiles == ["lion"])
    page.at("view=wall&order=name")
    page.until(lambda: len(page.tiles) == 17)
    page.find("[data-filter=kind]").send_keys("artefacts")
    page.until(lambda: page.tiles == sorted(MEMBERS["boats"] + MEMBERS["cars"]))
    assert "kind=artefacts" in page.address
    page.at("view=wall&reviewer=ada&show=all")
    page.until(lambda: "Nothing like that here" in page.text("#wall"))
    page.at("level=thing&label=lion")
    page.until(lambda: page.title == "lion")


def test_history_is_searched_and_both_sides_are_seen(serving) -> None:
    page = serving(PROPOSAL)
    append_decision(page.path, Decision("move", "type", "keep", "bridge", author="bob", reason="an arch"))
    append_decision(page.path, Decision("move", "type", "keep", "lake", author="eve"))
    append_decision(page.path, Decision("accept", "type", "fort", "castle", author="eve"))
    page.open()
    page.until(lambda: "2 decisions contradict each other" in page.text("#notices"))
    shown = "return [...document.querySelectorAll('.settle img')].length"
    assert page.browser.execute_script(shown) >= 3  # the keep, a bridge, a lake
    page.press("h")
    page.until(lambda: "3 decisions" in page.text("#history-dialog"))
    page.find("#history-dialog input[type=text]").send_keys("bob arch")
    page.until(lambda: "1 decision of" in page.text("#history-dialog"))
    assert "Moved keep to bridge" in page.text("#history-dialog li")
    page.browser.refresh()
    page.until(lambda: "1 decision of" in page.text("#history-dialog"))
    page.press(Keys.ESCAPE)
    page.until(lambda: not page.find("dialog[open]"))
    page.click("#notices button", "Undo this")
    page.until(lambda: not page.text("#notices"))


@pytest.mark.parametrize("width", [390, 1280, 2560])
def test_nothing_is_wider_than_the_screen_and_no_name_is_cut(serving, width: int) -> None:
    first, *others = PROPOSAL.labels
    long = replace(first, label="Leuchtturm Westerheversand am Wattenmeer")
    page = serving(replace(PROPOSAL, labels=(long, *others)))
    resize(page.browser, width, 900)
    page.at("view=wall&show=all")
    page.until(lambda: len(page.tiles) == 6)
    assert page.browser.execute_script("return document.documentElement.scrollWidth") <= width
    names = "[...document.querySelectorAll('.tile-text > .label')]"
    cut = "(one) => one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight"
    assert page.browser.execute_script(f"return {names}.filter({cut}).map((one) => one.textContent)") == []
