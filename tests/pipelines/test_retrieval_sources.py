"""Stanford Online Products, CUB-200-2011, VehicleID, DyML: lists and images inside one archive each."""

import io
import json
import shutil
import stat
import tarfile
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.archives.entry import Entry
from cairnhub.pipelines.archives.member_reader import MemberReader
from cairnhub.pipelines.archives.targz import TarGz
from cairnhub.pipelines.archives.zip import Zip
from cairnhub.pipelines.artifacts.index import IndexFolder
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.index_parts import Index, cut_parts
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.samples.shapes.packing import write_tar_gz, write_zip
from cairnhub.pipelines.settings.sources import Subset, Subsets
from cairnhub.pipelines.sources import fetching
from cairnhub.pipelines.sources.formats.cub.cub_reader import CUB
from cairnhub.pipelines.sources.formats.dyml import DyML, parse_glued_csv
from cairnhub.pipelines.sources.formats.sop import SOP
from cairnhub.pipelines.sources.formats.vehicleid import VehicleID
from cairnhub.pipelines.sources.match_members import list_members, match_members
from cairnhub.pipelines.sources.readers import reader
from cairnhub.pipelines.sources.registered_counts import expected_counts
from cairnhub.pipelines.sources.registry import read_registry
from cairnhub.pipelines.unpack import unpack_streamed
from tests.project import ROOT

READERS = {"sop": SOP(), "cub": CUB(), "vehicleid": VehicleID()}


def entries(images: pd.DataFrame) -> list[Entry]:
    """Where images lie, as the index will say."""
    columns = ["archive", "member", "offset", "size_bytes"]
    return [Entry(**row) for row in pa.Table.from_pandas(images[columns], preserve_index=False).to_pylist()]


def contents(path: Path) -> dict[str, bytes]:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(path) as archive:
        return {info.name: archive.extractfile(info).read() for info in archive}


def changed(drawn: Path, folder: Path, dataset: str, change) -> Path:
    """A store whose archive `change` has altered."""
    (path,) = (file for file in (drawn / dataset).iterdir() if file.suffix in {".zip", ".tgz"})
    members = contents(path)
    change(members)
    write = write_zip if path.suffix == ".zip" else write_tar_gz
    write(folder / path.name, members.items())
    return folder


@pytest.mark.parametrize("dataset", READERS)
def test_every_image_is_listed_and_read_in_place(drawn, dataset, tmp_path):
    listing = READERS[dataset].list_images(drawn / dataset)
    assert listing.quarantine.empty
    IndexFolder(tmp_path).save_images(listing.images)
    index = Index(tmp_path / "images.parquet", drawn / dataset, READERS[dataset].levels[0], "")
    index, _ = unpack_streamed(index, tmp_path / "unpacked", map)
    rows = {row.image_id: row.image for part in cut_parts(index, 10**9) for row in part.read()}
    assert set(rows) == set(listing.images["image_id"])
    assert all(data.startswith(b"\xff\xd8") for data in rows.values())
    assert {path.name for path in (drawn / dataset).iterdir()} >= set(listing.images["archive"])


def test_sop_products_and_categories(drawn):
    images = SOP().list_images(drawn / "sop").images
    train, test = (images[images["split"] == split] for split in ("train", "test"))
    assert not set(train["product"]) & set(test["product"])
    assert set(train["category"]) == set(test["category"]) == {"bicycle", "chair", "kettle", "lamp", "mug"}
    assert images.groupby("product")["category"].nunique().eq(1).all()


def test_cub_splits_by_class_number(drawn):
    images = CUB().list_images(drawn / "cub").images
    species = images.groupby("split")["species"].unique().map(sorted)
    assert species["test"] == ["Artic Tern", "Horned Puffin", "White Pelican"]
    assert "Brown Pelican" in species["train"]


def without_an_image(members):
    del members[next(name for name in members if name.lower().endswith(".jpg"))]


@pytest.mark.parametrize("dataset", READERS)
def test_a_missing_image_is_quarantined(drawn, tmp_path, dataset):
    store = changed(drawn, tmp_path, dataset, without_an_image)
    listing = READERS[dataset].list_images(store)
    absent = listing.quarantine["reason"].tolist()
    if dataset == "cub":  # streamed: what it holds is seen when it is published
        IndexFolder(tmp_path).save_images(listing.images)
        listed = Index(tmp_path / "images.parquet", store, "species", "")
        _, quarantined = unpack_streamed(listed, tmp_path / "unpacked", map)
        absent += [row.reason for row in quarantined]
    assert [reason.startswith("not in ") for reason in absent] == [True]
    whole = READERS[dataset].list_images(drawn / dataset)
    assert sum(c["listed"] for c in listing.counts().values()) == len(whole.images)


