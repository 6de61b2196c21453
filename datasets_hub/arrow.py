"""The same dataset as memory-mapped Arrow files, for training that reads at random."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from cairnhub.core.files import replace_folder
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.preparation import IMAGES, prepare


def write_arrow(
    name: str | Path,
    folder: Path,
    *,
    scale: str | None = None,
    revision: str | None = None,
    hub: str | Path | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> None:
    """Write every split as `save_to_disk` does; `datasets.load_from_disk(folder)` maps it into memory.

    Needs about twice the dataset's size on the disk of `folder` while it runs.

    Args:
        name: as for `load_dataset`, and so the last four.
        folder: replaced, once everything is written.
        scale: `sample` or `full`, for names.
        revision: a version published before.
        hub: where names are looked up.
        storage_options: passed to fsspec for URIs.

    Raises:
        NotFound: no such dataset.
    """
    import datasets

    published = describe(name, scale=scale, revision=revision, hub=hub, storage_options=storage_options)
    with (
        replace_folder(folder) as fresh,
        tempfile.TemporaryDirectory(dir=fresh.parent, prefix=f".{folder.name}.", suffix=".tmp") as cache,
    ):
        loaded = prepare(published, IMAGES, None, streaming=False, cache=Path(cache))
        # What `datasets` notes of its cache (paths, times) would make equal data unequal files.
        plain = {
            split: datasets.Dataset(
                part.data,
                info=datasets.DatasetInfo(features=part.features),
                split=datasets.NamedSplit(split),
                fingerprint=published.stats.fingerprint[:16],
            )
            for split, part in loaded.items()
        }
        datasets.DatasetDict(plain).save_to_disk(fresh)
