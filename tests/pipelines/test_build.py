"""`cairn build`: the steps of the graph, in an order that works; what is refused is refused in a line."""

import os
from pathlib import Path

import pytest

from cairnhub.core.errors import CairnError
from cairnhub.core.files import lock_folder
from cairnhub.pipelines.build import Step, build, chosen_steps, steps_of
from cairnhub.pipelines.cli.initialise import init_project
from cairnhub.pipelines.content_hashes import ContentHashes
from cairnhub.pipelines.graph import graph, write_graph
from cairnhub.pipelines.params import load_params
from tests.pipelines.table_project import drawn
from tests.project import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of two classes; nothing is built."""
    for name in ("owl", "gull"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.jpg").write_bytes(drawn(len(name)))
    init_project(tmp_path / "birds", tmp_path / "photos")
    return tmp_path / "birds"


def steps(root: Path) -> list[Step]:
    return steps_of(graph(load_params(root / "params.yaml"), root))


def test_every_step_reads_what_an_earlier_one_writes_or_a_file_of_the_repository() -> None:
    written: list[str] = []
    for step in steps(ROOT):
        for name in step.reads:
            made = [
                path
                for path in written
                if path == name or path.startswith(f"{name}/") or name.startswith(f"{path}/")
            ]
            assert made or (ROOT / name).exists(), f"{step.name}: {name}"
        assert not any("$" in text for text in (*step.reads, *step.writes, *(key for _, key in step.params)))
        written += step.writes


def test_a_project_elsewhere_depends_on_no_path_outside_it(project: Path) -> None:
    made = steps(project)
    assert {step.name for step in made} >= {"plan", "fetch@sample-birds", "train@sample-birds", "summary"}
    for step in made:
        outside = [name for name in step.reads if name.startswith(("/", "..", "cairnhub", "pipelines"))]
        assert outside == (["../photos"] if step.name.startswith("fetch") else [])
        assert any(file == "code.yaml" for file, _ in step.params), step.name
    (train,) = [step for step in made if step.name == "train@sample-birds"]
    assert "recipes/birds.yaml" in train.reads


def test_a_recipe_of_the_package_may_be_named_in_a_project(project: Path) -> None:
    own = (project / "code.yaml").read_text(encoding="utf-8")
    text = (project / "params.yaml").read_text(encoding="utf-8")
    (project / "params.yaml").write_text(text.replace("recipes: {birds: birds}", "recipes: {birds: small}"))
    write_graph(project)
    (train,) = [step for step in steps(project) if step.name == "train@sample-birds"]
    assert not [name for name in train.reads if name.startswith("recipes/")]
    assert (project / "code.yaml").read_text(encoding="utf-8") != own


def test_a_target_brings_what_it_needs_and_no_more(project: Path) -> None:
    names = [step.name.partition("@")[0] for step in chosen_steps(steps(project), ["review"])]
    assert names == ["plan", "fetch", "index", "embed", "cluster", "review"]
    assert names == [
        step.name.partition("@")[0] for step in chosen_steps(steps(project), ["review@sample-birds"])
    ]
    with pytest.raises(CairnError, match="no stage 'chek'; did you mean 'check'"):
        chosen_steps(steps(project), ["chek"])


def test_a_second_build_is_refused_while_one_runs(project: Path) -> None:
    (project / ".cairn").mkdir()
    with lock_folder(project / ".cairn"), pytest.raises(CairnError, match="another `cairn build` runs here"):
        build(project, ["fetch"])


def test_a_state_that_cannot_be_read_is_named(project: Path) -> None:
    (project / ".cairn").mkdir()
    (project / ".cairn/build.json").write_text("{", encoding="utf-8")
    with pytest.raises(CairnError, match=r"build.json.*not JSON.*remove it"):
        build(project, ["fetch"])


def test_a_photo_that_is_added_is_seen(project: Path) -> None:
    assert build(project, ["index"]) == (3, 0)
    assert build(project, ["index"]) == (0, 3)
    (project.parent / "photos/owl/2.jpg").write_bytes(drawn(9))
    assert build(project, ["index"]) == (2, 1)


def test_a_photo_that_is_added_behind_a_link_is_seen(project: Path) -> None:
    table = project.parent / "labels.csv"
    table.write_text("path,bird\nowl/1.jpg,owl\ngull/1.jpg,gull\n", encoding="utf-8")
    init_project(project.parent / "linked", project.parent / "photos", table)
    assert build(project.parent / "linked", ["index"]) == (3, 0)
    (project.parent / "photos/owl/2.jpg").write_bytes(drawn(9))
    assert build(project.parent / "linked", ["index"])[0] == 2


def test_hashes_are_kept_by_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "data/a.txt"
    path.parent.mkdir()
    path.write_text("one", encoding="utf-8")
    with ContentHashes.kept_at(tmp_path, tmp_path / "hashes.json") as hashes:
        first, folder = hashes.of("data/a.txt"), hashes.of("data")
        assert hashes.of("nothing") == ""
    path.write_text("two", encoding="utf-8")
    os.utime(path, ns=(1, 1))
    with ContentHashes.kept_at(tmp_path, tmp_path / "hashes.json") as hashes:
        assert hashes.of("data/a.txt") != first
        assert hashes.of("data") != folder
