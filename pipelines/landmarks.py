"""The landmarks of an index: what the text stages work on."""

from pathlib import Path

import pandas as pd

from cairnhub.core.parse import read_json

PUBLISHED_LABELS = "published_labels.parquet"
CHAINS = "chains.json"


def landmarks_of(index: Path) -> pd.DataFrame:
    """One row per landmark of an index folder.

    Returns:
        Columns `landmark` (unique name), `type` (mined text, empty where none was found) and `n_images`, sorted
        by name.
    """
    images = pd.read_parquet(index / "images.parquet", columns=["landmark", "type"])
    grouped = images.groupby("landmark", sort=True)["type"]
    return grouped.agg(type="first", n_images="size").reset_index()


def published_labels_of(index: Path) -> pd.DataFrame:
    """Labels that others published for the same landmarks: a yardstick for the proposal, never its input.

    Returns:
        Columns `landmark`, `category`, `kind`; no row where nobody published any.
    """
    path = index / PUBLISHED_LABELS
    return pd.read_parquet(path) if path.is_file() else pd.DataFrame(columns=["landmark", "category", "kind"])


def chains_of(index: Path) -> dict[str, list[str]]:
    """Superclasses of each type, nearest first, where they were mined."""
    path = index / CHAINS
    if not path.is_file():
        return {}
    return read_json(path, dict[str, list[str]])
