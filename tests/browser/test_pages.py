"""The pages in a real browser: explored by keyboard, on a phone, offline, with names meant to break them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cairnhub.hierarchies.explorer import View, write_explorer
from cairnhub.hierarchies.label_tree.node import Node, NodeInfo
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.node_results import Confusion, Measured, NodeMeasures, NodeResults
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.touches import TouchedNodes
from cairnhub.pipelines.stages.summary import report_page
from tests.browser.conftest import requested, resize, visit
from tests.pipelines.toy_summary import summary_of

By = pytest.importorskip("selenium.webdriver.common.by").By
Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
WebDriverWait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
LEVELS = ("landmark", "category", "kind")
HOSTILE = [
    "<script>document.title = 'run'</script>",
    "<img src=x onerror=\"document.title='run'\">",
    """quotes ' " ` & {{ title }} </script>""",
    "emoji 👩‍👩‍👧‍👦 🗼",
    "قلعة حلب \u202e abc",
    "long " + "x" * 9_995,
]
OTHERS = ["Pont Neuf", "Ponte Vecchio", "Tower Bridge", "Loch Ness"]
JPEG = bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffdb004300ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc0000b080001000101011100ffc40014000100000000000000000000000000"
    "000003ffc40014100100000000000000000000000000000000ffda0008010100003f0037ffd9"
)


def tree_of(category_of: dict[str, str]) -> LabelTree:
    """Built without the checks on names: what a page shows must be safe whatever a tree holds."""
    leaves, categories = sorted(category_of), sorted(set(category_of.values()))
    kinds = np.array([int(category == "lake") for category in categories])
    above = np.array([categories.index(category_of[leaf]) for leaf in leaves])
    info = {
        Node("landmark", leaf): NodeInfo(confidence=0.4, source="mined", status="pending")
        for leaf in leaves[:2]
    }
    return LabelTree(
        LEVELS, (tuple(leaves), tuple(categories), ("human-made", "natural")), (above, kinds), info
    )


HOLES = """
const holes = [];
for (const grid of document.querySelectorAll('.tiles, .cards')) {
  const rows = new Map();
  for (const { top, right } of [...grid.children].map((child) => child.getBoundingClientRect()))
    rows.set(Math.round(top), Math.max(right, rows.get(Math.round(top)) ?? 0));
  for (const end of rows.values())
    if (grid.getBoundingClientRect().right - end > 1) holes.push([grid.className, end]);
}
return holes"""
"""Ends of rows that stop short of their grid's, pixels."""


OLD = dict.fromkeys(HOSTILE, "odd") | dict.fromkeys(OTHERS[:3], "bridge") | {"Loch Ness": "lake"}
NEW = OLD | {"Tower Bridge": "odd"}


class Page:
    """A page, opened in a browser whose fixture sees that nothing is complained of and nothing leaves the machine."""

    def __init__(self, browser, path: Path) -> None:
        self.browser, self.path = browser, path
        requested(browser)
        visit(browser, path.as_uri())

    def all(self, selector: str) -> list:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        return [found.get_property("textContent") for found in self.all(selector)]

    def wait(self, holds: Callable[[], bool]) -> None:
        WebDriverWait(self.browser, 5).until(lambda _: holds())

    def press(self, *keys: str) -> None:
        for key in keys:
            self.browser.switch_to.active_element.send_keys(key)

    def chosen(self) -> str:
        return self.texts("#panel h2")[0]

    def check(self) -> None:
        """The page is one file, and no label ran."""
        assert [url for url in requested(self.browser) if not url.startswith("data:")] == [self.path.as_uri()]
        assert self.browser.title != "run"


@pytest.fixture
def page(browser, tmp_path: Path) -> Page:
    touch = TouchedNodes(
        Decision("rename", "category", "mill", "odd", author="<b>ada</b>", reason=HOSTILE[0]),
        (Node("category", "odd"),),
    )
    counts = {"train": dict.fromkeys(OLD, 4), "test": {"Loch Ness": 2}}
    path = tmp_path / "tree.html"
    write_explorer(path, HOSTILE[0], View("toy", tree_of(OLD), counts, [touch]), {"Pont Neuf": [JPEG, JPEG]})
    return Page(browser, path)


