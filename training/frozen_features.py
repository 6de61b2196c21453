"""What a frozen backbone sees, computed once, in place of the images that a head would be trained on."""

import torch
from torch import Tensor

from cairnhub.core.errors import BadInput
from cairnhub.training.data import LabelledImages
from cairnhub.training.encoders import embed_split, feature_encoder
from cairnhub.training.models import RetrievalModel

BATCH_SIZE = 64


class FeatureImages(LabelledImages):
    """Images as their features (C,) each, float32.

    Args:
        features: (N, C).
        images: with the labels.
    """

    def __init__(self, features: Tensor, images: LabelledImages) -> None:
        self.features, self.labels = features, images.labels

    def __getitem__(self, index: int) -> Tensor:
        return self.features[index]


def as_features(
    model: RetrievalModel, images: LabelledImages, features: Tensor | None, n_workers: int
) -> FeatureImages:
    """Images as what a model's frozen backbone sees in plain views of them.

    Args:
        model: in evaluation mode.
        images: of which the middle is seen, as in evaluation.
        features: (N, C), where they have been computed before.
        n_workers: processes that decode images.

    Raises:
        BadInput: there are not as many features as images, or they have not the backbone's width.
    """
    if features is None:
        features = embed_split(images, feature_encoder(model), BATCH_SIZE, n_workers).embeddings
    wanted = (len(images), model.backbone.n_channels)
    if tuple(features.shape) != wanted:
        raise BadInput(f"features: have the shape {tuple(features.shape)}, not {wanted}: compute them anew")
    return FeatureImages(features.to(torch.float32, copy=True), images)  # a copy may be trained on
