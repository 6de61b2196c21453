"""One self-contained page that shows what a model finds: queries with their nearest images."""

import base64
import html
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from hierarchies import LabelTree
from training.data import ImageDataset
from training.evaluate import Embedded, Measured

IntArray = npt.NDArray[np.int64]
THUMBNAIL_PX = 112
WRONG, FAR, NEAR = (176, 36, 36), (214, 160, 20), (24, 120, 60)  # no level matches, the coarsest, all


@dataclass(frozen=True)
class Side:
    """Queries, or what is searched.

    Attributes:
        images: a split.
        embedded: its points and labels, in the same order.
    """

    images: ImageDataset
    embedded: Embedded


def nearest(queries: Tensor, gallery: Tensor, k: int, own: Sequence[int] = ()) -> tuple[Tensor, Tensor]:
    """The k best of a gallery: higher score first, then lower index.

    Args:
        queries: (Q, d).
        gallery: (N, d).
        k: how many; fewer where the gallery has fewer.
        own: gallery index of each query itself, which is left out; empty if none is there.

    Returns:
        Scores and gallery indices, (Q, k) each.
    """
    scores = queries @ gallery.T
    if own:
        scores[torch.arange(len(own)), torch.tensor(own)] = -torch.inf
    best = scores.sort(dim=1, descending=True, stable=True)
    k = min(k, len(gallery) - bool(own))
    return best.values[:, :k], best.indices[:, :k]


def instructive_queries(measured: Measured, n: int) -> dict[str, IntArray]:
    """The n worst, median and best queries by H-AP, and those where the finest level's AP says otherwise."""
    h_ap, ap = measured.per_query["h_ap"], measured.per_query[f"ap_{measured.levels[0]}"]
    order = np.argsort(h_ap, kind="stable")[: int((~np.isnan(h_ap)).sum())]
    middle = max(0, (len(order) - n) // 2)
    gap = np.nan_to_num(np.abs(h_ap - ap), nan=-1.0)
    return {
        "Worst by H-AP": order[:n],
        "Median by H-AP": order[middle : middle + n],
        "Best by H-AP": order[::-1][:n],
        f"H-AP and AP of {measured.levels[0]} disagree most": np.argsort(-gap, kind="stable")[:n],
    }


def render_page(
    title: str, tree: LabelTree, measured: Measured, query: Side, gallery: Side | None, n_queries: int, k: int
) -> str:
    """The page as HTML.

    Args:
        title: its heading.
        tree: names of the labels.
        measured: the protocol's metrics per query.
        query: what searches.
        gallery: what is searched; None: the other queries.
        n_queries: of each kind.
        k: images shown per query.
    """
    searched = gallery or query
    body = []
    for heading, chosen in instructive_queries(measured, n_queries).items():
        rows = [int(row) for row in chosen]
        found = nearest(
            query.embedded.embeddings[rows], searched.embedded.embeddings, k, () if gallery else rows
        )
        body.append(f"<h2>{html.escape(heading)}</h2>")
        for row, scores, items in zip(rows, *found, strict=True):
            line = "".join(_results(tree, measured, query, row, searched, scores, items))
            body.append(f'<div class="row">{_query(tree, measured, query, row)}{line}</div>')
    means = f"H-AP {100 * measured.values['h_ap']:.1f} over {len(measured.per_query['h_ap']):,} queries"
    return _PAGE.format(
        title=html.escape(title), means=means, legend=_legend(measured.levels), body="\n".join(body)
    )


def _query(tree: LabelTree, measured: Measured, query: Side, row: int) -> str:
    values = (measured.per_query["h_ap"][row], measured.per_query[f"ap_{measured.levels[0]}"][row])
    h_ap, ap = (f"{100 * value:.1f}" for value in values)
    labels = query.embedded.labels[row]
    return _figure(query.images, row, "#222", f"query: {_path(tree, labels)}", f"H-AP {h_ap}, AP {ap}")


def _results(
    tree: LabelTree, measured: Measured, query: Side, row: int, searched: Side, scores: Tensor, items: Tensor
) -> Iterator[str]:
    columns = [tree.levels.index(level) for level in measured.levels]
    own = query.embedded.labels[row, columns]
    for score, item in zip(scores.tolist(), items.tolist(), strict=True):
        labels = searched.embedded.labels[item]
        n_shared = int((labels[columns] == own).sum())
        shared = f"shares {measured.levels[-n_shared]}" if n_shared else "shares nothing"
        caption = f"{_path(tree, labels)} ({shared})"
        yield _figure(searched.images, item, _colour(n_shared, len(columns)), caption, f"{score:.2f}")


def _path(tree: LabelTree, labels: IntArray) -> str:
    """Names of an image's labels, fine to coarse."""
    names = (tree.names[rank][index] for rank, index in enumerate(labels) if index >= 0)
    return " < ".join(names)


def _colour(n_shared: int, n_levels: int) -> str:
    if n_shared == 0:
        return "rgb({},{},{})".format(*WRONG)
    share = (n_shared - 1) / max(1, n_levels - 1)
    return "rgb({},{},{})".format(*(round(a + (b - a) * share) for a, b in zip(FAR, NEAR, strict=True)))


def _legend(levels: Sequence[str]) -> str:
    shared = ["nothing", *(html.escape(level) for level in reversed(levels))]
    return " ".join(
        f'<span style="border-color:{_colour(n, len(levels))}">{name}</span>' for n, name in enumerate(shared)
    )


def _figure(images: ImageDataset, index: int, colour: str, caption: str, note: str) -> str:
    text = html.escape(caption, quote=True)
    return (
        f'<figure title="{text}"><img style="border-color:{colour}" alt="{text}" '
        f'src="{thumbnail(images.images[index]["image"])}"><figcaption>{note}<br>{text}</figcaption></figure>'
    )


def thumbnail(image: Image.Image) -> str:
    """A small JPEG as a data address."""
    small = image.convert("RGB")
    small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 14px/1.4 system-ui, sans-serif; margin: 1.5rem; color: #222; background: #fff }}
.row {{ display: flex; gap: .5rem; overflow-x: auto; padding: .4rem 0 .8rem; border-bottom: 1px solid #ddd }}
figure {{ margin: 0; flex: 0 0 124px; font-size: 11px; overflow-wrap: anywhere }}
figure:first-child {{ margin-right: 1rem }}
img {{ display: block; width: 112px; height: 112px; object-fit: cover; border: 5px solid }}
.legend span {{ border-left: 1rem solid; padding: 0 .8rem 0 .4rem }}
</style></head><body>
<h1>{title}</h1><p>{means}. First the query, then its nearest images.</p>
<p class="legend">The border says the finest level shared: {legend}</p>
{body}
</body></html>
"""
