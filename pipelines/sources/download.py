"""Downloads to be trusted: resumed, hashed as they stream, put in place in one step, never taken damaged."""

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from tqdm import tqdm

from cairnhub.core.errors import CairnError, NoSpace, Unreachable
from cairnhub.pipelines.executors.local import HERE, Executor
from cairnhub.pipelines.sources.download_errors import (
    NoNetwork,
    by_hand,
    disk_error,
    mismatch,
    together,
    wrong_size,
)
from cairnhub.pipelines.sources.ledger import FetchedFile, Ledger
from cairnhub.pipelines.sources.partial_file import ENDINGS, Content, Hasher, PartialFile, beside
from cairnhub.pipelines.sources.registry import MANUAL, RegistryRow
from cairnhub.pipelines.sources.transport import (
    CHUNK_BYTES,
    Interrupted,
    NoAnswer,
    announced_bytes,
    is_file,
    open_body,
)

__all__ = ["FetchedFile", "fetch_all", "fetch_file"]

FIRST_WAIT_S = 0.5  # doubled after each failure without progress
LONGEST_WAIT_S = 30.0
LONGEST_RETRY_AFTER_S = 300.0
POLL_S = 0.2  # between looks at whether another process has finished
UNREACHABLE_S = 30.0  # after so long without any answer there is no network


class _Stopped(Exception):
    """Another download failed for good, or the user gave up."""


@dataclass(frozen=True)
class _Policy:
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
    policy = _Policy(timeout_s, n_retries, progress or (lambda _: None))
    return _fetch(RegistryRow(target.name, url, size_bytes, hash), url, target, policy)


def fetch_all(
    rows: Sequence[RegistryRow],
    folder: Path,
    base: str = "",
    *,
    n_connections: int = 4,
    timeout_s: float = 30,
    n_retries: int = 5,
    title: str = "fetch",
    executor: Executor = HERE,
) -> list[FetchedFile]:
    """Bring all files of a registry into `folder`, several at once, under one progress bar.

    Files that an earlier run verified, and that have not changed since, are not read again. A file that fails
    does not stop the others, except where nothing can be reached at all.

    Args:
        rows: the files.
        folder: where to; each file lands under its name.
        base: a folder or address (http(s), file, s3) that holds the files under their names: a mirror. With
            an empty base the rows' own addresses count.
        n_connections: how many files at once.
        timeout_s: longest silence of a server, in seconds.
        n_retries: failures in a row of one file without a new byte before giving up.
        title: label of the progress bar.
        executor: where it spans machines, each file is a task of its own and the bar counts files.

    Returns:
        What is there now, in the order of `rows`.

    Raises:
        CairnError: one message that names every file that could not be had, and why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(folder)
    fetched = {row.name: ledger.find(row.name, row.size_bytes, row.hash) for row in rows}
    wanted = [row for row in rows if fetched[row.name] is None]
    _announce_manual(wanted, folder, base)
    sizes = _sizes(wanted, folder, base, n_connections)
    targets = [folder / row.name for row in wanted]
    present = [*targets, *(beside(target, ".part") for target in targets)]
    have = sum(path.stat().st_size for path in present if path.is_file())
    _check_space(folder, sum(size or 0 for size in sizes) - have)
    jobs = [FetchJob(row, _address(row, base), folder, timeout_s, n_retries) for row in wanted]
    if executor.spans_machines:
        arrived = _run_elsewhere(jobs, ledger, executor, title)
    else:
        total = None if None in sizes else sum(size or 0 for size in sizes)
        arrived = _run_here(jobs, total, ledger, n_connections, title)
    return [file for row in rows if (file := fetched[row.name] or arrived[row.name])]


def _announce_manual(rows: Sequence[RegistryRow], folder: Path, base: str) -> None:
    """Say at once what must be got by hand: the other files may take hours."""
    missing = [row for row in rows if _is_manual(row, base) and not (folder / row.name).is_file()]
    for row in missing if len(missing) < len(rows) else ():
        tqdm.write(f"note: {by_hand(row, folder / row.name, None)}", file=sys.stderr)


def _sizes(rows: Sequence[RegistryRow], folder: Path, base: str, n_connections: int) -> list[int | None]:
    """Bytes of each file: registered, of the file that is there, or as the server tells; 0 if by hand."""
    sizes = {row.name: row.size_bytes for row in rows}
    for row in rows:
        if (folder / row.name).is_file():
            sizes[row.name] = (folder / row.name).stat().st_size
        elif _is_manual(row, base):
            sizes[row.name] = 0
    unknown = [row for row in rows if sizes[row.name] is None]
    announced = announced_bytes([_address(row, base) for row in unknown], n_connections)
    sizes |= {row.name: size for row, size in zip(unknown, announced, strict=True)}
    return [sizes[row.name] for row in rows]


def _is_manual(row: RegistryRow, base: str) -> bool:
    return _address(row, base).startswith(MANUAL)


@dataclass(frozen=True)
class FetchJob:
    """One file to bring into a folder; travels to a worker."""

    row: RegistryRow
    url: str
    folder: Path
    timeout_s: float
    n_retries: int

    def __str__(self) -> str:
        return self.row.name

    def reads(self) -> Iterator[Path]:
        """What is there of it, and a source on the driver's disk."""
        yield from self.writes()
        source = Path(self.url.removeprefix("file://"))  # an address is no file
        if source.is_file():
            yield source

    def writes(self) -> Iterator[Path]:
        """The file, or a piece of it, or what came in its place."""
        target = self.folder / self.row.name
        paths = (target, *(beside(target, ending) for ending in ENDINGS))
        return (path for path in paths if path.is_file())

    def bring(self, progress: Callable[[int], None], stop: threading.Event) -> FetchedFile:
        """Leave alone, accept or download the file."""
        policy = _Policy(self.timeout_s, self.n_retries, progress, stop)
        return replace(_fetch(self.row, self.url, self.folder / self.row.name, policy), name=self.row.name)