def test_the_images_of_cub_are_read_once(drawn, monkeypatch):
    read = []

    members = TarGz.members

    def watched(archive):
        for member in members(archive):
            read.append(member.name)
            yield member

    monkeypatch.setattr(TarGz, "members", watched)
    assert len(CUB().list_images(drawn / "cub").images) == 48
    assert not [name for name in read if name.endswith(".jpg")]


@pytest.mark.parametrize(
    ("dataset", "name", "content", "message"),
    [
        ("sop", "Ebay_train.txt", b"image_id class_id path\n1 1 a/b.JPG\n", "no column 'super_class_id'"),
        ("sop", "Ebay_test.txt", b"image_id class_id super_class_id path\n1 1 1\n", "'1 1 1' has 3 fields, not 4"),
        ("vehicleid", "train_list.txt", b"0001\n", "'0001' is not an image and a vehicle"),
        ("cub", "classes.txt", b"1\n", "classes.txt: '1' is not a number and a value"),
        ("cub", "images.txt", b"1 a/b.jpg\n1 a/c.jpg\n", "images.txt: number 1 occurs twice"),
    ],
)  # fmt: skip
def test_a_faulty_list_is_named(drawn, tmp_path, dataset, name, content, message):
    def fault(members):
        members[next(member for member in members if member.endswith(f"/{name}"))] = content

    with pytest.raises(CairnError, match=message):
        READERS[dataset].list_images(changed(drawn, tmp_path, dataset, fault))


@pytest.mark.parametrize("dataset", READERS)
def test_a_missing_or_damaged_archive_is_named(drawn, tmp_path, dataset):
    with pytest.raises(CairnError, match="is missing: run the fetch stage"):
        READERS[dataset].list_images(tmp_path)
    (path,) = (file for file in (drawn / dataset).iterdir() if file.suffix in {".zip", ".tgz"})
    cut = path.read_bytes()[: 200 if dataset == "cub" else -3000]
    (tmp_path / path.name).write_bytes(cut)
    with pytest.raises(CairnError, match=f"{path.name}: damaged"):
        READERS[dataset].list_images(tmp_path)


def test_a_damaged_zip_member_is_named(drawn, tmp_path):
    listing = SOP().list_images(drawn / "sop")
    content = bytearray((drawn / "sop/Stanford_Online_Products.zip").read_bytes())
    row = listing.images.iloc[[0]]
    content[int(row["offset"].iloc[0]) + 300] ^= 255
    (tmp_path / "Stanford_Online_Products.zip").write_bytes(content)
    with pytest.raises(CairnError, match=r"\.JPG cannot be read"), MemberReader(tmp_path) as reader:
        reader.read(*entries(row))


def test_a_zip_is_the_same_bytes_whatever_the_order(tmp_path):
    members = [("b", b"2"), ("a", b"1")]
    write_zip(tmp_path / "x.zip", members)
    write_zip(tmp_path / "y.zip", members[::-1])
    assert (tmp_path / "x.zip").read_bytes() == (tmp_path / "y.zip").read_bytes()
    assert zipfile.ZipFile(io.BytesIO((tmp_path / "x.zip").read_bytes())).namelist() == ["a", "b"]


