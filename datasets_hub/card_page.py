"""A dataset's card as a page."""

import base64
from collections.abc import Mapping
from pathlib import Path

from cairnhub.core.html import fill
from cairnhub.datasets_hub.location import PublishedDataset

_KINDS = {"samples-": "image/jpeg", "tree-": "image/svg+xml"}


def render_card_page(published: PublishedDataset, pages: Mapping[str, str]) -> str:
    """The page as HTML; pictures of images only where they may be passed on.

    Args:
        published: the dataset, on this machine.
        pages: addresses of its other pages, by what they show.
    """
    assets = Path(published.location.uri) / "assets"
    values = {
        "title": published.card.title,
        "card": published.card,
        "stats": published.stats,
        "pages": pages,
        "samples": _asset(assets, "samples-") if published.card.redistributable else "",
        "tree": _asset(assets, "tree-"),
    }
    template = Path(__file__).with_name("card.html")
    return fill(template, values, styles=[template.with_name("card.css")])


def _asset(folder: Path, stem: str) -> str:
    """A picture of the card as an address; empty where there is none."""
    for path in sorted(folder.glob(f"{stem}*")):
        return f"data:{_KINDS[stem]};base64,{base64.b64encode(path.read_bytes()).decode()}"
    return ""
