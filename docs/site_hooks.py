"""What `mkdocs` is told about this repository: pages from outside `docs/`, tutorials as pages and as notebooks.

A link that leaves `docs/` leads to a copy of the file inside the site, a link to a folder becomes its name. A tutorial
is a script in cells (`# %%`), from which a page and a notebook without outputs are made.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
HOME = "index.md"
PAGES = {"README.md": HOME, **{name: name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")}}
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
FENCED = re.compile(r"(^```.*?^```)", re.M | re.S)
CELL = re.compile(r"^# %%(?P<kind> \[markdown\])?\n(?P<text>.*?)(?=^# %%|\Z)", re.M | re.S)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and files that do not lie in `docs/`."""
    pages = {ROOT / source: target for source, target in PAGES.items()}
    for script in sorted((ROOT / "docs/tutorials").glob("*.py")):
        cells = [*read_cells(script.read_text(encoding="utf-8"))]
        target = f"tutorials/{script.stem}"
        files.append(File.generated(config, f"{target}.ipynb", content=notebook(cells)))
        files.append(File.generated(config, f"{target}.md", content=page_of(cells, script)))
    for source in sorted((ROOT / "docs").glob("*.md")):
        pages[source] = source.name
    for source, target in pages.items():
        text = _with_links(source.read_text(encoding="utf-8"), source, target, files, config)
        known = files.get_file_from_path(target)
        if known is not None:
            files.remove(known)
        files.append(File.generated(config, target, content=text))
    return files


def read_cells(text: str) -> Iterator[tuple[str, str]]:
    """The cells of a script: `markdown` or `code`, and what is in it."""
    for match in CELL.finditer(text):
        body = match["text"].strip("\n")
        if match["kind"]:
            yield (
                "markdown",
                "\n".join(line.removeprefix("#").removeprefix(" ") for line in body.splitlines()),
            )
        else:
            yield "code", body


def notebook(cells: list[tuple[str, str]]) -> str:
    """A Jupyter notebook, version 4.5, without outputs."""
    made: list[dict[str, Any]] = []
    for number, (kind, text) in enumerate(cells):
        cell = {
            "cell_type": kind,
            "id": f"cell-{number}",
            "metadata": {},
            "source": text.splitlines(keepends=True),
        }
        made.append(cell | ({"execution_count": None, "outputs": []} if kind == "code" else {}))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def page_of(cells: list[tuple[str, str]], script: Path) -> str:
    """The same as a page."""
    parts = [f"```python\n{text}\n```" if kind == "code" else text for kind, text in cells]
    text = "\n\n".join(parts).replace(".py)", ".md)")
    return f"{text}\n\n[The notebook]({script.stem}.ipynb)\n"


def _with_links(text: str, source: Path, target: str, files: Files, config: MkDocsConfig) -> str:
    """The text with links that hold where the page lies in the site."""

    def link(match: re.Match[str]) -> str:
        mark, title, address = match.groups()
        path, _, anchor = address.partition("#")
        if "://" in address or address.startswith("mailto:") or not path:
            return match[0]
        place = (source.parent / path).resolve()
        if place.is_dir():
            return title
        name = place.relative_to(ROOT).as_posix()
        inside = PAGES.get(name) or (
            name.removeprefix("docs/") if name.startswith("docs/") else f"files/{name}"
        )
        if inside.startswith("files/"):
            inside = inside.replace(".md", ".md.txt")  # a report, not a page
            if files.get_file_from_path(inside) is None:
                files.append(File.generated(config, inside, content=place.read_bytes()))
        where = os.path.relpath(inside, Path(target).parent.as_posix())
        return f"{mark}[{title}]({where}{'#' + anchor if anchor and not inside.startswith('files/') else ''})"

    parts = FENCED.split(text)
    return "".join(part if place % 2 else LINK.sub(link, part) for place, part in enumerate(parts))
