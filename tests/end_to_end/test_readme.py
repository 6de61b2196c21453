"""What the README tells a newcomer to paste works."""

import json
import re
import sys
import tomllib

import pytest

from cairnhub.hierarchies.review.decisions import Decision, read_decisions
from tests.project import ROOT, Project

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- test: (\w+) -->\n```python\n(.*?)```", re.DOTALL)


@pytest.mark.slow
@pytest.mark.xdist_group("project")
@pytest.mark.parametrize("code", [code for _, code in BLOCK.findall(README)])
def test_python_blocks_run(project: Project, code: str):
    assert project.run(sys.executable, "-c", code).stdout.strip()


def test_there_are_blocks_to_run():
    assert len(BLOCK.findall(README)) == 2
    assert README.count("```python") == 2


def test_the_decision_shown_is_one_that_is_read():
    lines = re.findall(r"```json\n(\{.*?\})\n```", README, re.DOTALL)
    assert len(lines) == 1
    shown = Decision.from_line(lines[0], "README.md")
    kept = read_decisions(ROOT / "pipelines/samples/demonstrations/gldv2.jsonl")
    assert (shown.act, shown.label, shown.to) in {(found.act, found.label, found.to) for found in kept}


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`(?:\$ )?(cairn [a-z]+)", README))))
def test_commands_named_exist(project_help, command: str):
    assert command.split()[1] in project_help


@pytest.fixture(scope="module")
def project_help() -> str:
    from typer.testing import CliRunner

    from cairnhub.pipelines.cli import app

    return CliRunner().invoke(app, ["--help"]).output


def test_paths_named_exist():
    for path in re.findall(r"\]\(((?:docs|results|CONTRIBUTING)[^)#]*)\)", README):
        assert (ROOT / path).is_file(), path


def test_tables_are_those_of_the_results():
    for dataset in ("gldv2", "grocery"):
        table = (ROOT / f"results/evaluate/sample/{dataset}/table.md").read_text(encoding="utf-8")
        assert table.strip() in README
    metrics = json.loads((ROOT / "results/evaluate/sample/gldv2/metrics.json").read_text(encoding="utf-8"))
    trained, untrained = (
        metrics[system]["protocols"]["retrieval"]["overall"]["h_ap"]["value"]
        for system in ("trained", "untrained")
    )
    assert trained >= 1.5 * untrained


def test_the_badges_say_what_holds():
    badges = (ROOT / "docs/badges.svg").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    marked = [kind.rpartition(" ")[2] for kind in project["project"]["classifiers"] if "Python ::" in kind]
    assert f">{' | '.join(marked)}<" in badges
    assert f">{project['project']['license']}<" in badges
    assert project["tool"]["mypy"]["strict"]
    assert (ROOT / "CITATION.cff").is_file()


def test_the_table_of_photographs_is_that_of_the_benchmark():
    measured = json.loads((ROOT / "benchmarks/results/grocery.json").read_text(encoding="utf-8"))
    for system in ("colour_histogram", "off_the_shelf"):
        cells = (f"{100 * measured[system][metric]:.1f}" for metric in ("h_ap", "r_at_1_fine", "ap_fine"))
        assert f"| {' | '.join(cells)} |" in README
    heads, tuned = measured["trained_head"], measured["fine_tuned"]["methods"]
    assert len(measured["seeds"]) == len(measured["fine_tuned"]["seeds"]) == 3
    for what, methods in (("its head", heads), ("head and last 4 of 16 blocks", tuned)):
        for loss, found in methods.items():
            cells = [
                f"{100 * found['values'][metric]:.1f} ± {50 * (high - low):.1f}"
                for metric, (low, high) in found["intervals"].items()
            ]
            row = (
                f"| {what} trained by {loss} | {' | '.join(cells)} | {100 * found['values']['ap_fine']:.1f} |"
            )
            assert row in README


def test_the_page_on_losses_shows_what_was_measured():
    page = (ROOT / "docs/which_loss.md").read_text(encoding="utf-8")
    measured = json.loads((ROOT / "benchmarks/results/which_loss.json").read_text(encoding="utf-8"))
    for setting in ("seen", "unseen"):
        section = page.partition(f"### {setting.capitalize()} classes")[2].partition("\n##")[0]
        rows = measured[setting]["head"]
        assert section.count("\n| ") == len(rows) + 3  # heading, rule, off the shelf
        for name, found in rows.items():
            low, high = found["interval"]["h_ap"]
            assert f"{name} | {found.get('learning_rate', '')}" in section
            assert f"| {100 * found['values']['h_ap']:.1f} ± {50 * (high - low):.1f} |" in section
