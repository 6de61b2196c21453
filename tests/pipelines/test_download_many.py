"""Downloads from other addresses than http, of many files, and the registries that list them."""

from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.sources import download_registry
from cairnhub.pipelines.sources.download import fetch_file
from cairnhub.pipelines.sources.download_registry import fetch_all
from cairnhub.pipelines.sources.registry import RegistryRow, read_registry
from tests.pipelines.downloads import CONTENT, MD5, SHA256
from tests.pipelines.misbehaving_server import Misbehaviour

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
