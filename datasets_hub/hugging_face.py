"""A place to push to: a repository on the Hugging Face hub."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cairnhub.core.errors import BadInput, Unreachable
from cairnhub.core.parse import decode
from cairnhub.datasets_hub.s3_uploads import N_UPLOADS
from cairnhub.datasets_hub.same_bytes import Content, git_blob, sha256
from cairnhub.datasets_hub.storage_errors import explained, overtaken

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd
    from huggingface_hub.hf_api import RepoFile

Kind = Literal["dataset", "model"]


class HuggingFaceDestination:
    """A repository on the Hugging Face hub (or a server that speaks its protocol).

    All is read of one commit, that of the first look; what is written becomes the next one, or is refused.

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

    def _seen(self) -> str | None:
        """The commit that is read; None while there is no repository."""
        from huggingface_hub.errors import RepositoryNotFoundError

        if self._head is None:
            with explained(self.uri), suppress(RepositoryNotFoundError):
                self._head = self._newest()
        return self._head

    def _newest(self) -> str | None:
        return self._api.repo_info(self._repo, repo_type=self._kind).sha

    def _files(self) -> "dict[str, RepoFile]":
        from huggingface_hub.hf_api import RepoFile

        commit = self._seen()
        if commit is None:
            return {}
        with explained(self.uri):
            entries = list(
                self._api.list_repo_tree(self._repo, recursive=True, revision=commit, repo_type=self._kind)
            )
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
        """Content of a small file; None if it is not there."""
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        commit = self._seen()
        if commit is None:
            return None
        with explained(self.uri), tempfile.TemporaryDirectory() as cache:  # no older copy steps in
            try:
                local = self._api.hf_hub_download(
                    self._repo, path, revision=commit, repo_type=self._kind, cache_dir=cache
                )
            except LocalEntryNotFoundError as error:  # also raised where nothing answers
                raise Unreachable(f"{self.uri}: {error}; check the network") from None
            except EntryNotFoundError:
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
        """Refuse early what the commit would be refused for: that there is a newer one than was read."""
        with explained(self.uri):
            self._make_repository()
            if self._seen() != self._newest():
                raise overtaken(self.uri)
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
                made = self._api.create_commit(
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
                    raise overtaken(self.uri) from error
                raise
            self._tag(version, made.oid)
        self._sent, self._claimed, self._head = [], {}, None

    def mark(self, version: str) -> None:
        """Make its tag, if it is missing."""
        with explained(self.uri):
            tags = self._api.list_repo_refs(self._repo, repo_type=self._kind).tags
            if version not in {tag.name for tag in tags}:
                self._tag(version, self._seen())

    def _tag(self, version: str, commit: str | None) -> None:
        self._api.create_tag(self._repo, tag=version, revision=commit, repo_type=self._kind, exist_ok=True)

    def _make_repository(self) -> None:
        private = True if self._private else None  # None: as its organisation makes them
        self._api.create_repo(self._repo, repo_type=self._kind, private=private, exist_ok=True)
