"""Copies that people have of SOP, CUB, iNaturalist, VehicleID and DyML: unpacked, packed again, or a part."""

import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from cairnhub.core.errors import CairnError
from cairnhub.core.parse import read_json
from cairnhub.datasets_hub.card import Card
from cairnhub.pipelines.artifacts.index import IndexFolder
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.sources.fetching import require_fetched
from cairnhub.pipelines.sources.manifest import read_manifest
from cairnhub.pipelines.sources.readers import reader
from cairnhub.pipelines.stages import fetch, index, publish, taxonomy
from tests.project import ROOT

PACKS = {
    "sop": "Stanford_Online_Products.zip",
    "cub": "CUB_200_2011.tgz",
    "inat2018": "train_val2018.tar.gz",
    "vehicleid": "VehicleID_V1.0.zip",
}
Members = dict[str, bytes]


@pytest.fixture(scope="module")
def upstream(drawn, tmp_path_factory) -> Callable[[str], pd.DataFrame]:
    """The index of a dataset from its authors' files."""
    made: dict[str, pd.DataFrame] = {}

    def images(dataset: str) -> pd.DataFrame:
        if dataset not in made:
            context = project(tmp_path_factory.mktemp(dataset), dataset, drawn / dataset)
            build(context)
            made[dataset] = listed(context)
        return made[dataset]

    return images


def project(root: Path, dataset: str, mirror: Path) -> Context:
    params = load_params(ROOT / "params.yaml")
    settings = params.fetch.sample.model_copy(update={"mirrors": {dataset: str(mirror)}})
    local = params.executor.sample.model_copy(update={"kind": "local", "n_workers": 1})
    params = params.model_copy(
        update={
            "fetch": params.fetch.model_copy(update={"sample": settings}),
            "executor": params.executor.model_copy(update={"sample": local}),
        }
    )
    return Context(dataset, "sample", params, Paths(root, "sample", dataset))


def build(context: Context) -> None:
    fetch.run(context)
    index.run(context)


def fetched(context: Context) -> set[str]:
    """Names of the files that the manifest lists."""
    return set(read_manifest(context.paths.manifest, context.paths.loose_images))


def listed(context: Context) -> pd.DataFrame:
    """Ids, splits and labels of an index, without the places."""
    images = pd.read_parquet(IndexFolder(context.paths.index).images)
    return images.drop(columns=["archive", "member", "offset", "size_bytes"])


def members(drawn: Path, dataset: str) -> Members:
    """What the archive of a dataset's images holds, without its top folder."""
    if dataset not in PACKS:
        files = (path for path in (drawn / dataset).rglob("*") if path.suffix in {".jpg", ".csv"})
        return {path.relative_to(drawn / dataset).as_posix(): path.read_bytes() for path in files}
    path = drawn / dataset / PACKS[dataset]
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            found = {name: archive.read(name) for name in archive.namelist()}
    else:
        with tarfile.open(path) as archive:
            found = {info.name: archive.extractfile(info).read() for info in archive}
    return {name.partition("/")[2]: content for name, content in found.items()}


def top_of(dataset: str) -> str:
    return {"inat2018": "train_val2018", "cub": "CUB_200_2011"}.get(dataset, "Stanford_Online_Products") + "/"


def write_folder(path: Path, content: Iterable[tuple[str, bytes]]) -> None:
    for name, data in content:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


def write_tar(path: Path, content: Iterable[tuple[str, bytes]], mode: str) -> None:
    with tarfile.open(path, mode) as archive:
        for name, data in content:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def write(form: str, mirror: Path, top: str, content: Members) -> None:
    """The members in one of the forms that people have."""
    mirror.mkdir(parents=True, exist_ok=True)
    named = [(top + name, data) for name, data in content.items()]
    if form == "folder":
        write_folder(mirror, named)
    elif form == "zip":
        with zipfile.ZipFile(mirror / "mine.zip", "w") as archive:
            for name, data in named:
                archive.writestr(name, data)
    else:
        write_tar(mirror / f"mine.{form}", named, "w:gz" if form in ("tar.gz", "tgz") else "w")


def beside(drawn: Path, dataset: str, mirror: Path) -> None:
    """The files that lie beside the archive of the images."""
    if dataset in PACKS:
        ignored = shutil.ignore_patterns(PACKS[dataset], "registry.tsv", ".recipe")
        shutil.copytree(drawn / dataset, mirror, ignore=ignored, dirs_exist_ok=True)


TOPS = ("", "other/", "data/my copy/")
FORMS = [
    *((form, None) for form in ("folder", "tar", "tar.gz", "tgz", "zip")),
    *(  # by default every form under a top folder, and every top folder; all pairs in the long campaigns
        pytest.param(form, top, marks=() if TOPS[i % 3] == top else pytest.mark.long)
        for i, form in enumerate(("folder", "tar", "tar.gz", "zip"))
        for top in TOPS
    ),
]


