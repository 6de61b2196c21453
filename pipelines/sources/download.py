"""One download to be trusted: resumed, hashed as it streams, put in place in one step, never taken damaged."""

import shutil
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from cairnhub.core.errors import NoSpace, Unreachable
from cairnhub.pipelines.sources.download_errors import (
    NoNetwork,
    by_hand,
    disk_error,
    mismatch,
    wrong_size,
)
from cairnhub.pipelines.sources.ledger import FetchedFile
from cairnhub.pipelines.sources.mirror_links import share
from cairnhub.pipelines.sources.partial_file import Content, Hasher, PartialFile, beside
from cairnhub.pipelines.sources.registry import MANUAL, RegistryRow
from cairnhub.pipelines.sources.transport import (
    CHUNK_BYTES,
    Interrupted,
    NoAnswer,
    is_file,
    local_path,
    open_body,
)

FIRST_WAIT_S = 0.5  # doubled after each failure without progress
LONGEST_WAIT_S = 30.0
LONGEST_RETRY_AFTER_S = 300.0
POLL_S = 0.2  # between looks at whether another process has finished
UNREACHABLE_S = 30.0  # after so long without any answer there is no network


class _Stopped(Exception):
    """Another download failed for good, or the user gave up."""


@dataclass(frozen=True)
class Policy:
    """How patiently a file is fetched, who is told of its bytes, and what stops it."""

    timeout_s: float
    n_retries: int
    progress: Callable[[int], None]
    stop: threading.Event = field(default_factory=threading.Event)


def fetch_file(
    url: str,
    target: Path,
    *,
    size_bytes: int | None,
    hash: str | None,
    timeout_s: float = 30,
    n_retries: int = 5,
    progress: Callable[[int], None] | None = None,
) -> FetchedFile:
    """Bring one file to `target`; what is there already and right is left alone.

    Bytes gather in `<target>.part`, which a later call continues, and are renamed once they are complete and
    match. A download that does not match lands in `<target>.damaged`.

    Args:
        url: http(s), file, a local path, an fsspec address such as s3, or `manual:` and where to get it.
        target: the file to make.
        size_bytes: its size, None if unknown.
        hash: `<algorithm>:<hex digits>`, None if unknown.
        timeout_s: longest silence of a server, in seconds.
        n_retries: failures in a row without a new byte before giving up.
        progress: called with the number of bytes gained; negative when a transfer starts over.

    Raises:
        CairnError: the file cannot be had, or is not what it should be.
    """
    policy = Policy(timeout_s, n_retries, progress or (lambda _: None))
    return fetch_row(RegistryRow(target.name, url, size_bytes, hash), url, target, policy)


def fetch_row(
    row: RegistryRow, url: str, target: Path, policy: Policy, *, may_link: bool = False
) -> FetchedFile:
    """Leave alone, accept, link or download one file: `row` says what it should be, `url` where it is.

    Args:
        row: what it should be.
        url: where it is.
        target: the file to make.
        policy: how patiently.
        may_link: whether a file of this machine need not be copied where the disk can share it.

    Raises:
        CairnError: as for `fetch_file`.
    """
    present = _inspect(target, row.hash) if target.is_file() else None
    if present and present.matches(row):
        policy.progress(present.size_bytes)
        return present.file(target.name, row.hash)
    if url.startswith(MANUAL):
        raise by_hand(row, target, present)
    target.parent.mkdir(parents=True, exist_ok=True)
    part, waiting = PartialFile(target), _Waiting(row, policy)
    with part.held(row.hash is not None, waiting):
        if (waiting.began or present is None) and target.is_file():
            brought = _inspect(target, row.hash)
            if brought.matches(row):
                policy.progress(brought.size_bytes)
                return brought.file(target.name, row.hash)
        content = _link(row, url, target, policy) if may_link and is_file(url) else None
        if content is None:
            content = _gather(row, url, part, policy)
            part.finish(target)
    return content.file(target.name, row.hash)


def _link(row: RegistryRow, url: str, target: Path, policy: Policy) -> Content | None:
    """Put a local file in place without a copy of its bytes, read once to verify it; None where it must be copied.

    The file is never written to, for it may be the mirror's own.

    Raises:
        CairnError: its bytes are not what the registry promises.
    """
    link, hasher = beside(target, ".link"), Hasher(row.hash)
    link.unlink(missing_ok=True)  # of a killed process: who holds the part holds this too
    try:
        if share(local_path(url), link) == "copy":
            return None
        before = link.stat()
        _hash_file(link, hasher, policy)
        after, content = link.stat(), hasher.content()
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            if not content.matches(row):
                raise mismatch(row, url, content, None)
            link.replace(target)
            return content
    except OSError:
        pass  # copying says why it cannot be read
    finally:
        link.unlink(missing_ok=True)
    policy.progress(-hasher.size_bytes)
    return None