def test_hostile_names_are_shown_as_text(page: Page):
    assert page.texts("h1") == [HOSTILE[0]]
    page.browser.execute_script(
        "panes[0].outline.open.add(panes[0].tree.find(1, 'odd')); panes[0].outline.layout()"
    )
    shown = page.texts(".row .name")
    for name in HOSTILE[:-1]:
        assert name in shown
        page.browser.execute_script(
            "panes[0].enter(panes[0].tree.find(0, arguments[0])); panes[0].outline.activate(panes[0].outline.active)",
            name,
        )
        assert page.chosen() == name
    assert any(name.startswith("long xxx") and len(name) < 200 for name in shown), "shortened in the list"
    page.browser.execute_script("panes[0].outline.reveal(panes[0].tree.find(0, arguments[0]))", HOSTILE[-1])
    assert page.chosen() == HOSTILE[-1]
    page.browser.execute_script("panes[0].outline.reveal(panes[0].tree.find(1, 'odd'))")
    assert page.texts(".decisions li") == [f"Renamed mill to odd — <b>ada</b>“{HOSTILE[0]}”"]
    page.check()


def test_explored_by_keyboard(page: Page):
    page.press("/")
    assert page.browser.switch_to.active_element.get_attribute("id") == "query"
    page.press("pont", Keys.ENTER)
    page.wait(lambda: page.texts("#found") == ["2 of 15 labels"])
    assert page.browser.switch_to.active_element.get_attribute("role") == "tree"
    assert page.texts(".row mark") == ["Pont", "Pont"]
    page.press(Keys.END)
    assert page.chosen() == "Ponte Vecchio"
    page.press("/", Keys.ESCAPE)
    page.wait(lambda: page.texts("#found") == [""])
    page.press(Keys.HOME)
    assert page.chosen() == "human-made"
    page.press(Keys.ARROW_LEFT)
    assert page.all("[aria-selected=true]")[0].get_attribute("aria-expanded") == "false"
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert page.chosen() == "odd"
    page.press("b")
    assert page.chosen() == "bridge"
    page.press(Keys.ENTER)
    assert page.texts(".crumbs button") == ["all", "human-made", "bridge"]
    active = page.all("[role=tree]")[0].get_attribute("aria-activedescendant")
    row = page.browser.find_element(By.ID, active)
    assert {name: row.get_attribute(name) for name in ("role", "aria-level", "aria-posinset", "aria-setsize")} == {
        "role": "treeitem", "aria-level": "2", "aria-posinset": "2", "aria-setsize": "2"}  # fmt: skip
    page.check()


def test_a_node_shows_what_is_known_of_it(page: Page):
    page.browser.execute_script("panes[0].outline.reveal(panes[0].tree.find(1, 'lake'))")
    rows = [row.split("\n")[0] for row in page.texts("#panel .bars tr")]
    assert rows == ["train4", "test2", "all6", "landmark labels1"]
    page.browser.execute_script("panes[0].outline.reveal(panes[0].tree.find(0, 'Pont Neuf'))")
    assert len(page.all(".photos img")) == 2
    assert page.texts("#panel .path button") == ["bridge", "human-made"]
    page.check()


def test_two_trees_follow_each_other(browser, tmp_path: Path):
    path = tmp_path / "both.html"
    write_explorer(path, "both", View("old", tree_of(OLD)), {}, View("new", tree_of(NEW)))
    page = Page(browser, path)
    (change,) = page.all("#changes button")
    assert change.text == "1 landmark from “bridge” to “odd”"
    change.click()
    assert page.texts(".row[aria-selected=true] .name") == ["Tower Bridge", "Tower Bridge"]
    assert [crumbs.text.split()[-1] for crumbs in page.all(".crumbs")] == ["bridge", "odd"]
    page.all("#changed")[0].click()
    assert page.texts(".row .name") == [
        "human-made",
        "bridge",
        "Tower Bridge",
        "human-made",
        "odd",
        "Tower Bridge",
    ]
    assert page.texts("#found") == ["2 of 30 labels"]
    page.check()


