"""The contract of a published dataset, checked from its files alone; anybody may run it on any URI."""

import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from cairnhub.core.errors import BrokenData
from cairnhub.core.text import twins_on_a_disk
from cairnhub.datasets_hub.card import front_matter
from cairnhub.datasets_hub.check_report import CheckResult, LookAlike
from cairnhub.datasets_hub.decoding import DECODING_FAULTS, decode_image
from cairnhub.datasets_hub.duplicate_table import ALIKE, IDENTICAL, SCHEMA, named
from cairnhub.datasets_hub.duplicates import LAYOUT_SIZE, find_duplicates
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.location import PublishedDataset
from cairnhub.datasets_hub.parquet_files import open_parquet, read_parquet
from cairnhub.datasets_hub.readme import configs, dataset_info
from cairnhub.datasets_hub.schema import table_features, tree_tables
from cairnhub.datasets_hub.shard_scan import (
    FindingCounter,
    ScannedGroup,
    ScanTask,
    ShardScan,
    altered,
    local_copy,
    scan_shard,
)
from cairnhub.hierarchies.label_tree.tree import LabelTree

_N_PICTURES = 500

RunAll = Callable[[Callable[[ScanTask], ShardScan], Sequence[ScanTask]], Iterable[ShardScan]]
"""Applies a function to every task and gives the results in their order, as the built-in `map` does."""


def check_dataset(
    name: str | Path,
    *,
    scale: str | None = None,
    revision: str | None = None,
    hub: str | Path | None = None,
    storage_options: Mapping[str, object] | None = None,
    expected_listed: Mapping[str, int] | None = None,
    run_all: RunAll | None = None,
) -> CheckResult:
    """Check every file, row and image of a published dataset.

    Violations: an altered or missing file; a schema, label, count or tree table that does not fit; an image
    that does not decode; an image id that occurs twice; attribution missing where the licence asks for it.
    Images that are the same, byte for byte or to the eye, are warnings: some sources have them.

    Args:
        name: a name in the hub, a folder or a URI; as for `load_dataset`, and so the next four.
        scale: `sample` or `full`, for names.
        revision: a version published before.
        hub: where names are looked up.
        storage_options: passed to fsspec for URIs.
        expected_listed: images per split that the source lists: published, quarantined and excluded.
        run_all: scans the shards, for instance `concurrent.futures.ProcessPoolExecutor().map`; by default threads
            do, one per CPU.

    Raises:
        NotFound: there is no such dataset or version.
        BrokenData: its card, numbers or tree cannot be read at all.
        BadInput: an earlier Cairn built it, to another contract.
    """
    dataset = describe(name, scale=scale, revision=revision, hub=hub, storage_options=storage_options)
    dataset.stats.check_current(dataset.location.uri)
    tree = dataset.tree()
    violations, warnings = FindingCounter(), FindingCounter()
    _check_card(dataset, tree, violations)
    _check_tree_tables(dataset, tree, violations)
    tasks = [
        ScanTask(dataset.location, dataset.card, tree, dataset.stats.with_images, name, shard)
        for name, split in dataset.stats.splits.items()
        for shard in split.shards
    ]
    whole = _Whole.of(list((run_all or _in_threads)(scan_shard, tasks)), violations)
    _check_counts(dataset, tree, whole, violations)
    _check_ids(whole, violations)
    _check_accounts(dataset, whole, expected_listed, violations)
    pairs, duplicates = _duplicates(whole, tree, warnings)
    if dataset.stats.with_images:
        _check_duplicates(dataset, duplicates, violations)
    return CheckResult(
        dataset.card.name,
        len(whole.ids),
        violations.listed(),
        warnings.listed(),
        duplicates,
        _look_alikes(dataset, whole, pairs),
    )


def _in_threads(scan: Callable[[ScanTask], ShardScan], tasks: Sequence[ScanTask]) -> list[ShardScan]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(scan, tasks))