@pytest.mark.parametrize(("form", "top"), FORMS)
@pytest.mark.parametrize("dataset", ["sop", "cub", "inat2018", "vehicleid"])
def test_a_copy_gives_what_the_authors_files_give(drawn, upstream, tmp_path, dataset, form, top):
    mirror = tmp_path / "mirror"
    beside(drawn, dataset, mirror)
    write(form, mirror, top_of(dataset) if top is None else top, members(drawn, dataset))
    context = project(tmp_path / "project", dataset, mirror)
    build(context)
    assert listed(context).equals(upstream(dataset))
    counts = IndexFolder(context.paths.index).counts()
    assert counts.excluded == {}
    assert counts.n_unnamed == 0 or form != "folder"
    card = read_json(IndexFolder(context.paths.index).card, Card)
    said = "an unpacked copy of" if form == "folder" else "packed again as mine"
    assert said in card.description
    assert "(a part)" not in card.title


def test_the_authors_file_is_taken_before_a_copy_and_no_card_speaks_of_one(drawn, upstream, tmp_path):
    mirror = tmp_path / "mirror"
    shutil.copytree(drawn / "sop", mirror)
    write("folder", mirror, "Stanford_Online_Products/", dict([*members(drawn, "sop").items()][:30]))
    context = project(tmp_path / "project", "sop", mirror)
    build(context)
    assert listed(context).equals(upstream("sop"))
    assert "copy" not in read_json(IndexFolder(context.paths.index).card, Card).description
    assert [*fetched(context)] == ["Stanford_Online_Products.zip"]


def some(content: Members, keep: Callable[[int, str], bool]) -> Members:
    """The lists, and some of the images."""
    images = [name for name in content if name.lower().endswith(".jpg")]
    gone = {name for number, name in enumerate(images) if not keep(number, name)}
    return {name: data for name, data in content.items() if name not in gone}


@pytest.mark.parametrize("form", ["folder", "tar", "tar.gz", "zip"])
@pytest.mark.parametrize("dataset", ["sop", "cub", "inat2018", "vehicleid"])
def test_a_part_is_a_named_subset(drawn, upstream, tmp_path, dataset, form):
    mirror = tmp_path / "mirror"
    beside(drawn, dataset, mirror)
    whole = members(drawn, dataset)
    part = some(whole, lambda number, _: number % 5 > 0)
    write(form, mirror, top_of(dataset), part)
    context = project(tmp_path / "project", dataset, mirror)
    build(context)
    expected = upstream(dataset)
    found = listed(context)
    counts = IndexFolder(context.paths.index).counts()
    absent = {split: reasons["not in this copy"] for split, reasons in counts.excluded.items()}
    assert sum(absent.values()) == len(whole) - len(part)
    assert len(found) == len(expected) - sum(sum(reasons.values()) for reasons in counts.excluded.values())
    assert sum(count["listed"] for count in counts.splits.values()) == len(expected)
    assert sum(count["quarantined"] for count in counts.splits.values()) == 0
    shared = expected[expected["image_id"].isin(found["image_id"])].reset_index(drop=True)
    assert found.equals(shared)
    card = read_json(IndexFolder(context.paths.index).card, Card)
    assert card.title.endswith("(a part)")
    assert f"{sum(absent.values())} of the {len(expected)} images listed" in card.description
    assert card.excluded["not in this copy"] == sum(absent.values())


@pytest.mark.parametrize(("dataset", "form"), [("sop", "folder"), ("cub", "tar.gz"), ("inat2018", "tar")])
def test_a_copy_is_published(drawn, tmp_path, dataset, form):
    mirror = tmp_path / "mirror"
    beside(drawn, dataset, mirror)
    whole = members(drawn, dataset)
    write(form, mirror, top_of(dataset), some(whole, lambda number, _: number % 4 > 0))
    context = project(tmp_path / "project", dataset, mirror)
    build(context)
    taxonomy.run(context)
    publish.run(context)
    stats = json.loads((context.paths.hub / "stats.json").read_text())
    assert sum(split["n_images"] for split in stats["splits"].values()) == len(listed(context))
    assert stats["quarantine"] == {}


def test_a_part_without_a_split_leaves_it_out_and_says_so(drawn, tmp_path, caplog):
    train = {name for name in members(drawn, "cub") if name.startswith(("images/0", "images/100"))}
    part = some(members(drawn, "cub"), lambda _, name: name in train)
    write("folder", tmp_path / "mirror", "CUB_200_2011/", part)
    context = project(tmp_path / "project", "cub", tmp_path / "mirror")
    with caplog.at_level("WARNING"):
        build(context)
    assert "of split test it has none" in caplog.text
    assert set(listed(context)["split"]) == {"train"}


@pytest.mark.parametrize("form", ["folder", "tar", "tar.gz", "zip"])
def test_json_files_may_be_unpacked_or_packed_otherwise(drawn, upstream, tmp_path, form):
    mirror = tmp_path / "mirror"
    shutil.copytree(drawn / "inat2018", mirror)
    for name in ("categories.json", "train2018.json", "val2018.json"):
        with tarfile.open(mirror / f"{name}.tar.gz") as archive:
            data = archive.extractfile(name).read()
        (mirror / f"{name}.tar.gz").unlink()
        if form == "tar.gz":
            write_tar(mirror / f"{name}.mine.tar.gz", [(name, data)], "w:gz")
        else:
            write(form, mirror, "" if form == "folder" else "annotations/", {name: data})
            if form != "folder":
                (mirror / f"mine.{form}").rename(mirror / f"{name.removesuffix('.json')}.{form}")
    context = project(tmp_path / "project", "inat2018", mirror)
    build(context)
    assert listed(context).equals(upstream("inat2018"))


