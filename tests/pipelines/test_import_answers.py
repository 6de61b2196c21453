"""Label Studio: tasks go out with the proposal as pre-annotations, answers come back as decisions, once."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cairnhub import __main__ as program
from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.card import Card
from cairnhub.datasets_hub.records import ImageRow, RowList
from cairnhub.datasets_hub.writer import write_dataset
from cairnhub.hierarchies.review.apply import apply_decisions
from cairnhub.hierarchies.review.decisions import Decision, append_decision, read_decisions
from cairnhub.pipelines import cli
from cairnhub.pipelines.import_answers import import_label_studio
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.samples import demonstration
from tests.hierarchies.toy import PROPOSAL
from tests.pipelines.tiny import photograph
from tests.project import ROOT

DATE = "2026-03-01T10:00:00.000000Z"
Tasks = list[dict[str, Any]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A project with the toy's proposal, published with two photos a label."""
    (tmp_path / "demonstrations").mkdir()
    for name in ("gldv2", "none"):
        (tmp_path / "demonstrations" / f"{name}.jsonl").touch()
    monkeypatch.setattr(demonstration, "DEMONSTRATIONS", tmp_path / "demonstrations")
    root = tmp_path / "project"
    root.mkdir()
    shutil.copy(ROOT / "params.yaml", root)
    (root / "dvc.yaml").touch()
    paths = Paths(root, "sample", "gldv2")
    PROPOSAL.save(paths.proposal)
    tree = apply_decisions(PROPOSAL, [])[0]
    card = Card(
        name="gldv2",
        title="Toy",
        description="Drawn.",
        licence="mine",
        redistributable=False,
        levels=tree.levels,
        annotation_origin="automatic",
    )
    rows = [
        ImageRow(photograph(2 * i + n), f"{i}-{n}.jpg", f"{i}-{n}", "train", label)
        for i, label in enumerate(tree.leaves)
        for n in range(2)
    ]
    write_dataset(paths.hub, card, tree, [RowList(rows)])
    monkeypatch.chdir(root)
    return paths


@pytest.fixture
def tasks(project: Paths) -> Tasks:
    done = CliRunner().invoke(
        cli.app, ["export", "gldv2", "--to", "label-studio", "-o", "tasks"], catch_exceptions=False
    )
    assert done.exit_code == 0
    read: Tasks = json.loads((project.root / "tasks" / "tasks.json").read_text())
    return read


def answered(tasks: Tasks, to: dict[str, str], n_each: int = 1, date: str = DATE) -> Tasks:
    """The export of a project in which the first tasks of some labels have an answer; others are open or skipped."""
    done: dict[str, int] = {}
    exported = []
    for number, task in enumerate(tasks):
        label = task["data"]["label"]
        annotations = [{"was_cancelled": True, "result": [], "completed_by": 7, "updated_at": date}]
        if label in to and done.setdefault(label, 0) < n_each:
            done[label] += 1
            choice = {**task["predictions"][0]["result"][0], "value": {"choices": [to[label]]}, "id": "x"}
            user = {"id": 7, "email": "ada@example.org"}
            annotations.append(
                {
                    "id": number,
                    "result": [choice],
                    "completed_by": user,
                    "was_cancelled": False,
                    "updated_at": date,
                }
            )
        exported.append({"id": number, **task, "annotations": annotations, "total_annotations": 1})
    return exported


