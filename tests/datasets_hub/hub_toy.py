"""A small dataset for tests: drawn images, three levels, one of them too large for a ClassLabel."""

import io
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.datasets_hub.records import Attribution, ImageRow, RowList
from cairnhub.datasets_hub.stats import Stats
from cairnhub.datasets_hub.writer import write_dataset
from cairnhub.hierarchies.label_tree.tree import LabelTree

N_LEAVES = 600
N_IMAGES = {"train": 240, "test": 60}
LEAVES = [f"leaf {i}: Škocjan <b>{i}</b>" for i in range(N_LEAVES)]


def toy_tree(n_leaves: int = N_LEAVES) -> LabelTree:
    """600 leaves, 60 middle and 6 coarse labels, or less; names with accents and HTML."""
    return LabelTree.from_table(
        pd.DataFrame(
            {
                "fine": LEAVES[:n_leaves],
                "middle": [f"middle {i // 10}" for i in range(n_leaves)],
                "coarse": [f"<script>alert({i // 100})</script> | coarse" for i in range(n_leaves)],
            }
        ),
        ["fine", "middle", "coarse"],
    )


def toy_card(**changes: object) -> Card:
    fields = {
        "name": "toy",
        "title": "Toy <img src=x onerror=alert(1)>",
        "description": "Drawn images for tests.",
        "licence": "MIT",
        "redistributable": True,
        "levels": ("fine", "middle", "coarse"),
        "annotation_origin": "given",
        "attribution": ("author", "license", "source_url"),
        "protocols": (EvaluationProtocol(name="main", query="test", gallery="test"),),
    }
    return Card(**(fields | changes))


def toy_row(split: str, i: int) -> ImageRow:
    noise = np.random.default_rng([len(split), i]).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).resize((48, 36)).save(out, "JPEG")
    leaf = LEAVES[i * 7 % N_LEAVES] if i % 20 else None
    credit = Attribution("https://example.org/i", f"Author {i % 5}", "CC-BY-4.0")
    return ImageRow(out.getvalue(), f"{split}/{i:04d}.jpg", f"{split}-{i:04d}", split, leaf, credit)


def toy_partitions(**changes: ImageRow) -> list[RowList]:
    """All splits, 80 rows in a partition; `train_3=row` puts another row in place of the third of `train`."""
    splits = {split: [toy_row(split, i) for i in range(n)] for split, n in N_IMAGES.items()}
    for place, row in changes.items():
        split, i = place.rsplit("_", 1)
        splits[split][int(i)] = row
    return [
        RowList(rows[start : start + 80], f"{split} from {start}")
        for split, rows in splits.items()
        for start in range(0, len(rows), 80)
    ]


def write_toy(folder: Path, **options: object) -> Stats:
    given = {"card": toy_card(), "shard_size_bytes": 120_000, "rows_per_group": 50} | options
    for name, make in {"tree": toy_tree, "partitions": toy_partitions}.items():
        if name not in given:
            given[name] = make()
    return write_dataset(folder, **given)


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def write_few(folder: Path) -> None:
    """Write a tenth of the toy dataset, in as many files: for tests that write it again and again."""
    rows = [
        toy_row(split, i)
        for i in range(N_IMAGES["train"] // 10)
        for split in N_IMAGES
        if i < N_IMAGES[split] // 10
    ]
    parts = [RowList(rows[:20]), RowList(rows[20:])]
    write_toy(folder, tree=toy_tree(200), partitions=parts, shard_size_bytes=9_000)


def write_killed(folder: Path, step: int) -> None:
    """Write some of the toy dataset and be killed on the way."""
    die_at(step)
    write_few(folder)


def die_at(step: int) -> None:
    """Kill this process when it renames, removes or makes a folder for the `step`-th time."""
    seen = 0

    def hook(event: str, _: tuple[object, ...]) -> None:
        nonlocal seen
        if event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir"):
            seen += 1
            if seen == step:
                os.kill(os.getpid(), 9)

    sys.addaudithook(hook)


def publish_to_s3_killed(source: Path, to: str, options: dict[str, object], call: int) -> None:
    """Publish to S3 and be killed before the `call`-th request."""
    from fsspec.asyn import sync_wrapper
    from s3fs import S3FileSystem

    from cairnhub.datasets_hub.push import push

    seen, send = 0, S3FileSystem._call_s3

    async def counted(*arguments: object, **options: object) -> object:
        nonlocal seen
        seen += 1
        if seen == call:
            os.kill(os.getpid(), 9)
        return await send(*arguments, **options)

    S3FileSystem._call_s3 = counted
    S3FileSystem.call_s3 = sync_wrapper(counted)
    push(source, to, storage_options=options)


def publish_killed(source: Path, target: Path, step: int) -> None:
    """Publish and be killed on the way."""
    from cairnhub.datasets_hub.push import push

    die_at(step)
    push(source, target)
