"""Damage at a push's target is found by checksum, sent again and said; no version is announced over it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from fsspec.core import url_to_fs
from hub_server import FakeHub
from hub_toy import content, toy_row, toy_tree, write_toy

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.check import check_dataset
from cairnhub.datasets_hub.destinations import FolderDestination, open_destination
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.push import push
from cairnhub.datasets_hub.records import RowList
from cairnhub.datasets_hub.versions import HISTORY, read_history
from tests.project import ROOT


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two states of one small dataset, whose split `train` is the same."""
    folders = []
    for number in range(2):
        folder = tmp_path_factory.mktemp(f"state{number}") / "toy"
        train = RowList([toy_row("train", i) for i in range(8)])
        test = RowList([toy_row("test", i + number) for i in range(4)])
        write_toy(folder, tree=toy_tree(200), partitions=[train, test])
        folders.append(folder)
    return folders


class Target:
    """A place to push to, whose files can be read and altered behind its back."""

    def __init__(self, to: str, options: dict[str, object] | None) -> None:
        self.to, self.options = to, options
        self._filesystem, self._root = url_to_fs(to, **(options or {}))

    def paths(self, *, of: str = "") -> list[str]:
        return sorted(path for path in open_destination(self.to, self.options).sizes_bytes() if of in path)

    def alter(self, path: str, change: Callable[[bytes], bytes]) -> None:
        self._filesystem.pipe_file(
            f"{self._root}/{path}", change(self._filesystem.cat_file(f"{self._root}/{path}"))
        )

    def push(self, source: Path, **options: object) -> object:
        return push(source, self.to, storage_options=self.options, **options)

    def is_whole(self) -> bool:
        return check_dataset(self.to, storage_options=self.options).ok


