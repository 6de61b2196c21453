"""A backbone that is any module, and what is read of what it gives: maps, tokens or vectors."""

import math

import torch
from torch import Tensor, nn

from cairnhub.core.errors import BadInput
from cairnhub.training.image_processor import Colours
from cairnhub.training.recipes.settings import Network

MAX_TOKENS_BEFORE = 8
"""Class and register tokens stand before those of patches; no family has more."""


class OwnBackbone(nn.Module):
    """A module that gives maps (B, C, H, W), tokens (B, T, C) or vectors (B, C): as maps.

    Args:
        model: takes images (B, 3, side, side).
        network: of the recipe.
        colours: of its image processor, if it has one.

    Attributes:
        n_channels: C.

    Raises:
        CairnError: the module does not take such images, gives something else, or has no class token to pool.
    """

    def __init__(self, model: nn.Module, network: Network, colours: Colours | None = None) -> None:
        super().__init__()
        self.model, self.colours = model, colours
        self.takes_class_token = network.pooling == "cls"
        patch = getattr(getattr(model, "config", None), "patch_size", None)
        self.patch_px = patch if isinstance(patch, int) else None
        features = self._probe(network)
        self.n_channels = features.shape[1] if features.ndim == 4 else features.shape[-1]
        self._maps(features, network.image_side_px)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, side, side) -> (B, C, H, W); of tokens (B, C, T, 1)."""
        return self._maps(self.features(images), images.shape[-1])

    def features(self, images: Tensor) -> Tensor:
        """What the module itself gives."""
        features: Tensor = self.model(images)
        return features

    def _maps(self, features: Tensor, side_px: int) -> Tensor:
        n_before = self._n_tokens_before(features, side_px) if features.ndim == 3 else 0
        if self.takes_class_token and n_before == 0:
            raise BadInput("network.pooling: this backbone has no class token; use average, max or gem")
        if features.ndim == 3:
            tokens = features[:, :1] if self.takes_class_token else features[:, n_before:]
            return tokens.transpose(1, 2).unsqueeze(3)
        return features if features.ndim == 4 else features[:, :, None, None]

    def _n_tokens_before(self, features: Tensor, side_px: int) -> int:
        """How many tokens are of no patch: what is left of those that fill a square."""
        n_tokens = features.shape[1]
        n_patches = (side_px // self.patch_px) ** 2 if self.patch_px else 0
        if not n_patches or not 0 <= n_tokens - n_patches <= MAX_TOKENS_BEFORE:
            n_patches = math.isqrt(n_tokens) ** 2
        return n_tokens - n_patches

    @torch.no_grad()
    def _probe(self, network: Network) -> Tensor:
        """What it gives for one black image; its mode is that of before."""
        was_training, side = self.training, network.image_side_px
        weight = next(self.model.parameters(), torch.zeros(0))
        try:
            features = self.eval().features(torch.zeros(1, 3, side, side, device=weight.device))
        except Exception as error:  # a network fails in its own way
            raise BadInput(
                f"network.backbone: {network.backbone} does not take images of {side} x {side}: "
                f"{type(error).__name__}: {str(error)[:300]}; try another image_side_px"
            ) from error
        self.train(was_training)
        if not isinstance(features, Tensor) or features.ndim not in (2, 3, 4) or len(features) != 1:
            what = (
                f"shape {list(features.shape)}" if isinstance(features, Tensor) else type(features).__name__
            )
            raise BadInput(f"network.backbone: {network.backbone} gives {what}; it must give maps (B, C, H, W), tokens "
                           "(B, T, C) or vectors (B, C)")  # fmt: skip
        return features
