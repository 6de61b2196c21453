"""Where a published dataset lies: a name in a hub, a folder, or a URI."""

import os
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import fsspec
from fsspec.core import url_to_fs

from datasets_hub.card import Card, front_matter, read_card
from datasets_hub.stats import Stats
from hierarchies.errors import CairnError
from hierarchies.tree import LabelTree

HUB_VARIABLE = "CAIRN_HUB"
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_EXTRA_PACKAGE = {"s3": "s3fs", "gs": "gcsfs", "dvc": "dvc"}


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
        own = {"dvc": "rev"}.get(self.uri.split("://")[0])
        return {**self.storage_options, **({own: self.revision} if own and self.revision else {})}

    def file(self, path: str) -> str:
        """URI of a file below the folder.

        Raises:
            CairnError: the path leads out of the folder.
        """
        if posixpath.isabs(path) or "://" in path or ".." in path.split("/"):
            raise CairnError(
                f"{self.uri}: {path[:200]!r} leads out of the dataset; do not trust this dataset"
            )
        return f"{self._root}/{path}"

    def read_text(self, path: str) -> str:
        """Content of a small file.

        Raises:
            CairnError: there is no such file, or it may not be read.
        """
        scheme = self.uri.split("://")[0]
        try:
            filesystem, where = url_to_fs(self.file(self._versioned(path)), **self.options)
            return str(filesystem.read_text(where, encoding="utf-8"))
        except FileNotFoundError:
            version = f" in version {self.revision!r}" if self.revision else ""
            raise CairnError(
                f"{self.uri}: no {path}{version}; is it the folder of a published dataset?"
            ) from None
        except PermissionError as error:
            raise CairnError(
                f"{self.uri}: no permission to read {path} ({error}); check your credentials"
            ) from None
        except ImportError:
            package = _EXTRA_PACKAGE.get(scheme, scheme)
            raise CairnError(
                f"{self.uri}: reading {scheme}:// needs one more package: pip install {package}"
            ) from None
        except ValueError as error:
            if isinstance(error, CairnError) or scheme in fsspec.available_protocols():
                raise
            raise CairnError(
                f"{self.uri}: {scheme}:// is not known; use a path, s3://, gs://, hf:// or dvc://"
            ) from None

    @property
    def _root(self) -> str:
        if not self.uri.startswith("hf://"):
            return self.uri
        return f"hf://datasets/{self.uri.removeprefix('hf://').removeprefix('datasets/')}" + (
            f"@{self.revision}" if self.revision else ""
        )

    def _versioned(self, path: str) -> str:
        keeps_versions = self.revision and not self.uri.startswith(("hf://", "dvc://"))
        return f"versions/{safe_name(str(self.revision))}/{path}" if keeps_versions else path


@dataclass(frozen=True)
class PublishedDataset:
    """A published dataset: where it lies, its card, its numbers and its files."""

    location: Location
    card: Card
    stats: Stats
    data_files: Mapping[str, Mapping[str, tuple[str, ...]]]  # per config and split, URIs

    def tree(self) -> LabelTree:
        """The label tree.

        Raises:
            CairnError: it is not the tree that the images were published with.
        """
        origin = f"{self.location.uri}/tree.json"
        tree = LabelTree.from_json(self.location.read_text("tree.json"), origin)
        if tree.fingerprint != self.stats.tree_fingerprint:
            raise CairnError(
                f"{origin}: another tree than the images were published with "
                f"({tree.fingerprint[:12]}, expected {self.stats.tree_fingerprint[:12]}); "
                "if it is being published now, try again; otherwise publish it anew"
            )
        return tree


def open_dataset(location: Location) -> PublishedDataset:
    """Read card, numbers and the list of files; no image is read.

    Raises:
        CairnError: there is no published dataset, or its card is not valid.
    """
    origin = f"{location.uri}/README.md"
    readme = location.read_text("README.md")
    stats = Stats.from_json(location.read_text("stats.json"), f"{location.uri}/stats.json")
    files = {
        "default": {
            name: tuple(location.file(shard.path) for shard in split.shards)
            for name, split in stats.splits.items()
        },
        **{name: {"train": (location.file(file.path),)} for name, file in stats.tables.items()},
    }
    return PublishedDataset(location, read_card(readme, origin), stats, files)


def find_hub(hub: str | Path | None = None) -> str:
    """The hub: the argument, else the environment variable `CAIRN_HUB`, else the nearest `data/hub` upwards.

    Raises:
        CairnError: none of them is there.
    """
    chosen = str(hub) if hub is not None else os.environ.get(HUB_VARIABLE)
    if chosen:
        return chosen.rstrip("/") if "://" in chosen else str(Path(chosen).expanduser().resolve())
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "data" / "hub").is_dir():
            return str(folder / "data" / "hub")
    raise CairnError(
        f"no hub: {here} and the folders above have no data/hub. Build one with `dvc repro`, give `hub=...`, "
        f"or set {HUB_VARIABLE} to a folder or a URI"
    )


def locate(
    name_or_uri: str | Path,
    scale: str = "sample",
    hub: str | Path | None = None,
    revision: str | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> Location:
    """Find a dataset by its name in the hub, its folder, or its URI.

    Raises:
        CairnError: there is no such dataset; the message says what to run.
    """
    options = dict(storage_options or {})
    text = str(name_or_uri)
    if "://" in text:
        return Location(text.rstrip("/"), revision, options)
    if isinstance(name_or_uri, Path) or "/" in text or text.startswith("."):
        folder = Path(text).expanduser().resolve()
        if not (folder / "README.md").is_file():
            raise CairnError(
                f"{folder}: no published dataset there (no README.md); give its folder or its name"
            )
        return Location(str(folder), revision, options)
    where = find_hub(hub)
    uri = f"{where}/{safe_name(scale)}/{safe_name(text)}"
    if "://" not in where and not (Path(uri) / "README.md").is_file():
        raise CairnError(
            f"no dataset {text!r} of scale {scale!r} in {where}; there are: {_present(Path(where))}. "
            f"Build it with `dvc repro publish@{scale}-{text}`"
        )
    return Location(uri, revision, options)


def safe_name(name: str) -> str:
    """The name itself, if it can be no path.

    Raises:
        CairnError: it has a slash, `..` or anything else that a folder of the hub does not have.
    """
    if not _SAFE_NAME.fullmatch(name) or ".." in name:
        raise CairnError(f"{name[:100]!r} is no name: use letters, digits, `.`, `_` and `-`")
    return name


def _present(hub: Path) -> str:
    found = sorted(str(readme.parent.relative_to(hub)) for readme in hub.glob("[!.]*/[!.]*/README.md"))
    return ", ".join(found) or "none"
