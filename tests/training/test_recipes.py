"""Recipes: what they say, and what is said of a faulty one."""

import json
import runpy
from typing import get_args

import pytest
import torch
import yaml

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.params import load_params
from cairnhub.training.build_loss import METHODS, make_loss
from cairnhub.training.losses import HAPPIER, HAPPIER_F, ROADMAP, SmoothAP, SupAP, SupHAP, SupNDCG, SupRecall
from cairnhub.training.recipes import FOLDER, Loss, Method, load_recipe, recipe_names
from tests.project import ROOT

DATASETS = {
    *("gldv2", "inat2018", "inat2018_base", "dyml_animal", "dyml_vehicle", "dyml_product"),
    *("sop", "cub", "table"),
}


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_valid(name):
    recipe = load_recipe(name)
    assert recipe.description
    assert all(0 < value < 100 for values in recipe.reported.values() for value in values.values())
    assert recipe.batch.size % recipe.batch.images_per_class == 0


def test_every_method_goes_with_every_dataset():
    combined = {tuple(name.split("/")) for name in recipe_names() if "/" in name}
    assert combined == {(dataset, method) for dataset in DATASETS for method in get_args(Method)}
    assert load_recipe("small/SupAP") == load_recipe("small").model_copy(update={"method": "SupAP"})
    with pytest.raises(CairnError, match="names no method; write sop/SmoothAP or /SupAP"):
        load_recipe("sop")


def test_params_name_recipes_that_are_there():
    for settings in load_params(ROOT / "params.yaml").train.model_dump().values():
        for name in settings["recipes"].values():
            assert load_recipe(name)


def test_published_settings_are_those_of_the_papers():
    sop, inat, animal, gldv2 = (
        load_recipe(f"{name}/HAPPIER") for name in ("sop", "inat2018", "dyml_animal", "gldv2")
    )
    assert {recipe.batch.size for recipe in (sop, inat, animal, gldv2)} == {256}
    assert (sop.batch.n_superclasses, sop.optimizer.learning_rate, sop.optimizer.head_factor) == (2, 5e-5, 2)
    assert (inat.optimizer.learning_rate, inat.optimizer.weight_decay) == (1e-5, 4e-4)
    assert (inat.loss.start, inat.loss.offset, inat.loss.rho) == (0, 1, 100)
    assert (animal.optimizer.name, animal.network.weights, animal.n_epochs) == ("sgd", "", 20)
    assert (gldv2.network.pooling, gldv2.network.embedding_dim, gldv2.batch.max_images_per_class) == (
        *("gem", 2048),
        8,
    )
    assert sop.reported["HAPPIER"] == {"r_at_1_product": 81.0, "h_ap": 59.4}
    vehicle = load_recipe("dyml_vehicle/HAPPIER")
    assert (vehicle.optimizer, vehicle.reported) == (animal.optimizer, {"HAPPIER": {"mean_ap": 37.0}})


@pytest.mark.parametrize(
    ("method", "loss"),
    [
        ("SmoothAP", SmoothAP()),
        ("SupAP", SupAP()),
        ("ROADMAP", ROADMAP()),
        ("SupHAP", SupHAP()),
        ("HAPPIER", HAPPIER(4, 8)),
        ("HAPPIER_F", HAPPIER_F(4, 8)),
        ("SupNDCG", SupNDCG()),
        ("SupRecall", SupRecall()),
    ],
)
def test_a_method_is_the_loss_of_its_name(method, loss):
    torch.manual_seed(0)
    embeddings = torch.nn.functional.normalize(torch.randn(12, 8), dim=1)
    labels = torch.stack([torch.arange(12) // 3, torch.arange(12) // 6], 1)
    made = make_loss(method, Loss(), n_classes=4, dim=8)
    made.load_state_dict(loss.state_dict())
    assert torch.equal(made(embeddings, labels), loss(embeddings, labels))
    assert set(METHODS) == set(get_args(Method))


def write(folder, name, **content):
    raw = yaml.safe_load((FOLDER / "small.yaml").read_text()) | content
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(raw))


def test_a_recipe_extends_another_key_by_key(tmp_path):
    write(tmp_path, "base")
    (tmp_path / "mine.yaml").write_text("extends: base\nmethod: SupAP\nbatch: {size: 32}\n")
    recipe, small = load_recipe("mine", tmp_path), load_recipe("small")
    assert (recipe.method, recipe.batch.size) == ("SupAP", 32)
    assert recipe.batch.images_per_class == small.batch.images_per_class
    assert recipe.optimizer == small.optimizer
    assert recipe_names(tmp_path) == ["base", "mine"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"optimizer": {"learning_rate": 1, "proxy_learning_rate": 1, "lr": 1}},
            r"mine\.yaml: optimizer\.lr",
        ),
        ({"method": "HAPPER"}, r"mine\.yaml: method"),
        ({"extends": "none"}, "there is no"),
        ({"extends": "small"}, "one level is allowed"),
        ({"batch": {"size": 64, "chunk": 16}}, "frozen_batch_norm"),
    ],
)
def test_a_faulty_recipe_is_named_by_file_and_key(tmp_path, content, message):
    write(tmp_path, "small", extends="other")
    write(tmp_path, "other")
    write(tmp_path, "mine", **content)
    with pytest.raises(CairnError, match=message):
        load_recipe("mine", tmp_path)


def test_an_unknown_recipe_is_told_the_known_ones(tmp_path):
    write(tmp_path, "mine")
    with pytest.raises(CairnError, match=r"no recipe 'yours'.*there are: mine"):
        load_recipe("yours", tmp_path)


def test_the_comparison_in_the_docs_is_the_one_that_was_measured():
    table = runpy.run_path(str(ROOT / "benchmarks/recipes.py"))["table"]
    measured = json.loads((ROOT / "benchmarks/results/recipes.json").read_text(encoding="utf-8"))["datasets"]
    docs = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    assert all(table(dataset) in docs for dataset in measured.values())
    for dataset in measured.values():
        for rival in ("NormalisedSoftmax", "SmoothAP", "SupAP"):
            assert dataset["methods"][rival]["lead_of_happier"]["over_seeds"][0] > 0
