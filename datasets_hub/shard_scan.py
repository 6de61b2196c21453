"""One pass over one shard: is the file what it should be, and what must be compared across shards?"""

import hashlib
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cairnhub.core.errors import BrokenData
from cairnhub.core.hashing import has_hash, sha256_of
from cairnhub.datasets_hub.card import Card
from cairnhub.datasets_hub.check_report import Finding
from cairnhub.datasets_hub.decoding import DECODING_FAULTS, decode_as_datasets, decode_image, open_image
from cairnhub.datasets_hub.duplicates import NO_LOOK, columns_of, look
from cairnhub.datasets_hub.filesystems import filesystem_of
from cairnhub.datasets_hub.location import Location
from cairnhub.datasets_hub.parquet_files import open_parquet, require_bounded
from cairnhub.datasets_hub.schema import class_indices, shard_features
from cairnhub.datasets_hub.stats import ShardFile
from cairnhub.hierarchies.label_tree.tree import LabelTree

_N_EXAMPLES = 5
_PUBLIC_DOMAIN = re.compile(
    r"\bcc0\b|\bpublic domain\b|\bno (?:rights reserved|known copyright)\b|^pd\b", re.I
)


class FindingCounter:
    """Rules that do not hold, counted, with the first examples of each."""

    def __init__(self) -> None:
        self._examples: dict[str, list[str]] = {}
        self._count: dict[str, int] = {}

    def add(self, rule: str, examples: Iterable[str]) -> None:
        """Note every example; nothing is noted where there is none."""
        for example in examples:
            self._count[rule] = self._count.get(rule, 0) + 1
            if len(self._examples.setdefault(rule, [])) < _N_EXAMPLES:
                self._examples[rule].append(example)

    def merge(self, other: "FindingCounter") -> None:
        """Add what was found elsewhere."""
        for rule, examples in other._examples.items():
            shown = self._examples.setdefault(rule, [])
            shown += examples[: _N_EXAMPLES - len(shown)]
            self._count[rule] = self._count.get(rule, 0) + other._count[rule]

    def listed(self) -> tuple[Finding, ...]:
        """Sorted by rule."""
        return tuple(
            Finding(rule, self._count[rule], tuple(self._examples[rule])) for rule in sorted(self._examples)
        )


@dataclass(frozen=True)
class ScannedGroup:
    """One row group that was read: where it stands, and its rows."""

    split: str
    path: str
    group: int
    n_rows: int


@dataclass
class ShardScan:
    """What one pass over a shard found; lists have one array per row group, arrays one entry per image.

    Attributes:
        findings: rules that do not hold.
        groups: the row groups.
        ids: of images, text.
        leaves: leaf index, -1 without a label.
        digests: 16 bytes that tell files apart.
        gradients: see `Look`, and so `layouts`; 0 for a broken image.
        layouts: 48 bytes each.
    """

    findings: FindingCounter = field(default_factory=FindingCounter)
    groups: list[ScannedGroup] = field(default_factory=list)
    ids: list[pa.Array] = field(default_factory=list)
    leaves: list[npt.NDArray[np.int64]] = field(default_factory=list)
    digests: list[npt.NDArray[np.bytes_]] = field(default_factory=list)
    gradients: list[npt.NDArray[np.uint64]] = field(default_factory=list)
    layouts: list[npt.NDArray[np.uint8]] = field(default_factory=list)


@dataclass(frozen=True)
class ScanTask:
    """A shard to look through; travels to a worker."""

    location: Location
    card: Card
    tree: LabelTree
    with_images: bool
    split: str
    shard: ShardFile

    def __str__(self) -> str:
        return self.shard.path

    def reads(self) -> tuple[Path, ...]:
        """The shard, unless every machine reads it from where it was published."""
        return (Path(self.location.file(self.shard.path)),) if self.location.is_local else ()


def scan_shard(task: ScanTask) -> ShardScan:
    """Read a shard from the first byte to the last image."""
    return _Scanner(task).scan(task.split, task.shard)


