"""Recipes: what they say, and what is said of a faulty one."""

import json
import re
import runpy

import pytest
import torch
import yaml

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.params import load_params
from cairnhub.training.loop import fingerprint
from cairnhub.training.losses import (
    HAPPIER,
    HAPPIER_F,
    ROADMAP,
    Cluster,
    Combined,
    LeakyStep,
    Sigmoid,
    SmoothAP,
    SmoothHAP,
    SmoothNDCG,
    SupAP,
    SupHAP,
    SupNDCG,
    SupRecall,
    SupStep,
    combine,
)
from cairnhub.training.losses.presets import PRESETS
from cairnhub.training.losses.registry import LOSSES, read_loss
from cairnhub.training.recipes.files import FOLDER, files_of_recipe, recipe_files, recipe_stem
from cairnhub.training.recipes.recipe import Recipe, load_recipe, recipe_names
from tests.project import ROOT
from tests.training.tiny import TinyImages, optimizer
from tests.training.tiny import recipe as tiny

CLASSES = torch.tensor([[0, 0], [1, 0], [2, 1], [3, 1]])


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_valid(name):
    recipe = load_recipe(name)
    assert recipe.loss.terms
    assert recipe.batch.size % recipe.batch.images_per_class == 0


@pytest.mark.parametrize("path", recipe_files(), ids=recipe_stem)
def test_a_file_says_what_it_is_in_a_comment_and_holds_settings_alone(path):
    assert path.read_text(encoding="utf-8").startswith("# ")
    assert set(yaml.safe_load(path.read_text(encoding="utf-8"))) <= {*Recipe.model_fields, "extends", "rows"}


def test_a_file_has_rows_or_goes_with_every_preset_as_loss():
    names = recipe_names()
    assert {name for name in names if name.startswith("table/")} == {f"table/{preset}" for preset in PRESETS}
    assert [name for name in names if name.startswith("happier/sop/")][:2] == [
        "happier/sop/HAPPIER",
        "happier/sop/HAPPIER_F",
    ]
    assert not {"happier/sop", "happier/sop/SupAP"} & set(names)
    assert load_recipe("small/SupAP") == load_recipe("small").model_copy(update={"loss": read_loss("SupAP")})
    sop = load_recipe("happier/sop/HAPPIER")
    assert load_recipe("happier/sop/SupAP") == sop.model_copy(update={"loss": read_loss("SupAP")})
    with pytest.raises(CairnError, match="names no loss; write happier/sop/HAPPIER or /HAPPIER_F"):
        load_recipe("happier/sop")


def test_the_files_of_a_recipe_are_its_own_and_what_it_extends():
    assert files_of_recipe("happier/sop/HAPPIER") == [FOLDER / "happier/sop.yaml"]
    assert files_of_recipe("happier/dyml_vehicle/HAPPIER") == [
        FOLDER / "happier/dyml_vehicle.yaml",
        FOLDER / "happier/dyml_animal.yaml",
    ]
    assert not any("reported" in name for name in recipe_names())
    with pytest.raises(CairnError, match="no recipe 'happier/reported'"):
        load_recipe("happier/reported")
    with pytest.raises(CairnError, match=r"no recipe 'hapier/sop/HAPPIER': .*did you mean 'happier/sop'"):
        load_recipe("hapier/sop/HAPPIER")


def test_a_row_replaces_settings_key_by_key_and_an_extending_file_replaces_rows(tmp_path):
    write(tmp_path, "base", rows={"One": {"loss": "SupAP"}, "Two": {"batch": {"size": 32}, "n_epochs": 3}})
    (tmp_path / "mine.yaml").write_text("extends: base\nrows: {Two: {n_epochs: 5}}\n")
    small = load_recipe("small")
    assert load_recipe("base/One", tmp_path) == small.model_copy(update={"loss": read_loss("SupAP")})
    two = load_recipe("base/Two", tmp_path)
    assert (two.batch.size, two.batch.images_per_class, two.n_epochs) == (32, 4, 3)
    assert (load_recipe("mine/Two", tmp_path).batch.size, load_recipe("mine/Two", tmp_path).n_epochs) == (
        64,
        5,
    )
    assert recipe_names(tmp_path) == ["base/One", "base/Two", "mine/One", "mine/Two"]
    write(tmp_path, "base", rows={"One": "SupAP"})
    with pytest.raises(CairnError, match=r"base\.yaml: rows: One"):
        load_recipe("base/One", tmp_path)
    write(tmp_path, "base", rows={"One": {"los": "SupAP"}})
    with pytest.raises(CairnError, match=r"base\.yaml as base/One: los: unknown key; did you mean 'loss'"):
        load_recipe("base/One", tmp_path)