@dataclass(frozen=True)
class _Whole:
    """All shards together; arrays have one entry per image, some hundred bytes in all.

    Attributes:
        groups: the row groups.
        names: of splits.
        splits: index of each image's split in `names`.
        ids: of images.
        leaves: see `ShardScan`.
        digests: see `ShardScan`.
        gradients: see `ShardScan`.
        layouts: see `ShardScan`.
    """

    groups: list[ScannedGroup]
    names: list[str]
    splits: npt.NDArray[np.int64]
    ids: pa.Array
    leaves: npt.NDArray[np.int64]
    digests: npt.NDArray[np.bytes_]
    gradients: npt.NDArray[np.uint64]
    layouts: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, scans: Sequence[ShardScan], findings: FindingCounter) -> "_Whole":
        """Join what was found in the shards; what does not hold is added to `findings`."""
        for scan in scans:
            findings.merge(scan.findings)
        groups = [group for scan in scans for group in scan.groups]
        names = list(dict.fromkeys(group.split for group in groups))
        splits = np.array([names.index(group.split) for group in groups], np.int64)
        ids = [part for scan in scans for part in scan.ids]
        return cls(
            groups,
            names,
            np.repeat(splits, [group.n_rows for group in groups]),
            pa.chunked_array(ids, pa.large_string()).combine_chunks(),
            np.concatenate([np.empty(0, np.int64), *(part for scan in scans for part in scan.leaves)]),
            np.concatenate([np.empty(0, "S16"), *(part for scan in scans for part in scan.digests)]),
            np.concatenate([np.empty(0, np.uint64), *(part for scan in scans for part in scan.gradients)]),
            np.concatenate(
                [np.empty((0, LAYOUT_SIZE), np.uint8), *(part for scan in scans for part in scan.layouts)]
            ),
        )

    def name(self, row: int) -> str:
        """`split/id` of an image."""
        return f"{self.names[self.splits[row]]}/{self.ids[row]}"


def _check_card(dataset: PublishedDataset, tree: LabelTree, findings: FindingCounter) -> None:
    readme = dataset.location.readme
    head = front_matter(dataset.location.read_text(readme), f"{dataset.location.uri}/{readme}")
    if twins := twins_on_a_disk(dataset.stats.splits):
        findings.add("splits whose names differ by case only", [" and ".join(twins)])
    if head.get("configs") != configs(dataset.stats):
        findings.add("the README lists other files than stats.json", ["configs"])
    if head.get("dataset_info") != dataset_info(dataset.card, tree, dataset.stats):
        findings.add(
            "the README has other columns, names or counts than tree and stats.json", ["dataset_info"]
        )
    if dataset.card.levels != tree.levels:
        findings.add("the card has other levels than the tree", [", ".join(dataset.card.levels)])
    sizes = {level: len(names) for level, names in zip(tree.levels, tree.names, strict=True)}
    if dict(dataset.stats.n_names) != sizes:
        findings.add("stats.json counts other names than the tree has", [str(dict(dataset.stats.n_names))])


def _check_tree_tables(dataset: PublishedDataset, tree: LabelTree, findings: FindingCounter) -> None:
    for config, frame in tree_tables(tree).items():
        schema = table_features(config).arrow_schema
        published = _read_table(dataset, config, findings)
        if published is None:
            continue
        if not published.equals(pa.Table.from_pandas(frame, schema, preserve_index=False)):
            findings.add("the tree's table differs from tree.json", [dataset.stats.tables[config].path])


