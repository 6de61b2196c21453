"""What sources make of their files, good and bad."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.archives.entry import Entry, refusal_of_name
from cairnhub.pipelines.archives.folder import Folder
from cairnhub.pipelines.archives.kinds import archive_at
from cairnhub.pipelines.archives.member_reader import MemberReader
from cairnhub.pipelines.archives.tar import Tar
from cairnhub.pipelines.archives.targz import TarGz
from cairnhub.pipelines.archives.zip import Zip
from cairnhub.pipelines.artifacts.index import IndexFolder
from cairnhub.pipelines.index_parts import Index, cut_parts
from cairnhub.pipelines.samples.shapes.packing import write_bytes, write_zip
from cairnhub.pipelines.settings.sources import GLDv2Source, GLDv2Subset, TableSource
from cairnhub.pipelines.sources import csv_tables
from cairnhub.pipelines.sources.formats.gldv2.landmark_table import landmark_table, readable_name
from cairnhub.pipelines.sources.formats.gldv2.reader import GLDv2
from cairnhub.pipelines.sources.formats.table import Table
from cairnhub.pipelines.unpack import unpack_streamed


def jpeg(shade: int) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, shade, shade)).save(content, "JPEG")
    return content.getvalue()


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> None:
    with tarfile.open(path, mode) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def table_source(**changes) -> TableSource:
    declared = {
        "format": "table",
        "labels": "labels.csv",
        "images": ["images.tar"],
        "levels": ["fine", "coarse"],
    }
    return TableSource.model_validate({**declared, **changes})


def write_table(folder: Path, rows: list[str], header: str = "path,fine,coarse") -> None:
    (folder / "labels.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    write_tar(folder / "images.tar", {f"a/{n}.jpg": jpeg(n) for n in range(10)})


# ---- archives ---------------------------------------------------------------------------------------------


def test_a_csv_of_several_pieces_is_one_table(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_tables, "ROWS_AT_ONCE", 2)
    (tmp_path / "x.csv").write_text("id,name\n" + "".join(f"{i},{'' if i == 3 else 'n'}\n" for i in range(5)))
    found = csv_tables.read_csv(tmp_path / "x.csv", ["id", "name"])
    assert found.to_dict("list") == {"id": list("01234"), "name": ["n", "n", "n", "", "n"]}
    (tmp_path / "x.csv").write_text("id,name\n1,a\n2,b\n3,c,d\n")
    with pytest.raises(CairnError, match=r"x\.csv:4: cells: 3, where the header has 2"):
        csv_tables.read_csv(tmp_path / "x.csv", ["id", "name"])


def test_tar_members_are_read_in_place(tmp_path):
    members = {f"d/{n}.jpg": jpeg(n) for n in range(5)}
    write_tar(tmp_path / "x.tar", members)
    found = Tar(tmp_path, "x.tar").entries()
    assert [entry.member for entry in found] == list(members)
    with MemberReader(tmp_path) as reader:
        read = [reader.read(entry) for entry in reversed(found)]
        assert read == list(members.values())[::-1]
        with pytest.raises(CairnError, match=r"x\.tar: d/4\.jpg has 0 bytes"):
            reader.read(Entry("x.tar", "d/4.jpg", 1_000_000, 5))


KINDS = {
    "train/images_000.tar": Tar,
    "a.tar.gz": TarGz,
    "CUB.tgz": TarGz,
    "sop.zip": Zip,
    "photos": Folder,
    "photos.tar.d": Folder,
    None: Folder,
}


@pytest.mark.parametrize("name", KINDS)
def test_the_kind_of_an_archive_follows_from_its_name(tmp_path, name):
    archive = archive_at(tmp_path, name)
    assert type(archive) is KINDS[name]
    assert archive.is_streamed == (KINDS[name] is TarGz)
    inside = tmp_path / "x.jpg" if KINDS[name] is Folder else tmp_path / str(name)
    assert archive.path_of("x.jpg") == inside


def test_every_kind_lists_the_same_members_and_reads_the_same_bytes(tmp_path):
    members = {f"photos/{n}.jpg": jpeg(n) for n in range(3)}
    write_tar(tmp_path / "x.tar", members)
    write_tar(tmp_path / "x.tgz", members, "w:gz")
    write_zip(tmp_path / "x.zip", members.items())
    for name, content in members.items():
        write_bytes(tmp_path / name, content)
    with MemberReader(tmp_path) as reader:
        for name in ("x.tar", "x.zip", "photos"):
            listed = archive_at(tmp_path, name).entries()
            assert {entry.member: reader.read(entry) for entry in listed} == members
            assert {entry.archive for entry in listed} == {None if name == "photos" else name}
        streamed = archive_at(tmp_path, "x.tgz")
        assert {member.name: member.content for member in streamed.members()} == members
        assert [entry.member for entry in streamed.entries()] == list(members)
        with pytest.raises(CairnError, match=r"x\.tgz: is read from end to end only"):
            reader.read(streamed.entries()[0])


def hostile_members() -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """A good member, then one of every kind that is refused."""
    for name in ("good.jpg", "../up.jpg", "/abs.jpg", "a/../../b.jpg"):
        yield tarfile.TarInfo(name), jpeg(1)
    for name, kind in (("link.jpg", tarfile.SYMTYPE), ("hard.jpg", tarfile.LNKTYPE), ("null.jpg", tarfile.CHRTYPE),
                       ("pipe.jpg", tarfile.FIFOTYPE)):  # fmt: skip
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        yield info, b""


def write_hostile(path: Path, mode: str) -> None:
    with tarfile.open(path, mode) as tar:
        for info, data in hostile_members():
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


REFUSALS = ["its name leaves the archive"] * 3 + ["a symbolic link", "a hard link", "a device", "a pipe"]


def test_hostile_members_are_refused_by_name(tmp_path):
    write_hostile(tmp_path / "x.tar", "w")
    first, *others = Tar(tmp_path, "x.tar").entries()
    assert (first.member, first.refusal) == ("good.jpg", None)
    assert [entry.refusal for entry in others] == [f"refused: {why}" for why in REFUSALS]
    assert refusal_of_name("..\\up.jpg")


def test_absurd_sizes_and_counts_are_refused(tmp_path, monkeypatch):
    write_tar(tmp_path / "x.tar", {f"{n}.jpg": jpeg(n) for n in range(4)})
    monkeypatch.setattr("cairnhub.pipelines.archives.tar.MAX_MEMBER_BYTES", 10)
    assert {entry.refusal for entry in Tar(tmp_path, "x.tar").entries()} == {"refused: absurdly large"}
    monkeypatch.setattr("cairnhub.pipelines.archives.tar.MAX_MEMBERS", 3)
    with pytest.raises(CairnError, match=r"x\.tar: more than 3 members"):
        Tar(tmp_path, "x.tar").entries()


def test_a_tar_with_a_damaged_header_is_no_shorter_tar(tmp_path):
    write_tar(tmp_path / "x.tar", {f"{n}.jpg": b"x" * 512 for n in range(4)})
    raw = bytearray((tmp_path / "x.tar").read_bytes())
    raw[2 * 1024 + 3] ^= 255
    (tmp_path / "x.tar").write_bytes(raw)
    with pytest.raises(CairnError, match="damaged header"):
        Tar(tmp_path, "x.tar").entries()


@pytest.mark.parametrize("damage", [lambda data: data[:700], lambda data: b"<html>not found</html>"])
def test_a_damaged_tar_is_named(tmp_path, damage):
    write_tar(tmp_path / "x.tar", {"a.jpg": jpeg(1) * 3})
    (tmp_path / "x.tar").write_bytes(damage((tmp_path / "x.tar").read_bytes()))
    with pytest.raises(CairnError, match=r"x\.tar"):
        Tar(tmp_path, "x.tar").entries()


def test_a_truncated_gzip_is_named(tmp_path):
    write_tar(tmp_path / "x.tar.gz", {"a.jpg": bytes(range(256)) * 99}, "w:gz")
    whole = (tmp_path / "x.tar.gz").read_bytes()
    assert [member.name for member in TarGz(tmp_path, "x.tar.gz").members()] == ["a.jpg"]
    (tmp_path / "x.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CairnError, match="damaged gzipped tar"):
        list(TarGz(tmp_path, "x.tar.gz").members())


# ---- table ------------------------------------------------------------------------------------------------


def test_a_table_lists_what_it_has_and_quarantines_the_rest(tmp_path):
    rows = [*(f"a/{n}.jpg,f{n % 3},c" for n in range(8)), "a/7.jpg,f0,c", "a/9.jpg,,c", "a/77.jpg,f1,c"]
    write_table(tmp_path, rows)
    listing = Table("mine", table_source()).list_images(tmp_path)
    assert set(listing.images["image_id"]) == {f"a/{n}.jpg" for n in range(7)}
    reasons = dict(zip(listing.quarantine["image_id"], listing.quarantine["reason"], strict=True))
    assert reasons == {
        "a/7.jpg": "its rows contradict each other; fine 'f1' (line 9); fine 'f0' (line 10)",
        "a/9.jpg": "a level is empty",
        "a/77.jpg": "not in images.tar",
    }
    assert sum(count["listed"] for count in listing.counts().values()) == len(rows)


@pytest.mark.parametrize(
    ("repeated", "n_images", "n_quarantined"),
    [
        (["a/3.jpg,f0,c,train"], 8, 0),
        (["a/3.jpg,f0,c,train"] * 3, 8, 0),
        (["a/3.jpg,f0,c,train", "a/4.jpg,f1,c,train"], 8, 0),
        ([" a/3.jpg , f0,c,train"], 8, 0),
        (["a/3.jpg,f1,c,train"], 7, 2),
        (["a/3.jpg,f0,c,test"], 7, 2),
        (["a/3.jpg,f0,c,train", "a/3.jpg,f2,c,train"], 7, 2),
    ],
)
def test_a_row_that_is_there_twice_is_one_image_and_rows_that_contradict_each_other_are_none(
    tmp_path, repeated, n_images, n_quarantined
):
    rows = [f"a/{n}.jpg,f{n % 3},c,train" for n in range(8)]
    write_table(tmp_path, [*rows, *repeated], "path,fine,coarse,split")
    listing = Table("mine", table_source(split="split")).list_images(tmp_path)
    assert len(listing.images) == n_images
    assert len(listing.quarantine) == n_quarantined
    assert not set(listing.images["image_id"]) & set(listing.quarantine["image_id"])


def test_a_split_without_a_column_does_not_move_when_images_are_added(tmp_path):
    write_table(tmp_path, [f"a/{n}.jpg,f,c" for n in range(5)])
    few = Table("mine", table_source()).list_images(tmp_path).images.set_index("image_id")["split"]
    write_table(tmp_path, [f"a/{n}.jpg,f,c" for n in range(10)])
    many = Table("mine", table_source()).list_images(tmp_path).images.set_index("image_id")["split"]
    assert many[few.index].equals(few)
    assert set(many) <= {"train", "test"}


@pytest.mark.parametrize(
    ("header", "rows", "changes", "message"),
    [
        ("path,fine,middle", ["a/1.jpg,f,m"], {}, r"labels\.csv: no column 'coarse'; its columns are 'path', 'fine'"),
        ("file,fine,coarse", ["a/1.jpg,f,c"], {}, r"labels\.csv: no column 'path'"),
        ("path,fine,coarse", ["b/1.jpg,f,c"], {}, r"none of its 1 paths is in images\.tar; the first is 'b/1\.jpg'"),
        ("path,fine,coarse,split", ["a/1.jpg,f,c,"], {"split": "split"}, r"labels\.csv:2: column 'split' is empty"),
        ("path,fine,coarse,split", ["a/1.jpg,f,c,train", "a/2.jpg,f,c,all"], {"split": "split"},
         r"labels\.csv:3: column 'split': split 'all': `datasets` takes this word for all splits"),
        ("path,fine,coarse,split", ["a/1.jpg,f,c,2019"], {"split": "split"}, r"labels\.csv:2: .*split '2019'"),
        ("path,fine,coarse,split", ["a/1.jpg,f,c,test-a"], {"split": "split"}, r"labels\.csv:2: .*split 'test-a'"),
        ("path,fine,coarse,split", ["a/1.jpg,f,c,train+val"], {"split": "split"}, r"labels\.csv:2: .*'train\+val'"),
        ("path,fine,coarse", ["a/1.jpg,f,c"], {"images": ["photos"]}, "photos is missing"),
    ],
)  # fmt: skip
def test_a_faulty_table_is_refused_by_file_and_key(tmp_path, header, rows, changes, message):
    write_table(tmp_path, rows, header)
    with pytest.raises(CairnError, match=message):
        Table("mine", table_source(**changes)).list_images(tmp_path)


def test_a_table_takes_folders_and_every_kind_of_archive(tmp_path):
    contents = {
        f"{kind}/{n}.jpg": jpeg(50 * n + len(kind)) for kind in ("tar", "tgz", "zip", "own") for n in range(3)
    }
    part = {
        kind: {name: data for name, data in contents.items() if name.startswith(kind)}
        for kind in ("tar", "tgz", "zip")
    }
    write_table(tmp_path, [f"{name},f{i % 2},c" for i, name in enumerate(contents)])
    write_tar(tmp_path / "x.tar", part["tar"])
    write_tar(tmp_path / "x.tgz", part["tgz"], "w:gz")
    write_zip(tmp_path / "x.zip", part["zip"].items())
    for n in range(3):
        write_bytes(tmp_path / f"own/{n}.jpg", contents[f"own/{n}.jpg"])
    source = table_source(images=["x.zip", "own", "x.tgz", "x.tar"])
    listing = Table("mine", source).list_images(tmp_path)
    assert listing.quarantine.empty
    IndexFolder(tmp_path).save_images(listing.images)
    rows = pq.read_table(tmp_path / "images.parquet").to_pylist()
    assert [row["archive"] for row in rows if row["image_id"].startswith("own")] == [None] * 3
    assert {row["image_id"][:3] for row in rows if row["offset"] is None} == {"own"}
    listed = Index(tmp_path / "images.parquet", tmp_path, "fine", "")
    index, _ = unpack_streamed(listed, tmp_path / "unpacked", map)
    parts = cut_parts(index, 10**9)
    assert {row.image_id: row.image for part in parts for row in part.read()} == contents
    read = {path.name for part in parts for path in part.reads()}
    assert read == {"images.parquet", "x.tar", "00000.tar", "x.zip", "0.jpg", "1.jpg", "2.jpg"}
    mirrored = {row.name for row in Table("mine", source).own_files(str(tmp_path))}
    assert mirrored == {"labels.csv", "x.tar", "x.tgz", "x.zip", *(f"own/{n}.jpg" for n in range(3))}


# ---- GLDv2 ------------------------------------------------------------------------------------------------


@pytest.fixture
def gldv2(drawn) -> Path:
    return drawn / "gldv2"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://commons.wikimedia.org/wiki/Category:Caf%C3%A9__de_Flore_", "Café de Flore"),
        (
            "http://commons.wikimedia.org/wiki/Category:Vitra_Design_Museum:_Gallery",
            "Vitra Design Museum: Gallery",
        ),
        ("http://commons.wikimedia.org/wiki/Category:Cafe%CC%81", "Café"),
        ("http://commons.wikimedia.org/wiki/Category:Kafana_%3F,_Beograd", "Kafana ?, Beograd"),
    ],
)
def test_commons_names_become_readable(url, name):
    assert readable_name(url) == name


def test_gldv2_lists_every_image_once(gldv2):
    listing = GLDv2(GLDv2Source(format="gldv2")).list_images(gldv2)
    images = listing.images
    assert images["image_id"].is_unique
    assert {count["quarantined"] for count in listing.counts().values()} == {0}
    assert len(images[images["split"] == "train"]) == len(pd.read_csv(gldv2 / "metadata/train.csv"))
    with MemberReader(gldv2) as reader:
        content = reader.read(Entry(*images.loc[0, ["archive", "member", "offset", "size_bytes"]]))
    assert content.startswith(b"\xff\xd8")


def test_a_query_shows_a_landmark_of_its_ground_truth(gldv2):
    images = GLDv2(GLDv2Source(format="gldv2")).list_images(gldv2).images.set_index("image_id")
    truth = pd.read_csv(gldv2 / "ground_truth/retrieval_solution_v2.1.csv", keep_default_na=False)
    for row in truth[truth["Usage"] != "Ignored"].itertuples():
        shown = set(images.loc[row.images.split(), "landmark"])
        assert images.loc[row.id, "landmark"] in shown


def test_clean_keeps_what_train_clean_lists(gldv2):
    listing = GLDv2(GLDv2Source(format="gldv2", clean=True)).list_images(gldv2)
    clean = pd.read_csv(gldv2 / "metadata/train_clean.csv")["images"].str.split().explode()
    train = listing.images[listing.images["split"] == "train"]
    assert set(train["image_id"]) == set(clean)
    assert listing.counts()["train"]["excluded"] > 0


def test_a_landmark_with_two_types_is_refused(gldv2, tmp_path):
    for file in (gldv2 / "metadata").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    path = tmp_path / "train_label_to_hierarchical.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    twice = table[table["supercategory"] != ""].head(1).assign(supercategory="harbour")
    pd.concat([table, twice]).to_csv(path, index=False)
    with pytest.raises(
        CairnError, match=r"train_label_to_hierarchical\.csv: landmark \d+ has two supercategories"
    ):
        landmark_table(tmp_path, {})


def test_training_images_alone_have_attribution(gldv2):
    credited = pd.read_csv(gldv2 / "metadata/train_attribution.csv", dtype=str).set_index("id")["author"]
    images = GLDv2(GLDv2Source(format="gldv2")).list_images(gldv2).images.set_index("image_id")
    train = images[images["split"] == "train"]
    assert train["author"].astype("str").equals(credited[train.index].rename_axis("image_id"))
    assert images.loc[images["split"] != "train", ["author", "source_url"]].isna().all(axis=None)
    subset = GLDv2Subset(splits=("index", "test"))
    assert GLDv2(GLDv2Source(format="gldv2"), subset).list_images(gldv2).images["author"].isna().all()
