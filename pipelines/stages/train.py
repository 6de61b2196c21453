"""train: recipe -> model."""

import logging
import os
import shutil
from functools import partial

import numpy as np
import torch

from cairnhub.core.errors import NotFound
from cairnhub.core.files import replace_folder
from cairnhub.core.portable import run_portable
from cairnhub.datasets_hub.local_splits import LocalSplits
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.pipelines.code import fingerprint
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.image_vectors import frozen_features
from cairnhub.pipelines.settings.train import Train
from cairnhub.pipelines.split_names import training_split
from cairnhub.training.callbacks import CurveFile
from cairnhub.training.data import ImageDataset
from cairnhub.training.distributed import process_group
from cairnhub.training.loggers import LOGGERS_VARIABLE, make_loggers
from cairnhub.training.loop import train
from cairnhub.training.models import ModelDescription, save_model
from cairnhub.training.recipes.files import folder_of_recipe
from cairnhub.training.recipes.recipe import Recipe, load_recipe
from cairnhub.training.sight import settled

log = logging.getLogger(__name__)


def run(context: Context) -> None:
    """Train on the split called `train` and write the model folder; goes on where a killed run left off.

    Raises:
        CairnError: no recipe, no such split, scale `full` without a GPU, or what `train` raises.
    """
    if context.scale == "full" and not torch.cuda.is_available():
        raise NotFound(
            f"train {context.dataset} full: no CUDA device here, and a CPU would take weeks. Run it where there "
            "is a GPU, or take the scale out of params.yaml"
        )
    if _recipe(context).portable:
        run_portable(_train, context)
    else:
        _train(context)


def _recipe_name(context: Context) -> str:
    recipes: dict[str, str] = context.settings(Train).recipes
    return recipes[context.dataset]


def _recipe(context: Context) -> Recipe:
    name = _recipe_name(context)
    recipe = load_recipe(name, folder_of_recipe(name, context.paths.recipes))
    return recipe.model_copy(update={"network": settled(recipe.network)})


def _train(context: Context) -> None:
    settings, name = context.settings(Train), _recipe_name(context)
    recipe, tree = _recipe(context), LabelTree.load(context.paths.hub_tree)
    splits = LocalSplits(context.paths.shards, tree)
    split = splits.open(training_split(splits.names))
    network = recipe.network
    images = ImageDataset(split, network.decoded_side_px, network.ground, network.fit, network.interpolation)
    features = None
    if network.frozen == "all":
        run_all = partial(context.executor.map, title="embed", on_gpu=True)
        features = frozen_features(network, splits, training_split(splits.names), run_all).embeddings
    n_alone = int((np.unique(images.labels[:, 0], return_counts=True)[1] == 1).sum())
    with process_group() as group:
        if group.rank == 0:
            terms = " + ".join(recipe.loss.terms)
            log.info(f"{context.dataset}: {terms} by recipe {name!r} on {len(images):,} images")
            if n_alone:
                log.info(f"{n_alone:,} classes have one image: views of it stand for others in its batches")
        checkpoints = context.paths.checkpoints
        code = fingerprint([__name__.removeprefix("cairnhub.")])
        watching = [
            CurveFile(checkpoints / "loss.csv"),
            *make_loggers(os.environ.get(LOGGERS_VARIABLE, ""), context.paths.logs),
        ]
        trained = train(
            recipe,
            images,
            settings.seed,
            settings.n_workers,
            checkpoints,
            code=code,
            features=features,
            callbacks=watching,
        )
        if group.rank:
            return
    with replace_folder(context.paths.model) as folder:
        description = ModelDescription(
            name, network, tree.levels, tree.fingerprint, settings.seed, recipe.portable
        )
        save_model(folder, trained.model, description)
        trained.curve.to_csv(folder / "loss.csv", index=False)
    shutil.rmtree(checkpoints, ignore_errors=True)