def test_params_name_recipes_that_are_there():
    for settings in load_params(ROOT / "params.yaml").train.model_dump().values():
        for name in settings["recipes"].values():
            assert load_recipe(name)


@pytest.mark.parametrize(
    ("preset", "loss"),
    [
        ("SmoothAP", SmoothAP()),
        ("SupAP", SupAP()),
        ("ROADMAP", ROADMAP()),
        ("SupHAP", SupHAP()),
        ("HAPPIER", HAPPIER(4, 8)),
        ("HAPPIER_F", HAPPIER_F(4, 8)),
        ("SupNDCG", SupNDCG()),
        ("SupRecall", SupRecall()),
        ("NormalisedSoftmax", Cluster(4, 8)),
        ({"SupHAP": {"weight": 0.9}, "Cluster": {"weight": 0.1}}, HAPPIER(4, 8)),
        ({"Cluster": {"weight": 0.1}, "SupHAP": {"weight": 0.9, "step": {}}}, HAPPIER(4, 8)),
        (
            {"SupAP": {"step": {"start": 0, "offset": 1}, "level": 1}},
            SupAP(step=SupStep.inaturalist(), level=1),
        ),
        ({"SupAP": {"step": {"name": "Sigmoid", "tau": 0.1}}}, SupAP(step=Sigmoid(tau=0.1))),
        (
            {"SupHAP": {"alpha": 2, "hrank_step": {"leak": 5}}},
            SupHAP(alpha=2.0, hrank_step=LeakyStep(leak=5.0)),
        ),
        ({"SmoothHAP": {"tau": 0.1, "level_weights": [1, 2]}}, SmoothHAP(tau=0.1, level_weights=(1.0, 2.0))),
        ({"SupRecall": {"at_k": [1, 4], "temperature": 0.5}}, SupRecall(at_k=(1, 4), temperature=0.5)),
        ({"Cluster": {"temperature": 0.1, "centers": 2}}, Cluster(4, 8, temperature=0.1, centers=2)),
        ({"SmoothNDCG": {"definition": "paper"}}, SmoothNDCG(definition="paper")),
    ],
    ids=str,
)
def test_terms_make_the_loss_that_python_makes(preset, loss):
    torch.manual_seed(0)
    embeddings = torch.nn.functional.normalize(torch.randn(12, 8), dim=1)
    labels = torch.stack([torch.arange(12) // 3, torch.arange(12) // 6], 1)
    made = read_loss(preset).make(CLASSES, dim=8)
    expected = loss if isinstance(loss, Combined) else combine((1.0, loss))
    made.load_state_dict(expected.state_dict())
    assert torch.equal(made(embeddings, labels), expected(embeddings, labels))
    assert str(made) == str(expected)


def test_presets_name_losses_of_the_registry():
    for name, preset in PRESETS.items():
        assert preset.settings.keys() <= LOSSES.keys(), name
    constructed = {"ROADMAP": ROADMAP(), "HAPPIER": HAPPIER(4, 8), "HAPPIER_F": HAPPIER_F(4, 8)}
    for name, loss in constructed.items():
        assert loss.weights == tuple(PRESETS[name].terms.values())


def test_a_recipes_step_is_that_of_every_term_without_one():
    terms = {"SupAP": {"step": {"tau": 0.02}}, "SupHAP": {}, "SmoothAP": {}, "Calibration": {}}
    step = SupStep.inaturalist()
    made = {type(loss).__name__: loss for loss in read_loss(terms).make(CLASSES, 8, step).losses}
    assert made["SupAP"].ranking.step == SupStep(tau=0.02)
    assert made["SupHAP"].ranking.step == step
    assert made["SmoothAP"].ranking.step == Sigmoid()


def test_reading_a_loss_draws_no_random_number():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    read_loss("HAPPIER")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": {"SupHAP": {"weight": 0.8}, "Cluster": {"weight": 0.1}}},
        {"loss": {"SupHAP": {"weight": 0.9}, "Cluster": {"weight": 0.1, "temperature": 0.1}}},
        {"step": {"name": "Sigmoid"}},
        {"step": {"delta": None, "offset": 1}},
        {"step": {"offset": 1.44, "delta": 0.04}},
        {"optimizer": optimizer(0.02, 0.1, n_warmup_steps=3)},
        {"optimizer": optimizer(0.01, 0.1, n_warmup_steps=3, clip_norm=1.0)},
        {"batch": {"size": 8, "images_per_class": 2, "sampler": "without_repeats"}},
        {"augment": {"cut_from": "picture"}},
    ],
)
def test_whatever_changes_the_model_makes_another_run(changes):
    images = TinyImages()
    same = tiny(
        loss={"Cluster": {"weight": 0.1, "temperature": 0.05}, "SupHAP": {"weight": 0.9}}, step={"tau": 0.01}
    )
    assert fingerprint(tiny(), images, 0) == fingerprint(same, images, 0)
    assert fingerprint(tiny(), images, 0) != fingerprint(tiny(**changes), images, 0)