@dataclass
class _Waiting:
    """Patience with another process that brings the same file into the same store."""

    row: RegistryRow
    policy: Policy
    began: bool = False

    def __call__(self) -> None:
        if not self.began:
            tqdm.write(f"note: another process is fetching {self.row.name}: waiting for it", file=sys.stderr)
        self.began = True
        if self.policy.stop.wait(POLL_S):
            raise _Stopped


def _gather(row: RegistryRow, url: str, part: PartialFile, policy: Policy) -> Content:
    """Try until the part is complete and right, or until trying is pointless."""
    furthest, failures, last_answer = part.size_bytes, 0, time.monotonic()
    is_spliced, may_restart = part.size_bytes > 0, True
    while True:
        try:
            content = _continue(row, url, part, policy)
        except Interrupted as reason:
            has_progressed, furthest = part.size_bytes > furthest, max(furthest, part.size_bytes)
            failures = 1 if has_progressed else failures + 1
            if has_progressed or not isinstance(reason, NoAnswer):
                last_answer = time.monotonic()
            is_spliced = part.size_bytes > 0
            _wait_or_give_up(row, url, reason, failures, time.monotonic() - last_answer, policy)
            continue
        if content.matches(row) and _inspect(part.path, row.hash) == content:  # as it lies on the disk
            return content
        policy.progress(-content.size_bytes)
        if not (is_spliced and may_restart):
            kept = None if is_file(url) else part.keep_damaged()
            part.clear()
            raise mismatch(row, url, content, kept)
        part.clear()  # a crash may have torn an earlier piece: begin anew, once
        is_spliced, may_restart = False, False


def _continue(row: RegistryRow, url: str, part: PartialFile, policy: Policy) -> Content:
    """Append what is missing, hashing on the way."""
    hasher = Hasher(row.hash)
    if row.size_bytes is not None and part.size_bytes > row.size_bytes:
        part.clear()
    if row.size_bytes is not None and part.size_bytes == row.size_bytes and row.size_bytes > 0:
        _hash_file(part.path, hasher, policy)
        return hasher.content()
    try:
        with open_body(url, part.size_bytes, part.validator, policy.timeout_s) as body:
            if is_file(url) and body.total is not None and row.size_bytes not in (None, body.total):
                raise wrong_size(row, url, body.total)  # no try will change it
            if body.start == 0:
                part.begin(body.validator)
            else:
                _hash_file(part.path, hasher, policy)
            total = row.size_bytes if row.size_bytes is not None else body.total
            check_space(part.path.parent, (total or 0) - part.size_bytes)
            with part.path.open("ab") as file:
                for chunk in body.chunks:
                    file.write(chunk)
                    hasher.update(chunk)
                    _advance(policy, len(chunk))
                    if total is not None and hasher.size_bytes > total:
                        break
    except OSError as error:
        raise disk_error(error, part.path) from error
    except BaseException:
        policy.progress(-hasher.size_bytes)
        raise
    if total is not None and hasher.size_bytes < total:
        policy.progress(-hasher.size_bytes)
        raise Interrupted(f"the transfer ended after {hasher.size_bytes:,} of {total:,} bytes")
    return hasher.content()


def _hash_file(path: Path, hasher: Hasher, policy: Policy) -> None:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            hasher.update(chunk)
            _advance(policy, len(chunk))


def _inspect(path: Path, digest: str | None) -> Content:
    hasher = Hasher(digest)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            hasher.update(chunk)
    return hasher.content()


def _advance(policy: Policy, n_bytes: int) -> None:
    policy.progress(n_bytes)
    if policy.stop.is_set():
        raise _Stopped


def _wait_or_give_up(
    row: RegistryRow, url: str, reason: Interrupted, failures: int, unreachable_s: float, policy: Policy
) -> None:
    """Sleep before the next try: longer each time, or as long as the server asks.

    Raises:
        CairnError: enough tries, or the server asks for too much patience.
    """
    advice = "what was fetched so far is kept: run the command again to continue"
    if failures > policy.n_retries or unreachable_s > UNREACHABLE_S:
        if isinstance(reason, NoAnswer):
            raise NoNetwork(
                f"{row.name}: {url} cannot be reached ({reason}). Check the network and the proxy, or name a "
                f"mirror of this dataset under fetch in params.yaml; {advice}"
            )
        raise Unreachable(
            f"{row.name}: {url}: {reason}; gave up after {failures} failures in a row; {advice}"
        )
    if reason.wait_s is not None and reason.wait_s > LONGEST_RETRY_AFTER_S:
        raise Unreachable(f"{row.name}: {url}: {reason} and asks to wait {reason.wait_s:,.0f} s; {advice}")
    pause = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (failures - 1))
    if policy.stop.wait(max(pause, reason.wait_s or 0.0)):
        raise _Stopped


def check_space(folder: Path, needed_bytes: int) -> None:
    """Refuse at once what the disk cannot hold."""
    free = shutil.disk_usage(folder).free
    if needed_bytes > free:
        raise NoSpace(
            f"{folder}: {needed_bytes:,} bytes are to come, {free:,} are free: make room or take a smaller subset"
        )
