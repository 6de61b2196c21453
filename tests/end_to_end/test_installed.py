"""From the wheel alone: a hundred folders of photos become a published dataset, by `cairn build` or by DVC."""

import json
import resource
from pathlib import Path

import pytest
import yaml

from cairnhub.datasets_hub.loader import describe
from tests.installed import Installed, draw_classes, install

NAMES = [
    f"{colour} {bird}"
    for colour in ["red", "blue", "green", "black", "white", "grey", "brown", "small", "great", "common"]
    for bird in ["owl", "hawk", "duck", "goose", "finch", "wren", "heron", "gull", "tern", "crow"]
]
LOAD = """
import cairnhub, json
train, test = (cairnhub.load_dataset("birds", split) for split in ("train", "test"))
print(json.dumps([cairnhub.__file__, len(train) + len(test), cairnhub.load_tree("birds").levels]))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    made = install(tmp_path_factory.mktemp("installed"))
    draw_classes(made.folder / "photos", NAMES)
    made.run("cairn", "init", "birds", "--images", "photos", "--tree-levels", "kind,group", "--sizes", "10,3")
    return made


def ran(installed: Installed, *targets: str) -> list[str]:
    """The stages that `cairn build` runs."""
    told = installed.run("cairn", "build", *targets, cwd=installed.folder / "birds").stderr.splitlines()
    return [line.partition(": ")[0] for line in told if line.endswith((": never ran", " changed"))]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.xdist_group("installed")
def test_the_wheel_builds_checks_and_loads(installed: Installed) -> None:
    project = installed.folder / "birds"
    assert ran(installed, "check")[-2:] == ["publish@sample-birds", "check@sample-birds"]
    where, n_images, levels = json.loads(installed.run("python", "-c", LOAD, cwd=project).stdout)
    assert where.startswith(str(installed.site))
    assert (n_images, levels) == (400, ["class", "kind", "group"])
    assert ran(installed, "check") == []


@pytest.mark.slow
@pytest.mark.xdist_group("installed")
def test_what_changed_is_built_anew_and_nothing_else(installed: Installed) -> None:
    project = installed.folder / "birds"
    ran(installed, "check")
    edit(
        project / "params.yaml",
        "publish:\n  sample: {shard_size_mb: 400",
        "publish:\n  sample: {shard_size_mb: 399",
    )
    assert ran(installed, "check") == ["publish@sample-birds"]  # the same bytes: the check need not run
    (project / "results/check/sample/birds/report.json").unlink()
    assert ran(installed, "check") == ["check@sample-birds"]
    upgraded = installed.site / "cairnhub/datasets_hub/duplicates.py"
    edit(upgraded, "MAX_DISTANCE = 3", "MAX_DISTANCE = 2")
    assert ran(installed, "check") == ["publish@sample-birds", "check@sample-birds"]
    edit(upgraded, "MAX_DISTANCE = 2", "MAX_DISTANCE = 3")


@pytest.mark.long
@pytest.mark.xdist_group("installed")
def test_a_build_that_stops_goes_on_where_it_was(installed: Installed) -> None:
    project = installed.folder / "birds"
    ran(installed, "check")
    decisions = project / "decisions/birds.jsonl"
    decisions.write_text("no decision\n", encoding="utf-8")
    failed = installed.run("cairn", "build", "check", cwd=project, check=False)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    assert "birds.jsonl:1" in failed.stderr.splitlines()[-1]
    decisions.write_text("", encoding="utf-8")
    assert ran(installed, "check") == []


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.xdist_group("installed")
def test_dvc_builds_the_same_and_sees_an_upgrade(installed: Installed) -> None:
    project = installed.folder / "birds"
    edit(project / "recipes/birds.yaml", "n_epochs: 30", "n_epochs: 2")
    installed.run("cairn", "build", cwd=project)
    tables = {path: path.read_bytes() for path in sorted(project.glob("results/*/sample/birds/*"))}
    assert any(path.name == "metrics.json" for path in tables)
    installed.run("dvc", "repro", cwd=project)
    assert {path: path.read_bytes() for path in tables} == tables
    again = installed.run("dvc", "repro", cwd=project).stdout
    assert [line for line in again.splitlines() if "Running stage" in line] == ["Running stage 'plan':"]
    upgraded = installed.site / "cairnhub/training/metrics/bootstrap.py"
    edit(upgraded, "N_RESAMPLES = 1000", "N_RESAMPLES = 999")
    told = installed.run("dvc", "repro", cwd=project, check=False)
    assert told.returncode != 0
    assert "run `dvc repro` again" in told.stderr
    second = installed.run("dvc", "repro", cwd=project).stdout
    running = [line.split("'")[1] for line in second.splitlines() if "Running stage" in line]
    assert running == ["plan", "evaluate@sample-birds", "summary"]
    assert (project / "results/report/index.html").is_file()
    assert yaml.safe_load((project / "code.yaml").read_text(encoding="utf-8"))["evaluate"]["sample"]["birds"]


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_a_hundred_folders_become_a_trained_head_in_ten_minutes(installed: Installed) -> None:
    """By the commands of `docs/own_data.md`, with a head on the network that the wheel brings weights of."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    project = installed.folder / "heads"
    installed.run(
        "cairn", "init", "heads", "--images", "photos", "--tree-levels", "kind,group", "--sizes", "10,3"
    )
    installed.run("cairn", "build", cwd=project)
    described = json.loads((project / "models/sample/heads/model.json").read_text(encoding="utf-8"))
    assert described["network"]["weights"] == "efficientnet-lite0"
    table = (project / "results/evaluate/sample/heads/table.md").read_text(encoding="utf-8")
    assert "| trained |" in table
    assert "| off the shelf |" in table
    assert (project / "results/report/index.html").is_file()
    load = LOAD.replace('"birds"', '"heads"')
    _, n_images, levels = json.loads(installed.run("python", "-c", load, cwd=project).stdout)
    assert (n_images, levels) == (400, ["class", "kind", "group"])
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (
        used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime < 600
    )  # on one core, whoever else works


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_three_folders_are_enough(installed: Installed) -> None:
    """A newcomer tries it with a few photos first."""
    draw_classes(installed.folder / "few", ["kiwi", "banana", "orange"], n_each=12)
    installed.run("cairn", "init", "fruit", "--images", "few")
    project = installed.folder / "fruit"
    installed.run("cairn", "build", cwd=project)
    table = (project / "results/evaluate/sample/fruit/table.md").read_text(encoding="utf-8")
    assert "| retrieval | trained |" in table
    splits = describe(project / "data/hub/sample/fruit").stats.splits
    assert {name: split.n_images > 0 for name, split in splits.items()} == {"train": True, "test": True}
