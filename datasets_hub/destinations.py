"""Places to push to: a folder or an object store through fsspec; `hugging_face` has the Hugging Face hub."""

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from cairnhub.core.errors import BadInput, NotFound, Unreachable
from cairnhub.core.files import atomic_write, lock_folder, remove_leftovers, write_text_atomic
from cairnhub.core.hashing import hash_in_name, sha256_of
from cairnhub.core.home import expanded
from cairnhub.core.parse import decode
from cairnhub.datasets_hub.filesystems import check_uri, filesystem_of
from cairnhub.datasets_hub.hugging_face import HuggingFaceDestination, Kind
from cairnhub.datasets_hub.s3_uploads import N_UPLOADS, put_if_unchanged, upload_checked
from cairnhub.datasets_hub.same_bytes import Content, checked_as_same, listed_as_same, sha256
from cairnhub.datasets_hub.storage_errors import explained, overtaken

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
        """Write small files in the given order: from `README.md` on readers see this version."""

    def mark(self, version: str) -> None:
        """Give what readers see the name of its version, where the push that sent it was cut before it did so."""


class FolderDestination:
    """A folder, here or in an object store."""

    def __init__(self, uri: str, storage_options: Mapping[str, object]) -> None:
        self.uri = uri
        with explained(uri):
            self._filesystem, self._root = filesystem_of(uri, **storage_options)
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
                raise overtaken(self.uri)
            yield

    def claim(self, path: str, text: str, before: str | None) -> None:
        """Write it; S3 compares and writes in one step."""
        with explained(self.uri):
            if "s3" in self._filesystem.protocol:
                if not put_if_unchanged(self._filesystem, f"{self._root}/{path}", text, before):
                    raise overtaken(self.uri)
            elif self.read_text(path) != before:
                raise overtaken(self.uri)
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

    def mark(self, version: str) -> None:
        """Nothing: the folder of a version is written with it."""

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
    if not uri or (uri.endswith(":") and "://" in str(to)):
        raise BadInput(f"{str(to)!r}: give a folder, s3://bucket/prefix, gs://bucket/prefix or hf://org/name")
    if ".." in uri.split("/"):
        raise BadInput(f"{uri}: write the destination without `..`")
    check_uri(uri)
    if uri.startswith("hf://"):
        return HuggingFaceDestination(uri, kind, private)
    return FolderDestination(uri if "://" in uri else str(expanded(uri).absolute()), storage_options or {})