def write(folder, name, **content):
    raw = yaml.safe_load((FOLDER / "small.yaml").read_text()) | content
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(raw))


def test_a_recipe_extends_another_key_by_key(tmp_path):
    write(tmp_path, "base")
    (tmp_path / "mine.yaml").write_text("extends: base\nloss: SupAP\nbatch: {size: 32}\n")
    recipe, small = load_recipe("mine", tmp_path), load_recipe("small")
    assert (recipe.loss, recipe.batch.size) == (read_loss("SupAP"), 32)
    assert recipe.batch.images_per_class == small.batch.images_per_class
    assert recipe.optimizer == small.optimizer
    assert recipe_names(tmp_path) == ["base", "mine"]
    (tmp_path / "mine.yaml").write_text("extends: base\nloss: {SupAP: {}}\n")
    assert list(load_recipe("mine", tmp_path).loss.terms) == ["SupAP"]  # a loss is named as a whole


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"optimizer": {"backbone": {"learning_rate": 1}, "lr": 1}},
            r"mine\.yaml: optimizer\.lr: unknown key",
        ),
        (
            {"optimizer": {"backbone": {"learning_rate": 1, "shedule": {}}}},
            r"optimizer\.backbone\.shedule: unknown key; did you mean 'schedule'",
        ),
        ({"lose": "HAPPIER"}, r"mine\.yaml: lose: unknown key; did you mean 'loss'"),
        (
            {"loss": "HAPPER"},
            r"mine\.yaml: loss: no preset is called 'HAPPER'; did you mean 'HAPPIER'\?; there are",
        ),
        ({"loss": {"SupHPA": {}}}, r"mine\.yaml: loss\.SupHPA: unknown key; did you mean 'SupHAP'"),
        (
            {"loss": {"SupHAP": {"alfa": 1}}},
            r"mine\.yaml: loss\.SupHAP\.alfa: unknown key; did you mean 'alpha'",
        ),
        (
            {"loss": {"SupHAP": {"reduction": "none"}}},
            r"loss\.SupHAP\.reduction: unknown key; there are: weight",
        ),
        ({"loss": {"SupHAP": {"alpha": -1}}}, r"mine\.yaml: loss\.SupHAP: alpha must be .* got -1"),
        ({"loss": {"SupHAP": {"weight": float("inf")}}}, r"loss\.SupHAP\.weight: Input should be a finite"),
        ({"loss": {"SupHAP": None}}, r"mine\.yaml: loss\.SupHAP: Input should be a valid dictionary"),
        ({"loss": {"SupAP": {"step": {"rho": -1}}}}, r"mine\.yaml: loss\.SupAP\.step: rho must be .* got -1"),
        (
            {"loss": {"SupAP": {"step": {"roh": 1}}}},
            r"loss\.SupAP\.step\.roh: unknown key; did you mean 'rho'",
        ),
        ({"loss": {"SupHAP": {"hrank_step": {"beta": 0}}}}, r"loss\.SupHAP\.hrank_step: beta must be"),
        (
            {"step": {"name": "sigmoid"}},
            r"mine\.yaml: step: no step is called 'sigmoid'; did you mean 'Sigmoid'",
        ),
        ({"step": {"tau": 0}}, r"mine\.yaml: step: tau must be a finite number above 0, got 0"),
        ({"loss": {}}, r"mine\.yaml: loss: names no term; there are: SmoothAP"),
        ({"loss": 3}, r"mine\.yaml: loss: Input should be a valid dictionary"),
        (
            {"loss": {"Cluster": {}}, "batch": {"size": 64, "memory": 64}},
            "no use for Cluster, which ranks nothing",
        ),
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


@pytest.mark.parametrize("page", ["losses", "training"])
def test_recipes_in_the_docs_are_right(tmp_path, page):
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "loss:" in block]
    shown = []
    for block in blocks:
        write(tmp_path, "mine", **yaml.safe_load(block))
        shown.append(load_recipe("mine", tmp_path).loss.terms.keys())
    assert {"SupHAP", "Cluster"} in shown


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