class _Scanner:
    def __init__(self, task: ScanTask) -> None:
        self._location = task.location
        self._card = task.card
        self._with_images = task.with_images
        features = shard_features(task.tree.levels, task.card.texts, task.with_images)
        self._schema: pa.Schema = features.arrow_schema
        self._codes = task.tree.codes
        self._levels = task.tree.levels

    def scan(self, split: str, shard: ShardFile) -> ShardScan:
        """See `scan_shard`."""
        scan = ShardScan()
        try:
            with local_copy(self._location, shard.path) as path:
                scan.findings.add("file altered since publication", altered(path, shard))
                require_bounded([path])
                with open_parquet(path) as file:
                    self._scan_file(file, split, shard, scan)
        except FileNotFoundError:
            scan.findings.add("file missing", [shard.path])
        except (BrokenData, pa.ArrowException, OSError) as error:
            scan.findings.add("file cannot be read", [f"{shard.path} ({str(error)[:200]})"])
        return scan

    def _scan_file(self, file: pq.ParquetFile, split: str, shard: ShardFile, scan: ShardScan) -> None:
        if not file.schema_arrow.equals(self._schema, check_metadata=True):
            scan.findings.add("schema differs from the card and the tree", [shard.path])
            return
        if file.metadata.num_rows != shard.n_rows:
            scan.findings.add(
                "row count differs from stats.json", [f"{shard.path}: {file.metadata.num_rows:,}"]
            )
        for group in range(file.metadata.num_row_groups):
            table = file.read_row_group(group)
            ids = table["image_id"].to_pylist()
            scan.groups.append(ScannedGroup(split, shard.path, group, len(ids)))
            scan.ids.append(pa.array([str(image_id) for image_id in ids], pa.large_string()))
            self._scan_columns(table, ids, scan)
            if split in self._card.attribution_required:
                self._scan_attribution(table, ids, scan)
            if self._with_images:
                self._scan_images(table["image"], ids, scan)

    def _scan_columns(self, table: pa.Table, ids: list[str | None], scan: ShardScan) -> None:
        scan.findings.add("image without an id", (f"row {i}" for i, name in enumerate(ids) if not name))
        # On every level: -1 where null; a label is an orphan unless its whole path is a path of the tree.
        labels = class_indices(table, self._levels)
        leaves = labels[:, 0]
        inside = (leaves >= 0) & (leaves < len(self._codes))
        expected = np.where(inside[:, None], self._codes[np.where(inside, leaves, 0)], -1)
        orphans = np.flatnonzero((labels != expected).any(axis=1))
        scan.findings.add(
            "labels that are no path of the tree",
            (
                f"{ids[i]}: " + ", ".join(f"{k}={v}" for k, v in zip(self._levels, labels[i], strict=True))
                for i in orphans
            ),
        )
        scan.leaves.append(np.where(inside, leaves, -1))

    def _scan_attribution(self, table: pa.Table, ids: list[str | None], scan: ShardScan) -> None:
        """Every image has a licence, and an author unless it is in the public domain."""
        for image_id, author, licence in zip(
            ids, table["author"].to_pylist(), table["license"].to_pylist(), strict=True
        ):
            if not (licence or "").strip():
                scan.findings.add("no license, which the licence asks for", [str(image_id)])
            elif not (author or "").strip() and not _PUBLIC_DOMAIN.search(licence):
                scan.findings.add("no author, which the licence asks for", [str(image_id)])

    def _scan_images(self, column: pa.ChunkedArray, ids: list[str | None], scan: ShardScan) -> None:
        digests, looks = [], []
        contents = pc.struct_field(column, "bytes").to_pylist()
        for image_id, content in zip(ids, (given or b"" for given in contents), strict=True):
            digests.append(hashlib.blake2b(content, digest_size=16).digest())
            try:
                read = decode_as_datasets(open_image(content))
                looks.append(look(decode_image(read)))
            except DECODING_FAULTS as error:
                scan.findings.add("image cannot be decoded", [f"{image_id} ({error})"])
                looks.append(NO_LOOK)
        scan.digests.append(np.array(digests, "S16"))
        gradients, layouts = columns_of(looks)
        scan.gradients.append(gradients)
        scan.layouts.append(layouts)


def altered(path: Path, file: ShardFile) -> Iterator[str]:
    """The file's path and hash, if it is not the file that was published under that name."""
    digest = file.sha256.rpartition(":")[2]
    if not has_hash(path, file.sha256) or not file.path.endswith(f"-{digest[:16]}.parquet"):
        yield f"{file.path} has SHA-256 {sha256_of(path)[:16]}..., expected {file.sha256[:16]}..."


@contextmanager
def local_copy(location: Location, path: str) -> Iterator[Path]:
    """A file of a dataset as a local file: itself, or a temporary copy of a remote one."""
    uri = location.file(path)
    if location.is_local:
        yield Path(uri)
        return
    filesystem, where = filesystem_of(uri, **location.options)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "shard.parquet"
        filesystem.get_file(where, str(copy))
        yield copy
