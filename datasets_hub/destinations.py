"""Places to push to: a folder or an object store through fsspec, or the Hugging Face hub."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from fsspec.core import url_to_fs
from tqdm import tqdm

from cairnhub.core.errors import BadInput, NotFound, Unreachable
from cairnhub.core.files import atomic_write, lock_folder, remove_leftovers, write_text_atomic
from cairnhub.core.hashing import hash_in_name, sha256_of
from cairnhub.core.parse import decode
from cairnhub.datasets_hub.s3_uploads import put_if_unchanged, upload_checked
from cairnhub.datasets_hub.same_bytes import Content, checked_as_same, git_blob, listed_as_same, sha256
from cairnhub.datasets_hub.storage_errors import explained

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd
    from huggingface_hub.hf_api import RepoFile

N_UPLOADS = 8  # files on their way at once
Kind = Literal["dataset", "model"]
_BLOCK_BYTES = 8 * 2**20


class Destination(Protocol):
    """Where a dataset goes. Files appear whole or not at all; `is_local` says that they stay on this machine."""

    uri: str
    is_local: bool

    def require_private(self) -> None:
        """Raise `BadInput` where anybody can read what is there, as far as the place can tell."""

    def sizes_bytes(self) -> Mapping[str, int]:
        """Size of every file there, by path."""

    def altered(self, contents: Mapping[str, Content]) -> list[str]:
        """Which of these files are not there, or hold other bytes: by checksum, read back where none is told."""

    def read_text(self, path: str) -> str | None:
        """Content of a small file; None if it is not there.

        Raises:
            CairnError: it is no UTF-8 text.
        """

    def upload(self, folder: Path, paths: Sequence[str]) -> None:
        """Send files; each is verified by its hash, which its name may carry, once it is there."""

    def held(self) -> AbstractContextManager[None]:
        """Keep others from pushing there until the block ends, as far as the place can.

        Raises:
            Unreachable: another push is under way.
        """

    def claim(self, path: str, text: str, before: str | None) -> None:
        """Write a small file that others write too, provided that it still holds `before` (None: is not there).

        Raises:
            Unreachable: it does not.
        """

    def switch(self, texts: Mapping[str, str], version: str) -> None:
        """Write small files in the given order, the README last: from then on readers see this version."""


class FolderDestination:
    """A folder, here or in an object store."""

    def __init__(self, uri: str, storage_options: Mapping[str, object]) -> None:
        self.uri = uri
        with explained(uri):
            self._filesystem, self._root = url_to_fs(uri, **storage_options)
        self.is_local = "://" not in uri

    def require_private(self) -> None:
        """Nothing: who may read a bucket or a folder is settled there."""

    def sizes_bytes(self) -> dict[str, int]:
        """Size of every file there, by path."""
        return {path: int(entry["size"]) for path, entry in self._entries().items()}

    def _entries(self) -> dict[str, Mapping[str, Any]]:
        with explained(self.uri):
            self._filesystem.invalidate_cache()
            try:
                entries = self._filesystem.find(self._root, detail=True)
            except FileNotFoundError:
                return {}
        return {path[len(self._root) :].lstrip("/"): entry for path, entry in entries.items()}

    def altered(self, contents: Mapping[str, Content]) -> list[str]:
        """Compare by what the listing says, then by the checksum of each, and read back what says nothing."""
        there = self._entries()

        def is_altered(path: str) -> bool:
            return path not in there or not self._is_same(there[path], f"{self._root}/{path}", contents[path])

        with explained(self.uri), ThreadPoolExecutor(1 if self.is_local else N_UPLOADS, "compare") as threads:
            return [
                path
                for path, altered in zip(contents, threads.map(is_altered, contents), strict=True)
                if altered
            ]

    def _is_same(self, entry: Mapping[str, Any], where: str, content: Content) -> bool:
        told = listed_as_same(entry, content)
        if told is None and "s3" in self._filesystem.protocol:
            told = checked_as_same(self._filesystem, where, content)
        return self._sha256(where) == sha256(content) if told is None else told

    def read_text(self, path: str) -> str | None:
        """Content of a small file; None if it is not there."""
        with explained(self.uri):
            try:
                return decode(self._filesystem.cat_file(f"{self._root}/{path}"), f"{self.uri}/{path}")
            except FileNotFoundError:
                return None

    def upload(self, folder: Path, paths: Sequence[str]) -> None:
        """Send files, several at once to an object store, which shows each only when it is whole."""
        with explained(self.uri):
            if self.is_local:
                remove_leftovers(Path(self._root))
            with ThreadPoolExecutor(1 if self.is_local else N_UPLOADS, "upload") as threads:
                sent = [threads.submit(self._upload, folder / path, path) for path in paths]
                try:
                    for done in tqdm(sent, desc=f"to {self.uri}", unit=" files", disable=None):
                        done.result()
                except BaseException:
                    threads.shutdown(wait=True, cancel_futures=True)
                    raise

    def _upload(self, source: Path, path: str) -> None:
        where = f"{self._root}/{path}"
        arrived = self._put(source, where) or self._sha256(where)
        if not arrived.startswith(hash_in_name(path) or sha256_of(source)):
            self._filesystem.rm_file(where)
            raise Unreachable(f"{self.uri}/{path} arrived altered and was removed; push again")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock a folder of this machine; an object store is told by `claim` who came first."""
        if not self.is_local:
            yield
            return
        root = Path(self._root)
        root.mkdir(parents=True, exist_ok=True)
        with lock_folder(root) as is_ours:
            if not is_ours:
                raise _overtaken(self.uri)
            yield

    def claim(self, path: str, text: str, before: str | None) -> None:
        """Write it; S3 compares and writes in one step."""
        with explained(self.uri):
            if "s3" in self._filesystem.protocol:
                if not put_if_unchanged(self._filesystem, f"{self._root}/{path}", text, before):
                    raise _overtaken(self.uri)
            elif self.read_text(path) != before:
                raise _overtaken(self.uri)
            else:
                self._write(path, text)

    def _write(self, path: str, text: str) -> None:
        where = f"{self._root}/{path}"
        if self.is_local:
            write_text_atomic(Path(where), text)
        else:
            self._filesystem.pipe_file(where, text.encode())

    def switch(self, texts: Mapping[str, str], version: str) -> None:
        """Write small files in order."""
        with explained(self.uri):
            for path, text in texts.items():
                self._write(path, text)

    def _put(self, source: Path, where: str) -> str | None:
        """Send a file; gives the SHA-256 (hex) of what arrived, None where it is to be read back."""
        try:
            if self.is_local:
                _copy_whole(source, Path(where))
            elif "s3" in self._filesystem.protocol:
                return upload_checked(self._filesystem, source, where)
            else:
                self._filesystem.put_file(str(source), where)
            return None
        except FileNotFoundError as error:
            raise NotFound(
                f"{self.uri}: {error}; does the bucket exist, may folders be made there?"
            ) from None

    def _sha256(self, where: str) -> str:
        digest = hashlib.sha256()
        self._filesystem.invalidate_cache()  # it may remember that the file was not there
        with self._filesystem.open(where, "rb", block_size=_BLOCK_BYTES, cache_type="none") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
        return digest.hexdigest()


