"""A published split as points: embeddings with what protocols ask of its images."""

from collections.abc import Iterable

from cairnhub.training.encoders import EmbeddedSplit
from cairnhub.training.protocol_kinds.points import Points
from cairnhub.training.published_splits import Splits


def points_of(embedded: EmbeddedSplit, splits: Splits, split: str, texts: Iterable[str]) -> Points:
    """An embedded split with its ids, the columns of text among `texts` that it has, and its bytes."""
    present = [name for name in texts if name in splits.column_names(split)]
    table = splits.columns(split, ["image_id", *present])
    return Points(
        embedded.embeddings,
        embedded.labels,
        table["image_id"].to_pylist(),
        {name: table[name].to_pylist() for name in present},
        splits.open(split).images.__getitem__,
    )