def test_the_report_shows_the_numbers_and_runs_nothing(browser, tmp_path: Path):
    path = tmp_path / "index.html"
    path.write_text(report_page(summary_of(title=HOSTILE[0], caption=HOSTILE[1])), encoding="utf-8")
    page = Page(browser, path)
    assert page.texts("article h3") == [HOSTILE[0]]
    assert HOSTILE[1] in page.texts("figure.query bdi")
    assert all(svg.get_attribute("aria-label") for svg in page.all("svg"))
    assert page.texts(".tiles b") == ["1", "1,234", "5", "3", "8", "1"]
    page.check()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_on_a_phone_and_text_stands_out(browser, page: Page, tmp_path: Path, scheme: str):
    report = tmp_path / "index.html"
    report.write_text(report_page(summary_of()), encoding="utf-8")
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    resize(browser, 400, 800)
    try:
        for path in (tmp_path / "tree.html", report):
            page = Page(browser, path)
            assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
            assert (
                contrast(
                    *browser.execute_script(
                        "const style = getComputedStyle(document.body); return [style.color, style.backgroundColor]"
                    )
                )
                > 7
            )
            page.check()
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_phone_shows_the_outline_first(browser, page: Page, tmp_path: Path):
    resize(browser, 400, 800)
    page = Page(browser, tmp_path / "tree.html")
    tops = [page.all(name)[0].rect["y"] for name in (".tree", "#panel", ".drawing")]
    assert tops == sorted(tops)
    assert page.all(".tree")[0].rect["height"] > 300


@pytest.mark.parametrize("width", [400, 700, 1000, 1440, 2200])
def test_rows_of_the_report_are_filled_to_their_end(browser, tmp_path: Path, width: int):
    report = tmp_path / "index.html"
    report.write_text(report_page(summary_of()), encoding="utf-8")
    resize(browser, width, 900)
    page = Page(browser, report)
    assert browser.execute_script(HOLES) == []
    page.check()


def contrast(*colours: str) -> float:
    """Of two colours such as `rgb(1, 2, 3)`, by WCAG 2."""

    def luminance(colour: str) -> float:
        channels = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    dark, light = sorted(map(luminance, colours))
    return (light + 0.05) / (dark + 0.05)