def flipped(raw: bytes) -> bytes:
    """The same size, one bit another."""
    return raw[: len(raw) // 2] + bytes([raw[len(raw) // 2] ^ 1]) + raw[len(raw) // 2 + 1 :]


@pytest.fixture(params=["folder", "s3"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    if request.param == "folder":
        return Target(str(tmp_path / "public"), None)
    return Target(f"s3://hub/damaged/{tmp_path.name}", request.getfixturevalue("s3"))


def test_damage_is_found_sent_again_and_said(two: list[Path], target: Target) -> None:
    target.push(two[0])
    shard, picture = target.paths(of="data/train")[0], target.paths(of="assets/")[0]
    target.alter(shard, flipped)
    target.alter(picture, lambda raw: raw[:-1])
    told = target.push(two[0], dry_run=True)
    assert (set(told.mended), told.switched) == ({shard, picture}, False)
    assert "had other bytes than they should have: " in str(told)
    assert not target.is_whole()
    again = target.push(two[0])
    assert (again.version, set(again.sent), again.mended) == ("v1", {shard, picture}, told.mended)
    assert f"2 files there had other bytes than they should have and were sent again: {picture}" in str(again)
    assert target.is_whole()
    assert target.push(two[0]).mended == ()


def test_the_next_version_is_not_announced_over_damage(two: list[Path], target: Target) -> None:
    target.push(two[0])
    shared = target.paths(of="data/train")[0]
    target.alter(shared, flipped)
    second = target.push(two[1])
    assert (second.version, second.mended) == ("v2", (shared,))
    assert target.is_whole()


def test_a_lost_and_a_garbled_small_file_come_back(two: list[Path], target: Target) -> None:
    target.push(two[0])
    expected = {
        path: open_destination(target.to, target.options).read_text(path) for path in target.paths(of="json")
    }
    for path in ("tree.json", "versions/v1/tree.json", "stats.json"):
        target.alter(path, flipped)
    again = target.push(two[0])
    assert again.mended == ("stats.json", "tree.json", "versions/v1/tree.json")
    assert not again.sent
    found = {path: open_destination(target.to, target.options).read_text(path) for path in expected}
    assert found == expected


@pytest.mark.parametrize("garbled", ["README.md", "versions/v1/tree.json"])
def test_a_version_that_nobody_can_read_is_no_end(
    two: list[Path], tmp_path: Path, garbled: str, caplog: pytest.LogCaptureFixture
) -> None:
    target = Target(str(tmp_path / "public"), None)
    target.push(two[0])
    target.alter(garbled, lambda raw: b"\xff" + raw[1:])
    second = target.push(two[1])
    assert (second.version, target.is_whole()) == ("v2", True)
    assert "damaged" in caplog.text
    assert target.push(two[0]).version == "v3"


@pytest.mark.parametrize(
    "change", [flipped, lambda raw: raw[:100], lambda raw: raw[:-9] + b"x" * 9, lambda raw: b""]
)
def test_what_changed_since_a_damaged_version_is_not_known(
    two: list[Path], tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    target = Target(str(tmp_path / "public"), None)
    target.push(two[0])
    target.alter(target.paths(of="data/test")[0], change)
    second = target.push(two[1])
    assert second.version == "v2"
    assert target.is_whole()
    assert second.changes


def test_a_history_that_forgot_versions_is_not_written_over(two: list[Path], tmp_path: Path) -> None:
    target = Target(str(tmp_path / "public"), None)
    target.push(two[0])
    target.push(two[1])
    (tmp_path / "public" / HISTORY).unlink()
    before = content(tmp_path / "public")
    with pytest.raises(
        CairnError, match=r"versions\.json does not know v1, v2.*from a copy.*nothing was sent"
    ):
        target.push(two[0])
    assert content(tmp_path / "public") == before
    (tmp_path / "public" / HISTORY).write_bytes(b"\xff\xfe")
    with pytest.raises(CairnError, match=r"versions\.json.*UTF-8"):
        target.push(two[0])


def test_a_push_that_is_cut_leaves_damage_that_the_next_mends(
    two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target(str(tmp_path / "public"), None)
    target.push(two[0])
    shared = target.paths(of="data/train")[0]
    target.alter(shared, flipped)

    def cut(self: FolderDestination, folder: Path, paths: Sequence[str]) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(FolderDestination, "upload", cut)
        with pytest.raises(KeyboardInterrupt):
            target.push(two[1])
    assert describe(target.to).version == "v1"
    assert [version.name for version in read_history(open_destination(target.to))] == ["v1"]
    assert target.push(two[1]).mended == (shared,)


@pytest.mark.parametrize("n_bytes", [100, 11 * 2**20])
@pytest.mark.parametrize("told", ["etag", "checksum", "nothing"])
def test_what_s3_says_of_a_file_is_held_against_it(
    tmp_path: Path, s3: dict[str, object], monkeypatch: pytest.MonkeyPatch, n_bytes: int, told: str
) -> None:
    """By the listing's ETag, by the checksum it was sent with, or read back: whole files and those sent in parts."""
    for module in ("s3_uploads", "same_bytes"):
        monkeypatch.setattr(f"cairnhub.datasets_hub.{module}.PART_BYTES", 5 * 2**20)
    target = open_destination(f"s3://hub/compared/{told}-{n_bytes}", s3)
    (tmp_path / "same").write_bytes(b"a" * n_bytes)
    target.upload(tmp_path, ["same"])
    (tmp_path / "other").write_bytes(b"b" + b"a" * (n_bytes - 1))
    filesystem, root = url_to_fs(target.uri, **s3)
    filesystem.copy(f"{root}/same", f"{root}/other") if n_bytes < 5e6 else target.upload(tmp_path, ["other"])
    read_back: list[str] = []
    read = FolderDestination._sha256
    monkeypatch.setattr(
        FolderDestination, "_sha256", lambda self, path: read_back.append(path) or read(self, path)
    )
    listed = FolderDestination._entries
    if told != "etag":
        hidden = {"ETag": "0" * 32}
        monkeypatch.setattr(
            FolderDestination, "_entries", lambda self: {k: {**v, **hidden} for k, v in listed(self).items()}
        )
    if told == "nothing":
        monkeypatch.setattr("cairnhub.datasets_hub.destinations.checked_as_same", lambda *_: None)
    assert target.altered({"same": tmp_path / "same"}) == []
    assert bool(read_back) == (told == "nothing")
    if n_bytes < 5e6:
        assert target.altered({"other": tmp_path / "other", "gone": b""}) == ["other", "gone"]
    else:
        assert target.altered({"same": tmp_path / "other"}) == ["same"]


def environment(server: FakeHub, two: list[Path], tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "HF_ENDPOINT": server.url,
        "HF_TOKEN": "hf_test",
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": str(ROOT),
        "USE_TORCH": "0",
        "FIRST": str(two[0]),
        "SECOND": str(two[1]),
    }


@pytest.fixture
def server() -> Iterator[FakeHub]:
    hub = FakeHub()
    yield hub
    hub.shutdown()


def test_damage_in_a_repository_of_the_hugging_face_hub(
    server: FakeHub, two: list[Path], tmp_path: Path
) -> None:
    code = """
import os
from huggingface_hub import HfApi
from cairnhub import check, push

def damage(path, raw):
    HfApi().upload_file(path_or_fileobj=raw, path_in_repo=path, repo_id="org/toy", repo_type="dataset")

print(push(os.environ["FIRST"], "hf://org/toy"))
shard = next(path for path in HfApi().list_repo_files("org/toy", repo_type="dataset") if "data/train" in path)
damage(shard, b"PAR1")
damage("tree.json", b"{}")
print(push(os.environ["FIRST"], "hf://org/toy"), check("hf://org/toy").ok)
damage(shard, b"PAR1")
print(push(os.environ["SECOND"], "hf://org/toy"), check("hf://org/toy").ok)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(server, two, tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    repository = server.repositories["org/toy"]
    shard = next(path for path in repository.at("main")[1] if path.startswith("data/train"))
    said = "files there had other bytes than they should have and were sent again"
    assert f"2 {said}: {shard}, tree.json True\n" in done.stdout
    assert f"1 {said}: {shard}\n" in done.stdout
    assert "hf://org/toy v2: " in done.stdout
    assert done.stdout.rstrip().endswith("True")
    assert b"PAR1" not in repository.at("main")[1].values()


@pytest.mark.long
@pytest.mark.slow
def test_a_hub_that_does_not_say_what_it_has_done(server: FakeHub, two: list[Path], tmp_path: Path) -> None:
    """Its answers to commit and tag are lost, or it fails before them: pushed again, all of it is there."""
    code = """
import os
from cairnhub import push
from cairnhub.core.errors import CairnError
for _ in range(9):
    try:
        print(push(os.environ["FIRST"], "hf://org/toy").version)
        break
    except CairnError as error:
        print(f"{type(error).__name__}: {error}")
"""
    happens = ["refused", "cut before", "busy", "cut after", "failed after"]
    server.mishaps = lambda: happens.pop(0) if happens else ""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(server, two, tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *failed, last = done.stdout.splitlines()
    assert last == "v1"
    assert failed
    assert all(line.startswith("Unreachable: hf://org/toy: ") for line in failed), failed
    repository = server.repositories["org/toy"]
    assert repository.references["v1"] == repository.references["main"]
    assert not happens
