"""Downloads against kill -9, and beside other processes."""

import hashlib
import multiprocessing
import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.sources import download
from cairnhub.pipelines.sources.download import fetch_file
from cairnhub.pipelines.sources.download_registry import fetch_all
from cairnhub.pipelines.sources.partial_file import PartialFile
from cairnhub.pipelines.sources.registry import RegistryRow
from tests.datasets_hub.hub_toy import die_at
from tests.pipelines.downloads import CONTENT, KNOWN, SHA256, get, only
from tests.pipelines.misbehaving_server import Misbehaviour

# kill -9


def fetch_in_child(base: str, folder: Path) -> None:
    rows = [RegistryRow(f"{n}.tar", "", len(CONTENT), SHA256 if n else None) for n in range(3)]
    fetch_all(rows, folder, base, n_connections=2, timeout_s=5)


def test_killed_at_random_moments_it_goes_on_where_it_was(server: Misbehaviour, tmp_path: Path) -> None:
    server.bytes_per_second = 150_000
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cairnhub.pipelines.sources.download"])
    rng, n_kills = random.Random("kills"), 0
    for _ in range(60):
        child = context.Process(target=fetch_in_child, args=(server.url, tmp_path))
        n_asked = len(server.requests)
        child.start()
        while child.is_alive() and len(server.requests) == n_asked:
            time.sleep(0.005)
        child.join(rng.uniform(0.02, 0.25))
        if not child.is_alive():
            break
        child.kill()  # kill -9; no failure if it ended meanwhile
        child.join()
        n_kills += 1
        for path in tmp_path.glob("*.tar"):
            assert path.read_bytes() == CONTENT
    assert n_kills >= 3
    assert child.exitcode == 0
    assert only(tmp_path) == {"0.tar", "1.tar", "2.tar", ".verified.tsv"}
    assert all(path.read_bytes() == CONTENT for path in tmp_path.glob("*.tar"))
    buffered = (
        n_kills * 2 * 10 * server.bytes_per_second / 100
    )  # sent, but still on the way when the kill came
    assert server.n_bytes_sent <= 3 * len(CONTENT) + buffered


@pytest.mark.parametrize("known", KNOWN)
def test_who_comes_second_waits_and_takes_what_the_first_brought(
    server: Misbehaviour, tmp_path: Path, known: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target, done = tmp_path / "a.tar", []
    part = PartialFile(target)
    wanted = {
        "size_bytes": len(CONTENT) if known == "size and hash" else None,
        "hash": None if known == "nothing" else SHA256,
    }
    with part.held(is_hashed=True, wait=lambda: None):
        part.begin("v1")
        second = threading.Thread(target=lambda: done.append(get(server, tmp_path, **wanted)))
        second.start()
        time.sleep(0.5)
        assert second.is_alive()
        part.path.write_bytes(CONTENT)
        part.finish(target)
    second.join(10)
    assert [file.sha256 for file in done] == [hashlib.sha256(CONTENT).hexdigest()]
    assert server.requests == []
    assert only(tmp_path) == {"a.tar"}
    assert capsys.readouterr().err.count("another process is fetching a.tar: waiting for it") == 1


@pytest.mark.parametrize("end", ["finish", "keep_damaged"])
def test_what_the_next_process_began_is_left_alone(tmp_path: Path, end: str) -> None:
    target = tmp_path / "a.tar"
    part = PartialFile(target)
    with part.held(is_hashed=True, wait=lambda: None):
        part.begin("v1")
        part.path.write_bytes(CONTENT)
        part.finish(target) if end == "finish" else part.keep_damaged()
        part.path.write_bytes(b"")  # of another process, which has just opened it
        part.clear()
    assert part.path.is_file()


def fetch_often(url: str, folder: Path, n_files: int) -> None:
    for number in range(n_files):
        fetch_file(f"{url}/{number}.tar", folder / f"{number}.tar", size_bytes=None, hash=None, timeout_s=1)


def test_two_fetches_into_one_store_bring_whole_files(server: Misbehaviour, tmp_path: Path) -> None:
    server.script, server.cut_at = ["cut"] * 400, 7_001
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=fetch_often, args=(server.url, tmp_path, 12)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        f"{number}.tar": CONTENT for number in range(12)
    }


def test_bytes_that_another_program_writes_into_the_part_are_never_taken(
    server: Misbehaviour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hash is that of the disk, not that of the stream."""
    inspect, looked = download._inspect, []

    def meddled(path: Path, digest: str | None) -> download.Content:
        if path.name.endswith(".part") and not looked:
            looked.append(path)
            path.write_bytes(CONTENT + b"more")
        return inspect(path, digest)

    monkeypatch.setattr(download, "_inspect", meddled)
    with pytest.raises(CairnError, match=r"a\.tar"):
        get(server, tmp_path)
    assert looked
    assert "a.tar" not in only(tmp_path)
    get(server, tmp_path)
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


def finish_and_die(target: Path, step: int) -> None:
    part = PartialFile(target)
    part.begin("v1")
    part.path.write_bytes(CONTENT)
    die_at(step)
    part.finish(target)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_killed_while_a_file_is_put_in_place_leaves_nothing_beside_it(
    server: Misbehaviour, tmp_path: Path, step: int
) -> None:
    process = multiprocessing.get_context("fork").Process(
        target=finish_and_die, args=(tmp_path / "a.tar", step)
    )
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    get(server, tmp_path)
    assert only(tmp_path) == {"a.tar"}
