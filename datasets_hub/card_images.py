"""Two pictures for the card: some of the images, and the shape of the tree."""

import hashlib
import html
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from cairnhub.datasets_hub.small_images import open_small, read_images, square
from cairnhub.datasets_hub.stats import ShardFile
from cairnhub.hierarchies.label_tree.tree import LabelTree

_TILE_PX = 96
_COLUMNS, _ROWS = 8, 3
_WIDTH_PX, _HEIGHT_PX, _TEXT_PX = 900, 600, 12


def write_pictures(folder: Path, shards: Sequence[ShardFile], tree: LabelTree) -> tuple[str, ...]:
    """Write `assets/samples-<hash>.jpg` and `assets/tree-<hash>.svg`.

    Args:
        folder: the dataset's folder, with its shards and an empty `assets`.
        shards: files of the split to show.
        tree: the label tree.

    Returns:
        Paths below `folder`.
    """
    samples = _contact_sheet(list(_samples(folder, shards)))
    return (
        _save(folder, "samples", "jpg", samples),
        _save(folder, "tree", "svg", tree_svg(tree).encode()),
    )


def _save(folder: Path, stem: str, suffix: str, content: bytes) -> str:
    path = f"assets/{stem}-{hashlib.sha256(content).hexdigest()[:16]}.{suffix}"
    (folder / path).write_bytes(content)
    return path


def _samples(folder: Path, shards: Sequence[ShardFile]) -> Iterator[Image.Image]:
    """Images at even distances over the split; broken ones are left out."""
    n_rows = sum(shard.n_rows for shard in shards)
    wanted = set(np.linspace(0, n_rows - 1, _COLUMNS * _ROWS).astype(int).tolist())
    first = 0
    for shard in shards:
        in_shard = sorted(row - first for row in wanted if first <= row < first + shard.n_rows)
        for image in read_images(folder / shard.path, in_shard):
            opened = open_small(image, _TILE_PX)
            if opened is not None:
                yield opened
        first += shard.n_rows


def _contact_sheet(images: Sequence[Image.Image]) -> bytes:
    n_rows = max(1, -(-len(images) // _COLUMNS))
    sheet = Image.new("RGB", (_COLUMNS * _TILE_PX, n_rows * _TILE_PX), "white")
    for i, image in enumerate(images):
        tile = square(image, _TILE_PX)
        sheet.paste(tile, (i % _COLUMNS * _TILE_PX, i // _COLUMNS * _TILE_PX))
    out = io.BytesIO()
    sheet.save(out, "JPEG", quality=85)
    return out.getvalue()


def tree_svg(tree: LabelTree) -> str:
    """The tree as an icicle, coarse on the left; a label's height is its share of the leaves.

    A level is drawn as long as its names have some height on average; names are shown where they fit.
    """
    shown = [rank for rank in reversed(range(len(tree.levels))) if len(tree.names[rank]) <= _HEIGHT_PX // 2]
    ranks = shown or [len(tree.levels) - 1]
    order = np.lexsort(tree.codes.T)  # leaves sorted by the coarsest level first: siblings lie together
    step, width = _HEIGHT_PX / len(tree), _WIDTH_PX // len(ranks)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH_PX} {_HEIGHT_PX + 24}" '
        f'font-family="sans-serif" font-size="{_TEXT_PX}">'
    ]
    for column, rank in enumerate(ranks):
        title = f"{tree.levels[rank]} ({len(tree.names[rank]):,})"
        parts.append(f'<text x="{column * width + 4}" y="16" font-weight="bold">{html.escape(title)}</text>')
        codes = tree.codes[order, rank]
        starts = np.flatnonzero(np.diff(codes, prepend=-1))
        for i, (start, stop) in enumerate(zip(starts, [*starts[1:], len(codes)], strict=True)):
            name = tree.names[rank][codes[start]]
            parts.append(
                _box(name, column * width, 24 + start * step, width, (stop - start) * step, i % 2 == 0)
            )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _box(name: str, x: int, y: float, width: int, height: float, dark: bool) -> str:
    fill = "#cfd8dc" if dark else "#eceff1"
    box = f'<rect x="{x}" y="{y:.2f}" width="{width - 1}" height="{height:.2f}" fill="{fill}"/>'
    if height < _TEXT_PX:
        return box
    fits = width // 7
    text = html.escape(name if len(name) <= fits else f"{name[: fits - 1]}…")
    return f'{box}<text x="{x + 4}" y="{y + height / 2 + 4:.2f}">{text}</text>'
