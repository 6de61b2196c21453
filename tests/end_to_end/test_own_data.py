"""`docs/own_data.md`, followed line by line: class folders of photos, and nothing else, to a measured model."""

import re

import pytest

from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.review.decisions import Decision, append_decision
from tests.installed import Installed, draw_classes, install
from tests.project import ROOT

PAGE = (ROOT / "docs/own_data.md").read_text(encoding="utf-8")
CLASSES = (
    *("beaver", "dolphin", "otter", "seal", "whale", "shark", "trout", "flatfish", "ray", "aquarium fish"),
    *(
        "oak tree",
        "pine tree",
        "maple tree",
        "willow tree",
        "palm tree",
        "orchid",
        "poppy",
        "rose",
        "sunflower",
        "tulip",
    ),
    *("bottle", "bowl", "can", "cup", "plate", "bed", "chair", "couch", "table", "wardrobe"),
    *(
        "bicycle",
        "bus",
        "motorcycle",
        "pickup truck",
        "train",
        "lawn mower",
        "rocket",
        "streetcar",
        "tank",
        "tractor",
    ),
)


def blocks(language: str) -> list[str]:
    """The code of the page, in its order."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    made = install(tmp_path_factory.mktemp("own"))
    draw_classes(made.folder / "photos", [*CLASSES], side_px=64)
    return made


def commands() -> list[list[str]]:
    """What a reader types, but for installing and the app that waits for clicks."""
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [line.split() for line in lines if not line.startswith(("pip install", "cairn review", "cd "))]


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.xdist_group("own_data")
def test_the_page_leads_from_folders_to_a_measured_model(installed: Installed) -> None:
    typed = commands()
    assert [line[:2] for line in typed] == [
        ["cairn", "init"],
        *(["cairn", "build"], ["cairn", "tree"], ["cairn", "build"], ["cairn", "datasets"]),
    ]
    declare, propose, show, build, check = typed
    root = installed.folder / "things"
    if not root.is_dir():
        installed.run(*declare)
    installed.run("cairn", "graph", "--check", cwd=root)
    installed.run(*propose, cwd=root)
    assert "oak tree" in installed.run(*show, cwd=root).stdout
    proposed = LabelTree.load(root / "data/tree/sample/things/tree.json")
    assert proposed.levels == ("class", "group", "supergroup")
    assert (len(proposed.at_level("group")), len(proposed.at_level("supergroup"))) == (20, 4)
    group = proposed.path("oak tree")[1]
    parent = proposed.path("oak tree")[2]
    trees = tuple(name for name in CLASSES if name.endswith("tree"))
    append_decision(
        root / "decisions/things.jsonl",
        Decision("move", "class", to="trees of a wood", members=trees, kind=parent, author="ada"),
    )
    installed.run(*build, cwd=root)
    reviewed = LabelTree.load(root / "data/tree/sample/things/tree.json")
    assert {reviewed.path(name)[1] for name in trees} == {"trees of a wood"} != {group}
    assert "the contract holds" in installed.run(*check, cwd=root).stdout
    table = (root / "results/evaluate/sample/things/table.md").read_text(encoding="utf-8")
    assert all(f"AP {level}" in table for level in ("class", "group", "supergroup"))
    assert (root / "results/report/index.html").is_file()
    (code,) = blocks("python")
    assert "('class', 'group', 'supergroup')" in installed.run("python", "-c", code, cwd=root).stdout
    assert installed.run(*build, cwd=root).stdout.startswith("0 stages ran")


@pytest.mark.slow
@pytest.mark.xdist_group("own_data")
def test_the_page_declares_what_it_shows(installed: Installed) -> None:
    """The first steps, without a model: they are what a newcomer does first."""
    root = installed.folder / "things"
    if not root.is_dir():
        installed.run(*commands()[0])
    declared = (root / "params.yaml").read_text(encoding="utf-8")
    (shown,) = blocks("yaml")
    for line in shown.splitlines()[1:]:
        assert line.partition("   #")[0].rstrip() in declared
    installed.run(*commands()[1], cwd=root)
    tree = LabelTree.load(root / "data/tree/sample/things/tree.json")
    assert tree.levels == ("class", "group", "supergroup")
    assert set(tree.leaves) == set(CLASSES)
