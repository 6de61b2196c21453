"""Downloads against a server that misbehaves in every way, and against kill -9."""

import gzip
import hashlib
import multiprocessing
import os
import random
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from tqdm import tqdm

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.settings.fetch import Fetch
from cairnhub.pipelines.sources import download, download_registry
from cairnhub.pipelines.sources.download import fetch_file
from cairnhub.pipelines.sources.download_registry import fetch_all
from cairnhub.pipelines.sources.partial_file import PartialFile
from cairnhub.pipelines.sources.registry import RegistryRow, read_registry
from tests.datasets_hub.hub_toy import die_at
from tests.pipelines.misbehaving_server import Misbehaviour, misbehaving_server

CONTENT = random.Random("content").randbytes(60_000)
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[Misbehaviour]:
    with misbehaving_server(CONTENT) as running:
        yield running


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "FIRST_WAIT_S", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def get(server: Misbehaviour, folder: Path, **options: object) -> download.FetchedFile:
    settings: dict[str, object] = {
        "size_bytes": len(CONTENT),
        "hash": SHA256,
        "timeout_s": 0.3,
        "n_retries": 3,
    }
    return fetch_file(f"{server.url}/a.tar", folder / "a.tar", **{**settings, **options})  # type: ignore[arg-type]


def only(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# Ways to misbehave that another try mends


MENDED = (
    "good",
    "cut cut cut cut cut cut",
    "cut no_range",
    "cut no_416",
    "cut shifted",
    "stall",
    "silent",
    "drop",
    "long_length",
    "page hidden_page",
    "cut page cut hidden_page",
    "refuse drop silent",
    "packed",
    "cut packed",
)
KNOWN = ("size and hash", "hash", "nothing")


@pytest.mark.parametrize(
    ("script", "known"),
    [
        *((script, known) for script in MENDED for known in KNOWN),
        ("short_length", "size and hash"),
        ("cut flipped", "size and hash"),
        ("cut flipped", "hash"),
    ],
)
def test_it_gets_the_right_bytes_in_the_end(
    server: Misbehaviour, tmp_path: Path, script: str, known: str
) -> None:
    server.script = script.split()
    fetched = get(
        server,
        tmp_path,
        size_bytes=len(CONTENT) if known == "size and hash" else None,
        hash=None if known == "nothing" else MD5,
    )
    assert (tmp_path / "a.tar").read_bytes() == CONTENT
    assert (fetched.name, fetched.size_bytes, f"sha256:{fetched.sha256}") == ("a.tar", len(CONTENT), SHA256)
    assert only(tmp_path) == {"a.tar"}


def test_a_redirect_to_nowhere_is_one_message(server: Misbehaviour, tmp_path: Path) -> None:
    server.always = "astray"
    with pytest.raises(CairnError, match="check the address, or where it leads to"):
        get(server, tmp_path)
    with pytest.raises(CairnError, match="check the address, or where it leads to"):
        fetch_all([RegistryRow("a.tar", f"{server.url}/a.tar", None, None)], tmp_path)


def test_a_length_that_no_disk_could_hold_says_nothing(server: Misbehaviour, tmp_path: Path) -> None:
    server.script = ["huge_length"]
    get(server, tmp_path, n_retries=1)
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


def test_an_archive_that_its_server_calls_packed_is_taken_as_it_is(
    server: Misbehaviour, tmp_path: Path
) -> None:
    archive = gzip.compress(CONTENT, mtime=0)
    server.script = ["packed"]  # packs CONTENT, which is then the archive that was asked for
    fetched = fetch_file(f"{server.url}/a.tar.gz", tmp_path / "a.tar.gz", size_bytes=None, hash=None)
    assert gzip.decompress((tmp_path / "a.tar.gz").read_bytes()) == CONTENT
    assert abs(fetched.size_bytes - len(archive)) < 100


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, br", "pack200"])
def test_a_packing_that_is_not_unpacked_is_refused(
    server: Misbehaviour, tmp_path: Path, encoding: str
) -> None:
    server.always, server.encoding = "packed", encoding
    with pytest.raises(
        CairnError, match=rf"a\.tar: the server packs the file as '{encoding.split(', ')[-1]}' .*use a mirror"
    ):
        get(server, tmp_path)
    assert only(tmp_path) == set()
    assert len(server.requests) == 1
    with pytest.raises(CairnError, match=f"packs the file as .{encoding.split(', ')[-1]}"):
        fetch_file(f"{server.url}/a.tar.gz", tmp_path / "a.tar.gz", size_bytes=None, hash=None)


def test_a_name_for_the_way_into_a_store_is_no_packing(server: Misbehaviour, tmp_path: Path) -> None:
    server.always, server.encoding = "packed", "aws-chunked"
    fetch_file(f"{server.url}/a", tmp_path / "a", size_bytes=None, hash=None)
    assert gzip.decompress((tmp_path / "a").read_bytes()) == CONTENT


SECRETS = "http://ada:s3cret@{host}/mirror?X-Amz-Signature=s3cret&version=2&access_token=s3cret"


def test_a_signature_stands_behind_the_name_and_in_no_message(server: Misbehaviour, tmp_path: Path) -> None:
    server.script = ["not_found"]
    base = SECRETS.format(host=server.url.removeprefix("http://"))
    with pytest.raises(CairnError) as raised:
        fetch_all([RegistryRow("a b.tar", "a b.tar", None, None)], tmp_path, base, n_retries=0)
    assert server.requests[-1][0] == "/mirror/a%20b.tar?X-Amz-Signature=s3cret&version=2&access_token=s3cret"
    assert "s3cret" not in str(raised.value)
    assert "***@" in str(raised.value)
    assert "version=2" in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [SECRETS.format(host="h"), "https://h/m?sig=1", "https://h/m#token=x", "s3://key:secret@bucket/m"],
)
def test_secrets_do_not_belong_into_params(address: str) -> None:
    with pytest.raises(ValueError, match="CAIRN_MIRROR_<DATASET>"):
        Fetch(mirrors={"gldv2": address})
    assert Fetch(mirrors={"gldv2": "https://h/m", "sop": "/disks/a@b?c", "cub": "~/x"}).mirrors


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://ada:p@ss@h/m", "http://***@h/m"),
        ("two: http://a:b@h and http://c:d@h", "two: http://***@h and http://***@h"),
        ("https://h/m?a=1&pwd=s3cret&b=2", "https://h/m?a=1&pwd=***&b=2"),
        ("https://h/m?passwd=s3cret", "https://h/m?passwd=***"),
        ("https://h/m#token=s3cret", "https://h/m#token=***"),
        ("https://h/m;sig=s3cret", "https://h/m;sig=***"),
        ("https://h/a@b?page=2", "https://h/a@b?page=2"),
    ],
)
def test_messages_show_no_secret(address: str, shown: str) -> None:
    assert str(CairnError(address)) == shown


