"""train: recipe -> model."""

import torch

from datasets_hub import load_dataset, load_tree
from hierarchies.files import replace_folder
from pipelines.stages import Context
from training.data import ImageDataset
from training.loop import train
from training.models import ModelDescription, save_model
from training.recipes import load_recipe

N_THREADS = 2  # fixed, so that sums are added in the same order on every machine


def run(context: Context) -> None:
    """Train on the `train` split and write the model folder."""
    settings = getattr(context.params.train, context.scale)
    name = settings.recipes[context.dataset]
    recipe = load_recipe(name)
    torch.set_num_threads(N_THREADS)
    tree = load_tree(context.paths.hub)
    split = load_dataset(context.paths.hub, split="train")
    images = ImageDataset(split, tree, recipe.network.decoded_side_px)
    print(f"{context.dataset}: {recipe.method} by recipe {name!r} on {len(images):,} images")
    trained = train(recipe, images, settings.seed, settings.n_workers)
    with replace_folder(context.paths.model) as folder:
        description = ModelDescription(name, recipe.network, tree.levels, tree.fingerprint, settings.seed)
        save_model(folder, trained.model, description)
        trained.curve.to_csv(folder / "loss.csv", index=False)
