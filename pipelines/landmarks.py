"""The landmarks of an index: what the text stages work on."""

from pathlib import Path

import pandas as pd


def landmarks_of(index: Path) -> pd.DataFrame:
    """One row per landmark of an index folder.

    Returns:
        Columns `landmark` (unique name), `type` (mined text, empty where none was found) and `n_images`, sorted
        by name.
    """
    images = pd.read_parquet(index / "images.parquet", columns=["landmark", "type"])
    grouped = images.groupby("landmark", sort=True)["type"]
    return grouped.agg(type="first", n_images="size").reset_index()
