"""A headless browser; the tests skip where Debian's packages chromium and chromium-driver are not installed."""

import json
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest


@pytest.fixture(scope="session")
def chromium():
    """One browser for all tests."""
    programs = shutil.which("chromium"), shutil.which("chromedriver")
    if None in programs:
        pytest.skip("no chromium and chromedriver here: apt-get install chromium chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(programs[1]))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium) -> Iterator:
    """The browser with clean logs, at 1280 pixels; afterwards nothing was complained of, nothing left the machine."""
    for log in ("browser", "performance"):
        chromium.get_log(log)
    resize(chromium, 1280, 900)
    yield chromium
    complaints = chromium.get_log("browser")
    asked = requested(chromium)
    chromium.get("about:blank")
    assert complaints == []
    assert {urlsplit(url).hostname for url in asked if url.startswith("http")} <= {"127.0.0.1"}


def resize(browser, width: int, height: int, zoom: float = 1) -> None:
    """Give the page a size in CSS pixels, each of them `zoom` pixels of the screen wide."""
    size = {"width": width, "height": height, "deviceScaleFactor": zoom, "mobile": width < 500 and zoom == 1}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def visit(browser, address: str) -> None:
    """Open a page and wait until its script has drawn it."""
    from selenium.webdriver.support.wait import WebDriverWait

    browser.get(address)
    WebDriverWait(browser, 20, 0.02).until_not(lambda _: browser.find_elements("css selector", "[aria-busy]"))


def requested(browser) -> list[str]:
    """Addresses that the page asked for."""
    events = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    sent = (event["params"] for event in events if event["method"] == "Network.requestWillBeSent")
    return [event["request"]["url"] for event in sent]
