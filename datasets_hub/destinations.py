"""Places to push to: a folder or an object store through fsspec, or the Hugging Face hub."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from fsspec.core import url_to_fs
from tqdm import tqdm

from cairnhub.core.errors import BadInput, NotFound, Unreachable
from cairnhub.core.files import atomic_write, remove_leftovers, write_text_atomic
from cairnhub.core.hashing import hash_in_name
from cairnhub.datasets_hub.storage_errors import explained

_BLOCK_BYTES = 8 * 2**20


class Destination(Protocol):
    """Where a dataset goes. Files appear whole or not at all; `is_local` says that they stay on this machine."""

    uri: str
    is_local: bool

    def sizes_bytes(self) -> Mapping[str, int]:
        """Size of every file there, by path."""

    def read_text(self, path: str) -> str | None:
        """Content of a small file; None if it is not there."""

    def upload(self, folder: Path, paths: Sequence[str]) -> None:
        """Send files that carry their hash in their name; each is verified by it once it is there."""

    def switch(self, texts: Mapping[str, str], version: str) -> None:
        """Write small files in the given order, the README last: from then on readers see this version."""


class FolderDestination:
    """A folder, here or in an object store."""

    def __init__(self, uri: str, storage_options: Mapping[str, object]) -> None:
        self.uri = uri
        with explained(uri):
            self._filesystem, self._root = url_to_fs(uri, **storage_options)
        self.is_local = "://" not in uri

    def sizes_bytes(self) -> dict[str, int]:
        """Size of every file there, by path."""
        with explained(self.uri):
            self._filesystem.invalidate_cache()
            try:
                entries = self._filesystem.find(self._root, detail=True)
            except FileNotFoundError:
                return {}
        return {path[len(self._root) :].lstrip("/"): int(info["size"]) for path, info in entries.items()}

    def read_text(self, path: str) -> str | None:
        """Content of a small file; None if it is not there."""
        with explained(self.uri):
            try:
                return str(self._filesystem.cat_file(f"{self._root}/{path}").decode("utf-8"))
            except FileNotFoundError:
                return None

    def upload(self, folder: Path, paths: Sequence[str]) -> None:
        """Send files one by one; an object store shows each only when it is whole."""
        with explained(self.uri):
            if self.is_local:
                remove_leftovers(Path(self._root))
            for path in tqdm(paths, desc=f"to {self.uri}", unit=" files", disable=None):
                where = f"{self._root}/{path}"
                self._put(folder / path, where)
                if not self._sha256(where).startswith(hash_in_name(path) or "-"):
                    self._filesystem.rm_file(where)
                    raise Unreachable(f"{self.uri}/{path} arrived altered and was removed; push again")

    def switch(self, texts: Mapping[str, str], version: str) -> None:
        """Write small files in order."""
        with explained(self.uri):
            for path, text in texts.items():
                where = f"{self._root}/{path}"
                if self.is_local:
                    write_text_atomic(Path(where), text)
                else:
                    self._filesystem.pipe_file(where, text.encode())

    def _put(self, source: Path, where: str) -> None:
        try:
            if self.is_local:
                _copy_whole(source, Path(where))
            else:
                self._filesystem.put_file(str(source), where)
        except FileNotFoundError as error:
            raise NotFound(
                f"{self.uri}: {error}; does the bucket exist, may folders be made there?"
            ) from None

    def _sha256(self, where: str) -> str:
        digest = hashlib.sha256()
        with self._filesystem.open(where, "rb", block_size=_BLOCK_BYTES, cache_type="none") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
        return digest.hexdigest()


class HuggingFaceDestination:
    """A dataset repository on the Hugging Face hub (or a server that speaks its protocol)."""

    def __init__(self, uri: str) -> None:
        from huggingface_hub import HfApi

        self.uri = uri
        self.is_local = False
        self._repo = uri.removeprefix("hf://").removeprefix("datasets/")
        if self._repo.count("/") != 1:
            raise BadInput(f"{uri}: give an organisation and a name, as in hf://org/name")
        self._api = HfApi()

    def sizes_bytes(self) -> dict[str, int]:
        """Size of every file there, by path."""
        from huggingface_hub.errors import RepositoryNotFoundError
        from huggingface_hub.hf_api import RepoFile

        with explained(self.uri):
            try:
                entries = list(self._api.list_repo_tree(self._repo, recursive=True, repo_type="dataset"))
            except RepositoryNotFoundError:
                return {}
        return {entry.path: entry.size for entry in entries if isinstance(entry, RepoFile)}

    def read_text(self, path: str) -> str | None:
        """Content of a small file as the hub has it now; None if it is not there."""
        from huggingface_hub.errors import (
            EntryNotFoundError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
        )

        with explained(self.uri), tempfile.TemporaryDirectory() as cache:  # no older copy steps in
            try:
                local = self._api.hf_hub_download(self._repo, path, repo_type="dataset", cache_dir=cache)
            except LocalEntryNotFoundError as error:  # also raised where nothing answers
                raise Unreachable(f"{self.uri}: {error}; check the network") from None
            except (EntryNotFoundError, RepositoryNotFoundError):
                return None
            return Path(local).read_text(encoding="utf-8")

    def upload(self, folder: Path, paths: Sequence[str]) -> None:
        """Send files; what a killed run has sent is not sent again. The hub takes each by its SHA-256."""
        with explained(self.uri):
            self._api.create_repo(self._repo, repo_type="dataset", exist_ok=True)
            if paths:
                self._api.upload_folder(
                    repo_id=self._repo,
                    repo_type="dataset",
                    folder_path=folder,
                    allow_patterns=list(paths),
                    commit_message="Add data files",
                )

    def switch(self, texts: Mapping[str, str], version: str) -> None:
        """One commit with all of them, and a tag."""
        from huggingface_hub import CommitOperationAdd

        with explained(self.uri):
            self._api.create_repo(self._repo, repo_type="dataset", exist_ok=True)
            self._api.create_commit(
                self._repo,
                [CommitOperationAdd(path, text.encode()) for path, text in texts.items()],
                commit_message=f"Publish {version}",
                repo_type="dataset",
            )
            self._api.create_tag(self._repo, tag=version, repo_type="dataset", exist_ok=True)


def _copy_whole(source: Path, where: Path) -> None:
    with atomic_write(where) as partial, source.open("rb") as content, partial.open("wb") as copy:
        shutil.copyfileobj(content, copy, _BLOCK_BYTES)


def open_destination(to: str | Path, storage_options: Mapping[str, object] | None = None) -> Destination:
    """The place that `--to` names.

    Raises:
        BadInput: the scheme is unknown or the name is not valid.
    """
    uri = str(to).removeprefix("file://").rstrip("/")
    if not uri:
        raise BadInput(f"{str(to)!r}: give a folder, s3://bucket/prefix, gs://bucket/prefix or hf://org/name")
    if ".." in uri.split("/"):
        raise BadInput(f"{uri}: write the destination without `..`")
    if uri.startswith("hf://"):
        return HuggingFaceDestination(uri)
    return FolderDestination(
        uri if "://" in uri else str(Path(uri).expanduser().absolute()), storage_options or {}
    )