def test_cuts_cost_no_byte_twice(server: Misbehaviour, tmp_path: Path) -> None:
    server.script, server.cut_at = ["cut"] * 20, 2500
    get(server, tmp_path, n_retries=1)
    assert server.n_bytes_sent == len(CONTENT)
    assert [wanted for _, wanted in server.requests[:3]] == [None, "bytes=2500-", "bytes=5000-"]


def test_progress_adds_up_to_the_size(server: Misbehaviour, tmp_path: Path) -> None:
    for number, script in enumerate(
        (["cut", "cut"], ["cut", "no_range"], ["page"], ["cut", "no_416"], ["cut", "flipped"])
    ):
        server.script, gained = script, []
        get(server, tmp_path / str(number), progress=gained.append)
        assert sum(gained) == len(CONTENT), script


def test_retry_after_is_respected(server: Misbehaviour, tmp_path: Path) -> None:
    server.script = ["busy"]
    started = time.monotonic()
    get(server, tmp_path)
    assert time.monotonic() - started >= 1


def test_a_retry_after_beyond_patience_is_passed_on(server: Misbehaviour, tmp_path: Path) -> None:
    server.script, server.retry_after = ["cut", "busy"], "7200"
    with pytest.raises(CairnError, match=r"503 Service Unavailable and asks to wait 7,200 s.*kept"):
        get(server, tmp_path)
    get(server, tmp_path)
    assert server.requests[-1][1] == "bytes=1000-"