def test_a_part_of_dyml_that_lies_unpacked_is_a_named_subset(drawn, tmp_path):
    context = project(tmp_path / "project", "dyml_product", drawn / "dyml_product")
    fetch.run(context)
    gone = {"train/imgs/3.jpg", "mini-bmk_all_in_one/imgs/0.jpg"}
    source = reader(context.params, "dyml_product", "sample")
    source.fetched = frozenset(fetched(context) - gone)
    listing = source.list_images(context.paths.store)
    assert listing.is_part
    assert listing.quarantine.empty
    assert listing.excluded == {"test": {"not in this copy": 1}, "train": {"not in this copy": 1}}


@pytest.mark.parametrize(
    ("form", "top"), [("folder", ""), ("folder", "animals/"), ("tar", ""), ("tar.gz", "x/"), ("zip", "")]
)
def test_dyml_goes_the_same_way(drawn, upstream, tmp_path, monkeypatch, form, top):
    """Its sample lies unpacked; at full scale the registry names a zip."""
    write(form, tmp_path / "mirror", top, members(drawn, "dyml_product"))
    context = project(tmp_path / "project", "dyml_product", tmp_path / "mirror")
    full = context.params.fetch.sample
    params = context.params.model_copy(
        update={"fetch": context.params.fetch.model_copy(update={"full": full})}
    )
    context = replace(
        context, scale="full", params=params, paths=Paths(tmp_path / "p", "full", "dyml_product")
    )
    monkeypatch.setattr(index, "expected_counts", lambda *_: {})
    build(context)
    assert listed(context).equals(upstream("dyml_product"))


def test_an_archive_of_ones_own_under_the_upstream_name_is_refused_and_told_what_to_do(drawn, tmp_path):
    write("zip", tmp_path / "mirror", "Stanford_Online_Products/", members(drawn, "sop"))
    (tmp_path / "mirror/mine.zip").rename(tmp_path / "mirror/Stanford_Online_Products.zip")
    context = project(tmp_path / "project", "sop", tmp_path / "mirror")
    with pytest.raises(CairnError, match=r"packed yourself another name"):
        fetch.run(context)


@pytest.mark.parametrize("dataset", ["sop", "cub", "inat2018", "vehicleid"])
def test_a_mirror_without_any_copy_says_what_would_do(drawn, tmp_path, dataset):
    write("tar", tmp_path / "mirror", "photos/", {"a.jpg": b"1", "list.txt": b"2"})
    with pytest.raises(CairnError, match="nor is there a copy of it, unpacked or packed again"):
        fetch.run(project(tmp_path / "project", dataset, tmp_path / "mirror"))


@pytest.mark.parametrize(
    ("dataset", "lost"),
    [
        ("sop", "Ebay_test.txt"),
        ("cub", "classes.txt"),
        ("vehicleid", "train_test_split/test_list_2400.txt"),
    ],
)
def test_a_copy_without_a_list_names_it(drawn, tmp_path, dataset, lost):
    content = members(drawn, dataset)
    del content[lost]
    write("folder", tmp_path / "mirror", "", content)
    context = project(tmp_path / "project", dataset, tmp_path / "mirror")
    with pytest.raises(CairnError, match=f"without {lost}"):
        fetch.run(context)


@pytest.mark.parametrize(("dataset", "form"), [("sop", "folder"), ("cub", "zip"), ("inat2018", "folder")])
def test_the_store_is_enough_once_a_copy_is_fetched_and_a_lost_file_comes_back(
    drawn, tmp_path, dataset, form
):
    mirror = tmp_path / "mirror"
    beside(drawn, dataset, mirror)
    write(form, mirror, top_of(dataset), members(drawn, dataset))
    context = project(tmp_path / "project", dataset, mirror)
    build(context)
    manifest = context.paths.manifest.read_bytes()
    name = min(name for name in fetched(context) if name.endswith((".jpg", ".JPG", ".zip")))
    (context.paths.store / name).unlink()
    require_fetched(context)
    assert (context.paths.store / name).is_file()
    mirror.rename(tmp_path / "unplugged")
    require_fetched(context)
    index.run(context)
    assert context.paths.manifest.read_bytes() == manifest


def test_an_image_that_left_an_unpacked_copy_leaves_the_index(drawn, tmp_path):
    write("folder", tmp_path / "mirror", "", members(drawn, "sop"))
    context = project(tmp_path / "project", "sop", tmp_path / "mirror")
    build(context)
    before = listed(context)
    next((tmp_path / "mirror").glob("*_final/*.JPG")).unlink()
    build(context)
    assert len(listed(context)) == len(before) - 1