RATIOS = """
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const pixel = (...colours) => {
  canvas.clearRect(0, 0, 1, 1);
  for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
  return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
};
const light = pixel => pixel.map(c => c / 255).map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
const page = getComputedStyle(document.body).backgroundColor;
return [...document.querySelectorAll(".map small, .map bdi")].map(text => {
  const part = text.closest("[data-id]"), back = pixel(page, getComputedStyle(part).backgroundColor);
  const [dark, bright] = [light(back), light(pixel(getComputedStyle(text).color))].sort((a, b) => a - b);
  return (bright + .05) / (dark + .05);
});
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_names_and_counts_in_the_drawing_can_be_read(browser, page: Page, scheme: str):
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        for colours in ("branch", "doubt"):
            browser.execute_script("panes[0].map.colours = arguments[0]; panes[0].map.draw()", colours)
            ratios = browser.execute_script(RATIOS)
            assert len(ratios) > 8
            assert min(ratios) >= 4.5
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_colour_means_the_same_whatever_is_in_focus(page: Page):
    colour_of_bridge = """
    const id = panes[0].tree.find(1, "bridge");
    return getComputedStyle(document.querySelector(`.map [data-id="${id}"]`)).backgroundColor"""
    before = page.browser.execute_script(colour_of_bridge)
    for name in ("human-made", "bridge"):
        page.browser.execute_script(
            "const { tree, map } = panes[0]; map.show(tree.find(2, arguments[0]) ?? tree.find(1, arguments[0]))",
            name,
        )
        assert page.browser.execute_script(colour_of_bridge) == before


def test_a_search_lights_up_the_drawing(page: Page):
    page.press("/", "pont", Keys.ENTER)
    page.wait(lambda: len(page.all(".map .lit")) == 2)
    assert page.all(".map .dim")
    page.press("/", Keys.ESCAPE)
    page.wait(lambda: not page.all(".map .lit, .map .dim"))


def test_an_address_keeps_the_place(page: Page):
    page.browser.execute_script("panes[0].outline.reveal(panes[0].tree.find(0, 'Loch Ness'))")
    visit(page.browser, page.browser.current_url.replace("Loch+Ness", "Pont+Neuf"))
    page.wait(lambda: page.chosen() == "Pont Neuf")
    page.browser.refresh()
    assert page.chosen() == "Pont Neuf"
    page.browser.execute_script("panes[0].enter(panes[0].tree.find(1, 'lake'))")
    assert page.chosen() == "lake"
    page.browser.back()
    page.wait(lambda: page.chosen() == "Pont Neuf")


def test_a_page_without_photos_says_why(browser, tmp_path: Path):
    path = tmp_path / "tree.html"
    why = "No photos here: the licence lets nobody pass these images on."
    write_explorer(path, "toy", View("toy", tree_of(OLD)), no_photos=why)
    assert why in Page(browser, path).texts("#panel")[0]


def test_two_trees_count_the_same(browser, tmp_path: Path):
    path = tmp_path / "both.html"
    counts = {"train": dict.fromkeys(OLD, 4)}
    write_explorer(path, "both", View("old", tree_of(OLD)), {}, View("new", tree_of(NEW), counts))
    page = Page(browser, path)
    images = len(OLD) * 4
    assert [text.split(" · ")[0] for text in page.texts("header p")] == [
        f"old: {images} images",
        f"new: {images} images",
    ]
    page.browser.execute_script("panes[0].outline.reveal(panes[0].tree.find(0, 'Loch Ness'))")
    assert page.texts(".row[aria-selected=true] .count") == ["4", "4"]


def test_what_a_model_reaches_stands_on_each_node(browser, tmp_path: Path):
    bridge, lake = Node("category", "bridge"), Node("category", "lake")
    measures = {"H-AP": Measured(0.8, 0.7, 0.9), "AP category": Measured(0.41, 0.3, 0.5)}
    results = NodeResults(
        "trained, retrieval",
        {bridge: NodeMeasures(3, measures), lake: NodeMeasures(1, {"AP category": Measured(0.9, 0.9, 0.9)})},
        [Confusion(bridge, "odd", 2), Confusion(bridge, HOSTILE[0], 1)],
        {"retrieval": "retrieval.html", "map": "map.html"},
    )
    path = tmp_path / "tree.html"
    write_explorer(path, "toy", View("toy", tree_of(OLD), results=results))
    page = Page(browser, path)
    page.browser.execute_script("panes[0].outline.reveal(panes[0].tree.find(1, 'bridge'))")
    assert page.texts("#panel .results td b") == ["80.0", "41.0"]
    assert page.texts("#panel .decisions li") == ["odd for 2 of 3 these queries"]
    assert (
        page.all("#panel .decisions a")[0]
        .get_attribute("href")
        .endswith("/retrieval.html#node=category%2Fbridge&found=category%2Fodd")
    )
    browser.execute_script(
        "const order = document.getElementById('order'); order.value = 'weak'; order.onchange()"
    )
    assert page.texts(".row .tag") == ["AP 41", "AP 90"]
    page.check()


def test_two_trees_stand_row_by_row(browser, tmp_path: Path):
    path = tmp_path / "both.html"
    write_explorer(path, "both", View("old", tree_of(OLD)), {}, View("new", tree_of(NEW)))
    page = Page(browser, path)
    rows = """
    const tops = side => new Map([...document.querySelectorAll(`.pane:nth-of-type(${side + 1}) .row`)]
      .map(row => [row.querySelector('.name').textContent, row.style.top]));
    const [left, right] = [tops(0), tops(1)];
    const apart = [...left.keys()].filter(name => right.has(name) && left.get(name) !== right.get(name));
    return [apart, left.size, right.size]"""
    browser.execute_script("panes[0].outline.toggle(panes[0].tree.find(1, 'bridge'))")
    apart, n_left, n_right = browser.execute_script(rows)
    assert apart == [], "what stands in the same place of both trees is in one row"
    assert n_left == n_right + 1, "Tower Bridge is no bridge any more: a gap beside it"
    assert page.all(".pane:nth-of-type(2) .gap")
    browser.execute_script("panes[1].outline.toggle(panes[1].tree.find(1, 'bridge'))")
    assert browser.execute_script(rows)[1:] == [n_left - 3, n_left - 3]
    browser.execute_script("panes[0].outline.reveal(panes[0].tree.find(0, 'Tower Bridge'))")
    assert page.texts(".row[aria-selected=true] .name") == ["Tower Bridge", "Tower Bridge"]
    page.all("[role=tree]")[1].send_keys(Keys.HOME, *[Keys.ARROW_DOWN] * 4)
    assert page.all("#panel h2"), "arrows pass the gaps"
    page.check()
