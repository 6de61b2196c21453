"""Each tutorial runs from its first cell to its last, and the site that holds them is whole."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cairnhub.core.portable import MARK
from tests.project import ROOT

TUTORIALS = sorted((ROOT / "docs/tutorials").glob("*.py"))


def run(*command: str, cwd: Path) -> str:
    variables = {**os.environ, "PYTHONPATH": str(ROOT), MARK: "1", "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_are_four_and_the_site_names_each():
    assert len(TUTORIALS) == 4
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert all(f"tutorials/{path.stem}.md" in site for path in TUTORIALS)
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert pages == {
        page for page in re.findall(r": ([\w.]+\.md)$", site, re.M) if (ROOT / "docs" / page).is_file()
    }


@pytest.mark.long
@pytest.mark.parametrize("script", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_runs(script: Path, tmp_path: Path):
    assert run(sys.executable, str(script), cwd=tmp_path)


def test_the_site_is_built_and_asks_nobody_for_anything(tmp_path: Path):
    run(
        sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path / "site"), cwd=ROOT
    )
    pages = {path: path.read_text(encoding="utf-8") for path in (tmp_path / "site").rglob("*.html")}
    assert len(pages) > 20
    for path, text in pages.items():
        assert not re.search(r"<(script|img|link)[^>]+(src|href)=\"?https?://", text), path
    reference = pages[tmp_path / "site/reference.html"]
    assert "evaluate_embeddings" in reference
    assert "gallery_labels" in reference
    assert (tmp_path / "site/tutorials/review_a_tree.ipynb").is_file()
