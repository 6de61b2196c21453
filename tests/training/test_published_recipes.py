"""Recipes of the papers hold what the papers' configuration files hold, and train."""

from functools import reduce

import pytest
import torch
import yaml
from PIL import Image

from cairnhub.training.loop import Training, train
from cairnhub.training.recipes.files import recipe_files, recipe_stem, split_name
from cairnhub.training.recipes.recipe import Recipe, load_recipe, recipe_names
from cairnhub.training.recipes.reported import load_papers
from tests.project import ROOT
from tests.training.tiny import TinyImages

FACTS = yaml.safe_load((ROOT / "tests/data/published_settings.yaml").read_text(encoding="utf-8"))
SIDE = 16


def value_of(recipe: Recipe, key: str) -> object:
    """A setting by its path, such as `loss.SupHAP.weight`."""
    value = reduce(getattr, key.split("."), recipe)
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("name", FACTS)
def test_a_recipe_holds_what_the_papers_files_hold(name):
    recipe = load_recipe(name)
    found = {key: value_of(recipe, key) for facts in FACTS[name].values() for key in facts}
    assert found == {key: value for facts in FACTS[name].values() for key, value in facts.items()}


def test_every_file_of_a_paper_has_facts_that_hold_it():
    files = {recipe_stem(path) for path in recipe_files()}
    with_facts = {name.rpartition("/")[0] for name in FACTS}
    assert {stem for stem in files if "/" in stem} - with_facts == {
        "smooth_ap/sop"
    }  # of which the source has none


def test_facts_stand_in_files_that_the_reports_name():
    papers = load_papers()
    for name, facts in FACTS.items():
        folder, file, row = name.split("/")
        recipes = papers[folder].recipes[file]
        named = [*recipes.configs, *recipes.rows[row].configs]
        for origin in facts:
            assert any(config.endswith(origin) for config in named), f"{name}: {origin}"


def small(name: str) -> Recipe:
    """A recipe with the network, batches and images of a test; what learns, and how, is its own."""
    recipe = load_recipe(name)
    raw = recipe.model_dump(exclude_none=True)
    has_head = recipe.network.has_head
    network = raw["network"] | {
        "backbone": "small_cnn",
        "weights": "",
        "frozen": "none",
        "width": 4,
        "embedding_dim": 8 if has_head else 32,
        "image_side_px": SIDE,
        "resized_side_px": 0,
    }
    network["pooling"] = "average" if recipe.network.pooling == "cls" else recipe.network.pooling
    batch = raw["batch"] | {"size": 8, "images_per_class": 2}
    if recipe.batch.sampler == "super_pairs":
        batch["n_batches_per_pair"] = 1
    return recipe.model_copy(
        update={
            "network": type(recipe.network).model_validate(network),
            "batch": type(recipe.batch).model_validate(batch),
            "augment": recipe.augment.model_copy(update={"shorter_side_px": 2 * SIDE}),
        }
    )


ONE_OF_EACH_FILE = [
    name for name in recipe_names() if name.rpartition("/")[2] in ("HAPPIER", "ROADMAP", "SmoothAP")
]
ONE_OF_EACH_FILE += ["roadmap/sop/ROADMAP_DeiT", "suprank/cub/NormalisedSoftmax", "table/HAPPIER"]
ONE_OF_EACH_FILE += ["small", "small_photos", "photos", "few_classes", "few_photos", "fewest_photos"]


def test_every_file_is_tried():
    tried = {split_name(name)[0] for name in ONE_OF_EACH_FILE}
    assert tried == set(recipe_files())


@pytest.mark.parametrize("name", ONE_OF_EACH_FILE)
def test_two_steps_of_every_file_train_at_the_rates_that_it_names(name):
    recipe = small(name).model_copy(
        update={"precision": "float32"}
    )  # float16 skips the first steps of a scale
    training = Training(recipe, TinyImages(), 0, 0)
    n_frozen = recipe.optimizer.n_frozen_epochs
    before = {key: value.clone() for key, value in training.model.state_dict().items()}
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    for group, optimizer in training.optimisation.optimizers.items():
        weights = getattr(recipe.optimizer, group)
        n_warmup = recipe.optimizer.n_warmup_steps
        assert type(optimizer) is kinds[weights.name]
        assert optimizer.param_groups[0]["lr"] == pytest.approx(weights.learning_rate / max(1, n_warmup))
        assert optimizer.param_groups[0]["weight_decay"] == weights.weight_decay
    batches = training._start_epoch()[:2]
    for positions, images in zip(batches, training.loader, strict=False):
        training._add_batch(positions, images, None)
    assert training.state.progress.step == 2
    after = training.model.state_dict()
    moved = {key for key, value in after.items() if not torch.equal(value, before[key])}
    kernel = "backbone.0.0.weight"
    assert (kernel in moved) == (n_frozen == 0)
    assert any(key.startswith("head.") for key in moved) == recipe.network.has_head
    assert ("backbone.0.1.running_mean" in moved) == (not recipe.network.frozen_batch_norm)
    assert ("proxies" in training.optimisation.optimizers) == ("Cluster" in recipe.loss.terms)


class WidePictures(TinyImages):
    """Pictures four times as wide as high, a row of colours each."""

    def picture(self, index: int) -> Image.Image:
        stripes = [Image.new("RGB", (SIDE, SIDE), colour) for colour in ("red", "lime", "blue", "white")]
        wide = Image.new("RGB", (4 * SIDE, SIDE))
        for place, stripe in enumerate(stripes):
            wide.paste(stripe, (place * SIDE, 0))
        return wide


def test_a_run_cut_from_pictures_is_the_same_with_workers_and_after_an_interruption(tmp_path):
    recipe = small("happier/inat2018/HAPPIER").model_copy(update={"n_epochs": 2})
    whole = train(recipe, WidePictures(), 0, 0)
    with_workers = train(recipe, WidePictures(), 0, 2)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, with_workers.model.state_dict()[name]), name
    training = Training(recipe, WidePictures(), 0, 0)
    batches = training._start_epoch()
    views = list(training.loader)
    training.state.progress.losses = [0.0]
    rest = training._start_epoch()
    assert rest == batches[1:]
    assert all(torch.equal(a, b) for a, b in zip(list(training.loader), views[1:], strict=True))
