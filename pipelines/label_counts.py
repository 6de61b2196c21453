"""How many published images show each label."""

from pathlib import Path

import numpy as np

from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.thumbnails import IntArray, leaf_codes
from cairnhub.hierarchies.render import total_counts


def images_per_split(name: str | Path, *, scale: str | None = None) -> dict[str, dict[str, int]]:
    """Per split, images per leaf of the tree; only the column of the finest level is read."""
    published = describe(name, scale=scale)
    tree = published.tree()
    return {
        split: dict(zip(tree.leaves, _counts(np.concatenate(shards), len(tree)), strict=True))
        for split, shards in leaf_codes(published, tree).items()
    }


def images_per_leaf(name: str | Path, *, scale: str | None = None) -> dict[str, int]:
    """Images of all splits per leaf of the tree."""
    return total_counts(images_per_split(name, scale=scale))


def _counts(codes: IntArray, n_leaves: int) -> list[int]:
    counted: list[int] = np.bincount(codes[codes >= 0], minlength=n_leaves).tolist()
    return counted