@pytest.mark.parametrize("moment", ["9" * 400, f"Mon, 01 Jan {'9' * 18} 00:00:00 GMT", "soon", ""])
def test_a_retry_after_that_is_no_moment_says_nothing(
    server: Misbehaviour, tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "FIRST_WAIT_S", 0.01)
    server.script, server.retry_after = ["busy"], moment
    get(server, tmp_path)
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


def test_waits_grow(server: Misbehaviour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(threading.Event, "wait", lambda self, seconds=None: waits.append(seconds))
    monkeypatch.setattr(download, "FIRST_WAIT_S", 0.5)
    server.always = "refuse"
    with pytest.raises(CairnError, match=r"a\.tar: http.*503.*gave up after 8 failures"):
        get(server, tmp_path, n_retries=7)
    assert [wait for wait in waits if wait] == [0.5, 1, 2, 4, 8, 16, 30]


# Ways to misbehave that no try mends


@pytest.mark.parametrize("way", ["cut", "page", "hidden_page", "stall", "drop"])
def test_it_gives_up_on_a_server_that_never_gets_further(
    server: Misbehaviour, tmp_path: Path, way: str
) -> None:
    server.always, server.cut_at = way, 0
    with pytest.raises(CairnError, match="gave up after 3 failures in a row"):
        get(server, tmp_path, n_retries=2)
    assert len(server.requests) == 3
    assert not (tmp_path / "a.tar").exists()


@pytest.mark.parametrize(
    ("way", "size"), [("flipped", len(CONTENT)), ("flipped", None), ("endless", len(CONTENT))]
)
def test_wrong_bytes_are_moved_aside(
    server: Misbehaviour, tmp_path: Path, way: str, size: int | None
) -> None:
    server.always = way
    with pytest.raises(CairnError) as failure:
        get(server, tmp_path, size_bytes=size)
    damaged = tmp_path / "a.tar.damaged"
    found = hashlib.sha256(damaged.read_bytes()).hexdigest()
    for part in ("a.tar", SHA256, f"sha256:{found}", str(damaged)):
        assert part in str(failure.value)
    assert only(tmp_path) == {"a.tar.damaged"}
    server.always = "good"
    get(server, tmp_path)
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


def test_a_lying_length_is_found_out_by_the_hash(server: Misbehaviour, tmp_path: Path) -> None:
    server.always = "short_length"
    with pytest.raises(CairnError, match="other bytes than registered"):
        get(server, tmp_path, size_bytes=None)


def test_a_missing_file_is_said_at_once(server: Misbehaviour, tmp_path: Path) -> None:
    server.always = "not_found"
    with pytest.raises(CairnError, match="404 Not Found"):
        get(server, tmp_path)
    assert len(server.requests) == 1


def test_a_new_version_is_never_spliced_onto_an_old_one(server: Misbehaviour, tmp_path: Path) -> None:
    server.script = ["cut", "not_found"]
    with pytest.raises(CairnError, match="404"):
        get(server, tmp_path, size_bytes=None, hash=None)
    server.content, server.etag = bytes(reversed(CONTENT)), '"v2"'
    get(server, tmp_path, size_bytes=None, hash=None)
    assert (tmp_path / "a.tar").read_bytes() == server.content


def test_a_torn_part_costs_one_fresh_start(server: Misbehaviour, tmp_path: Path) -> None:
    (tmp_path / "a.tar.part").write_bytes(b"\0" * 40_000)
    get(server, tmp_path)
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


def test_wrong_pieces_get_one_fresh_start_and_no_more(server: Misbehaviour, tmp_path: Path) -> None:
    server.script = ["cut", "flipped"] * 5
    with pytest.raises(CairnError, match="other bytes than registered"):
        get(server, tmp_path)
    assert len(server.requests) == 4


def test_a_full_disk_is_noticed_first(server: Misbehaviour, tmp_path: Path) -> None:
    with pytest.raises(CairnError, match=r"bytes are to come.*make room"):
        get(server, tmp_path, size_bytes=10**18)
    row = RegistryRow("a.tar", f"{server.url}/a.tar", 10**18, None)
    with pytest.raises(CairnError, match=r"bytes are to come.*make room"):
        fetch_all([row], tmp_path)
    assert len(server.requests) == 1


def test_sizes_that_no_registry_knows_are_asked_for_first(
    server: Misbehaviour, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [RegistryRow(f"{n}.tar", f"{server.url}/{n}", None, SHA256) for n in range(3)]
    server.announced = 10**18
    with pytest.raises(CairnError, match=r"3,000,000,000,000,000,000 bytes are to come"):
        fetch_all(rows, tmp_path)
    assert server.requests == []
    server.announced = len(CONTENT)
    capfd.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            download_registry,
            "tqdm",
            lambda **options: tqdm(**{**options, "disable": False, "mininterval": 0}),
        )
        fetch_all(rows, tmp_path, title="fetch it")
    shown = capfd.readouterr().err
    assert re.search(r"fetch it: +\d+%.*/180k .*<\d\d:\d\d.*B/s", shown), shown


def test_a_part_that_is_there_needs_no_space(server: Misbehaviour, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        usage = SimpleNamespace(free=len(CONTENT) // 2 + 100)
        patch.setattr(download.shutil, "disk_usage", lambda _: usage)
        row = RegistryRow("a.tar", f"{server.url}/a.tar", len(CONTENT), SHA256)
        with pytest.raises(CairnError, match="60,000 bytes are to come"):
            fetch_all([row], tmp_path)
        (tmp_path / "a.tar.part").write_bytes(CONTENT[: len(CONTENT) // 2])
        assert fetch_all([row], tmp_path)


def test_no_network_is_one_clear_message_in_time(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{closed.getsockname()[1]}"
    rows = [RegistryRow(f"{number}.tar", f"{base}/{number}.tar", None, None) for number in range(50)]
    started = time.monotonic()
    with pytest.raises(CairnError, match=r"cannot be reached.*[Cc]onnection refused.*mirror") as failure:
        fetch_all(rows, tmp_path, n_connections=4, n_retries=5)
    assert time.monotonic() - started < 20
    assert str(failure.value).count("cannot be reached") == 1


def test_a_proxy_is_used(server: Misbehaviour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    fetch_file("http://authors.example/a.tar", tmp_path / "a.tar", size_bytes=None, hash=SHA256)
    assert server.requests == [("http://authors.example/a.tar", None)]


# Other addresses than http


def test_a_mirror_on_s3_is_read(
    s3: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {
        "AWS_ENDPOINT_URL": "endpoint_url",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    for name, option in names.items():
        monkeypatch.setenv(name, str(s3[option]))
    fsspec.filesystem("s3", **s3).pipe("hub/mirror/train/a.tar", CONTENT)
    row = RegistryRow("train/a.tar", "https://authors.example/a.tar", None, SHA256)
    (fetched,) = fetch_all([row], tmp_path, "s3://hub/mirror")
    assert fetched.size_bytes == len(CONTENT)
    with pytest.raises(CairnError, match=r"s3://hub/mirror/b\.tar: there is no such file; check the mirror"):
        fetch_all([RegistryRow("b.tar", "manual: b", None, None)], tmp_path, "s3://hub/mirror")


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_local_sources_are_copied_and_checked(tmp_path: Path, scheme: str) -> None:
    (tmp_path / "source").write_bytes(CONTENT)
    url = f"{scheme}{tmp_path}/source"
    fetched = fetch_file(url, tmp_path / "store/a", size_bytes=None, hash=SHA256)
    assert (tmp_path / "store/a").read_bytes() == CONTENT
    assert fetched.hash == SHA256
    with pytest.raises(CairnError, match="other bytes than registered"):
        fetch_file(url, tmp_path / "store/b", size_bytes=None, hash="md5:" + "0" * 32)
    with pytest.raises(CairnError, match="there is no such file"):
        fetch_file(f"{url}s", tmp_path / "store/c", size_bytes=None, hash=None)


def test_a_local_copy_is_continued_only_of_the_same_version(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(CONTENT)
    (tmp_path / "a.part").write_bytes(b"x" * 100)
    fetch_file(str(tmp_path / "source"), tmp_path / "a", size_bytes=None, hash=None)
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_what_fsspec_knows_is_read_and_its_errors_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec.filesystem("memory").pipe("/bucket/a.tar", CONTENT)
    row = RegistryRow("a.tar", "https://authors.example/a.tar", len(CONTENT), SHA256)
    assert fetch_all([row], tmp_path, "memory://bucket")[0].name == "a.tar"
    monkeypatch.setattr(MemoryFileSystem, "size", lambda *_: {}["no credentials"])
    with pytest.raises(CairnError, match=r"bucket/b: cannot be opened \(KeyError: 'no credentials'\)"):
        fetch_file("memory://bucket/b", tmp_path / "b", size_bytes=None, hash=None)


def test_an_unknown_scheme_is_named(tmp_path: Path) -> None:
    with pytest.raises(CairnError, match=r"gopher://x/y: .*gopher"):
        fetch_file("gopher://x/y", tmp_path / "a", size_bytes=None, hash=None)


def test_manual_files_say_what_to_do_and_are_accepted_by_hash(tmp_path: Path) -> None:
    url, target = (
        "manual: DyML_Animal.zip from the authors' OneDrive (https://example.org/dyml)",
        tmp_path / "dyml.zip",
    )
    with pytest.raises(CairnError) as failure:
        fetch_file(url, target, size_bytes=len(CONTENT), hash=SHA256)
    for part in (
        "by hand: DyML_Animal.zip from the authors' OneDrive",
        "Name it dyml.zip",
        str(tmp_path),
        SHA256,
    ):
        assert part in str(failure.value)
    target.write_bytes(CONTENT[:-1])
    with pytest.raises(CairnError, match="the file there has 59,999 bytes"):
        fetch_file(url, target, size_bytes=len(CONTENT), hash=SHA256)
    assert target.exists()
    target.write_bytes(CONTENT)
    assert fetch_file(url, target, size_bytes=len(CONTENT), hash=SHA256).size_bytes == len(CONTENT)


# Many files


def rows_of(server: Misbehaviour, count: int) -> list[RegistryRow]:
    return [RegistryRow(f"a/{n} ü.tar", f"{server.url}/{n}", len(CONTENT), SHA256) for n in range(count)]


def test_only_what_is_missing_or_damaged_is_fetched_again(server: Misbehaviour, tmp_path: Path) -> None:
    rows = rows_of(server, 6)
    first = fetch_all(rows, tmp_path, server.url, n_connections=3)
    assert [file.name for file in first] == [row.name for row in rows]
    assert len(server.requests) == 6
    assert {path for path, _ in server.requests} == {f"/a/{n}%20%C3%BC.tar" for n in range(6)}
    (tmp_path / rows[1].name).unlink()
    (tmp_path / rows[4].name).write_bytes(CONTENT[::-1])
    assert fetch_all(rows, tmp_path, server.url) == first
    assert len(server.requests) == 8
    assert (tmp_path / rows[4].name).read_bytes() == CONTENT


def test_verified_files_are_not_read_again(
    server: Misbehaviour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_all(rows_of(server, 2), tmp_path, server.url)
    monkeypatch.setattr(download_registry, "fetch_row", lambda *_: pytest.fail("read again"))
    assert len(fetch_all(rows_of(server, 2), tmp_path, server.url)) == 2


def test_a_file_that_was_there_before_is_accepted_by_its_hash(server: Misbehaviour, tmp_path: Path) -> None:
    row = rows_of(server, 1)[0]
    (tmp_path / "a").mkdir()
    (tmp_path / row.name).write_bytes(CONTENT)
    assert fetch_all([row], tmp_path, server.url)[0].hash == SHA256
    assert server.requests == []


def test_one_message_names_every_failure_and_the_rest_is_kept(
    server: Misbehaviour, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    good = rows_of(server, 3)
    bad = [RegistryRow(f"bad{n}", f"{server.url}/bad", None, "md5:" + "0" * 32) for n in range(2)]
    manual = RegistryRow("by_hand.zip", "manual: by_hand.zip from its authors", None, None)
    with pytest.raises(CairnError, match=r"^3 files could not be fetched") as failure:
        fetch_all([*bad, manual, *good], tmp_path)
    assert all(name in str(failure.value) for name in ("bad0", "bad1", "by_hand.zip"))
    assert capfd.readouterr().err.startswith("note: by_hand.zip: no program may download this file")
    assert all((tmp_path / row.name).read_bytes() == CONTENT for row in good)
    server.always = "not_found"
    gone = [RegistryRow(f"gone{n}", f"{server.url}/gone", None, None) for n in range(30)]
    with pytest.raises(CairnError, match=r"^30 files could not be fetched") as failure:
        fetch_all(gone, tmp_path)
    assert str(failure.value).splitlines()[-1] == "- and 10 more"
    assert len(str(failure.value).splitlines()) == 22


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


# Registries


def test_a_registry_is_read(tmp_path: Path) -> None:
    path = tmp_path / "r.tsv"
    path.write_text(
        "name\turl\tbytes\thash\tscale\n# a comment\n"
        f"a/b.tar\thttp://x/b\t12\t{MD5}\tfull\n"
        "c\tmanual: c\t\t\t\n"
    )
    assert read_registry(path) == [
        RegistryRow("a/b.tar", "http://x/b", 12, MD5),
        RegistryRow("c", "manual: c", None, None),
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("../a\tu\t\t", r"r\.tsv:3: name '../a' must be a plain relative path"),
        ("/a\tu\t\t", r"r\.tsv:3: name '/a'"),
        ("\tu\t\t", r"r\.tsv:3: name ''"),
        ("a\t\t\t", r"r\.tsv:3: 'a' has no url"),
        ("a\tu\tmany\t", r"r\.tsv:3: bytes 'many'"),
        ("a\tu\t1\tmd5:12", r"r\.tsv:3: 'md5:12' is not a hash"),
        ("a\tu\t1\tcrc:" + "0" * 32, r"r\.tsv:3: .* is not a hash"),
        ("a\tu\t1", r"r\.tsv:3: 3 cells where the header has 4"),
        ("first\tu\t1\t", r"r\.tsv:3: 'first' is listed twice"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "r.tsv"
    path.write_text(f"name\turl\tbytes\thash\nfirst\tu\t\t\n{line}\n")
    with pytest.raises(CairnError, match=complaint):
        read_registry(path)


def test_a_registry_without_a_column_or_a_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.tsv"
    path.write_text("name\turl\tbytes\n")
    with pytest.raises(CairnError, match=r"r\.tsv:1: no column 'hash'"):
        read_registry(path)
    path.write_text("")
    with pytest.raises(CairnError, match="empty"):
        read_registry(path)
    with pytest.raises(CairnError, match="no such registry"):
        read_registry(tmp_path / "other.tsv")


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
