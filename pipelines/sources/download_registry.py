"""The files of a registry: several downloads at once, under one progress bar, with one error for all that failed."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from tqdm import tqdm

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.executors.local import HERE, Executor
from cairnhub.pipelines.sources.download import Policy, check_space, fetch_row
from cairnhub.pipelines.sources.download_errors import NoNetwork, by_hand, together
from cairnhub.pipelines.sources.ledger import FetchedFile, Ledger
from cairnhub.pipelines.sources.mirror_links import may_share
from cairnhub.pipelines.sources.partial_file import ENDINGS, beside
from cairnhub.pipelines.sources.registry import MANUAL, RegistryRow
from cairnhub.pipelines.sources.transport import announced_bytes, is_file, local_path


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
    may_link: bool = False,
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
        may_link: whether files of this machine need not be copied where the disk can share them (`mirror_links`).

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
    jobs = [FetchJob(row, _address(row, base), folder, timeout_s, n_retries, may_link) for row in wanted]
    copied = {
        job.row.name: size or 0 for job, size in zip(jobs, sizes, strict=True) if not job.needs_no_room()
    }
    targets = [folder / name for name in copied]
    present = [*targets, *(beside(target, ".part") for target in targets)]
    have = sum(path.stat().st_size for path in present if path.is_file())
    check_space(folder, sum(copied.values()) - have)
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
    may_link: bool

    def __str__(self) -> str:
        return self.row.name

    def needs_no_room(self) -> bool:
        """Whether it is a file of this disk that is to be linked."""
        return self.may_link and is_file(self.url) and may_share(local_path(self.url), self.folder)

    def reads(self) -> Iterator[Path]:
        """What is there of it, and a source on the driver's disk."""
        yield from self.writes()
        source = local_path(self.url)  # an address is no file
        if source.is_file():
            yield source

    def writes(self) -> Iterator[Path]:
        """The file, or a piece of it, or what came in its place."""
        target = self.folder / self.row.name
        paths = (target, *(beside(target, ending) for ending in ENDINGS))
        return (path for path in paths if path.is_file())

    def bring(self, progress: Callable[[int], None], stop: threading.Event) -> FetchedFile:
        """Leave alone, accept or download the file."""
        policy = Policy(self.timeout_s, self.n_retries, progress, stop)
        target = self.folder / self.row.name
        return replace(
            fetch_row(self.row, self.url, target, policy, may_link=self.may_link), name=self.row.name
        )


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
