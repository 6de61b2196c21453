"""axe-core in a page: which rules of accessibility (WCAG 2) it breaks."""

from importlib.resources import files

import pytest

# The package's own code would drive another browser; its script is all that is read.
PACKAGE, SCRIPT = "axe_playwright_python", "axe.min.js"
RUN = """
const [rules, done] = arguments;
const options = { resultTypes: ["violations"], preload: false, iframes: false };
axe.run(document, rules.length ? { ...options, runOnly: rules } : options)
  .then(found => done(found.violations.map(({ id, impact, nodes }) =>
    `${impact} ${id}: ${nodes.slice(0, 3).map(({ target, html }) => `${target} ${html.slice(0, 120)}`).join(" | ")}`)),
    error => done([`${error}`]));
"""


def violations(browser, *rules: str) -> list[str]:
    """What is wrong with the page as it is now, however slight; of the named rules only, if any are named."""
    pytest.importorskip(PACKAGE)
    if not browser.execute_script("return 'axe' in window"):
        browser.execute_script(files(PACKAGE).joinpath(SCRIPT).read_text(encoding="utf-8"))
    return browser.execute_async_script(RUN, list(rules))