class HuggingFaceDestination:
    """A repository on the Hugging Face hub (or a server that speaks its protocol).

    Args:
        uri: `hf://org/name`.
        kind: of the repository.
        private: whether a repository that is made is one that only its owner reads.
    """

    def __init__(self, uri: str, kind: Kind = "dataset", private: bool = False) -> None:
        from huggingface_hub import HfApi

        self.uri = uri
        self.is_local = False
        self._kind = kind
        self._private = private
        self._repo = uri.removeprefix("hf://").removeprefix(f"{kind}s/")
        if self._repo.count("/") != 1:
            raise BadInput(f"{uri}: give an organisation and a name, as in hf://org/name")
        self._api = HfApi()
        self._sent: list[CommitOperationAdd] = []
        self._claimed: dict[str, str] = {}
        self._head: str | None = None

    def require_private(self) -> None:
        """Refuse a repository that anybody can read."""
        from huggingface_hub.errors import RepositoryNotFoundError

        with explained(self.uri):
            try:
                found = self._api.repo_info(self._repo, repo_type=self._kind)
            except RepositoryNotFoundError:
                return  # it will be made private
        if not found.private:
            raise BadInput(
                f"{self.uri} is public: make it private in its settings, or name another; nothing was sent"
            )

    def sizes_bytes(self) -> dict[str, int]:
        """Size of every file there, by path."""
        return {path: file.size for path, file in self._files().items()}

    def _files(self) -> "dict[str, RepoFile]":
        from huggingface_hub.errors import RepositoryNotFoundError
        from huggingface_hub.hf_api import RepoFile

        with explained(self.uri):
            try:
                entries = list(self._api.list_repo_tree(self._repo, recursive=True, repo_type=self._kind))
            except RepositoryNotFoundError:
                return {}
        return {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}

    def altered(self, contents: Mapping[str, Content]) -> list[str]:
        """Compare by the hashes that the hub lists: SHA-256 of large files, git's of small ones."""
        there = self._files()

        def is_same(file: "RepoFile", content: Content) -> bool:
            return file.lfs.sha256 == sha256(content) if file.lfs else file.blob_id == git_blob(content)

        return [
            path
            for path, content in contents.items()
            if path not in there or not is_same(there[path], content)
        ]

    def read_text(self, path: str) -> str | None:
        """Content of a small file as the hub has it now; None if it is not there."""
        from huggingface_hub.errors import (
            EntryNotFoundError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
        )

        with explained(self.uri), tempfile.TemporaryDirectory() as cache:  # no older copy steps in
            try:
                local = self._api.hf_hub_download(self._repo, path, repo_type=self._kind, cache_dir=cache)
            except LocalEntryNotFoundError as error:  # also raised where nothing answers
                raise Unreachable(f"{self.uri}: {error}; check the network") from None
            except (EntryNotFoundError, RepositoryNotFoundError):
                return None
            return decode(Path(local).read_bytes(), f"{self.uri}/{path}")

    def upload(self, folder: Path, paths: Sequence[str]) -> None:
        """Send files, several at once; nobody sees them before `switch`.

        The hub takes each by its SHA-256, and what a killed run has sent is not sent again.
        """
        from huggingface_hub import CommitOperationAdd

        with explained(self.uri):
            self._make_repository()
            sent = [CommitOperationAdd(path, folder / path) for path in paths]
            if sent:
                self._api.preupload_lfs_files(self._repo, sent, repo_type=self._kind, num_threads=N_UPLOADS)
            self._sent = sent

    @contextmanager
    def held(self) -> Iterator[None]:
        """Remember what the repository is now: the commit is refused if it has become another."""
        with explained(self.uri):
            self._make_repository()
            self._head = self._api.repo_info(self._repo, repo_type=self._kind).sha
        yield

    def claim(self, path: str, text: str, before: str | None) -> None:
        """Keep it for the one commit of `switch`."""
        self._claimed[path] = text

    def switch(self, texts: Mapping[str, str], version: str) -> None:
        """One commit with all of them, what is claimed and what `upload` has sent, and a tag."""
        from huggingface_hub import CommitOperationAdd
        from huggingface_hub.errors import HfHubHTTPError

        written = {**self._claimed, **texts}
        with explained(self.uri):
            self._make_repository()
            try:
                self._api.create_commit(
                    self._repo,
                    [
                        *self._sent,
                        *(CommitOperationAdd(path, text.encode()) for path, text in written.items()),
                    ],
                    commit_message=f"Publish {version}",
                    repo_type=self._kind,
                    num_threads=N_UPLOADS,
                    parent_commit=self._head,
                )
            except HfHubHTTPError as error:
                if error.response.status_code in (409, 412):
                    raise _overtaken(self.uri) from error
                raise
            self._api.create_tag(self._repo, tag=version, repo_type=self._kind, exist_ok=True)
        self._sent, self._claimed, self._head = [], {}, None

    def _make_repository(self) -> None:
        private = True if self._private else None  # None: as its organisation makes them
        self._api.create_repo(self._repo, repo_type=self._kind, private=private, exist_ok=True)


