"""Early stopping: part of the training split is held out, and its H-AP says when to end."""

import math

import numpy as np
import torch

from cairnhub.core.errors import BadInput
from cairnhub.training.data import ImageSubset, LabelledImages
from cairnhub.training.distributed import from_first_rank
from cairnhub.training.encoders import embed_split, model_encoder, projection_encoder
from cairnhub.training.metrics.keys import H_AP
from cairnhub.training.metrics.retrieval import retrieval_metrics
from cairnhub.training.models import RetrievalModel
from cairnhub.training.recipes.settings import Validation


def hold_out(images: LabelledImages, validation: Validation, seed: int) -> tuple[ImageSubset, ImageSubset]:
    """Part whole classes of the finest level: those to train on, and those held out.

    Raises:
        CairnError: fewer than two classes would be held out.
    """
    finest = images.labels[:, 0]
    classes, counts = np.unique(finest, return_counts=True)
    candidates = np.random.default_rng(seed).permutation(classes[counts > 1])
    n_held_out = math.ceil(validation.share * len(candidates))
    if n_held_out < 2:
        raise BadInput(
            f"validation.share {validation.share} of {len(candidates)} classes with two images or more holds out "
            f"{n_held_out}; H-AP needs 2: raise it, or take validation out of the recipe"
        )
    is_held_out = np.isin(finest, candidates[:n_held_out])
    return ImageSubset(images, np.flatnonzero(~is_held_out)), ImageSubset(images, np.flatnonzero(is_held_out))


def held_out_h_ap(model: RetrievalModel, held_out: ImageSubset, batch_size: int, n_workers: int) -> float:
    """H-AP of a part searched in itself; the model is left in evaluation mode.

    Of a model with a frozen backbone, what is held out are its features.

    Every rank measures, and the first one's value counts, so that all decide alike.
    """
    make_encoder = projection_encoder if model.network.frozen == "all" else model_encoder
    encoder = make_encoder(model.eval())
    embedded = embed_split(held_out, encoder, batch_size, n_workers)
    metrics = retrieval_metrics(embedded.embeddings, torch.from_numpy(held_out.labels))
    return from_first_rank(metrics.values[H_AP])
