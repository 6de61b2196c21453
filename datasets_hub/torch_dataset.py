"""A loaded split as torch wants it; torch is imported when the first item is asked for."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from cairnhub.core.errors import BadInput
from cairnhub.datasets_hub.decoding import decode_image
from cairnhub.datasets_hub.loader import label_array
from cairnhub.hierarchies.label_tree.tree import LabelTree

if TYPE_CHECKING:
    from datasets import Dataset
    from PIL.Image import Image
    from torch import Tensor


class TorchDataset:
    """A map-style dataset for `torch.utils.data.DataLoader`.

    Args:
        dataset: a split as `load_dataset` gives it, with all its levels.
        tree: its label tree.
        transform: turns the picture that `decode_image` gives into a tensor; by default of shape (3, height, width),
            values 0..1.
        ground: the colour behind what is transparent.

    Raises:
        CairnError: not one split, or one without images or levels.
    """

    def __init__(
        self,
        dataset: "Dataset",
        tree: LabelTree,
        transform: "Callable[[Image], Tensor] | None" = None,
        *,
        ground: str = "white",
    ) -> None:
        self._labels = label_array(dataset, tree)
        if "image" not in dataset.column_names:
            raise BadInput("the dataset has no images: its licence lets only labels and splits travel")
        self._images = dataset.select_columns(["image"])
        self._transform = transform
        self._ground = ground

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, i: int) -> "tuple[Tensor, Tensor]":
        """The image and its class indices, shape (L,), fine to coarse; -1 without a label."""
        import numpy as np
        import torch

        image = decode_image(self._images[i]["image"], ground=self._ground)
        if self._transform is not None:
            pixels = self._transform(image)
        else:
            pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        return pixels, torch.from_numpy(self._labels[i])