def _overtaken(uri: str) -> Unreachable:
    return Unreachable(
        f"{uri}: another push is under way, or was made meanwhile: nothing that readers see was changed by this one; "
        "wait for it and push again"
    )


def _copy_whole(source: Path, where: Path) -> None:
    with atomic_write(where) as partial, source.open("rb") as content, partial.open("wb") as copy:
        shutil.copyfileobj(content, copy, _BLOCK_BYTES)


def open_destination(
    to: str | Path,
    storage_options: Mapping[str, object] | None = None,
    *,
    kind: Kind = "dataset",
    private: bool = False,
) -> Destination:
    """The place that `--to` names.

    Args:
        to: a folder, or a URI.
        storage_options: passed to fsspec.
        kind: what a repository of the Hugging Face hub is for.
        private: whether a repository that is made there is private.

    Raises:
        BadInput: the scheme is unknown or the name is not valid.
    """
    uri = str(to).removeprefix("file://").rstrip("/")
    if not uri:
        raise BadInput(f"{str(to)!r}: give a folder, s3://bucket/prefix, gs://bucket/prefix or hf://org/name")
    if ".." in uri.split("/"):
        raise BadInput(f"{uri}: write the destination without `..`")
    if uri.startswith("hf://"):
        return HuggingFaceDestination(uri, kind, private)
    return FolderDestination(
        uri if "://" in uri else str(Path(uri).expanduser().absolute()), storage_options or {}
    )
