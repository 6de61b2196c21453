"""Every page that is a file, of a small dataset whose names are meant to break it."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from cairnhub.datasets_hub.card_page import render_card_page
from cairnhub.datasets_hub.check_report import CheckResult, LookAlike
from cairnhub.datasets_hub.duplicate_table import SCHEMA
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.records import RowList
from cairnhub.hierarchies.explorer import View, write_explorer
from cairnhub.hierarchies.label_tree.node import Node, NodeInfo
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.node_results import Confusion, Measured, NodeMeasures, NodeResults
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.touches import TouchedNodes
from cairnhub.pipelines.stages.summary import report_page
from cairnhub.training.map_page import render_map_page
from cairnhub.training.page_data import Sheets
from cairnhub.training.retrieval_page import render_retrieval_page
from tests.datasets_hub.hub_toy import toy_card, toy_row, toy_tree, write_toy
from tests.pipelines.toy_summary import summary_of
from tests.training.toy_results import toy_results

HOSTILE = (
    "<script>document.title = 'run'</script>",
    """quotes ' " ` & &amp; {{ title }} ${x} </script>""",
    "قلعة حلب \u202eabc\u202c",
    "zero\u200bwidth\u200d joined\ufeff",
    "two\nlines\tand a tab",
    "endless" * 72,
)
"""Markup, quotes, right to left, zero width, a newline, 504 characters without a space."""
PAGES = ("report", "tree", "results", "compare", "map", "retrieval", "look_alikes", "card")
LINKS = {"tree": "tree.html", "retrieval": "retrieval.html", "map": "map.html"}
LEAVES = (*HOSTILE, "Pont Neuf", "Tower Bridge")


def picture(shade: int, size: tuple[int, int] = (24, 24)) -> bytes:
    """A small JPEG file."""
    out = io.BytesIO()
    Image.new("RGB", size, (shade, 90, 120)).save(out, "JPEG")
    return out.getvalue()


def write_pages(folder: Path) -> dict[str, Path]:
    """Write them, `<name>.html` each; gives the files by name."""
    makers: dict[str, Callable[[Path], None]] = {
        "report": _report, "tree": _tree, "results": _with_results, "compare": _compare, "map": _map,
        "retrieval": _retrieval, "look_alikes": _look_alikes, "card": _card,
    }  # fmt: skip
    files = {name: folder / f"{name}.html" for name in PAGES}
    for name, path in files.items():
        makers[name](path)
    return files


def hostile_tree(moved: int = 0) -> LabelTree:
    """Built without the checks on names; the first `moved` labels stand in another category."""
    leaves = sorted(LEAVES)
    above = np.array([(i % 3 + (i < moved)) % 3 for i in range(len(leaves))])
    info = {
        Node("landmark", leaf): NodeInfo(confidence=0.4, source="mined", status="pending") for leaf in leaves
    }
    categories = (HOSTILE[0], HOSTILE[5], "bridge")
    return LabelTree(
        ("landmark", "category", "kind"),
        (tuple(leaves), categories, (HOSTILE[1], "natural")),
        (above, np.array([0, 0, 1])),
        info,
    )


def _photos() -> dict[str, list[bytes]]:
    return {leaf: [picture(20 * i), picture(20 * i + 9)] for i, leaf in enumerate(LEAVES)}


def _view(name: str, moved: int = 0) -> View:
    touch = TouchedNodes(
        Decision("rename", "category", "mill", "bridge", author="<b>ada</b>", reason=HOSTILE[0]),
        (Node("category", "bridge"),),
    )
    counts = {"train": dict.fromkeys(LEAVES, 4), "test": dict.fromkeys(LEAVES, 1)}
    return View(name, hostile_tree(moved), counts, [touch])


def _tree(path: Path) -> None:
    write_explorer(path, HOSTILE[0], _view("toy"), _photos())


def _with_results(path: Path) -> None:
    bridge = Node("category", "bridge")
    measures = {"H-AP": Measured(0.8, 0.7, 0.9), "AP category": Measured(0.41, 0.3, 0.5)}
    nodes = {bridge: NodeMeasures(3, measures)}
    confusions = [Confusion(bridge, HOSTILE[0], 2), Confusion(bridge, HOSTILE[5], 1)]
    results = NodeResults(
        "trained, retrieval", nodes, confusions, {"retrieval": "retrieval.html", "map": "map.html"}
    )
    view = _view("toy")
    write_explorer(path, "toy", View("toy", view.tree, view.counts, view.touches, results), _photos())


def _compare(path: Path) -> None:
    write_explorer(path, "toy", _view("before"), _photos(), _view(HOSTILE[3], moved=4))


def _sheets(n: int) -> Sheets:
    return Sheets.of((picture(5 * i) for i in range(n)), n, [f"{HOSTILE[i % 6][:80]}, CC0" for i in range(n)])


def _map(path: Path) -> None:
    results, tree = toy_results(LEAVES, 4, 4)
    path.write_text(render_map_page(results, tree, _sheets(len(results.image_ids)), LINKS), encoding="utf-8")


def _retrieval(path: Path) -> None:
    results, tree = toy_results(LEAVES, 4, 4)
    page = render_retrieval_page(results, tree, _sheets(len(results.image_ids)), LINKS)
    path.write_text(page, encoding="utf-8")


def _report(path: Path) -> None:
    path.write_text(report_page(summary_of(title=HOSTILE[5], caption=HOSTILE[1])), encoding="utf-8")


def _look_alikes(path: Path) -> None:
    pairs = [
        LookAlike(
            f"train/{name}", f"test/{name}", distance, distance is None, 0.02, (picture(40), picture(90))
        )
        for name, distance in zip(HOSTILE, (None, 2, 3, 4, 5, 6), strict=True)
    ]
    CheckResult("toy", 12, (), (), SCHEMA.empty_table(), tuple(pairs)).save_page(path)


def _card(path: Path) -> None:
    card = toy_card().model_copy(
        update={"title": HOSTILE[0], "description": f"{HOSTILE[1]} {HOSTILE[5]}", "citation": HOSTILE[5]}
    )
    folder = path.with_suffix("")
    rows = [toy_row(split, i) for split in ("train", "test") for i in range(8)]
    write_toy(folder, card=card, tree=toy_tree(60), partitions=[RowList(rows)])
    path.write_text(render_card_page(describe(str(folder)), LINKS), encoding="utf-8")