def test_hostile_members_of_a_zip_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        link = zipfile.ZipInfo("link.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr("good.jpg", b"1")
        archive.writestr("../up.jpg", b"2")
        archive.writestr(link, b"/etc/passwd")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            archive.writestr("good.jpg", b"3")
    members = list_members([Zip(tmp_path, "x.zip")])
    listed = pd.DataFrame({"image_id": ["a", "b"], "split": "train", "member": ["good.jpg", "link.jpg"]})
    matches = match_members(listed, members, ["member"], "not in x.zip")
    assert matches.images["image_id"].tolist() == ["a"]
    assert matches.quarantine[["image_id", "reason"]].values.tolist() == [["b", "refused: a symbolic link"]]
    assert matches.refused_members.values.tolist() == [
        ["good.jpg", "replaced by a later member of its name"],
        ["../up.jpg", "refused: its name leaves the archive"],
    ]


# ---- DyML in the authors' zip -----------------------------------------------------------------------------


def zipped(folder: Path, top: str) -> list[tuple[str, bytes]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in {".jpg", ".csv"})
    return [(top + path.relative_to(folder).as_posix(), path.read_bytes()) for path in files]


@pytest.mark.parametrize("top", ["", "dyml_product/"])
def test_dyml_is_the_same_zipped_or_unpacked(drawn, tmp_path, top):
    shutil.copytree(drawn / "dyml_product", tmp_path / "unpacked")
    write_zip(tmp_path / "zipped/dyml_product.zip", zipped(tmp_path / "unpacked", top))
    unpacked, packed = (
        DyML("dyml_product").list_images(tmp_path / name).images for name in ("unpacked", "zipped")
    )
    columns = ["image_id", "split", "size_bytes", "fine", "middle", "coarse"]
    assert packed[columns].equals(unpacked[columns])
    with (
        MemberReader(tmp_path / "zipped") as zip_reader,
        MemberReader(tmp_path / "unpacked") as folder_reader,
    ):
        for first, second in zip(entries(packed), entries(unpacked), strict=True):
            assert zip_reader.read(first) == folder_reader.read(second)


def test_a_zip_without_labels_is_refused(tmp_path):
    write_zip(tmp_path / "dyml_product.zip", [("a/b/c/train/label.csv", b"")])
    with pytest.raises(CairnError, match=r"dyml_product\.zip: holds no train/label\.csv"):
        DyML("dyml_product").list_images(tmp_path)


@pytest.mark.parametrize(
    ("header", "records"),
    [
        ("fname,coarse_id,middle_id,fine_id", ["1.jpg,0,1,2", "2.jpg,0,1,3"]),
        ("fname,labels", ["a/1.jpg,7", "2.jpg,8"]),
    ],
)
def test_no_row_of_a_dyml_list_is_lost(header, records):
    glued, mended = ("\n".join([header + gap + records[0], *records[1:]]) for gap in ("", "\n"))
    for text in (glued, mended, mended + "\n\n", glued.replace("\n", "\r\n"), mended.replace(",", " , ")):
        table = parse_glued_csv(text, Path("label.csv"))
        assert list(table.columns) == header.split(",")
        assert [",".join(row) for row in table.to_numpy()] == records


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"label\.csv: its first line is \[\]"),
        ("name,label\n1.jpg,2\n", r"label\.csv: its first line is \['name,label'\], not a header"),
        ("fname,labels1.jpg,2\n2.jpg\n", r"label\.csv:2: '2\.jpg' has 1 fields, not 2"),
        ("fname,labels\n\n1.jpg,2\n \n2.jpg\n", r"label\.csv:5: '2\.jpg' has 1 fields, not 2"),
        ("fname,labels\n1.jpg,2,3\n", r"label\.csv:2: '1\.jpg, 2, 3' has 3 fields, not 2"),
    ],
)
def test_a_faulty_dyml_list_is_named(text, message):
    with pytest.raises(CairnError, match=message):
        parse_glued_csv(text, Path("label.csv"))


# ---- files that come by hand ------------------------------------------------------------------------------


@pytest.fixture
def by_hand(drawn, tmp_path, monkeypatch) -> Context:
    """DyML-Product at full scale; the counts registered are those of its sample."""
    params = load_params(ROOT / "params.yaml")
    counts = expected_counts("dyml_product", "sample")
    monkeypatch.setattr(fetching, "expected_counts", lambda *_: counts)
    shutil.copytree(drawn / "dyml_product", tmp_path / "unpacked")
    return Context("dyml_product", "full", params, Paths(tmp_path, "full", "dyml_product"))


def put(context: Context, members: list[tuple[str, bytes]]) -> None:
    write_zip(context.paths.store / "dyml_product.zip", members)


def test_the_message_says_what_to_get_and_where_to_put_it(by_hand):
    with pytest.raises(CairnError) as failure:
        fetching.fetch(by_hand)
    for part in (
        "OneDrive",
        "Baidu",
        "Name it dyml_product.zip",
        str(by_hand.paths.store),
        "mini-bmk_all_in_one",
    ):
        assert part in str(failure.value)


