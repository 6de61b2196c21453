"""Modules make no circle, type-checking imports counted too, and no name stands for two of them without a reason."""

from collections import defaultdict
from pathlib import PurePosixPath

import grimp
import pytest

from tests.project import ROOT

ROOMS = ("pipelines", "hierarchies", "datasets_hub", "training", "cairnhub/core")
SHARED_NAMES = {
    ("pipelines/samples", "pipelines/sources/formats"): "a drawn sample has the name of its source's format",
    ("pipelines/settings", "pipelines/stages"): "a stage's settings have its name",
    ("pipelines/artifacts", "pipelines/stages"): "an artifact has the name of the stage that writes it",
    ("pipelines/cli", "pipelines/stages"): "a command on what a stage does has its name",
    (
        "pipelines",
        "pipelines/settings",
    ): "the settings of the sources have the name of the package that reads them",
}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Who imports whom, counting imports that only type checkers see."""
    return grimp.build_graph("cairnhub", exclude_type_checking_imports=False, cache_dir=None)


def test_no_package_or_module_closes_a_circle(graph: grimp.ImportGraph) -> None:
    packages = sorted(module for module in graph.modules if graph.find_children(module))
    assert len(packages) > 20
    assert not {package: found for package in packages if (found := graph.nominate_cycle_breakers(package))}


def test_a_circle_is_seen(graph: grimp.ImportGraph) -> None:
    assert graph.find_modules_directly_imported_by("cairnhub.training.loop") >= {"cairnhub.training.models"}
    graph.add_import(importer="cairnhub.training.models", imported="cairnhub.training.loop")
    try:
        assert graph.nominate_cycle_breakers("cairnhub.training")
    finally:
        graph.remove_import(importer="cairnhub.training.models", imported="cairnhub.training.loop")


@pytest.mark.parametrize("room", ROOMS)
def test_a_name_stands_for_one_module_of_a_room(room: str) -> None:
    folders = defaultdict(set)
    for path in (ROOT / room).rglob("*.py"):
        module = path.parent if path.name == "__init__.py" else path.with_suffix("")
        if module != ROOT / room:
            folders[module.name].add(module.parent.relative_to(ROOT).as_posix())
    twice = {name: tuple(sorted(where)) for name, where in folders.items() if len(where) > 1}
    assert not {name: where for name, where in twice.items() if where not in SHARED_NAMES}


def test_every_reason_for_a_shared_name_is_used() -> None:
    for pair in SHARED_NAMES:
        names = [
            {PurePosixPath(path.name).stem for path in (ROOT / folder).iterdir() if path.name[0] != "_"}
            for folder in pair
        ]
        assert set.intersection(*names), pair
