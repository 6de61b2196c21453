"""`docs/own_data.md`, followed line by line: class folders of photos, and nothing else, to a measured model."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.review.decisions import Decision, append_decision
from tests.project import ROOT, Project, copy_repository

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


def draw(folder: Path, n_each: int) -> None:
    """Photos of each class, alike by groups of ten."""
    rng = np.random.default_rng(0)
    shades = rng.random((len(CLASSES) // 10 + 1, 6, 8, 3))
    for place, name in enumerate(CLASSES):
        own = rng.random((6, 8, 3))
        (folder / name).mkdir(parents=True)
        for nth in range(n_each):
            mixed = 0.5 * shades[place // 10] + 0.35 * own + 0.15 * rng.random((6, 8, 3))
            picture = Image.fromarray((mixed * 255).astype(np.uint8))
            picture.resize((96, 72), Image.Resampling.BICUBIC).save(folder / name / f"{nth}.jpg")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = copy_repository(tmp_path_factory.mktemp("own"))
    draw(made.root / "photos", 4)
    return made


def commands() -> list[list[str]]:
    """What a reader types, but for the path and the app that waits for clicks."""
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [line.split() for line in lines if not line.startswith(("export", "cairn review"))]


@pytest.mark.long
def test_the_page_leads_from_folders_to_a_measured_model(project: Project) -> None:
    typed = commands()
    assert [line[:2] for line in typed] == [
        *(["cairn", "include"], ["dvc", "repro"], ["cairn", "tree"], ["dvc", "repro"], ["cairn", "datasets"])
    ]
    declare, propose, show, build, check = typed
    project.run(*declare)
    project.run("cairn", "graph", "--check")
    project.run(*propose)
    assert "oak tree" in project.run(*show).stdout
    proposed = LabelTree.load(project.root / "data/tree/sample/things/tree.json")
    assert proposed.levels == ("class", "group", "supergroup")
    assert (len(proposed.at_level("group")), len(proposed.at_level("supergroup"))) == (20, 4)
    group = proposed.path("oak tree")[1]
    parent = proposed.path("oak tree")[2]
    trees = tuple(name for name in CLASSES if name.endswith("tree"))
    append_decision(
        project.root / "decisions/things.jsonl",
        Decision("move", "class", to="trees of a wood", members=trees, kind=parent, author="ada"),
    )
    project.run(*build)
    reviewed = LabelTree.load(project.root / "data/tree/sample/things/tree.json")
    assert {reviewed.path(name)[1] for name in trees} == {"trees of a wood"} != {group}
    assert "the contract holds" in project.run(*check).stdout
    (results,) = project.root.glob("results/evaluate/sample/things/table.md")
    table = results.read_text(encoding="utf-8")
    assert all(f"AP {level}" in table for level in ("class", "group", "supergroup"))
    (code,) = blocks("python")
    assert "('class', 'group', 'supergroup')" in project.run(sys.executable, "-c", code).stdout
    again = project.run("dvc", "repro", "report@sample-things", "evaluate@sample-things").stdout
    assert "Running stage" not in again


def test_the_page_declares_what_it_shows(project: Project) -> None:
    """The first steps, without a model: they are what a newcomer does first."""
    project.run(*commands()[0])
    declared = (project.root / "params.yaml").read_text(encoding="utf-8")
    (shown,) = blocks("yaml")
    for line in shown.splitlines()[1:]:
        assert line.partition("   #")[0].rstrip() in declared
    for stage in ("fetch", "index", "embed", "cluster", "review"):
        project.run("cairn", "stage", stage, "things")
    tree = LabelTree.load(project.root / "data/tree/sample/things/tree.json")
    assert tree.levels == ("class", "group", "supergroup")
    assert set(tree.leaves) == set(CLASSES)
