"""What holds for every page: axe finds nothing, all can be read at 200 % and 400 %, no name runs, nothing leaves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.axe import violations
from tests.browser.conftest import requested, resize, visit
from tests.browser.hostile_pages import HOSTILE, PAGES, write_pages
from tests.browser.legible import troubles

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PLACE = {"tree": "#node=category%2Fbridge", "results": "#node=category%2Fbridge&order=weak"}
READY = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done(true)))"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_pages(tmp_path_factory.mktemp("pages"))


@pytest.fixture
def schemes(browser) -> Iterator[None]:
    yield
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def prefer(browser, scheme: str) -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


def open_page(browser, path: Path, place: str = "") -> None:
    browser.get("about:blank")
    requested(browser)
    visit(browser, path.as_uri() + place)
    browser.execute_async_script(READY)


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_in_both_schemes(browser, schemes, pages: dict[str, Path], name: str):
    prefer(browser, "light")
    open_page(browser, pages[name], PLACE.get(name, ""))
    assert violations(browser) == []
    prefer(browser, "dark")
    browser.execute_async_script(READY)
    assert violations(browser, "color-contrast") == []


@pytest.mark.parametrize("name", PAGES)
def test_all_can_be_read_at_200_and_400_percent(browser, pages: dict[str, Path], name: str):
    for zoom in (2, 4):  # of a window 1280 pixels wide, as WCAG 2.2, 1.4.4 and 1.4.10, would have it
        resize(browser, 1280 // zoom, 1024 // zoom, zoom)
        open_page(browser, pages[name], PLACE.get(name, ""))
        assert troubles(browser) == [], f"at {100 * zoom} %"


@pytest.mark.parametrize("name", PAGES)
def test_names_are_shown_and_never_run(browser, pages: dict[str, Path], name: str):
    open_page(browser, pages[name], PLACE.get(name, ""))
    assert browser.title != "run"
    text = browser.execute_script("return document.body.textContent")
    assert any(label in text for label in HOSTILE)
    asked = [url for url in requested(browser) if not url.startswith("data:")]
    assert [url.split("#")[0] for url in asked] == [pages[name].as_uri()]
    assert troubles(browser) == []
