"""Stanford Online Products and CUB-200-2011: lists and images inside one archive each."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from hierarchies import CairnError
from pipelines.samples.archives import write_tar_gz, write_zip
from pipelines.samples.generate import generate
from pipelines.sources.archives import read_members
from pipelines.sources.cub import CUB
from pipelines.sources.sop import SOP

READERS = {"sop": SOP(), "cub": CUB()}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    for dataset in READERS:
        generate(dataset, folder / dataset)
    return folder


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
def test_every_image_is_listed_and_read_in_place(drawn, dataset):
    listing = READERS[dataset].list_images(drawn / dataset)
    assert listing.quarantine.empty
    for _, images in listing.images.groupby("split"):
        for row, data in zip(images.itertuples(), read_members(drawn / dataset, images), strict=True):
            assert data.startswith(b"\xff\xd8")
            assert len(data) == row.size_bytes
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
    assert listing.quarantine["reason"].str.startswith("not in ").tolist() == [True]
    whole = READERS[dataset].list_images(drawn / dataset)
    assert sum(c["listed"] for c in listing.counts().values()) == len(whole.images)


@pytest.mark.parametrize(
    ("dataset", "name", "content", "message"),
    [
        ("sop", "Ebay_train.txt", b"image_id class_id path\n1 1 a/b.JPG\n", "no column 'super_class_id'"),
        ("sop", "Ebay_test.txt", b"image_id class_id super_class_id path\n1 1 1\n", "'1 1 1' has 3 fields, not 4"),
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
    (tmp_path / path.name).write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(CairnError, match=f"{path.name}: damaged"):
        READERS[dataset].list_images(tmp_path)


def test_a_damaged_zip_member_is_named(drawn, tmp_path):
    listing = SOP().list_images(drawn / "sop")
    content = bytearray((drawn / "sop/Stanford_Online_Products.zip").read_bytes())
    row = listing.images.iloc[[0]]
    content[int(row["offset"].iloc[0]) + 300] ^= 255
    (tmp_path / "Stanford_Online_Products.zip").write_bytes(content)
    with pytest.raises(CairnError, match=r"\.JPG cannot be read"):
        list(read_members(tmp_path, row))


def test_a_zip_is_the_same_bytes_whatever_the_order(tmp_path):
    members = [("b", b"2"), ("a", b"1")]
    write_zip(tmp_path / "x.zip", members)
    write_zip(tmp_path / "y.zip", members[::-1])
    assert (tmp_path / "x.zip").read_bytes() == (tmp_path / "y.zip").read_bytes()
    assert zipfile.ZipFile(io.BytesIO((tmp_path / "x.zip").read_bytes())).namelist() == ["a", "b"]
