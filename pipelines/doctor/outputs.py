"""What was built: published datasets, models, DVC's cache, decisions, and what killed runs left."""

import hashlib
from collections.abc import Iterator, Sequence
from configparser import ConfigParser
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa

from cairnhub.core.errors import CairnError, how_to_install
from cairnhub.core.files import is_held
from cairnhub.core.hashing import has_hash
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.location import PublishedDataset
from cairnhub.datasets_hub.parquet_files import open_parquet
from cairnhub.datasets_hub.schema import shard_features
from cairnhub.datasets_hub.stats import ShardFile
from cairnhub.hierarchies.review.decisions import read_decisions
from cairnhub.hierarchies.voice.model_evidence import read_evidence
from cairnhub.pipelines.doctor.diagnosis import DAY_S, Diagnosis, Repair, age_s
from cairnhub.pipelines.executors.local import Executor

_LEFTOVERS = (".*.tmp", ".*.partial", ".*.unpacked", ".*.old", ".cairn-doctor-*")
_BUILT = ("data", "models", "results", "decisions")


@dataclass(frozen=True)
class Shard:
    """A Parquet file of a published dataset; `schema` is None for its tables."""

    path: Path
    file: ShardFile
    schema: pa.Schema | None

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class CacheFile:
    """An object of DVC's cache, named by the MD5 of its content."""

    path: Path
    md5: str

    def __str__(self) -> str:
        return str(self.path)


def examine_hub(root: Path, executor: Executor) -> Iterator[Diagnosis]:
    """Hash, rows and schema of every file of every published dataset."""
    for readme in sorted((root / "data/hub").glob("[!.]*/[!.]*/README.md")):
        folder = readme.parent
        name = f"{folder.parent.name}/{folder.name}"
        again = f"problem: run `dvc repro --force publish@{folder.parent.name}-{folder.name}`"
        try:
            published = describe(folder)
            shards = shards_of(published)
        except CairnError as error:
            yield Diagnosis(f"published {name}", str(error), again)
            continue
        faults = list(executor.map(shard_fault, shards, f"read {name}"))
        if not any(faults):
            found = f"{published.stats.n_images:,} images in {len(shards):,} files, hashes and schema as published"
            yield Diagnosis(f"published {name}", found, "ok")
        for shard, fault in zip(shards, faults, strict=True):
            if fault:
                quarantine = root / "data/.quarantine" / shard.path.relative_to(root / "data")
                repair = Repair(shard.path, quarantine) if shard.path.is_file() else None
                yield Diagnosis(str(shard.path), fault, again, repair)


def shards_of(published: PublishedDataset) -> list[Shard]:
    """Its image files, then its tables.

    Raises:
        CairnError: its tree is not the one that it was published with, or it names a file outside of its folder.
    """
    stats, tree = published.stats, published.tree()
    schema = shard_features(tree.levels, published.card.texts, stats.with_images).arrow_schema
    images = [shard for split in stats.splits.values() for shard in split.shards]
    return [
        *(Shard(Path(published.location.file(file.path)), file, schema) for file in images),
        *(Shard(Path(published.location.file(file.path)), file, None) for file in stats.tables.values()),
    ]


def shard_fault(shard: Shard) -> str:
    """What is wrong with a file, in words; nothing for a good one."""
    if not shard.path.is_file():
        return "missing"
    if not has_hash(shard.path, shard.file.sha256):
        return "other bytes than were published"
    with open_parquet(shard.path) as file:
        if file.metadata.num_rows != shard.file.n_rows:
            return f"{file.metadata.num_rows:,} rows, not {shard.file.n_rows:,}"
        if shard.schema is not None and not file.schema_arrow.equals(shard.schema, check_metadata=True):
            return "another schema than its card and tree give"
    return ""