def try_to_bring(job: FetchJob) -> FetchedFile | CairnError:
    """The file, or why it cannot be had: a failure shall not stop the others."""
    try:
        return job.bring(lambda _: None, threading.Event())
    except CairnError as error:
        return error


def _run_elsewhere(
    jobs: Sequence[FetchJob], ledger: Ledger, executor: Executor, title: str
) -> dict[str, FetchedFile]:
    """Bring every file by a task; one error for all that failed."""
    arrived: dict[str, FetchedFile] = {}
    failures: list[CairnError] = []
    for outcome in executor.map(try_to_bring, jobs, title):
        if isinstance(outcome, FetchedFile):
            ledger.add(outcome)
            arrived[outcome.name] = outcome
            continue
        failures.append(outcome)
        if isinstance(outcome, NoNetwork):
            break
    if failures:
        raise together(failures)
    return arrived


def _run_here(
    jobs: Sequence[FetchJob], total: int | None, ledger: Ledger, n_connections: int, title: str
) -> dict[str, FetchedFile]:
    """Bring every file by threads, under a bar of bytes; one error for all that failed."""
    with tqdm(total=total, desc=title, unit="B", unit_scale=True, disable=None if jobs else True) as bar:
        lock, stop = threading.Lock(), threading.Event()

        def advance(gained: int) -> None:
            with lock:
                bar.update(gained)

        def bring(job: FetchJob) -> FetchedFile:
            file = job.bring(advance, stop)
            ledger.add(file)
            return file

        return _in_threads(bring, jobs, n_connections, stop)


def _in_threads(
    bring: Callable[[FetchJob], FetchedFile],
    jobs: Sequence[FetchJob],
    n_connections: int,
    stop: threading.Event,
) -> dict[str, FetchedFile]:
    failures: list[CairnError] = []
    with ThreadPoolExecutor(max_workers=n_connections) as pool:
        running: dict[Future[FetchedFile], str] = {pool.submit(bring, job): job.row.name for job in jobs}
        pending = set(running)
        try:
            while pending:
                finished, pending = wait(pending, return_when=FIRST_EXCEPTION)
                failures += [
                    error for future in finished if isinstance(error := future.exception(), CairnError)
                ]
                for future in finished:
                    if future.exception() and not isinstance(future.exception(), CairnError):
                        future.result()
                if any(isinstance(error, NoNetwork) for error in failures):
                    break
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    if failures:
        raise together(failures)
    return {name: future.result() for future, name in running.items()}


def _address(row: RegistryRow, base: str) -> str:
    if not base:
        return row.url
    if base.startswith(("http://", "https://")):
        parts = urlsplit(base)  # a signature stands behind the name
        return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{quote(row.name)}"))
    return f"{base.rstrip('/')}/{row.name}"


def _fetch(row: RegistryRow, url: str, target: Path, policy: _Policy) -> FetchedFile:
    """Leave alone, accept or download one file."""
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
        content = _gather(row, url, part, policy)
        part.finish(target)
    return content.file(target.name, row.hash)


@dataclass
class _Waiting:
    """Patience with another process that brings the same file into the same store."""

    row: RegistryRow
    policy: _Policy
    began: bool = False

    def __call__(self) -> None:
        if not self.began:
            tqdm.write(f"note: another process is fetching {self.row.name}: waiting for it", file=sys.stderr)
        self.began = True
        if self.policy.stop.wait(POLL_S):
            raise _Stopped


def _gather(row: RegistryRow, url: str, part: PartialFile, policy: _Policy) -> Content:
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


def _continue(row: RegistryRow, url: str, part: PartialFile, policy: _Policy) -> Content:
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
            _check_space(part.path.parent, (total or 0) - part.size_bytes)
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


def _hash_file(path: Path, hasher: Hasher, policy: _Policy) -> None:
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


def _advance(policy: _Policy, n_bytes: int) -> None:
    policy.progress(n_bytes)
    if policy.stop.is_set():
        raise _Stopped


def _wait_or_give_up(
    row: RegistryRow, url: str, reason: Interrupted, failures: int, unreachable_s: float, policy: _Policy
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


def _check_space(folder: Path, needed_bytes: int) -> None:
    """Refuse at once what the disk cannot hold."""
    free = shutil.disk_usage(folder).free
    if needed_bytes > free:
        raise NoSpace(
            f"{folder}: {needed_bytes:,} bytes are to come, {free:,} are free: make room or take a smaller subset"
        )
