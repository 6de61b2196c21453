"""Two tiny datasets as their authors would publish them: tars (grocery) and one streamed archive (inat2018)."""

import gzip
import io
import json
import tarfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from cairnhub.core.hashing import sha256_of
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.params import PerScale, load_params
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.settings.executor import Executor
from cairnhub.pipelines.settings.publish import Publish
from cairnhub.pipelines.settings.sources import Subset, Subsets
from cairnhub.pipelines.sources.ledger import LEDGER, FetchedFile, Ledger
from cairnhub.pipelines.sources.manifest import write_manifest
from tests.project import ROOT

N_IMAGES = 60
RANKS = {
    "genus": "G",
    "family": "F",
    "order": "O",
    "class": "C",
    "phylum": "P",
    "kingdom": "K",
    "supercategory": "S",
}
Member = tuple[tarfile.TarInfo, bytes]


def photograph(seed: int) -> bytes:
    """A JPEG of about 60 KB."""
    noise = np.random.default_rng(seed).integers(0, 256, (150, 200, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "JPEG", quality=95)
    return out.getvalue()


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE) -> Member:
    """A member of an archive; links lead out of it."""
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data), kind, "/etc/passwd"
    return info, data


def write_archive(path: Path, members: Iterable[Member]) -> None:
    """A tar, or by its name a `.tar.gz`, without a timestamp."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as raw:
        gzipped = (
            gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, compresslevel=1) if path.suffix == ".gz" else raw
        )
        with tarfile.open(fileobj=gzipped, mode="w") as tar:
            for info, data in members:
                tar.addfile(info, io.BytesIO(data))
        gzipped.close()


def inat_names() -> list[str]:
    """Members in an order of their own, the splits mixed."""
    return [f"train_val2018/Birds/{i % 4}/{(i * 37) % 101:03d}.jpg" for i in range(N_IMAGES)]


def write_inat(store: Path, members: Iterable[Member]) -> None:
    """Species 0 to 2 train, species 3 tests."""
    names = sorted(inat_names())
    for split, here in (("train", "012"), ("test", "3")):
        path = store / f"Inat_dataset_splits/Inaturalist_{split}_set1.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{name}\n" for name in names if name.split("/")[2] in here))
    categories = [{"id": i, "name": f"species {i}", **RANKS} for i in range(4)]
    images = [{"file_name": name, "license": 1, "rights_holder": "someone"} for name in names]
    credits = {"images": images, "licenses": [{"id": 1, "name": "CC0"}]}
    for name, content in (("categories", categories), ("train2018", credits), ("val2018", credits)):
        write_archive(store / f"{name}.json.tar.gz", [member(f"{name}.json", json.dumps(content).encode())])
    write_archive(store / "train_val2018.tar.gz", members)


def write_grocery(store: Path, members: Iterable[Member], rows: Iterable[str] = ()) -> None:
    """Images in `images.tar`; by default 0 to 59, of which every fifth tests."""
    store.mkdir(parents=True)
    rows = rows or [
        f"{i:03d}.jpg,fine {i % 6},middle {i % 3},all,{'train' if i % 5 else 'test'}" for i in range(N_IMAGES)
    ]
    (store / "labels.csv").write_text("\n".join(["path,fine,middle,coarse,split", *rows]) + "\n")
    write_archive(store / "images.tar", members)


def tiny_context(
    root: Path,
    dataset: str,
    n_workers: int = 1,
    members: Iterable[Member] | None = None,
    rows: Iterable[str] = (),
) -> Context:
    """A project with one dataset that is fetched; of shards that hold about fifteen images.

    `rows` are those of grocery's table.
    """
    executor, publish = Executor(n_workers=n_workers), Publish(shard_size_mb=1, rows_per_group=5)
    params = load_params(ROOT / "params.yaml")
    subset = Subsets(full=Subset(splits=("train", "test")))  # not held against the counts of the whole
    changes = {
        "sources": {dataset: params.sources[dataset].model_copy(update={"subset": subset})},
        "executor": PerScale[Executor](sample=executor, full=executor),
        "publish": PerScale[Publish](sample=publish, full=publish),
    }
    context = Context(
        dataset,
        "full",
        params.model_copy(update=changes),
        Paths(root, "full", dataset),
    )
    if not context.paths.store.exists():
        names = inat_names() if dataset == "inat2018" else [f"{i:03d}.jpg" for i in range(N_IMAGES)]
        write = write_inat if dataset == "inat2018" else partial(write_grocery, rows=rows)
        write(context.paths.store, members or [member(name, photograph(i)) for i, name in enumerate(names)])
        record_store(context)
    return context


def record_store(context: Context) -> None:
    """The manifest of what lies in the store, as the stage `fetch` would write it, and the ledger."""
    store, ledger = context.paths.store, Ledger(context.paths.store)
    files = [
        FetchedFile(path.relative_to(store).as_posix(), path.stat().st_size, sha256_of(path), None)
        for path in sorted(store.rglob("*"))
        if path.is_file() and path.name != LEDGER
    ]
    for file in files:
        ledger.add(file)
    write_manifest(context.paths.manifest, context.paths.loose_images, context.dataset, "full", files)


def write_tree(context: Context) -> None:
    """The tree of the dataset, as the stage `taxonomy` would write it."""
    levels = ["fine", "middle", "coarse"]
    rows = {
        "fine": [f"fine {i}" for i in range(6)],
        "middle": [f"middle {i % 3}" for i in range(6)],
        "coarse": "all",
    }
    if context.dataset == "inat2018":
        levels = ["species", *(rank for rank in RANKS if rank != "supercategory")]
        rows = {"species": [f"species {i}" for i in range(4)], **RANKS}
    import pandas as pd

    context.paths.tree.parent.mkdir(parents=True, exist_ok=True)
    LabelTree.from_table(pd.DataFrame(rows), levels).save(context.paths.tree)