def examine_models(root: Path) -> Iterator[Diagnosis]:
    """Weights can be read and fit their description; the tree is that of the dataset."""
    folders = sorted(path.parent for path in (root / "models").glob("[!.]*/[!.]*/model.json"))
    if folders and find_spec("torch") is None:
        yield Diagnosis("models", f"{len(folders)}", f"ok, not read: {how_to_install('torch')}")
        return
    for folder in folders:
        from cairnhub.training.models import load_model

        scale, dataset = folder.parts[-2:]
        again = f"run `dvc repro --force train@{scale}-{dataset}`"
        try:
            model, description = load_model(folder)
        except CairnError as error:
            yield Diagnosis(f"model {scale}/{dataset}", str(error), f"problem: {again}")
            continue
        n_weights = sum(weight.numel() for weight in model.parameters())
        hub = root / "data/hub" / scale / dataset
        if (hub / "README.md").is_file() and describe(
            hub
        ).stats.tree_fingerprint != description.tree_fingerprint:
            found = "trained with another tree than the dataset now has"
            yield Diagnosis(f"model {scale}/{dataset}", found, "problem: run `dvc repro`")
        else:
            yield Diagnosis(f"model {scale}/{dataset}", f"{n_weights:,} weights, of its dataset's tree", "ok")


def examine_cache(root: Path, executor: Executor) -> Iterator[Diagnosis]:
    """DVC trusts its cache; a damaged object would be built upon."""
    folder = cache_folder(root) / "files/md5"
    objects = [
        CacheFile(path, path.parent.name + path.name.removesuffix(".dir"))
        for path in sorted(folder.glob("[0-9a-f][0-9a-f]/*"))
        if len(path.name.removesuffix(".dir")) == 30
    ]
    faults = list(executor.map(cache_fault, objects, "hash the cache"))
    if not any(faults):
        yield Diagnosis("DVC cache", f"{len(objects):,} objects, hashes as named", "ok")
    for cached, fault in zip(objects, faults, strict=True):
        if fault:
            repair = Repair(cached.path, root / "data/.quarantine/cache" / cached.path.relative_to(folder))
            yield Diagnosis(str(cached.path), fault, "problem: quarantine it and run `dvc repro`", repair)


def cache_folder(root: Path) -> Path:
    """DVC's cache of a project: in its `.dvc`, or shared with others, as `cache.dir` of its configuration says."""
    settings = ConfigParser(interpolation=None, strict=False)
    settings.read([root / ".dvc" / name for name in ("config", "config.local")], encoding="utf-8")
    told = settings.get("cache", "dir", fallback="cache")
    return root / ".dvc" / told.strip("'\"")


def cache_fault(cached: CacheFile) -> str:
    """What is wrong with an object, in words; nothing for a good one."""
    with cached.path.open("rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    return "" if digest == cached.md5 else "other bytes than its name says"


def examine_decisions(root: Path) -> Iterator[Diagnosis]:
    """Every line can be understood. Nothing here is ever repaired: it is people's work."""
    for path in sorted((root / "decisions").glob("*.jsonl")):
        try:
            lines = read_evidence(path) if path.stem.endswith(".evidence") else read_decisions(path)
            yield Diagnosis(f"decisions {path.stem}", f"{len(lines):,}", "ok")
        except CairnError as error:
            yield Diagnosis(f"decisions {path.stem}", str(error), "problem: mend the file by hand")


def examine_leftovers(root: Path, store: Path) -> Iterator[Diagnosis]:
    """Temporary files and folders of runs that were killed."""
    places: Sequence[Path] = [root / name for name in _BUILT]
    if not store.is_relative_to(root):
        places = [*places, store]
    for pattern in _LEFTOVERS:
        for path in sorted(path for place in places for path in place.rglob(pattern)):
            if is_held(path):
                yield Diagnosis(str(path), "being written", "ok")
            elif age_s(path) < DAY_S:
                yield Diagnosis(str(path), "unfinished", "ok: younger than a day, perhaps to be continued")
            else:
                yield Diagnosis(str(path), "left by a killed run", "problem: remove it", Repair(path))
