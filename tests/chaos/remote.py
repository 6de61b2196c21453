"""Uploads to places that are no folder of this machine: each trial has a place of its own."""

import hashlib
import itertools
import json
import os
from pathlib import Path
from urllib.request import urlopen

import huggingface_hub.constants

from tests.chaos.children import Death, Reader, in_child
from tests.chaos.trials import Row
from tests.chaos.world import read_dataset, upload

_NUMBERS = itertools.count()


class Remote:
    """Version 1 lies there; version 2 travels, is disturbed, and travels again."""

    def __init__(self, old: Path, new: Path, uri: str, options: dict[str, object], log: Path) -> None:
        self._old, self._new, self._uri, self._options, self._log = old, new, uri, options, log
        self.seconds = 0.0

    def learn(self) -> None:
        """Both versions undisturbed."""
        first, to = self._place(), self._place()
        self._upload(self._new, to)
        self._expected = self._contents(to)
        read = [in_child(_read, self._options, uri, log=self._log).result for uri in (first, to)]
        self._allowed = {text for text in read if text is not None}
        assert len(self._allowed) == 2, read

    def disturb(
        self, row: Row, death: Death, options: dict[str, object] | None = None, hub: str | None = None
    ) -> None:
        """One trial; the disturbed run may go to another door of the store, or of the hub."""
        to = self._place()
        reader = Reader(lambda _: _read(self._options, to), self._old, self._allowed, self._log)
        chosen = options or self._options
        ended = in_child(_upload, self._new, to, chosen, hub, death=death, log=self._log)
        self._upload(self._new, to)
        n_read, faults = reader.stop()
        row.readings += n_read
        found = self._contents(to)
        row.times += 1
        row.note(ended)
        if found == self._expected:
            row.recovered += 1
        else:
            faults.append("other files than undisturbed")
        row.losses += faults

    def _place(self) -> str:
        """A fresh place with version 1."""
        to = self._uri.format(f"trial-{next(_NUMBERS)}")
        self._upload(self._old, to)
        return to

    def _contents(self, uri: str) -> dict[str, str]:
        seen = in_child(remote_contents, uri, self._options, log=self._log)
        assert seen.ok, seen.error
        assert seen.result
        return dict(seen.result)

    def _upload(self, root: Path, to: str) -> None:
        done = in_child(_upload, root, to, self._options, log=self._log)
        assert done.ok, done.error
        self.seconds = done.seconds


def _upload(root: Path, to: str, options: dict[str, object], hub: str | None = None) -> None:
    if hub:
        huggingface_hub.constants.ENDPOINT = hub
    upload(root, to, **options)


def _read(options: dict[str, object], uri: str) -> str:
    return read_dataset(uri, **options)


def remote_contents(uri: str, options: dict[str, object]) -> dict[str, str]:
    """Hash of every file there, whatever the place is called: a README says where its dataset lies."""
    if uri.startswith("hf://"):
        return _hub_contents(uri.removeprefix("hf://"))
    from fsspec.core import url_to_fs

    filesystem, root = url_to_fs(uri, **options)
    filesystem.invalidate_cache()
    raw = {path: filesystem.cat_file(path) for path in filesystem.find(root)}  # folders are none on S3
    return {path[len(root) :]: _placeless(content, uri) for path, content in raw.items()}


def _hub_contents(name: str) -> dict[str, str]:
    endpoint = os.environ["HF_ENDPOINT"]
    repository = f"{endpoint}/api/datasets/{name}"
    with urlopen(f"{repository}/tree/main?recursive=true") as files, urlopen(f"{repository}/refs") as tags:
        found = {entry["path"]: str(entry["oid"]) for entry in json.load(files)}
        found |= {f"tag {tag['name']}": "" for tag in json.load(tags)["tags"]}
    for path in (path for path in found if Path(path).name == "README.md"):
        with urlopen(f"{endpoint}/datasets/{name}/resolve/main/{path}") as readme:
            found[path] = _placeless(readme.read(), name)
    return found


def _placeless(content: bytes, place: str) -> str:
    return hashlib.sha256(content.replace(place.encode(), b"here")).hexdigest()