def test_a_copy_is_accepted_by_structure_and_counts_and_its_hash_recorded(by_hand, tmp_path):
    members = zipped(tmp_path / "unpacked", "dyml_product/")
    put(by_hand, members)
    (file,) = fetching.fetch(by_hand)
    assert json.loads(by_hand.paths.manifest.read_text())["files"][0]["sha256"] == file.sha256
    assert fetching.fetch(by_hand)[0].sha256 == file.sha256
    put(by_hand, [*members, ("dyml_product/extra.txt", b"")])
    with pytest.raises(CairnError, match=f"expected: any size, sha256:{file.sha256}"):
        fetching.fetch(by_hand)


def test_a_copy_that_is_something_else_is_refused(by_hand, tmp_path):
    put(by_hand, [("readme.txt", b"")])
    with pytest.raises(CairnError, match=r"dyml_product\.zip: came by hand .* holds no train/label\.csv"):
        fetching.fetch(by_hand)
    put(
        by_hand,
        [(name, data) for name, data in zipped(tmp_path / "unpacked", "") if name != "train/imgs/5.jpg"],
    )
    fetching.fetch(by_hand)  # a missing image is for the quarantine
    by_hand.paths.manifest.unlink()
    label = (tmp_path / "unpacked/train/label.csv").read_bytes().splitlines(keepends=True)
    shorter = b"".join(label[:-1])
    put(
        by_hand, [(n, shorter if n == "train/label.csv" else d) for n, d in zipped(tmp_path / "unpacked", "")]
    )
    with pytest.raises(CairnError, match="split train: expected 144 images, found 143"):
        fetching.fetch(by_hand)
    assert not by_hand.paths.manifest.exists()


def test_a_part_is_accepted_where_a_subset_is_declared(by_hand, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "expected_counts", lambda *_: {"train": {"images": 1}})
    put(by_hand, zipped(tmp_path / "unpacked", ""))
    with pytest.raises(CairnError, match="expected 1 images, found 144"):
        fetching.fetch(by_hand)
    declared = by_hand.params.sources["dyml_product"]
    part = declared.model_copy(update={"subset": Subsets(full=Subset(splits=("train", "test")))})
    sources = {**by_hand.params.sources, "dyml_product": part}
    params = by_hand.params.model_copy(update={"sources": sources})
    assert fetching.fetch(replace(by_hand, params=params))
    put(by_hand, [("readme.txt", b"")])
    by_hand.paths.manifest.unlink()
    with pytest.raises(CairnError, match=r"holds no train/label\.csv"):
        fetching.fetch(replace(by_hand, params=params))


def test_register_writes_the_hash_of_an_accepted_copy(by_hand, tmp_path, monkeypatch):
    put(by_hand, zipped(tmp_path / "unpacked", ""))
    (file,) = fetching.fetch(by_hand)
    (tmp_path / "registries").mkdir()
    copy = tmp_path / "registries/dyml_product.tsv"
    copy.write_bytes((fetching.REGISTRIES / "dyml_product.tsv").read_bytes())
    monkeypatch.setattr(fetching, "REGISTRIES", tmp_path / "registries")
    assert fetching.register(by_hand) == 1
    assert [row.hash for row in read_registry(copy)] == [f"sha256:{file.sha256}"]


def test_the_splits_of_inat_are_judged_without_the_archive(drawn, tmp_path):
    ignored = shutil.ignore_patterns("train_val2018.tar.gz")
    shutil.copytree(drawn / "inat2018", tmp_path / "inat2018", ignore=ignored)
    found = reader(load_params(ROOT / "params.yaml"), "inat2018", "sample").summary(tmp_path / "inat2018")
    assert found == {"train": {"images": 312, "species": 39}, "test": {"images": 152, "species": 19}}


# ---- ids held against names ---------------------------------------------------------------------------------

SOP_HEADER = "image_id class_id super_class_id path\n"


def sop_store(folder: Path, rows: list[tuple[str, str, str]]) -> Path:
    """A zip in the layout of SOP: one row per (class id, super class id, folder), all of them train and test."""
    names = [f"{row[2]}/{number}.JPG" for number, row in enumerate(rows)]
    lines = [f"{n} {row[0]} {row[1]} {name}\n" for n, (row, name) in enumerate(zip(rows, names, strict=True))]
    lists = {split: SOP_HEADER + "".join(lines[start::2]) for split, start in (("train", 0), ("test", 1))}
    members = {f"Stanford_Online_Products/Ebay_{split}.txt": text.encode() for split, text in lists.items()}
    members |= {f"Stanford_Online_Products/{name}": b"\xff\xd8" for name in names}
    write_zip(folder / "Stanford_Online_Products.zip", members.items())
    return folder


