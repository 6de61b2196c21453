"""A published dataset as `datasets` prepares it: the splits that are asked for, once, in its own cache."""

import glob
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from cairnhub.core.errors import of_the_disk
from cairnhub.datasets_hub.location import PublishedDataset
from cairnhub.datasets_hub.parquet_files import require_bounded
from cairnhub.datasets_hub.schema import image_features
from cairnhub.datasets_hub.streaming import stream_bounded

if TYPE_CHECKING:
    from datasets import Dataset, DatasetBuilder, DatasetDict, IterableDataset, IterableDatasetDict

    Loaded: TypeAlias = Dataset | DatasetDict | IterableDataset | IterableDatasetDict
IMAGES = "default"
_PREPARED = "dataset_info.json"  # of a copy that `datasets` has finished
_CONFIG_PER_SPLIT_SINCE = 4  # schema of `stats.json`


def splits_in(split: str) -> list[str]:
    """Names of the splits in `train`, `train[:10%]`, `train+test[5:]`."""
    return [part.split("[")[0] for part in split.split("+")]


def prepare(
    published: PublishedDataset, config: str, split: str | None, streaming: bool, cache: Path | None = None
) -> "Loaded":
    """What `datasets.load_dataset` returns, with the features of the card.

    Args:
        published: the dataset.
        config: `default`, `nodes`, `edges` or `quarantine`.
        split: as for `load_dataset`; None for all.
        streaming: read while iterating, prepare nothing.
        cache: where copies are prepared; by default where `datasets` keeps its own.

    Raises:
        BrokenData: a file takes more memory than is allowed; of what is streamed it is told while iterating.
        NoSpace: the disk takes no copy.
        Unreachable: a copy may not be written.
    """
    options: dict[str, Any] = {"streaming": streaming, "cache_dir": cache and str(cache)}
    with _copies_explained("" if cache else "HF_HOME=<folder> says where `datasets` keeps its copies"):
        return _prepare(published, config, split, options)


@contextmanager
def _copies_explained(advice: str) -> Iterator[None]:
    """Say it in one message where copies cannot be kept; `datasets` tells that as the cause of an error of its own."""
    try:
        yield
    except Exception as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        told = of_the_disk(cause) if isinstance(cause, OSError) else None
        if told is None:
            raise
        raise (told.with_advice(advice) if advice else told) from error


def _prepare(
    published: PublishedDataset, config: str, split: str | None, options: Mapping[str, Any]
) -> "Loaded":
    cache = options["cache_dir"]
    repository = _repository(published)
    if repository is None:
        return _by_name(published, config, split, options)
    if config != IMAGES or split is None or (not options["streaming"] and _is_prepared(repository, cache)):
        return _load_bounded(split, {**options, **repository, "name": config})
    import datasets

    parts = [
        _load_bounded(part, {**options, **repository, "name": name})
        for name, part in zip(splits_in(split), split.split("+"), strict=True)
    ]
    return (
        parts[0]
        if len(parts) == 1
        else datasets.concatenate_datasets(parts, split=datasets.NamedSplit(split))
    )


def _repository(published: PublishedDataset) -> dict[str, str | None] | None:
    """How `datasets` opens the dataset by its README, so that its cache is shared; None where it cannot."""
    location = published.location
    if published.stats.schema < _CONFIG_PER_SPLIT_SINCE:
        return None
    if location.is_local:
        files = (Path(path) for paths in published.data_files[IMAGES].values() for path in paths)
        # `datasets` looks for every file of the README, and takes a path for a pattern.
        plain = location.revision is None and glob.escape(location.uri) == location.uri
        return {"path": location.uri} if plain and all(file.is_file() for file in files) else None
    if location.uri.startswith("hf://") and not location.storage_options:
        name = location.uri.removeprefix("hf://").removeprefix("datasets/")
        return {"path": name, "revision": location.revision}
    return None


def _is_prepared(repository: Mapping[str, str | None], cache: str | None) -> bool:
    """Whether all splits were prepared together: then that copy serves each of them."""
    import datasets

    builder = datasets.load_dataset_builder(**repository, name=IMAGES, cache_dir=cache)
    return (Path(builder.cache_dir) / _PREPARED).is_file()


def _load_bounded(split: str | None, options: Mapping[str, Any]) -> "Loaded":
    """`datasets.load_dataset`, which decodes no file before it is known what that takes."""
    import datasets

    rest = {name: value for name, value in options.items() if name != "streaming"}
    if options["streaming"]:
        return stream_bounded(split, rest)
    builder = datasets.load_dataset_builder(**rest)
    if not (Path(builder.cache_dir) / _PREPARED).is_file():
        require_bounded(_fetched(builder, options["cache_dir"]))
    return datasets.load_dataset(split=split, **options)


def _fetched(builder: "DatasetBuilder", cache: str | None) -> list[str]:
    """The files of a dataset on this machine; those from elsewhere lie where `datasets` will look for them."""
    import datasets

    files = [str(file) for of_split in (builder.config.data_files or {}).values() for file in of_split]
    if not any("://" in file for file in files):
        return files
    found = datasets.DownloadConfig(
        cache_dir=cache and str(Path(cache) / "downloads"),
        use_etag=False,
        token=builder.token,
        storage_options=builder.storage_options,
    )
    return list(datasets.DownloadManager(builder.dataset_name, download_config=found).download(files))


def _by_name(
    published: PublishedDataset, config: str, split: str | None, options: Mapping[str, Any]
) -> "Loaded":
    """By the names of its files: an object store, an earlier version, a folder that lacks other splits."""
    files = published.data_files[config]
    as_files = _listed if published.location.is_local else _escaped
    needed = files if split is None else dict.fromkeys(splits_in(split))
    card, stats = published.card, published.stats
    features = image_features(published.tree(), card.texts, stats.with_images) if config == IMAGES else None
    described = {
        "path": "parquet",
        "data_files": {name: as_files(files[name]) for name in needed},
        "features": features,
        "storage_options": published.location.options or None,
    }
    return _load_bounded(split, {**options, **described})


def _escaped(uris: Sequence[str]) -> list[str]:
    return [glob.escape(uri) for uri in uris]  # `datasets` takes each for a pattern


def _listed(paths: Sequence[str]) -> list[str]:
    """Files of this machine, as found already: as patterns, below "birds [2019]", all folders would be searched.

    Their names hold the hash of their content, so they serve as what `datasets` knows a state of a file by.
    """
    from datasets.data_files import DataFilesList

    listed: list[str] = DataFilesList(list(paths), [(path,) for path in paths])
    return listed
