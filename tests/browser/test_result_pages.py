"""The retrieval page and the map in a real browser: filters, any image as a query, lasso, links that keep the place."""

from pathlib import Path

import pytest
from PIL import Image

from cairnhub.training.map_page import render_map_page
from cairnhub.training.page_data import Sheets, pictured
from cairnhub.training.retrieval_page import render_retrieval_page
from tests.browser.conftest import resize, visit
from tests.browser.test_pages import HOSTILE, Page, contrast
from tests.odd_images import encoded
from tests.training.toy_results import toy_results

ActionChains = pytest.importorskip("selenium.webdriver").ActionChains
Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
LEAVES = ["alp", "brook", "cairn", "dune", HOSTILE[0], HOSTILE[1]]
LINKS = {"tree": "tree.html", "retrieval": "retrieval.html", "map": "map.html"}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both pages of 24 images, four of them queries."""
    folder = tmp_path_factory.mktemp("pages")
    results, tree = toy_results(LEAVES, 4, 4)
    n = len(results.image_ids)
    pictures = [encoded(Image.new("RGB", (20, 20), (10 * i, 80, 90)), "PNG") for i in range(n)]
    sheets = Sheets.of(pictures, n, [f"author {i}, CC0" for i in range(n)])
    retrieval = render_retrieval_page(results, tree, sheets, {"tree": "tree.html", "map": "map.html"})
    (folder / "retrieval.html").write_text(retrieval, encoding="utf-8")
    (folder / "map.html").write_text(render_map_page(results, tree, sheets, LINKS), encoding="utf-8")
    none = Sheets(why_none="No photos here: the licence lets nobody pass these images on.")
    (folder / "none.html").write_text(render_retrieval_page(results, tree, none), encoding="utf-8")
    return folder


def at(browser, path: Path, place: str = "") -> Page:
    page = Page(browser, path)
    if place:
        browser.get("about:blank")
        visit(browser, path.as_uri() + place)
    return page


def test_pages_have_the_same_bytes_again():
    results, tree = toy_results(LEAVES, 4, 4)
    pages = [
        render(results, tree, Sheets(why_none="none"), LINKS)
        for render in (render_map_page, render_retrieval_page)
        for _ in range(2)
    ]
    assert pages[0] == pages[1]
    assert pages[2] == pages[3]


def test_every_query_is_there_and_each_system_stands_beside_the_other(browser, pages: Path):
    page = Page(browser, pages / "retrieval.html")
    assert page.texts("#queries b") == ["20.0", "43.3", "66.7", "90.0"], "worst first"
    assert page.texts(".system h3") == ["trained: H-AP 20.0", "untrained: H-AP 30.0"]
    assert page.texts(".asked h2") == [sorted(LEAVES)[0]]
    assert len(page.all(".system:first-of-type li")) == 6
    browser.execute_script("const k = document.getElementById('k'); k.value = 3; k.oninput({ target: k })")
    assert len(page.all(".system:first-of-type li")) == 3
    page.check()


def test_filters_orders_and_levels(browser, pages: Path):
    page = Page(browser, pages / "retrieval.html")
    page.press("/", "brook")
    page.wait(lambda: page.texts("#count") == ["1 of 4 queries"])
    assert page.texts(".asked h2") == ["brook"]
    page = at(browser, pages / "retrieval.html", "#kind=sibling&level=landmark")
    first = sorted(LEAVES)
    assert page.texts("#count") == ["2 of 4 queries"], (
        "the next image is a sibling for the first of each pair"
    )
    assert {tile.get_attribute("data-image") for tile in page.all("#queries button")} == {"0", "2"}
    page = at(browser, pages / "retrieval.html", "#level=category&kind=right")
    assert page.texts("#count") == ["2 of 4 queries"]
    page = at(browser, pages / "retrieval.html", "#order=best")
    assert page.texts("#queries b")[0] == "90.0"
    page = at(browser, pages / "retrieval.html", f"#node=category%2Fcategory+0&found=landmark%2F{first[1]}")
    assert page.texts("#count") == ["1 of 4 queries"]
    page.all("#chips button")[1].click()
    page.wait(lambda: page.texts("#count") == ["2 of 4 queries"])


def test_a_result_becomes_the_query_and_back_again(browser, pages: Path):
    page = Page(browser, pages / "retrieval.html")
    page.all(".system:first-of-type button")[4].click()
    assert page.texts("dialog h2") == [sorted(LEAVES)[5]]
    assert "author 5, CC0" in page.texts("dialog p")
    hrefs = [link.get_attribute("href").rsplit("/", 1)[1] for link in page.all("dialog a")]
    assert [href.split("#")[0] for href in hrefs] == ["tree.html", "map.html"]
    page.all("dialog button")[0].click()
    page.wait(lambda: page.texts(".asked h2") == [sorted(LEAVES)[5]])
    assert "#query=image-5" in browser.current_url
    browser.refresh()
    assert page.texts(".asked h2") == [sorted(LEAVES)[5]]
    browser.back()
    page.wait(lambda: page.texts(".asked h2") == [sorted(LEAVES)[0]])
    page.press(Keys.ARROW_RIGHT)
    page.wait(lambda: page.texts(".asked h2") == [sorted(LEAVES)[1]])
    assert [tile.get_attribute("data-image") for tile in page.all("[aria-current=true]")] == ["1"]


def test_images_that_may_not_be_shown_are_named(browser, pages: Path):
    page = Page(browser, pages / "none.html")
    assert "No photos here" in page.texts("body")[0]
    assert page.texts("#queries .named") == sorted(LEAVES)[:4]
    assert not page.all("[role=img]")
    page.check()


def test_a_lasso_makes_a_wall(browser, pages: Path):
    page = Page(browser, pages / "map.html")
    assert page.texts("#count") == ["24 of 24 images"]
    assert len(page.all("#wall li")) == 24
    where = browser.execute_script("return [0, 1, 2].map(i => toScreen(x(i), y(i)))")
    canvas = page.all("#map")[0]
    width, height = canvas.size["width"], canvas.size["height"]
    inside = [(x, y) for x, y in where if 12 < x < width - 12 and 12 < y < height - 12]
    left, top = inside[0][0] - 8 - width / 2, inside[0][1] - 8 - height / 2
    drag = ActionChains(browser, duration=20).move_to_element_with_offset(canvas, left, top).click_and_hold()
    for dx, dy in ((16, 0), (0, 16), (-16, 0), (0, -8)):
        drag = drag.move_by_offset(dx, dy)
    drag.release().perform()
    page.wait(lambda: page.texts("#count") != ["24 of 24 images"])
    n_chosen = int(page.texts("#count")[0].split()[0])
    assert 1 <= n_chosen < 24
    assert len(page.all("#wall li")) == n_chosen
    assert "lasso=" in browser.current_url
    browser.refresh()
    assert page.texts("#count") == [f"{n_chosen} of 24 images"]
    page.press(Keys.ESCAPE)
    page.wait(lambda: page.texts("#count") == ["24 of 24 images"])
    browser.back()
    page.wait(lambda: page.texts("#count") == [f"{n_chosen} of 24 images"])


def test_a_node_of_the_tree_is_lit_and_points_lead_back(browser, pages: Path):
    page = at(browser, pages / "map.html", "#node=category%2Fcategory+0")
    assert page.texts("#count") == ["8 of 24 images"]
    assert page.texts("#legend button") == ["category 0 8"]
    assert page.all("#chips a")[0].get_attribute("href").endswith("/tree.html#node=category%2Fcategory+0")
    for colours, expected in (("right:category", {"right", "wrong"}), ("split", {"test", "index"})):
        browser.execute_script(
            "const c = document.getElementById('colours'); c.value = arguments[0]; c.onchange({ target: c })",
            colours,
        )
        assert {text.rsplit(" ", 1)[0] for text in page.texts("#legend button")} == expected
    page.all("#wall button")[0].click()
    hrefs = [link.get_attribute("href").rsplit("/", 1)[1].split("#")[0] for link in page.all("dialog a")]
    assert hrefs == ["tree.html", "retrieval.html"]


def test_points_have_pictures_under_the_pointer(browser, pages: Path):
    page = Page(browser, pages / "map.html")
    width, height = page.all("#map")[0].size["width"], page.all("#map")[0].size["height"]
    x, y = browser.execute_script("return toScreen(x(3), y(3))")
    ActionChains(browser).move_to_element_with_offset(
        page.all("#map")[0], x - width / 2, y - height / 2
    ).perform()
    page.wait(lambda: bool(page.texts("#hover b")))
    assert page.all("#hover [role=img]")
    page.check()


def test_a_zoom_brings_what_lies_under_the_first_glance(browser, tmp_path: Path):
    results, tree = toy_results(LEAVES, 10_000, 4)
    path = tmp_path / "map.html"
    path.write_text(render_map_page(results, tree, Sheets(why_none="none")), encoding="utf-8")
    page = Page(browser, path)
    drawn = "return [inSight().reduce((sum, tile) => sum + tile.length, 0), levels.length, byId('count').textContent]"
    n_first, n_read, counted = browser.execute_script(drawn)
    assert 30_000 < n_first < 50_000, "one for each of 65,536 cells that is not empty"
    assert (n_read, counted) == (1, "60,000 of 60,000 images")
    browser.execute_script("zoom(8)")
    inside, n_read, _ = browser.execute_script(drawn)
    assert n_read > 1
    sight = "const [l, t] = toMap(0, 0), [r, b] = toMap(box.width, box.height); let n = 0;"
    sight += (
        "for (let i = 0; i < images.n; i++) n += x(i) >= l && x(i) <= r && y(i) >= t && y(i) <= b; return n"
    )
    assert inside >= 0.99 * browser.execute_script(sight)
    page.check()


def test_where_few_have_a_picture_the_others_show_their_name(
    browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("cairnhub.training.page_data.MOST_PICTURES", 5)
    results, tree = toy_results(LEAVES, 4, 4)
    sheets = Sheets.of([encoded(Image.new("RGB", (20, 20), (i, 80, 90)), "PNG") for i in range(5)], 24)
    for name, render in (("map", render_map_page), ("retrieval", render_retrieval_page)):
        path = tmp_path / f"{name}.html"
        path.write_text(render(results, tree, sheets), encoding="utf-8")
        page = Page(browser, path)
        assert "; 5 have a picture here" in page.texts("header p")[0]
        places = browser.execute_script(
            "return Array.from({ length: images.n }, (_, i) => images.pictureOf(i))"
        )
        assert [i for i, place in enumerate(places) if place >= 0] == pictured(24).tolist()
        assert len(page.all(".tile:not(.named)")) >= 1
        page.check()
    assert len(page.all(".tile.named")) >= 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["retrieval.html", "map.html", "none.html"])
def test_pages_fit_a_phone_and_200_percent_in_both_schemes(browser, pages: Path, scheme: str, name: str):
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        for width in (400, 640):  # 640 is what 1280 pixels leave at 200 %
            resize(browser, width, 800)
            page = Page(browser, pages / name)
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
            colours = browser.execute_script(
                "const style = getComputedStyle(document.body); return [style.color, style.backgroundColor]"
            )
            assert contrast(*colours) > 7
            page.check()
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
