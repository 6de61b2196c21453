"""The table of reported and reproduced values, and of what differs from the source."""

import re
import shutil

import pytest
import yaml

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.artifacts.evaluation import Evaluation
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.recipe_table import recipe_table
from cairnhub.training.metrics.keys import MetricKey
from cairnhub.training.recipes.files import FOLDER
from cairnhub.training.recipes.recipe import recipe_names
from cairnhub.training.recipes.reported import load_papers
from tests.project import ROOT

FOUR = {"happier", "roadmap", "smooth_ap", "suprank"}


def rows(table: str) -> dict[str, list[str]]:
    """The last row of each recipe, as cells."""
    lines = [line for line in table.splitlines() if re.match(r"\| `[\w/]+` ", line)]
    return {line.split("`")[1]: [cell.strip() for cell in line.split("|")[2:-1]] for line in lines}


def test_the_committed_table_is_that_of_the_recipes():
    written = (ROOT / "results/recipes.md").read_text(encoding="utf-8")
    assert written == recipe_table(load_params(ROOT / "params.yaml"), ROOT / "results")


def test_every_recipe_of_a_paper_has_a_row_with_its_source_and_its_differences(tmp_path):
    found = rows(recipe_table(load_params(ROOT / "params.yaml"), tmp_path))
    names = [name for name in recipe_names() if name.partition("/")[0] in FOUR]
    assert set(found) == set(names)
    assert all(cells[2] == "not run" for cells in found.values())
    assert all(cells[3].endswith((".yaml", ".py")) for cells in found.values())


def test_a_run_stands_beside_what_was_reported(tmp_path):
    folder = tmp_path / "evaluate/full/dyml_animal"
    mean_ap = MetricKey("mean_ap")
    protocols = {name: ({mean_ap: value}, {}) for name, value in (("fine", 0.2), ("coarse", 0.6))}
    Evaluation.of({"trained": protocols}, {}).save(folder / "metrics.json")
    found = rows(recipe_table(load_params(ROOT / "params.yaml"), tmp_path))
    assert found["happier/dyml_animal/HAPPIER"][:3] == ["mean_ap", "43.8", "40.0"]
    assert found["happier/dyml_vehicle/HAPPIER"][:3] == ["mean_ap", "37.0", "not run"]
    assert found["roadmap/cub/ROADMAP"][:4] == [
        "r_at_1_species",
        "68.5",
        "not run",
        "roadmap/config/loss/roadmap.yaml",
    ]


def test_differences_are_numbered_and_every_number_is_explained():
    table = recipe_table(load_params(ROOT / "params.yaml"), ROOT / "results")
    for part in table.split("\n## ")[1:]:
        explained = re.findall(r"^(\d+)\. \S", part, re.MULTILINE)
        used = {number for cells in rows(part).values() for number in cells[4].split(", ") if number}
        assert explained == [str(number) for number in range(1, len(explained) + 1)]
        assert used == set(explained)


def copied(tmp_path, change):
    """The recipes with one paper's report changed."""
    folder = tmp_path / "recipes"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    path = folder / "happier/reported.yaml"
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(raw)
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return folder


def test_a_paper_whose_recipes_differ_in_nothing_says_so(tmp_path):
    folder = copied(tmp_path, lambda raw: raw.update(differs=[]))
    table = recipe_table(load_params(ROOT / "params.yaml"), tmp_path, folder)
    assert "What differs from the source:\n\nnothing.\n" in table.partition("## ROADMAP")[0]
    assert rows(table)["happier/sop/HAPPIER"][4] == ""


def test_what_is_reported_is_a_share_in_percent():
    papers = load_papers()
    assert set(papers) == FOUR
    reported = [
        row.reported for paper in papers.values() for of in paper.recipes.values() for row in of.rows.values()
    ]
    assert sum(map(bool, reported)) >= 10
    assert all(0 < value < 100 for values in reported for value in values.values())


def renamed(raw, there, name):
    raw[name] = raw.pop(there)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda raw: renamed(raw["recipes"], "sop", "spo"),
            r"happier/reported\.yaml: recipes\.spo: no recipe file is called so; did you mean 'sop'",
        ),
        (
            lambda raw: renamed(raw["recipes"]["sop"]["rows"], "HAPPIER", "HAPIER"),
            r"recipes\.sop\.rows\.HAPIER: no row of the recipe file .*did you mean 'HAPPIER'",
        ),
        (lambda raw: raw["recipes"].pop("sop"), r"reported\.yaml: recipes: nothing is said of sop: add it"),
        (
            lambda raw: raw["recipes"]["sop"]["rows"]["HAPPIER"].update(reported={"h_ap": "high"}),
            r"rows\.HAPPIER\.reported\.h_ap: Input should be a valid number",
        ),
        (lambda raw: raw.update(report={}), r"reported\.yaml: report: no key of this Cairn"),
    ],
    ids=["file", "row", "missing", "value", "key"],
)
def test_a_faulty_report_is_named_by_file_and_key(tmp_path, change, message):
    with pytest.raises(CairnError, match=message):
        load_papers(copied(tmp_path, change))