def _check_counts(
    dataset: PublishedDataset,
    tree: LabelTree,
    whole: _Whole,
    findings: FindingCounter,
) -> None:
    if len(whole.leaves) != len(whole.splits):
        return  # a shard broke off in the middle, which is noted already
    for name, stats in dataset.stats.splits.items():
        in_split = whole.leaves[whole.splits == (whole.names.index(name) if name in whole.names else -1)]
        codes = tree.codes[np.unique(in_split[in_split >= 0])]
        labels = {level: len(np.unique(codes[:, rank])) for rank, level in enumerate(tree.levels)}
        counted = (len(in_split), int((in_split < 0).sum()), labels)
        stated = (stats.n_images, stats.n_unlabelled, dict(stats.n_labels))
        if counted != stated:
            findings.add("counts differ from stats.json", [f"{name}: found {counted}, stated {stated}"])


def _check_accounts(
    dataset: PublishedDataset,
    whole: _Whole,
    expected_listed: Mapping[str, int] | None,
    findings: FindingCounter,
) -> None:
    """Every listed image is published, quarantined with a reason, or excluded."""
    quarantined = _quarantine(dataset, findings)
    n_quarantined = quarantined["split"].value_counts().to_dict()
    for name, split in dataset.stats.splits.items():
        if split.n_listed != split.n_images + split.n_quarantined + split.n_excluded:
            findings.add("listed is not published + quarantined + excluded", [name])
        if split.n_quarantined != n_quarantined.get(name, 0):
            findings.add("quarantine has other rows than stats.json counts", [name])
    listed = {name: split.n_listed for name, split in dataset.stats.splits.items()}
    if expected_listed is not None and listed != dict(expected_listed):
        findings.add(
            "other images are listed than the source lists", [f"{listed}, not {dict(expected_listed)}"]
        )
    twice = pc.is_in(whole.ids, pa.array(quarantined["image_id"], pa.large_string()))
    findings.add("image both published and quarantined", sorted(set(whole.ids.filter(twice).to_pylist())))


def _quarantine(dataset: PublishedDataset, findings: FindingCounter) -> pd.DataFrame:
    """The table `quarantine`; empty where nothing was quarantined or the file cannot be read."""
    table = _read_table(dataset, "quarantine", findings) if "quarantine" in dataset.stats.tables else None
    if table is None:
        return pd.DataFrame(columns=table_features("quarantine"))
    return pd.DataFrame(table.to_pydict())


def _read_table(dataset: PublishedDataset, config: str, findings: FindingCounter) -> pa.Table | None:
    """A table beside the images; None, and a finding, where it cannot be read."""
    file = dataset.stats.tables.get(config)
    if file is None:
        findings.add("stats.json lists no such table", [config])
        return None
    try:
        with local_copy(dataset.location, file.path) as path:
            findings.add("file altered since publication", altered(path, file))
            table = read_parquet([path])
    except FileNotFoundError:
        findings.add("file missing", [file.path])
    except (BrokenData, pa.ArrowException, OSError) as error:
        findings.add("file cannot be read", [f"{file.path} ({error})"])
    else:
        if table.column_names == list(table_features(config)):
            return table
        findings.add("a table has other columns than it should", [file.path])
    return None


def _check_ids(whole: _Whole, findings: FindingCounter) -> None:
    codes = whole.ids.dictionary_encode().indices.to_numpy()
    repeated = np.flatnonzero(np.bincount(codes)[codes] > 1)
    splits: dict[str, list[str]] = {}
    for row in repeated.tolist():
        splits.setdefault(whole.ids[row].as_py(), []).append(whole.names[whole.splits[row]])
    for image_id, names in sorted(splits.items()):
        rule = "image id in two splits" if len(set(names)) > 1 else "image id twice in a split"
        findings.add(rule, [f"{image_id} in {', '.join(sorted(set(names)))}"])


