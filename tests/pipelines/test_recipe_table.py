"""The table of reported and reproduced values."""

import pytest

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.artifacts.evaluation import Evaluation
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.recipe_table import REPORTED, load_reported, recipe_table
from cairnhub.training.metrics.keys import MetricKey
from tests.project import ROOT


def test_the_committed_table_is_that_of_the_recipes():
    written = (ROOT / "results/recipes.md").read_text(encoding="utf-8")
    assert written == recipe_table(load_params(ROOT / "params.yaml"), ROOT / "results")


def test_a_run_stands_beside_what_was_reported(tmp_path):
    params = load_params(ROOT / "params.yaml")
    recipes = {**params.train.full.recipes, "dyml_animal": "dyml_animal/HAPPIER"}
    full = params.train.full.model_copy(update={"recipes": recipes})
    params = params.model_copy(update={"train": params.train.model_copy(update={"full": full})})
    folder = tmp_path / "evaluate/full/dyml_animal"
    mean_ap = MetricKey("mean_ap")
    protocols = {name: ({mean_ap: value}, {}) for name, value in (("fine", 0.2), ("coarse", 0.6))}
    Evaluation.of({"trained": protocols}, {}).save(folder / "metrics.json")
    rows = {
        line.split("`")[1]: line for line in recipe_table(params, tmp_path).splitlines() if "`" in line[:3]
    }
    assert rows["dyml_animal/HAPPIER"].endswith("| mean_ap | 43.8 | 40.0 |")
    assert rows["dyml_vehicle/HAPPIER"].endswith("| mean_ap | 37.0 | not run |")
    assert rows["inat2018/ROADMAP"].startswith(
        "| `inat2018/ROADMAP` | HAPPIER | ROADMAP (Ramzi et al., NeurIPS 2021"
    )
    assert rows["table/SupAP"].split(" | ")[1] == "-"  # settings of no paper


def test_what_is_reported_is_a_share_in_percent():
    reported = [
        values for of_file in load_reported(REPORTED).values() for values in of_file.reported.values()
    ]
    assert reported
    assert all(0 < value < 100 for values in reported for value in values.values())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("spo: {}", r"reported\.yaml: spo: no recipe file is called so; did you mean 'sop'"),
        (
            "sop: {reported: {HAPIER: {h_ap: 1}}}",
            r"sop\.reported\.HAPIER: no preset .*did you mean 'HAPPIER'",
        ),
        (
            "sop: {reported: {HAPPIER: {h_ap: high}}}",
            r"sop\.reported\.HAPPIER\.h_ap: Input should be a valid number",
        ),
        ("sop: {report: {}}", r"reported\.yaml: sop\.report: Unexpected keyword"),
    ],
)
def test_a_faulty_report_is_named_by_file_and_key(tmp_path, content, message):
    path = tmp_path / "reported.yaml"
    path.write_text(content)
    with pytest.raises(CairnError, match=message):
        load_reported(path)
