"""The manifest: small in git, one hash per file, and every byte of the loose images told by the digests of folders."""

import difflib
import json
from pathlib import Path

import pytest
from test_fetching import swap
from test_odd_files import NAMES, indexed, project

from cairnhub.core.errors import CairnError
from cairnhub.core.hashing import sha256_of
from cairnhub.pipelines.sources.ledger import FetchedFile
from cairnhub.pipelines.sources.manifest import mark_damaged, read_manifest, write_manifest
from cairnhub.pipelines.stages import fetch, index

FILES = [
    FetchedFile("labels.csv", 3, "a" * 64, "sha256:" + "a" * 64),
    FetchedFile("photos.tar", 4, "b" * 64, "md5:" + "c" * 32),
    *(
        FetchedFile(f"photos/{tree}/{i}.jpg", i, f"{i:064d}", None)
        for tree in ("ash", "oak")
        for i in range(50)
    ),
    FetchedFile("top.jpg", 5, "d" * 64, None),
]


@pytest.fixture(autouse=True)
def _no_shared_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAIRN_STORE", raising=False)


def written(folder: Path, files: list[FetchedFile]) -> tuple[Path, Path]:
    paths = folder / "manifest.json", folder / "images.tsv"
    write_manifest(*paths, "trees", "full", files)
    return paths


def test_every_file_is_read_again_with_one_hash(tmp_path: Path) -> None:
    manifest, table = written(tmp_path, FILES[::-1])
    found = read_manifest(manifest, table)
    assert {(file.name, file.size_bytes, file.sha256) for file in found.values()} == {
        (file.name, file.size_bytes, file.sha256) for file in FILES
    }
    assert (found["labels.csv"].hash, found["photos.tar"].hash) == (None, FILES[1].hash)
    text = manifest.read_text() + table.read_text()
    assert text.count("a" * 64) == 1
    assert [path.read_bytes() for path in written(tmp_path / "again", FILES)] == [
        manifest.read_bytes(),
        table.read_bytes(),
    ]


def test_an_image_that_changes_changes_one_line_of_each(tmp_path: Path) -> None:
    before = written(tmp_path / "before", FILES)
    changed = FetchedFile("photos/oak/7.jpg", 7, "f" * 64, None)
    after = written(tmp_path / "after", [changed if file.name == changed.name else file for file in FILES])
    for old, new in zip(before, after, strict=True):
        lines = list(difflib.ndiff(old.read_text().split("\n"), new.read_text().split("\n")))
        assert [line[0] for line in lines if line[0] in "-+"] == ["-", "+"]
    assert len(before[0].read_text().splitlines()) < 20
    folders = {each["name"]: each["n_files"] for each in json.loads(before[0].read_text())["folders"]}
    assert folders == {".": 1, "photos/ash": 50, "photos/oak": 50}
    with pytest.raises(CairnError, match=r"images\.tsv: not of .*manifest\.json, as its photos/oak tells"):
        read_manifest(before[0], after[1])


def test_a_damaged_image_is_marked_where_the_manifest_tells_of_it(tmp_path: Path) -> None:
    manifest, table = written(tmp_path, FILES)
    known = read_manifest(manifest, table)
    mark_damaged(manifest, "photos/ash/3.jpg")
    assert [
        each["name"] for each in json.loads(manifest.read_text())["folders"] if "quarantined" in each
    ] == ["photos/ash"]
    assert read_manifest(manifest, table) == known


def test_a_lost_table_is_made_again_from_the_source(tmp_path: Path) -> None:
    context = project(tmp_path, ["photos"])
    indexed(context)
    whole, manifest = context.paths.loose_images.read_bytes(), context.paths.manifest.read_bytes()
    context.paths.loose_images.unlink()
    index.run(context)
    assert context.paths.loose_images.read_bytes() == whole
    context.paths.loose_images.unlink()
    (tmp_path / "mirror" / NAMES[0]).write_bytes(b"another photograph")
    with pytest.raises(
        CairnError, match=r"other images by now, as in photos: .*images\.tsv is missing: bring it"
    ):
        index.run(context)
    assert context.paths.manifest.read_bytes() == manifest
    (tmp_path / "mirror").rename(tmp_path / "unplugged")
    with pytest.raises(CairnError, match=r"images\.tsv is missing: .*cannot be made again: .*mirror"):
        index.run(context)


def test_a_manifest_of_the_first_days_serves_until_the_next_fetch(tmp_path: Path) -> None:
    context = project(tmp_path, ["photos"])
    fetch.run(context)
    new, table = context.paths.manifest.read_bytes(), context.paths.loose_images
    files = [
        {"name": file.name, "size_bytes": file.size_bytes, "sha256": file.sha256, "hash": file.content_hash}
        for file in read_manifest(context.paths.manifest, table).values()
    ]
    old = {"dataset": "mine", "files": files, "scale": "sample"}
    context.paths.manifest.write_text(json.dumps(old, indent=1))
    table.unlink()
    index.run(context)
    swap(context.paths.store / "labels.csv")
    index.run(context)
    assert sha256_of(context.paths.store / "labels.csv") == sha256_of(tmp_path / "mirror/labels.csv")
    assert not table.exists()
    fetch.run(context)
    assert context.paths.manifest.read_bytes() == new
