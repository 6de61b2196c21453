"""Whether all text of a page can be read: none is cut, none lies on other text, nothing is wider than the window."""

from pathlib import Path


def troubles(browser) -> list[str]:
    """What cannot be read, in words."""
    return browser.execute_script(Path(__file__).with_suffix(".js").read_text(encoding="utf-8"))