def save(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_answers_come_back_as_decisions_once(project: Paths, tasks: Tasks, tmp_path: Path) -> None:
    assert tasks[0]["predictions"][0]["score"] == PROPOSAL.labels[0].confidence
    shown = {
        task["data"]["label"]: task["predictions"][0]["result"][0]["value"]["choices"][0] for task in tasks
    }
    assert shown["Burg Eltz"] == "castle"
    said = {"Burg Eltz": "castle", "Naturama": "castle", "Fort Knox": "bridge"}
    answers = save(tmp_path / "answers.json", answered(tasks, said))
    command = ["decisions", "import", "label-studio", str(answers)]
    first = CliRunner().invoke(cli.app, command, catch_exceptions=False)
    assert "3 decisions added" in first.output
    found = {
        each.label: (each.act, each.level, each.to, each.author) for each in read_decisions(project.decisions)
    }
    by = "label-studio ada@example.org"
    assert found == {
        "Burg Eltz": ("accept", "landmark", "castle", by),
        "Fort Knox": ("move", "landmark", "bridge", by),
        "Naturama": ("assign", "landmark", "castle", by),
    }
    tree, report = apply_decisions(PROPOSAL, read_decisions(project.decisions))
    report.check()
    assert not report.stale
    assert {label: tree.path(label)[1] for label in said} == said
    written = project.decisions.read_bytes()
    again = CliRunner().invoke(cli.app, command, catch_exceptions=False)
    assert "0 decisions added, 3 were there" in again.output
    more = save(tmp_path / "more.json", answered(tasks, {**said, "Great Keep": "castle"}, n_each=2))
    assert [each.label for each in import_label_studio(more, "sample").added] == ["Great Keep"]
    assert project.decisions.read_bytes().startswith(written)


def test_what_was_taken_back_stays_so(project: Paths, tasks: Tasks, tmp_path: Path) -> None:
    answers = save(tmp_path / "answers.json", answered(tasks, {"Burg Eltz": "lake"}))
    (made,) = import_label_studio(answers, "sample", author="ada").added
    append_decision(project.decisions, Decision("undo", of=made.id, author="ada"))
    assert import_label_studio(answers, "sample", author="ada").added == []


def _other_dataset(tasks: Tasks) -> Tasks:
    exported = answered(tasks, {"Burg Eltz": "lake"})
    task = next(task for task in exported if task["data"]["label"] == "Burg Eltz")
    task["data"]["dataset"] = "inat2018"
    return exported


def _two_datasets(tasks: Tasks) -> object:
    return [*answered(tasks, {"Naturama": "castle"}), *_other_dataset(tasks)]


def _two_minds(tasks: Tasks) -> object:
    exported = answered(tasks, {"Burg Eltz": "lake", "Naturama": "castle"}, n_each=2)
    last = [task for task in exported if task["data"]["label"] == "Burg Eltz"][-1]
    last["annotations"][1]["result"][0]["value"]["choices"] = ["castle"]
    return exported


def _two_choices(tasks: Tasks) -> object:
    exported = answered(tasks, {"Burg Eltz": "lake"})
    task = next(task for task in exported if task["data"]["label"] == "Burg Eltz")
    task["annotations"][1]["result"][0]["value"]["choices"] = ["castle", "lake"]
    return exported


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda tasks: {"tasks": tasks}, "no list of tasks"),
        (lambda tasks: [task["data"] for task in tasks], r"no 'data'.*not JSON-MIN"),
        (lambda tasks: [{"data": 1, "annotations": []}], "no task of Label Studio"),
        (lambda tasks: [{"data": {"image": "x"}, "annotations": []}], "lacks dataset, level or label"),
        (_other_dataset, "'inat2018' comes from its labels"),
        (_two_datasets, "about dataset 'inat2018', not 'gldv2'"),
        (lambda tasks: answered(tasks, {}), "none of its 12 tasks has an answer"),
        (_two_minds, r"'Burg Eltz' is put into 'castle', but into 'lake' by .*task \d"),
        (_two_choices, "must have one choice, it has 'castle', 'lake'"),
        (lambda tasks: answered(tasks, {"Burg Eltz": "tower"}), r"task \d.*'tower' would be a new category"),
    ],
)
def test_bad_answers_change_nothing(
    project: Paths, tasks: Tasks, tmp_path: Path, make: Callable[[Tasks], object], message: str
) -> None:
    append_decision(project.decisions, Decision("rename", "category", "bridge", "viaduct", author="ada"))
    before = project.decisions.read_bytes()
    with pytest.raises(CairnError, match=message) as refused:
        import_label_studio(save(tmp_path / "answers.json", make(tasks)), "sample")
    assert "\n" not in str(refused.value)
    assert project.decisions.read_bytes() == before


def test_what_contradicts_a_person_is_refused_whole(project: Paths, tasks: Tasks, tmp_path: Path) -> None:
    append_decision(project.decisions, Decision("move", "landmark", "Naturama", "lake", author="bob"))
    before = project.decisions.read_bytes()
    said = {"Burg Eltz": "castle", "Naturama": "castle"}
    with pytest.raises(CairnError, match=r"^'Naturama' is put into different.*bob.*nothing was imported"):
        import_label_studio(save(tmp_path / "answers.json", answered(tasks, said)), "sample")
    assert project.decisions.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["label-studio", "none.json"], "none.json: there is no such file"),
        (["labelbox", "none.json"], "no decisions come from 'labelbox'"),
        (["label-studio", "answers.json", "--dataset", "inat2018"], "about dataset 'gldv2', not 'inat2018'"),
    ],
)
def test_the_command_refuses_in_one_line(
    project: Paths, tasks: Tasks, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    save(project.root / "answers.json", answered(tasks, {"Burg Eltz": "castle"}))
    monkeypatch.setattr("sys.argv", ["cairn", "decisions", "import", *arguments])
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert message in str(ended.value)
    assert "\n" not in str(ended.value)
    assert not project.decisions.exists()
