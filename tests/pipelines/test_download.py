"""Downloads against a server that misbehaves in every way."""

import gzip
import hashlib
import re
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from tqdm import tqdm

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.settings.fetch import Fetch
from cairnhub.pipelines.sources import download, download_registry
from cairnhub.pipelines.sources.download import fetch_file
from cairnhub.pipelines.sources.download_registry import fetch_all
from cairnhub.pipelines.sources.registry import RegistryRow
from tests.pipelines.downloads import CONTENT, KNOWN, MD5, SHA256, get, only
from tests.pipelines.misbehaving_server import Misbehaviour

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


@pytest.mark.usefixtures("short_waits")
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