BICYCLES_AND_CHAIRS = [("1", "1", "bicycle_final")] * 4 + [("2", "3", "chair_final")] * 4


@pytest.mark.parametrize(
    ("rows", "categories"),
    [
        (BICYCLES_AND_CHAIRS, {"bicycle", "chair"}),
        ([(str(n // 2), "1", f"product{n // 2}_final") for n in range(12)], {"category 1"}),
        ([(str(n // 2), str(n % 12 // 6), "images") for n in range(12)], {"category 0", "category 1"}),
        ([(str(n // 2), str(n // 6), f"f{n // 2}") for n in range(12)], {"category 0", "category 1"}),
    ],
    ids=["upstream", "one category, a folder per product", "one folder", "several folders per category"],
)
def test_the_category_of_sop_is_its_super_class_id(tmp_path, rows, categories):
    listing = SOP().list_images(sop_store(tmp_path, rows))
    assert set(listing.images["category"]) == categories
    assert listing.images["product"].nunique() == len({row[0] for row in rows})
    assert listing.quarantine.empty


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (("3", "3", "bicycle_final"), "its id contradicts its folder; super_class_id 3, in bicycle_final 1"),
        (("1", "3", "bicycle_final"), "its ids contradict the others; super_class_id 3, of class 1 1"),
        (("2", "1", "chair_final"), "its ids contradict the others; super_class_id 1, of class 2 3"),
    ],
)
def test_a_row_of_sop_that_contradicts_the_others_is_quarantined(tmp_path, odd, reason):
    listing = SOP().list_images(sop_store(tmp_path, [*BICYCLES_AND_CHAIRS, odd]))
    assert set(listing.images["category"]) == {"bicycle", "chair"}
    assert len(listing.images) == 8
    assert listing.quarantine["reason"].tolist() == [reason]
    assert sum(count["listed"] for count in listing.counts().values()) == 9


@pytest.mark.parametrize("n", [1, 2, 3])
def test_an_image_of_cub_in_the_folder_of_another_class_is_quarantined(drawn, tmp_path, n):
    def relabel(members):
        (name,) = (name for name in members if name.endswith("image_class_labels.txt"))
        lines = members[name].decode().splitlines()
        members[name] = "\n".join(
            [*(f"{line.split()[0]} 101" for line in lines[:n]), *lines[n:], ""]
        ).encode()

    listing = CUB().list_images(changed(drawn, tmp_path, "cub", relabel))
    assert len(listing.images) == 48 - n
    assert set(listing.quarantine["reason"]) == {
        "its class contradicts its folder; 101.White_Pelican in 001.Black_footed_Albatross"
    }


@pytest.mark.parametrize("wrong", ["Fungi", "Plantae", "aves"])
def test_a_folder_of_inat_base_that_contradicts_its_category_is_quarantined(drawn, tmp_path, wrong):
    shutil.copytree(drawn / "inat2018", tmp_path, dirs_exist_ok=True)
    path = tmp_path / "Inat_dataset_splits/Inaturalist_train_set1.txt"
    path.write_text(path.read_text().replace("train_val2018/Aves/1/", f"train_val2018/{wrong}/1/"))
    listing = reader(load_params(ROOT / "params.yaml"), "inat2018_base", "sample").list_images(tmp_path)
    assert (
        listing.quarantine["reason"].tolist() == [f"its category contradicts its folder; Aves in {wrong}"] * 8
    )
    assert listing.images["supercategory"].nunique() == 6


def test_vehicles_of_the_smaller_lists_are_told(drawn: Path):
    """The column `test_list` is what the protocols of the three lists go by."""
    listing = VehicleID().list_images(drawn / "vehicleid")
    n_of = listing.images.groupby("split")["test_list"].value_counts().to_dict()
    assert n_of == {("test", "800 1600 2400"): 10, ("test", "1600 2400"): 11, ("test", "2400"): 11}
    assert listing.kept == ("test_list",)
    protocols = {protocol.name: protocol for protocol in VehicleID().card().protocols}
    assert list(protocols) == ["retrieval", "small", "medium", "large"]
    assert protocols["small"].only == {"test_list": "800"}
    assert protocols["small"].n_draws == 10
