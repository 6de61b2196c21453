"""Strays and archives as people make them: what no row names is counted, what cannot be had is said, nothing stops."""

import bz2
import gzip
import io
import json
import logging
import lzma
import os
import tarfile
import warnings
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tiny import inat_names, member, photograph, tiny_context, write_tree

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.archives.entry import refusal_of_name
from cairnhub.pipelines.archives.folder import Folder
from cairnhub.pipelines.archives.kinds import archive_at
from cairnhub.pipelines.archives.member_reader import MemberReader
from cairnhub.pipelines.archives.tar import Tar
from cairnhub.pipelines.artifacts.index import IndexFolder
from cairnhub.pipelines.context import Context, make_context
from cairnhub.pipelines.index_parts import Index, cut_parts
from cairnhub.pipelines.stages import fetch, index, publish
from cairnhub.pipelines.unpack import unpack_streamed
from tests.project import ROOT

NAMES = [f"photos/{n}.jpg" for n in range(4)]


def project(root: Path, images: list[str], names: list[str] = NAMES, **declared) -> Context:
    """A project whose one dataset, `mine`, comes from `root/mirror` with a row for each of `names`."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    source = {
        "format": "table",
        "labels": "labels.csv",
        "images": images,
        "levels": ["fine"],
        "split": "split",
    }
    raw |= {"datasets": ["mine"], "tree_from_data": ["mine"], "tree_from_text": [], "train_on": []}
    raw["sources"] = {"mine": source | declared}
    raw["fetch"]["sample"]["mirrors"] = {"mine": "mirror"}
    raw["executor"]["sample"] = {"kind": "local", "n_workers": 1}
    root.mkdir(exist_ok=True)
    (root / "params.yaml").write_text(yaml.safe_dump(raw))
    mirror = root / "mirror"
    mirror.mkdir(exist_ok=True)
    rows = "".join(
        f"{name},f{place % 2},{'test' if place % 2 else 'train'}\n" for place, name in enumerate(names)
    )
    (mirror / "labels.csv").write_text(f"path,fine,split\n{rows}", encoding="utf-8")
    for name in names if "photos" in images else ():
        put(root, name)
    return make_context("mine", "sample", root)


def put(root: Path, name: str) -> None:
    path = root / "mirror" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(name.encode("utf-8", "surrogateescape"))


def indexed(context: Context) -> pd.DataFrame:
    """The images of the index that is made of the fetched files."""
    fetch.run(context)
    index.run(context)
    return pd.read_parquet(context.paths.index / "images.parquet")


def counts(context: Context) -> dict:
    return json.loads((context.paths.index / "counts.json").read_text())


def quarantined(context: Context) -> dict[str, str]:
    table = pd.read_parquet(context.paths.index / "quarantine.parquet")
    return dict(zip(table["image_id"], table["reason"], strict=True))


# ---- stray files ------------------------------------------------------------------------------------------

STRAYS = {
    os.fsdecode(b"photos/caf\xe9.jpg"): "not UTF-8",
    os.fsdecode(b"photos/\xff\xfe/x.jpg"): "not UTF-8",
    "photos/Icon\r": "control characters",
    "photos/a\nb.jpg": "control characters",
    "photos/tab\there.jpg": "control characters",
    "photos/a\\b.jpg": "a backslash",
}


@pytest.mark.parametrize("name", STRAYS, ids=ascii)
def test_a_stray_name_stops_nothing_and_is_said(tmp_path, name, caplog):
    context = project(tmp_path, ["photos"])
    put(tmp_path, name)
    with caplog.at_level(logging.INFO, "cairnhub"):
        assert sorted(indexed(context)["image_id"]) == NAMES
    assert STRAYS[name] in caplog.text


@pytest.mark.parametrize(
    "name", ["photos/a\\b.jpg", "photos/../../b.jpg", "/etc/passwd", "photos/tab\there.jpg"]
)
def test_a_listed_name_that_nobody_can_hold_is_quarantined_for_it(tmp_path, name):
    context = project(tmp_path, ["photos"])
    with (tmp_path / "mirror/labels.csv").open("a") as file:
        file.write(f"{name},f0,train\n")
    assert len(indexed(context)) == 4
    assert quarantined(context) == {name: refusal_of_name(name)}


@pytest.mark.parametrize("n_bytes", [236, 241, 250, 255])
def test_a_name_as_long_as_a_disk_takes_is_an_image(tmp_path, n_bytes):
    name = f"photos/{'é' * ((n_bytes - 4) // 2)}{'x' * (n_bytes % 2)}.jpg"
    assert len(name.removeprefix("photos/").encode()) == n_bytes
    assert name in indexed(project(tmp_path, ["photos"], [*NAMES, name]))["image_id"].tolist()


def test_linked_folders_are_followed_and_end(tmp_path, caplog):
    context = project(
        tmp_path, ["photos"], [*NAMES, "photos/linked/a.jpg", "photos/linked/deep/b.jpg", "photos/c.jpg"]
    )
    photos, elsewhere = tmp_path / "mirror/photos", tmp_path / "elsewhere"
    (photos / "linked").rename(elsewhere)
    (photos / "linked").symlink_to(elsewhere)
    (photos / "c.jpg").rename(elsewhere / "c.jpg")
    (photos / "c.jpg").symlink_to(elsewhere / "c.jpg")
    (elsewhere / "round").symlink_to(photos)
    (photos / "gone.jpg").symlink_to("nowhere.jpg")
    (photos / "itself.jpg").symlink_to("itself.jpg")
    assert len(indexed(context)) == 7
    assert (
        "2 files of photos refused: a link that leads nowhere: 'photos/gone.jpg', 'photos/itself.jpg'"
        in caplog.text
    )


@pytest.mark.parametrize("where", ["photos", "images.tar", "images.zip", "images.tgz"])
def test_what_no_row_names_is_counted_and_named(tmp_path, where, caplog):
    context = project(tmp_path, [where])
    strays = [f"photos/stray {n:02d}.jpg" for n in range(12)]
    for name in [*NAMES, *strays]:
        put(tmp_path, name)
    pack(tmp_path / "mirror", where, [*NAMES, *strays])
    with caplog.at_level(logging.INFO, "cairnhub"):
        assert len(indexed(context)) == 4
    assert counts(context)["n_unnamed"] == 12
    assert counts(context)["unnamed"] == strays[:10]
    assert pd.read_parquet(context.paths.index / "unnamed.parquet")["path"].tolist() == strays
    assert "12 files that no list names (unnamed.parquet): 'photos/stray 00.jpg', " in caplog.text
    assert "and 2 more" in caplog.text


def test_files_of_rows_that_are_quarantined_are_named_by_them(tmp_path):
    context = project(tmp_path, ["."], [*NAMES, "photos/4.jpg"])
    for name in NAMES:
        put(tmp_path, name)
    put(tmp_path, "photos/4.jpg")
    path = tmp_path / "mirror/labels.csv"
    path.write_text(path.read_text().replace("4.jpg,f0", "4.jpg,"))
    assert len(indexed(context)) == 4
    assert counts(context)["n_unnamed"] == 0


@pytest.mark.parametrize("n_strays", [0, 1, 12])
def test_strays_in_an_archive_that_is_streamed_are_said_when_it_is_published(tmp_path, n_strays, caplog):
    strays = [f"train_val2018/stray {n:02d}.jpg" for n in range(n_strays)]
    members = [member(name, photograph(place)) for place, name in enumerate(inat_names())]
    context = tiny_context(tmp_path, "inat2018", members=[*members, *(member(name, b"x") for name in strays)])
    with caplog.at_level(logging.INFO, "cairnhub"):
        index.run(context)
        write_tree(context)
        publish.run(context)
    said = [record.getMessage() for record in caplog.records if "no list names" in record.getMessage()]
    first = ", ".join(map(repr, strays[:10])) + (" and 2 more" if n_strays > 10 else "")
    assert said == [f"train_val2018.tar.gz: {n_strays} members that no list names: {first}"] * bool(n_strays)


# ---- archives ---------------------------------------------------------------------------------------------


def tarred(members: dict[str, bytes], mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def pack(mirror: Path, where: str, names: list[str]) -> None:
    """Put files of the mirror into its archive `where` as well, if it is one."""
    members = {name: (mirror / name).read_bytes() for name in names}
    if where.endswith(".zip"):
        with zipfile.ZipFile(mirror / where, "w") as file:
            for name, data in members.items():
                file.writestr(name, data)
    elif where != "photos":
        (mirror / where).write_bytes(tarred(members, "w:gz" if where.endswith("gz") else "w"))


def read_all(store: Path, name: str) -> dict[str, bytes]:
    """Every good member of an archive by name, read as the stage `publish` reads it."""
    entries = [entry for entry in archive_at(store, name).entries() if entry.refusal is None]
    rows = pd.DataFrame(
        [entry[:4] for entry in entries], columns=["archive", "member", "offset", "size_bytes"]
    )
    rows = rows.assign(
        image_id=rows["member"], split="train", fine="f", offset=rows["offset"].astype("Int64")
    )
    IndexFolder(store).save_images(rows)
    listed = Index(store / "images.parquet", store, "fine", "")
    index, _ = unpack_streamed(listed, store / "unpacked", map)
    parts = cut_parts(index, 10**9)
    found = [row for part in parts for row in part.read()]
    assert len({row.image_id for row in found}) == len(found)
    return {row.image_id: row.image for row in found}


A, B, C = {"a.jpg": b"a", "b.jpg": b"b"}, {"c.jpg": b"c"}, {"b.jpg": b"newer", "d.jpg": b"d"}
JOINED = {
    "two": tarred(A) + tarred(B),
    "three": tarred(A) + tarred(B) + tarred(C),
    "with much padding": tarred(A) + bytes(512 * 300) + tarred(B),
    "an empty one first": tarred({}) + tarred(A),
    "without its end": tarred(A)[:2048] + tarred(B),
}


@pytest.mark.parametrize("case", JOINED)
@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.TAR", "x.tgz"])
def test_joined_tars_are_read_whole(tmp_path, case, name):
    is_gzipped = name.endswith("gz")
    (tmp_path / name).write_bytes(gzip.compress(JOINED[case]) if is_gzipped else JOINED[case])
    expected = {"two": A | B, "three": A | B | C, "an empty one first": A}.get(case, A | B)
    assert read_all(tmp_path, name) == expected


def test_joined_gzipped_tars_are_read_whole(tmp_path):
    (tmp_path / "x.tar.gz").write_bytes(tarred(A, "w:gz") + tarred(C, "w:gz"))
    assert read_all(tmp_path, "x.tar.gz") == A | C


def appended(kind: str) -> bytes:
    """`a.jpg` three times, `b.jpg` once; the last `a.jpg` is the newest, the middle one shorter."""
    out = io.BytesIO()
    versions = [("a.jpg", b"oldest"), ("b.jpg", b"b"), ("a.jpg", b"old"), ("a.jpg", b"newest")]
    if kind == "zip":
        with zipfile.ZipFile(out, "w") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, data in versions:
                file.writestr(name, data)
        return out.getvalue()
    raw = b"".join(tarred({name: data})[:1024] for name, data in versions) + bytes(1024)
    return raw if kind == "tar" else gzip.compress(raw)


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_the_newest_of_members_with_one_name_wins(tmp_path, kind):
    (tmp_path / f"x.{kind}").write_bytes(appended(kind))
    entries = archive_at(tmp_path, f"x.{kind}").entries()
    assert [entry.refusal for entry in entries] == [
        "replaced by a later member of its name", None, "replaced by a later member of its name", None,
    ]  # fmt: skip
    assert read_all(tmp_path, f"x.{kind}") == {"a.jpg": b"newest", "b.jpg": b"b"}


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_members_of_a_tar_of_here_have_the_names_that_people_write(tmp_path, mode):
    name = "x.tar" if mode == "w" else "x.tar.gz"
    (tmp_path / name).write_bytes(tarred({f"./{member}": data for member, data in A.items()}, mode))
    assert read_all(tmp_path, name) == A


@pytest.mark.parametrize("prefix", ["", "./"])
def test_rows_may_say_here_too(tmp_path, prefix):
    context = project(tmp_path, ["images.tar"], [f"{prefix}{name}" for name in NAMES])
    (tmp_path / "mirror/images.tar").write_bytes(tarred({f"./{name}": b"x" for name in NAMES}))
    assert sorted(indexed(context)["image_id"]) == NAMES


OTHERS = {
    "gzip.tar": (
        gzip.compress(tarred(A)),
        r"is a gzipped file, not a tar: .*end in \.tar\.gz, there and in params",
    ),
    "bz2.tar": (
        bz2.compress(tarred(A)),
        r"is a file packed by bzip2, not a tar: .*put a \.tar, \.tar\.gz or \.zip",
    ),
    "xz.tar.gz": (lzma.compress(tarred(A)), r"is a file packed by xz, not a gzipped tar"),
    "zip.tar": (appended("zip"), r"is a zip, not a tar: .*end in \.zip"),
    "plain.tgz": (tarred(A), r"is a tar, not a gzipped tar: .*end in \.tar, "),
    "plain.zip": (tarred(A), r"is a tar, not a zip"),
    "page.zip": (b"<!doctype html><title>Sign in</title>", r"is a web page, or other markup, not a zip"),
    "rar.rar": (b"Rar!\x1a\x07\x01\x00" + bytes(99), r"is a RAR archive, not a folder"),
    "text.txt": (b"hello", r"text\.txt: neither a folder nor a \.tar"),
    "cut.tar": (tarred(A)[:600], r"damaged tar .*put a whole copy where it came from"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_an_archive_of_another_kind_is_named_for_what_it_is(tmp_path, name):
    context = project(tmp_path, [name])
    content, message = OTHERS[name]
    (tmp_path / "mirror" / name).write_bytes(content)
    with pytest.raises(CairnError, match=message) as told:
        indexed(context)
    assert "delete" not in str(told.value)
    assert (tmp_path / "mirror" / name).read_bytes() == content


@pytest.mark.parametrize("where", ["images.zip", "images.tar.gz", "images.tgz", "images.tar"])
def test_every_kind_of_archive_is_a_source_of_a_table(tmp_path, where):
    context = project(tmp_path, [where])
    for name in NAMES:
        put(tmp_path, name)
    pack(tmp_path / "mirror", where, NAMES)
    assert sorted(indexed(context)["image_id"]) == NAMES


def test_a_folder_lists_and_reads_what_lies_below_it(tmp_path):
    for name in ("p/a.jpg", "p/b/c.jpg", "q/d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    assert [entry.member for entry in Folder(tmp_path, "p").entries()] == ["p/a.jpg", "p/b/c.jpg"]
    fetched = frozenset({"q/d.jpg", "p/a.jpg"})
    listed = Folder(tmp_path, fetched=fetched).entries()
    assert [entry.member for entry in listed] == ["p/a.jpg", "q/d.jpg"]
    with MemberReader(tmp_path) as reader:
        assert reader.read(listed[1]) == b"q/d.jpg"


def test_a_tar_with_a_name_in_another_encoding_is_read(tmp_path):
    info = tarfile.TarInfo("caf\udce9.jpg").tobuf(tarfile.USTAR_FORMAT, "utf-8", "surrogateescape")
    (tmp_path / "x.tar").write_bytes(info + tarred(A))
    assert [entry.member for entry in Tar(tmp_path, "x.tar").entries()] == ["caf\ufffd.jpg", "a.jpg", "b.jpg"]