def _duplicates(whole: _Whole, tree: LabelTree, findings: FindingCounter) -> tuple[pd.DataFrame, pa.Table]:
    """Pairs of the same image, by their rows and by their names; each is noted under the rule that it breaks."""
    if len(whole.gradients) != len(whole.splits):  # without images, or a shard broke off
        pairs = pd.DataFrame(columns=["a", "b", "kind", "distance", "conflicting"])
    else:
        pairs = find_duplicates(whole.digests, whole.gradients, whole.layouts, whole.leaves)
    splits = np.array(whole.names, object)[whole.splits]
    names = np.array([*tree.at_level(tree.levels[0]), None], object)[whole.leaves]  # -1 is the last
    table = named(pairs, whole.ids, splits, names)
    frame = table.to_pandas()
    what = frame["kind"].map({IDENTICAL: "same file", ALIKE: "look-alikes"})
    place = np.where(frame["split_a"] == frame["split_b"], "twice in a split", "in two splits")
    rules = what + " " + place + np.where(frame["conflicting"], ", with two labels", "")
    examples = (
        frame["split_a"] + "/" + frame["image_id_a"] + " = " + frame["split_b"] + "/" + frame["image_id_b"]
    )
    for rule, of_rule in examples.groupby(rules):
        findings.add(str(rule), of_rule)
    return pairs, table


def _check_duplicates(dataset: PublishedDataset, duplicates: pa.Table, findings: FindingCounter) -> None:
    """The table `duplicates` has the identical pairs that were found, and none or all of the look-alikes."""
    identical = duplicates.filter(pc.equal(duplicates["kind"], IDENTICAL))
    if not len(identical) and "duplicates" not in dataset.stats.tables:
        return
    published = _read_table(dataset, "duplicates", findings)
    if published is not None and published.cast(SCHEMA) not in (identical, duplicates):
        findings.add("the table duplicates has other pairs than the images", ["duplicates"])


def _look_alikes(dataset: PublishedDataset, whole: _Whole, pairs: pd.DataFrame) -> tuple[LookAlike, ...]:
    """The first pairs with pictures: those with two labels, then the most alike."""
    first_pairs = pairs.head(_N_PICTURES)
    thumbnails = _thumbnails(dataset, whole.groups, np.unique(first_pairs[["a", "b"]].to_numpy(np.int64)))
    shown = []
    for a, b, kind, distance, conflicting in first_pairs.itertuples(index=False):
        first, second = thumbnails[a], thumbnails[b]
        shown.append(
            LookAlike(
                whole.name(a),
                whole.name(b),
                int(distance) if kind == ALIKE else None,
                bool(conflicting),
                _pixel_difference(first, second),
                (_jpeg(first), _jpeg(second)),
            )
        )
    return tuple(sorted(shown, key=lambda pair: (not pair.conflicting, pair.pixel_difference)))


def _pixel_difference(first: Image.Image, second: Image.Image) -> float:
    """Mean difference of two pictures, 0..1, the second brought to the size of the first."""
    pixels = [np.asarray(image.resize(first.size), np.float64) for image in (first, second)]
    return float(np.abs(pixels[0] - pixels[1]).mean()) / 255


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    return out.getvalue()


def _thumbnails(
    dataset: PublishedDataset, groups: Sequence[ScannedGroup], rows: npt.NDArray[np.int64]
) -> dict[int, Image.Image]:
    """Small pictures of some rows, ascending; each file is opened once."""
    ends = np.cumsum([group.n_rows for group in groups])
    places = np.searchsorted(ends, rows, side="right").tolist()
    thumbnails = {}
    for path, of_file in groupby(zip(rows.tolist(), places, strict=True), lambda each: groups[each[1]].path):
        with local_copy(dataset.location, path) as copy, open_parquet(copy) as file:
            for row, place in of_file:
                images = file.read_row_group(groups[place].group, columns=["image"])["image"]
                image = images[row - int(ends[place]) + groups[place].n_rows]["bytes"].as_py()
                thumbnails[row] = _thumbnail(image or b"")
    return thumbnails


def _thumbnail(image: bytes) -> Image.Image:
    try:
        small = decode_image(image)
    except DECODING_FAULTS:  # which is a finding of its own
        small = Image.new("RGB", (1, 1))
    small.thumbnail((128, 128))
    return small
