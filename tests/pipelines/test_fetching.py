"""The store holds what the manifest says, by content: other commits, other projects, deleted and damaged files."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest
from test_odd_files import NAMES, indexed, project

from cairnhub.core.errors import CairnError, Unreachable
from cairnhub.core.hashing import sha256_of
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.sources import fetching
from cairnhub.pipelines.sources.download_errors import NoNetwork
from cairnhub.pipelines.sources.download_registry import fetch_all
from cairnhub.pipelines.sources.ledger import FetchedFile, Ledger
from cairnhub.pipelines.sources.registry import RegistryRow
from cairnhub.pipelines.stages import fetch, index


@pytest.fixture(autouse=True)
def _no_shared_store(monkeypatch):
    monkeypatch.delenv("CAIRN_STORE", raising=False)


def labels(context: Context) -> dict[str, str]:
    table = pd.read_parquet(context.paths.index / "images.parquet")
    return dict(zip(table["image_id"], table["fine"], strict=True))


def swap(path: Path) -> None:
    """Other content of the same size."""
    text = path.read_text()
    path.write_text(text.replace("f0", "?").replace("f1", "f0").replace("?", "f1"))


def test_an_old_manifest_gets_the_old_files_or_says_that_they_are_gone(tmp_path):
    context = project(tmp_path, ["photos"])
    indexed(context)
    old, manifest = labels(context), context.paths.manifest.read_bytes()
    mirror = tmp_path / "mirror/labels.csv"
    content = mirror.read_bytes()
    swap(mirror)
    indexed(context)
    assert labels(context) == {name: {"f0": "f1", "f1": "f0"}[label] for name, label in old.items()}
    context.paths.manifest.write_bytes(manifest)
    listed = {file["name"]: file["sha256"] for file in json.loads(manifest)["files"]}
    with pytest.raises(CairnError, match=r"manifest\.json lists a file that .*labels\.csv.*expected") as told:
        index.run(context)
    assert listed["labels.csv"] in str(told.value)
    assert sha256_of(mirror) in str(told.value)
    assert "`cairn stage fetch mine sample`" in str(told.value)
    assert context.paths.manifest.read_bytes() == manifest
    mirror.write_bytes(content)
    index.run(context)
    assert labels(context) == old
    assert context.paths.manifest.read_bytes() == manifest


def keep_times(path: Path, content: bytes) -> None:
    status = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace_file(path: Path, content: bytes) -> None:
    other = path.with_name("other")
    other.write_bytes(content)
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("write", [Path.write_bytes, keep_times, replace_file])
@pytest.mark.parametrize("name", ["labels.csv", "photos/1.jpg", "photos/2.jpg"])
def test_other_bytes_of_the_same_size_are_fetched_again(tmp_path, write, name):
    context = project(tmp_path, ["photos"])
    indexed(context)
    manifest = context.paths.manifest.read_bytes()
    path = context.paths.store / name
    whole = path.read_bytes()
    write(path, whole[:-1] + b"?")
    index.run(context)
    assert path.read_bytes() == whole
    assert context.paths.manifest.read_bytes() == manifest


def test_two_projects_share_a_store(tmp_path, monkeypatch):
    monkeypatch.setenv("CAIRN_STORE", str(tmp_path / "store"))
    contexts = [project(tmp_path / name, ["photos"]) for name in "ab"]
    swap(tmp_path / "b/mirror/labels.csv")
    for context in contexts:
        fetch.run(context)
    manifests = [context.paths.manifest.read_bytes() for context in contexts]
    for context in [*contexts, *contexts]:
        index.run(context)
    first, second = map(labels, contexts)
    assert first == {name: f"f{place % 2}" for place, name in enumerate(NAMES)}
    assert second == {name: f"f{1 - place % 2}" for place, name in enumerate(NAMES)}
    assert [context.paths.manifest.read_bytes() for context in contexts] == manifests


def test_nothing_is_read_twice(tmp_path, monkeypatch):
    context = project(tmp_path, ["photos"])
    fetch.run(context)
    monkeypatch.setattr(fetching, "sha256_of", lambda path: pytest.fail(f"{path} was read again"))
    monkeypatch.setattr(fetching, "fetch_all", lambda *_, **__: pytest.fail("fetched again"))
    index.run(context)


def test_a_store_that_was_copied_is_hashed_once_and_needs_no_mirror(tmp_path, monkeypatch):
    context = project(tmp_path, ["photos"])
    fetch.run(context)
    (context.paths.store / ".verified.tsv").unlink()
    (tmp_path / "mirror").rename(tmp_path / "away")
    hashed = []
    monkeypatch.setattr(fetching, "sha256_of", lambda path: hashed.append(path) or sha256_of(path))
    index.run(context)
    index.run(context)
    assert len(hashed) == 5


def test_a_network_that_is_away_is_not_called_another_file(tmp_path, monkeypatch):
    context = project(tmp_path, ["photos"])
    indexed(context)
    (context.paths.store / "labels.csv").unlink()

    def unreachable(*_: object, **__: object) -> list[FetchedFile]:
        raise NoNetwork("nothing answers")

    monkeypatch.setattr(fetching, "fetch_all", unreachable)
    with pytest.raises(Unreachable, match=r"^nothing answers$"):
        index.run(context)


def test_the_hash_in_a_manifest_is_the_registered_one(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    ledger = Ledger(tmp_path)
    ledger.add(FetchedFile("a", 1, sha256_of(tmp_path / "a"), None))
    for digest in (None, f"sha256:{sha256_of(tmp_path / 'a')}"):
        found = Ledger(tmp_path).find("a", 1, digest)
        assert found is not None
        assert found.hash == digest
    assert Ledger(tmp_path).find("a", 1, "sha256:" + "0" * 64) is None


# ---- what is gone stays gone ------------------------------------------------------------------------------


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize("gone", [NAMES[:1], NAMES[2:]])
def test_a_photo_that_left_the_mirror_leaves_the_index(tmp_path, gone, is_listed):
    context = project(tmp_path, ["photos"])
    assert len(indexed(context)) == 4
    path = tmp_path / "mirror/labels.csv"
    for name in gone:
        (tmp_path / "mirror" / name).unlink()
        if not is_listed:
            path.write_text("".join(line for line in path.open() if not line.startswith(f"{name},")))
    assert set(indexed(context)["image_id"]) == set(NAMES) - set(gone)
    assert all((context.paths.store / name).is_file() for name in gone)
    quarantine = pd.read_parquet(context.paths.index / "quarantine.parquet")
    assert sorted(quarantine["image_id"]) == (sorted(gone) if is_listed else [])


def test_what_somebody_left_in_the_store_is_no_image_of_the_dataset(tmp_path):
    context = project(tmp_path, ["photos"])
    fetch.run(context)
    (context.paths.store / "photos/stray.jpg").write_bytes(b"left by another project")
    index.run(context)
    assert pd.read_parquet(context.paths.index / "unnamed.parquet").empty


# ---- local copies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size_bytes", [0, 999, 1001, 5000])
@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_local_file_of_the_wrong_size_fails_at_once(tmp_path, size_bytes, prefix, monkeypatch):
    monkeypatch.setattr(
        "cairnhub.pipelines.sources.download._wait_or_give_up", lambda *_: pytest.fail("tried again")
    )
    (tmp_path / "x.tar").write_bytes(bytes(size_bytes))
    row = RegistryRow("x.tar", f"{prefix}{tmp_path}/x.tar", 1000, "sha256:" + "0" * 64)
    with pytest.raises(CairnError, match=rf"x\.tar has {size_bytes:,} bytes, not the 1,000 registered"):
        fetch_all([row], tmp_path / "store")
    assert [path.name for path in (tmp_path / "store").iterdir()] == []


def test_a_damaged_local_file_is_not_copied_into_the_store(tmp_path):
    (tmp_path / "x.tar").write_bytes(b"y" * 1000)
    row = RegistryRow("x.tar", str(tmp_path / "x.tar"), 1000, "sha256:" + "0" * 64)
    for _ in range(2):
        with pytest.raises(CairnError, match=r"x\.tar gives other bytes .*found 1,000 bytes, sha256:"):
            fetch_all([row], tmp_path / "store")
    assert [path.name for path in (tmp_path / "store").iterdir()] == []
