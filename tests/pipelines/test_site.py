"""The site: one folder, whose links all lead somewhere in it."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from cairnhub.core.errors import NotFound
from cairnhub.pipelines.site import write_site
from tests.datasets_hub.hub_toy import toy_card, write_toy


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "data/hub/sample"
    folder.mkdir(parents=True)
    write_toy(folder / "toy")
    write_toy(folder / "closed", card=toy_card(name="closed", redistributable=False))
    return tmp_path


def test_all_pages_lie_in_one_folder_and_every_link_leads_there(project: Path):
    pages = write_site(project, project / "site")
    names = [page.relative_to(project / "site").as_posix() for page in pages]
    assert names == [
        "index.html", "sample/closed/card.html", "sample/closed/tree.html", "sample/toy/card.html",
        "sample/toy/tree.html",
    ]  # fmt: skip
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "default-src &#39;none&#39;" in text
        for href in re.findall(r'<a href="([^"#]+)', text):
            assert (page.parent / unquote(href)).is_file()
    again = {page: page.read_bytes() for page in pages}
    assert {page: page.read_bytes() for page in write_site(project, project / "site")} == again


def test_images_that_may_not_be_passed_on_are_not_in_it(project: Path):
    write_site(project, project / "site")
    closed, toy = (project / "site/sample" / name for name in ("closed", "toy"))
    for page in ("tree.html", "card.html"):
        assert "data:image/jpeg" not in (closed / page).read_text(encoding="utf-8")
        assert "data:image/jpeg" in (toy / page).read_text(encoding="utf-8")
    assert "No photos here: the licence" in (closed / "tree.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["letter.txt", "index.html"])
def test_nothing_that_it_did_not_write_is_replaced(project: Path, page: str):
    (project / "mine").mkdir()
    (project / "mine/letter.txt").write_text("dear", encoding="utf-8")
    (project / "mine" / page).write_text("dear", encoding="utf-8")
    with pytest.raises(NotFound, match="is not empty, and nothing that"):
        write_site(project, project / "mine")
    assert (project / "mine/letter.txt").read_text(encoding="utf-8") == "dear"
    with pytest.raises(NotFound, match="nothing is published yet"):
        write_site(project / "mine", project / "site")
