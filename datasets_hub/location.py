"""Where a published dataset lies: a name in a hub, a folder, or a URI."""

import logging
import os
import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeVar

from cairnhub.core.errors import BadInput, BrokenData, NotFound
from cairnhub.core.files import read_steadily
from cairnhub.core.home import expanded
from cairnhub.core.parse import decode
from cairnhub.core.text import did_you_mean
from cairnhub.datasets_hub.card import Card, front_matter, read_card
from cairnhub.datasets_hub.filesystems import filesystem_of
from cairnhub.datasets_hub.stats import Stats
from cairnhub.datasets_hub.storage_errors import explained
from cairnhub.hierarchies.label_tree.tree import LabelTree

HUB_VARIABLE = "CAIRN_HUB"
SCALES = ("full", "sample")  # the first that is published is read where none is named
T = TypeVar("T")
_log = logging.getLogger(__name__)
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Location:
    """A dataset's folder, here or elsewhere.

    Attributes:
        uri: an absolute path, or `scheme://...`, without a slash at the end.
        revision: a version published before; None for the present one.
        storage_options: passed to fsspec, such as `{"endpoint_url": ...}` for S3.
    """

    uri: str
    revision: str | None = None
    storage_options: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine."""
        return "://" not in self.uri

    @property
    def options(self) -> dict[str, object]:
        """Options for fsspec; the hub and DVC know revisions of their own."""
        revision_key = {"dvc": "rev"}.get(self.uri.split("://")[0])
        return {
            **self.storage_options,
            **({revision_key: self.revision} if revision_key and self.revision else {}),
        }

    def file(self, path: str) -> str:
        """URI of a file below the folder.

        Raises:
            CairnError: the path leads out of the folder.
        """
        if posixpath.isabs(path) or "://" in path or ".." in path.split("/"):
            raise BrokenData(
                f"{self.uri}: {path[:200]!r} leads out of the dataset; do not trust this dataset"
            )
        return f"{self._root}/{path}"

    def read_text(self, path: str) -> str:
        """Content of a small file.

        Raises:
            CairnError: there is no such file, or it may not be read.
        """
        try:
            with explained(self.uri):
                filesystem, where = filesystem_of(self.file(path), **self.options)
                return decode(filesystem.cat_file(where), f"{self.uri}/{path}")
        except FileNotFoundError:
            version = f" in version {self.revision!r}" if self.revision else ""
            raise NotFound(
                f"{self.uri}: no {path}{version}; is it the folder of a published dataset?"
            ) from None

    @property
    def _root(self) -> str:
        if not self.uri.startswith("hf://"):
            return self.uri
        return f"hf://datasets/{self.uri.removeprefix('hf://').removeprefix('datasets/')}" + (
            f"@{self.revision}" if self.revision else ""
        )

    @property
    def readme(self) -> str:
        """Path of the README; earlier ones lie in folders of their own, except where revisions are native."""
        keeps_versions = self.revision and not self.uri.startswith(("hf://", "dvc://"))
        return f"versions/{safe_name(str(self.revision))}/README.md" if keeps_versions else "README.md"


@dataclass(frozen=True)
class PublishedDataset:
    """A published dataset.

    Attributes:
        location: where it lies.
        card: its description.
        stats: its numbers and files.
        version: such as `v2` where it was published to others; None in the hub of `dvc repro`.
    """

    location: Location
    card: Card
    stats: Stats
    version: str | None

    @property
    def data_files(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """URIs of the Parquet files, per config and split."""
        images: dict[str, tuple[str, ...]] = {
            name: tuple(self.location.file(shard.path) for shard in split.shards)
            for name, split in self.stats.splits.items()
        }
        files = {"default": images}
        for name, file in self.stats.tables.items():
            files[name] = {"train": (self.location.file(file.path),)}
        return files

    def check_labels(self) -> None:
        """Refuse label columns that hold numbers of nodes, as those of large levels did in earlier schemas.

        Raises:
            BadInput: it has such columns; says what to do.
        """
        if levels := self.stats.node_id_levels:
            raise BadInput(
                f"{self.location.uri} was published with schema {self.stats.schema}, in which {', '.join(levels)} "
                "hold numbers of nodes, not class indices: build the dataset with this Cairn and push it there again"
            )

    def tree(self) -> LabelTree:
        """The label tree.

        Raises:
            CairnError: it is not the tree that the images were published with.
        """
        path = f"{_folder_of(self.version)}tree.json"
        origin = f"{self.location.uri}/{path}"
        tree = LabelTree.from_json(self.location.read_text(path), origin)
        if tree.fingerprint != self.stats.tree_fingerprint:
            raise BrokenData(
                f"{origin}: another tree than the images were published with ({tree.fingerprint[:12]}, "
                f"expected {self.stats.tree_fingerprint[:12]}); publish the dataset again"
            )
        return tree


def open_dataset(location: Location) -> PublishedDataset:
    """Read card, numbers and the list of files; no image is read.

    The README decides which version is read: it is replaced last, in one step; what it leads to stays.

    Raises:
        CairnError: there is no published dataset, or its card is not valid.
    """
    origin = f"{location.uri}/{location.readme}"
    readme = location.read_text(location.readme)
    version = front_matter(readme, origin).get("cairn_version")
    if version is not None:
        version = safe_name(str(version))
    path = f"{_folder_of(version)}stats.json"
    stats = Stats.from_json(location.read_text(path), f"{location.uri}/{path}")
    return PublishedDataset(location, read_card(readme, origin), stats, version)


def steadily(location: Location, read: Callable[[], T]) -> T:
    """Read one state of a dataset: a folder of this machine may be replaced meanwhile; elsewhere versions stay.

    Listings that this process remembers of elsewhere are forgotten: they may be those of an earlier version.
    """
    if location.is_local:
        return read_steadily(Path(location.uri), read)
    with explained(location.uri):
        filesystem, _ = filesystem_of(location.uri, **location.options)
        type(filesystem).clear_instance_cache()
    return read()


def _folder_of(version: str | None) -> str:
    return f"versions/{version}/" if version else ""


def find_hub(hub: str | Path | None = None) -> str:
    """The hub: the argument, else the environment variable `CAIRN_HUB`, else the nearest `data/hub` upwards.

    Raises:
        CairnError: none of them is there.
    """
    chosen = str(hub) if hub is not None else os.environ.get(HUB_VARIABLE)
    if chosen and "://" in chosen:
        return chosen.rstrip("/")
    if chosen:
        path = expanded(chosen).resolve()
        if not path.is_dir():
            raise NotFound(f"{path}: there is no such hub; correct `hub=...` or {HUB_VARIABLE}")
        return str(path)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "data" / "hub").is_dir():
            return str(folder / "data" / "hub")
    raise NotFound(
        f"no hub: {here} and the folders above have no data/hub. Build one with `dvc repro`, give `hub=...`, "
        f"or set {HUB_VARIABLE} to a folder or a URI"
    )


def locate(
    name: str | Path,
    *,
    scale: str | None = None,
    revision: str | None = None,
    hub: str | Path | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> Location:
    """Find a dataset by its name in the hub, its folder, or its URI; arguments as for `load_dataset`.

    Raises:
        NotFound: there is no such dataset; the message says what to run.
        BadInput: the name cannot be one.
    """
    options = dict(storage_options or {})
    text = str(name)
    if "://" in text:
        return Location(text.rstrip("/"), revision, options)
    if isinstance(name, Path) or "/" in text or text.startswith("."):
        folder = expanded(text).resolve()
        if not (folder / "README.md").is_file():
            raise NotFound(
                f"{folder}: no published dataset there (no README.md); give its folder or its name"
            )
        return Location(str(folder), revision, options)
    return Location(_find_in_hub(find_hub(hub), safe_name(text), scale, options), revision, options)


def _find_in_hub(hub: str, name: str, scale: str | None, options: Mapping[str, object]) -> str:
    """Path or URI of a named dataset; without a scale the full one where it is published, else the sample."""
    folders = {each: f"{hub}/{each}/{name}" for each in ((safe_name(scale),) if scale else SCALES)}
    if "://" in hub:  # whether the last one is there, its reader will see
        present = [
            each for each in folders if each == list(folders)[-1] or _is_published(folders[each], options)
        ]
    else:
        present = [each for each in folders if (Path(folders[each]) / "README.md").is_file()]
    if not present:
        raise _absent(hub, name, scale)
    if scale is None:
        _say_scale(hub, name, present[0])
    return folders[present[0]]


def _is_published(uri: str, options: Mapping[str, object]) -> bool:
    with explained(uri):
        filesystem, folder = filesystem_of(uri, **options)
        return bool(filesystem.exists(f"{folder}/README.md"))


@cache
def _say_scale(hub: str, name: str, scale: str) -> None:
    """Once per process and dataset: nobody should take the sample for the whole."""
    reason = "the whole dataset" if scale == "full" else f"for the full one is not published in {hub}"
    _log.warning("%s: reading scale %r, %s; `scale` chooses", name, scale, reason)


def _absent(hub: str, name: str, scale: str | None) -> NotFound:
    scales: dict[str, list[str]] = {}
    for readme in sorted(Path(hub).glob("[!.]*/[!.]*/README.md")):
        scales.setdefault(readme.parent.name, []).append(readme.parent.parent.name)
    of_scale = f" of scale {scale!r}" if scale else ""
    near = did_you_mean(name, [known for known, of in scales.items() if scale in (None, *of)])
    present = [f"{known} ({', '.join(of)})" for known, of in sorted(scales.items())]
    hint = f"; write ./{name} for the folder of that name" if Path(name).is_dir() else ""
    return NotFound(
        f"no dataset {name!r}{of_scale} in {hub}{near}; there are, with their scales: {', '.join(present) or 'none'}. "
        f"`dvc repro` builds those that params.yaml lists under datasets{hint}"
    )


def safe_name(name: str) -> str:
    """The name itself, if it can be no path.

    Raises:
        CairnError: it has a slash, `..` or anything else that a folder of the hub does not have.
    """
    if not _SAFE_NAME.fullmatch(name) or ".." in name:
        raise BadInput(f"{name[:100]!r} is no name: use letters, digits, `.`, `_` and `-`")
    return name
