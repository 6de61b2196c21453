"""Load what was published: plain `datasets` objects, the label tree, the list of a hub."""

import glob
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

import numpy as np
import numpy.typing as npt

from cairnhub.core.errors import BadInput, BrokenData, NotFound
from cairnhub.core.text import quoted
from cairnhub.datasets_hub.filesystems import filesystem_of
from cairnhub.datasets_hub.location import (
    Location,
    PublishedDataset,
    find_hub,
    locate,
    open_dataset,
    steadily,
)
from cairnhub.datasets_hub.preparation import IMAGES, prepare, splits_in
from cairnhub.datasets_hub.schema import class_indices
from cairnhub.datasets_hub.storage_errors import explained
from cairnhub.hierarchies.label_tree.tree import LabelTree

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict

    from cairnhub.datasets_hub.preparation import Loaded


@overload
def load_dataset(
    name: str | Path,
    split: str,
    levels: Sequence[str] | None = None,
    *,
    streaming: Literal[False] = False,
    config: str = "default",
    names: bool = False,
    scale: str | None = None,
    revision: str | None = None,
    hub: str | Path | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> "Dataset": ...
@overload
def load_dataset(
    name: str | Path,
    split: None = None,
    levels: Sequence[str] | None = None,
    *,
    streaming: Literal[False] = False,
    config: str = "default",
    names: bool = False,
    scale: str | None = None,
    revision: str | None = None,
    hub: str | Path | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> "DatasetDict": ...
@overload
def load_dataset(
    name: str | Path,
    split: str,
    levels: Sequence[str] | None = None,
    *,
    streaming: Literal[True],
    config: str = "default",
    names: bool = False,
    scale: str | None = None,
    revision: str | None = None,
    hub: str | Path | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> "IterableDataset": ...
@overload
def load_dataset(
    name: str | Path,
    split: None = None,
    levels: Sequence[str] | None = None,
    *,
    streaming: Literal[True],
    config: str = "default",
    names: bool = False,
    scale: str | None = None,
    revision: str | None = None,
    hub: str | Path | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> "IterableDatasetDict": ...
def load_dataset(
    name: str | Path,
    split: str | None = None,
    levels: Sequence[str] | None = None,
    *,
    streaming: bool = False,
    config: str = "default",
    names: bool = False,
    scale: str | None = None,
    revision: str | None = None,
    hub: str | Path | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> "Loaded":
    """Load a published dataset with Hugging Face `datasets`.

    Args:
        name: a name in the hub, a folder, or a URI: `s3://`, `gs://`, `hf://`, `dvc://`.
        split: one split (`"train"`, `"train[:10%]"`); all of them by default.
        levels: the level columns to keep; all by default.
        streaming: read while iterating instead of preparing a local copy first.
        config: `default` (images), `nodes` or `edges` (the label tree).
        names: add a column `<level>_name` with the label's text for every kept level.
        scale: `sample` or `full`, for names; by default full where it is published, else the sample, and which of
            them is said once.
        revision: a version published before.
        hub: where names are looked up; by default `CAIRN_HUB`, else the nearest `data/hub` upwards.
        storage_options: passed to fsspec for URIs.

    Returns:
        What `datasets.load_dataset` returns: a `Dataset`, or a `DatasetDict` without `split`; of the iterable kind
        with `streaming`.

    Raises:
        NotFound: no such dataset, version, split or level; the message says what there is.
        BadInput: an argument does not fit.
        BrokenData: a file is missing or damaged.
        Unreachable: the storage does not answer or does not let us in.
    """
    location = locate(name, scale=scale, revision=revision, hub=hub, storage_options=storage_options)
    return steadily(location, lambda: _load(location, split, levels, streaming, config, names))


def _load(
    location: Location,
    split: str | None,
    levels: Sequence[str] | None,
    streaming: bool,
    config: str,
    names: bool,
) -> "Loaded":
    published = open_dataset(location)
    _check_path(published.location)
    files = published.data_files.get(config)
    if files is None:
        raise NotFound(
            f"{published.location.uri}: no config {config!r}; there are {quoted(published.data_files)}"
        )
    _check_split(split, files, streaming, published.location.uri)
    _check_present(published, [files[name] for name in (splits_in(split) if split else files)])
    if config == IMAGES:
        published.check_labels()
    loaded = prepare(published, config, split, streaming)
    if config != IMAGES:
        return loaded
    return _with_levels(loaded, published, levels, names)


def _check_path(location: Location) -> None:
    """Refuse a folder that `datasets` would take for another one."""
    uri = location.uri
    if location.is_local and ("::" in uri or os.path.expandvars(uri) != uri):
        raise BadInput(
            f"{uri}: `datasets` takes `::` for a seam and expands variables: rename or link the folder"
        )


def load_tree(
    name: str | Path,
    *,
    scale: str | None = None,
    revision: str | None = None,
    hub: str | Path | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> LabelTree:
    """Load the label tree of a published dataset; arguments and errors as for `load_dataset`."""
    location = locate(name, scale=scale, revision=revision, hub=hub, storage_options=storage_options)
    return steadily(location, lambda: open_dataset(location).tree())


def describe(
    name: str | Path,
    *,
    scale: str | None = None,
    revision: str | None = None,
    hub: str | Path | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> PublishedDataset:
    """Card, numbers and files of a published dataset; no image is read. Arguments and errors as for `load_dataset`."""
    location = locate(name, scale=scale, revision=revision, hub=hub, storage_options=storage_options)
    return steadily(location, lambda: open_dataset(location))


def list_datasets(
    *,
    scale: str | None = None,
    hub: str | Path | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> list[PublishedDataset]:
    """Every dataset of a hub, sorted by scale and name.

    Args:
        scale: only this one; all by default.
        hub: as for `load_dataset`; a folder or a URI.
        storage_options: passed to fsspec for URIs.

    Raises:
        NotFound: there is no hub.
        Unreachable: the storage does not answer or does not let us in.
    """
    where = find_hub(hub)
    options = dict(storage_options or {})
    with explained(where):
        filesystem, root = filesystem_of(where, **options)
        below = glob.escape(scale) if scale else "*"
        readmes = sorted(filesystem.glob(f"{glob.escape(root)}/{below}/*/README.md"))
    folders = [tuple(str(readme).split("/")[-3:-1]) for readme in readmes]
    return [
        open_dataset(Location(f"{where}/{of_scale}/{name}", None, options))
        for of_scale, name in folders
        if not name.startswith(".")
    ]


def label_array(dataset: "Dataset", tree: LabelTree) -> npt.NDArray[np.int64]:
    """Class indices of a loaded split, ready for `match_depth` and relevance.

    Returns:
        Shape (n_images, L), column 0 the finest level; -1 for an image without a label.

    Raises:
        BadInput: not one split that can be read at random.
        NotFound: a level column is missing.
    """
    from datasets import Dataset

    if not isinstance(dataset, Dataset):
        raise BadInput(
            f"label_array needs one split, got {type(dataset).__name__}: load it with `split=...`, without streaming"
        )
    missing = [level for level in tree.levels if level not in dataset.column_names]
    if missing:
        raise NotFound(f"the dataset has no column {quoted(missing)}; load it without `levels=`")
    return class_indices(dataset.select_columns(list(tree.levels)).with_format("arrow")[:], tree.levels)


def _check_split(split: str | None, files: Mapping[str, Sequence[str]], streaming: bool, uri: str) -> None:
    """Refuse what `datasets` would refuse with less to go by."""
    if split is None:
        return
    if not isinstance(split, str):
        raise BadInput(f"split must be a name such as 'train' or 'train[:10%]', got {split!r}")
    unknown = [name for name in splits_in(split) if name not in files]
    if unknown:
        raise NotFound(f"{uri}: no split {quoted(unknown)}; there are {quoted(files)}")
    if streaming and split not in files:
        raise BadInput(f"split {split!r} cannot be streamed: stream a whole split, then take(n) or skip(n)")


def _check_present(published: PublishedDataset, files: Iterable[Sequence[str]]) -> None:
    """A missing shard is named here; `datasets` would only say that some pattern matched nothing."""
    if not published.location.is_local:
        return
    missing = [Path(path).name for paths in files for path in paths if not Path(path).is_file()]
    if missing:
        raise BrokenData(
            f"{published.location.uri}: missing {quoted(missing)}; the dataset is not whole: fetch or publish it again"
        )


def _with_levels(
    loaded: "Loaded", published: PublishedDataset, levels: Sequence[str] | None, names: bool
) -> "Loaded":
    from datasets import DatasetDict, IterableDatasetDict

    if isinstance(levels, str):
        raise BadInput(f"levels must be a list, such as [{levels!r}]")
    unknown = sorted(set(levels or ()) - set(published.card.levels))
    if unknown:
        raise NotFound(
            f"no level {quoted(unknown)}; {published.card.name} has {quoted(published.card.levels)}"
        )
    kept_levels = [level for level in published.card.levels if levels is None or level in levels]
    other_levels = [level for level in published.card.levels if level not in kept_levels]
    if other_levels:
        loaded = loaded.remove_columns(other_levels)
    if not names:
        return loaded
    tree = published.tree()
    for level in kept_levels:
        if isinstance(loaded, DatasetDict | IterableDatasetDict):
            loaded = type(loaded)({name: _add_names(part, tree, level) for name, part in loaded.items()})
        else:
            loaded = _add_names(loaded, tree, level)
    return loaded


def _add_names(
    dataset: "Dataset | IterableDataset", tree: LabelTree, level: str
) -> "Dataset | IterableDataset":
    from datasets import Dataset

    names = tree.at_level(level)

    def look_up(codes: Sequence[int | None]) -> list[str | None]:
        return [None if code is None else names[code] for code in codes]

    column = f"{level}_name"
    if isinstance(dataset, Dataset):
        return dataset.add_column(column, look_up(dataset.with_format("arrow")[level].to_pylist()))
    return dataset.map(lambda batch: {column: look_up(batch[level])}, batched=True)
