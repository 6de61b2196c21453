"""The table of reported and reproduced values."""

import json

from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.recipe_table import recipe_table
from cairnhub.training.metrics.keys import MetricKey, to_json
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
    folder.mkdir(parents=True)
    protocols = {
        name: to_json({MetricKey("mean_ap"): value}, {}) for name, value in (("fine", 0.2), ("coarse", 0.6))
    }
    (folder / "metrics.json").write_text(json.dumps({"trained": {"protocols": protocols}}))
    rows = {
        line.split("`")[1]: line for line in recipe_table(params, tmp_path).splitlines() if "`" in line[:3]
    }
    assert rows["dyml_animal/HAPPIER"].endswith("| mean_ap | 43.8 | 40.0 |")
    assert rows["dyml_vehicle/HAPPIER"].endswith("| mean_ap | 37.0 | not run |")
