"""Cars196, In-Shop, revisited Oxford and Paris, VGGFace2, IJB-C, CUB's families: lists become an index."""

import importlib
import pickle
import re
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.loader import load_dataset
from cairnhub.pipelines.artifacts.index import IndexFolder
from cairnhub.pipelines.artifacts.protocols import ProtocolsFolder
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.samples.shapes.packing import write_zip
from cairnhub.pipelines.settings.sources import Subset, Subsets
from cairnhub.pipelines.sources.csv_tables import read_csv
from cairnhub.pipelines.sources.formats.cars196 import TYPES_OF_OTHERS, Cars196, type_of
from cairnhub.pipelines.sources.formats.cub.cub_reader import CUB, FAMILIES
from cairnhub.pipelines.sources.formats.ijbc import IJBC
from cairnhub.pipelines.sources.formats.inshop import InShop
from cairnhub.pipelines.sources.formats.revisited import CITIES, Revisited
from cairnhub.pipelines.sources.formats.vggface2 import VGGFace2
from tests.pipelines.untrusted import annotations, gnd, saved
from tests.project import ROOT

READERS = {
    "cars196": Cars196(),
    "inshop": InShop(),
    "roxford5k": Revisited(CITIES["oxford"]),
    "rparis6k": Revisited(CITIES["paris"]),
    "vggface2": VGGFace2(),
    "ijbc": IJBC(),
}
HERE = Path("x.mat")


def context_of(root: Path, dataset: str) -> Context:
    params = load_params(ROOT / "params.yaml")
    return Context(dataset, "sample", params, Paths(root, "sample", dataset, params.files_of(dataset)))


def build(context: Context, *stages: str) -> None:
    for stage in stages:
        importlib.import_module(f"cairnhub.pipelines.stages.{stage}").run(context)


def rezipped(path: Path, to: Path, change) -> None:
    """The zip with its members changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    write_zip(to, members.items())


@pytest.mark.parametrize("dataset", READERS)
def test_every_listed_image_is_found_and_nothing_else_lies_there(drawn, dataset):
    listing = READERS[dataset].list_images(drawn / dataset)
    assert listing.quarantine.empty
    assert listing.unnamed.empty
    assert not listing.images["image_id"].duplicated().any()


@pytest.mark.parametrize("dataset", READERS)
def test_a_missing_file_is_named(drawn, tmp_path, dataset):
    files = [
        path.name for path in (drawn / dataset).iterdir() if path.name not in ("registry.tsv", ".recipe")
    ]
    for name in files:
        store = tmp_path / name
        shutil.copytree(drawn / dataset, store)
        (store / name).unlink()
        with pytest.raises(CairnError, match=rf"{re.escape(name)} is missing: run the fetch stage"):
            READERS[dataset].list_images(store)


@pytest.mark.parametrize(
    ("dataset", "below"),
    [("cars196", ""), ("inshop", ""), ("roxford5k", "jpg"), ("vggface2", ""), ("ijbc", "")],
)
def test_an_unpacked_copy_is_the_same(drawn, tmp_path, dataset, below):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for path in (drawn / dataset).iterdir():
        if path.suffix == ".zip":
            zipfile.ZipFile(path).extractall(mirror / below)
        elif path.suffix in (".tgz", ".gz"):
            with tarfile.open(path) as archive:
                archive.extractall(mirror / below, filter="data")
        elif path.name not in ("registry.tsv", ".recipe"):
            shutil.copy(path, mirror)
    listing = READERS[dataset].list_images(drawn / dataset)
    splits = Subset(splits=tuple(sorted(set(listing.images["split"]))))
    context = at_full_scale(tmp_path, dataset, mirror, splits)
    build(context, "fetch", "index")
    columns = ["image_id", "split", *READERS[dataset].levels, *listing.kept]
    images = pd.read_parquet(IndexFolder(context.paths.index).images)
    assert sorted(images[columns].values.tolist()) == sorted(listing.images[columns].values.tolist())


# ---- Cars196 and MAT-files --------------------------------------------------------------------------------


def test_cars_split_by_class_number_and_not_by_folder(drawn):
    images = Cars196().list_images(drawn / "cars196").images
    assert images.groupby("split")["model"].unique().map(sorted).to_dict() == {
        "train": [
            "AM General Hummer SUV 2000",
            "Acura Integra Type R 2001",
            "Chevrolet Express Cargo Van 2007",
            "Eagle Talon Hatchback 1998",
        ],
        "test": ["GMC Savana Van 2012", "Lamborghini Reventon Coupe 2008", "smart fortwo Convertible 2012"],
    }
    folders = images["image_id"].str.partition("/")[0]
    assert images.groupby("split").apply(lambda each: set(folders[each.index])).to_dict() == {
        split: {"cars_train", "cars_test"} for split in ("train", "test")
    }


@pytest.mark.parametrize(
    ("model", "body"),
    [
        ("Audi 100 Wagon 1994", "Wagon"),
        ("Ford Ranger SuperCab 2011", "Pickup"),
        ("Dodge Dakota Club Cab 2007", "Pickup"),
        ("Ram C/V Cargo Van Minivan 2012", "Minivan"),
        ("Rolls-Royce Phantom Drophead Coupe Convertible 2012", "Convertible"),
        ("Ford E-Series Wagon Van 2012", "Wagon"),
        ("Acura TL Type-S 2008", "Sedan"),
        ("Infiniti G Coupe IPL 2012", "Coupe"),
    ],
)
def test_the_name_of_a_model_says_its_body_type(model, body):
    assert type_of(model, HERE) == body


def test_a_model_without_a_body_type_is_named():
    assert len(TYPES_OF_OTHERS) == 15
    with pytest.raises(CairnError, match=r"x\.mat: no body type in 'Trabant 601 1980'"):
        type_of("Trabant 601 1980", HERE)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cars_test_annos_withlabels.mat", saved(True, annotations=np.zeros((1, 2), dtype=[("fname", object)])),
         r"cars_test_annos_withlabels\.mat: annotation 1 has no `class` and `fname`"),
        ("cars_test_annos_withlabels.mat", saved(True, other=1), "has no variable 'annotations'"),
        ("devkit/cars_train_annos.mat", annotations((1.5, "a.jpg")), "annotation 1 has no `class`"),
        ("devkit/cars_meta.mat", saved(True, class_names=np.array([["a", "b"]], dtype=object)),
         "class_names holds 2 different names, not 196"),
    ],
    ids=["no labels", "no variable", "half a class", "few names"],
)  # fmt: skip
def test_wrong_annotations_of_cars_are_named(drawn, tmp_path, name, content, message):
    def change(members):
        members[f"stanford_cars/{name}"] = content

    rezipped(drawn / "cars196/stanford_cars.zip", tmp_path / "stanford_cars.zip", change)
    with pytest.raises(CairnError, match=message):
        Cars196().list_images(tmp_path)


def test_a_class_without_a_name_is_quarantined(drawn, tmp_path):
    def change(members):
        members["stanford_cars/devkit/cars_train_annos.mat"] = annotations(
            (197, "00001.jpg"), (1, "00002.jpg")
        )

    rezipped(drawn / "cars196/stanford_cars.zip", tmp_path / "stanford_cars.zip", change)
    quarantine = Cars196().list_images(tmp_path).quarantine
    assert quarantine[["image_id", "reason"]].values.tolist() == [
        ["cars_train/00001", "its class is not in cars_meta.mat"]
    ]


# ---- In-Shop ----------------------------------------------------------------------------------------------


def in_shop_with(drawn: Path, folder: Path, text: str) -> Path:
    shutil.copy(drawn / "inshop/img.zip", folder)
    (folder / "list_eval_partition.txt").write_text(text, encoding="utf-8")
    return folder


def test_in_shop_items_categories_and_splits(drawn):
    images = InShop().list_images(drawn / "inshop").images
    assert images.groupby("split")["item"].nunique().to_dict() == {"gallery": 6, "query": 6, "train": 6}
    by_split = {split: set(rows["item"]) for split, rows in images.groupby("split")}
    assert by_split["query"] == by_split["gallery"]
    assert not by_split["train"] & by_split["query"]
    assert set(zip(images["category"], images["gender"], strict=True)) == {
        ("Shoes (MEN)", "MEN"), ("Shoes (WOMEN)", "WOMEN"), ("Hand Bags", "WOMEN"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("48\n", "49\n", r"list_eval_partition\.txt:1: says 49 images, but lists 48; is it cut"),
        ("48\n", "", r"list_eval_partition\.txt: does not begin with a number of images"),
        ("item_id", "id", "does not begin with .* the line 'image_name item_id evaluation_status'"),
        (
            " id_00000002 train",
            " id_00000002 val",
            r"list_eval_partition\.txt:7: 'img/MEN/.* is not img/<gender>",
        ),
        (" id_00000003 train", " train", r"list_eval_partition\.txt:11: "),
    ],
)
def test_a_faulty_list_of_in_shop_is_named(drawn, tmp_path, old, new, message):
    text = (drawn / "inshop/list_eval_partition.txt").read_text()
    with pytest.raises(CairnError, match=message):
        InShop().list_images(in_shop_with(drawn, tmp_path, text.replace(old, new, 1)))


def test_an_item_in_two_folders_is_quarantined_where_it_is_rarer(drawn, tmp_path):
    text = (drawn / "inshop/list_eval_partition.txt").read_text()
    text = re.sub(r"(MEN/Shoes/id_00000001/01_1_front\.jpg\s+)id_00000001", r"\1id_00000005", text, count=1)
    quarantine = InShop().list_images(in_shop_with(drawn, tmp_path, text)).quarantine
    assert quarantine["reason"].tolist() == [
        "its folder contradicts the others of its item; MEN/Shoes, others WOMEN/Hand Bags"
    ]


# ---- revisited Oxford and Paris, and pickles ----------------------------------------------------------------


def test_the_answers_and_boxes_of_the_benchmark_reach_its_protocol(tmp_path):
    context = context_of(tmp_path, "roxford5k")
    build(context, "fetch", "index")
    images = pd.read_parquet(IndexFolder(context.paths.index).images)
    gnd = pickle.loads((context.paths.store / "gnd_roxford5k.pkl").read_bytes())  # our own, drawn here
    truth = ProtocolsFolder(context.paths.protocols).ground_truth()
    expected = {
        (query, gnd["imlist"][place], grade)
        for query, entry in zip(gnd["qimlist"], gnd["gnd"], strict=True)
        for grade in ("easy", "hard", "junk")
        for place in entry[grade]
    }
    assert {*truth[["query_id", "image_id", "relevance"]].itertuples(index=False, name=None)} == expected
    assert len(truth) == len(expected) == 24
    queries = images[images["split"] == "query"]
    assert set(queries["image_id"]) == set(gnd["qimlist"])
    assert set(queries["box"]) == {"8.5 6.0 88.25 90.0"}
    assert set(images.loc[images["split"] == "gallery", "box"]) == {""}
    assert ProtocolsFolder(context.paths.protocols).may_show_images is False


def test_a_query_shows_what_its_answers_are_tagged_and_junk_shows_nothing(drawn):
    listing = READERS["roxford5k"].list_images(drawn / "roxford5k")
    shown = listing.images.set_index("image_id")["landmark"]
    truth = listing.ground_truth
    queries = listing.images[listing.images["split"] == "query"]
    assert queries["landmark"].value_counts().to_dict() == {"all souls": 2, "radcliffe camera": 2}
    assert queries["image_id"].str.startswith("oxford_").sum() == 2  # their own tag is no landmark
    is_junk = truth["relevance"] == "junk"
    assert set(truth.loc[is_junk, "image_id"].map(shown)) == {"unlabelled"}
    answers = truth[~is_junk]
    assert (answers["image_id"].map(shown) == answers["query_id"].map(shown)).all()


def test_paris_lies_in_two_archives_or_in_one_folder(drawn, tmp_path):
    listing = READERS["rparis6k"].list_images(drawn / "rparis6k")
    assert set(listing.images["archive"]) == {"paris_1-v1.tgz", "paris_2-v1.tgz"}
    shutil.copy(drawn / "rparis6k/gnd_rparis6k.pkl", tmp_path)
    (tmp_path / "jpg").mkdir()
    for name in listing.images["image_id"]:
        (tmp_path / f"jpg/{name}.jpg").write_bytes(b"\xff\xd8")
    copy = READERS["rparis6k"].list_images(tmp_path)
    columns = ["image_id", "split", "landmark", "box"]
    assert copy.quarantine.empty
    assert sorted(copy.images[columns].values.tolist()) == sorted(listing.images[columns].values.tolist())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "has no lists imlist, qimlist and gnd"),
        ({**gnd(), "qimlist": []}, "imlist and qimlist must be names, and gnd one entry per query"),
        ({**gnd(), "imlist": [1, 2, 3]}, "imlist and qimlist must be names"),
        ({**gnd(), "gnd": [{"bbx": [1, 2, 3, 4]}]}, "query 'a_4' has no bbx, easy, hard and junk"),
        (gnd(bbx=[1, 2, 3]), "query 'a_4': bbx is not four numbers"),
        (gnd(bbx=[1, 2, 3, float("nan")]), "bbx is not four numbers"),
        (gnd(easy=[3]), "query 'a_4': easy: holds something other than places in imlist"),
        (gnd(junk=[-1]), "junk: holds something other than places"),
        (gnd(hard=["a_1"]), "hard: holds something other than places"),
        (gnd(hard=[0]), "query 'a_4': an image is listed twice, or under two grades"),
    ],
)
def test_answers_of_another_shape_are_named(tmp_path, content, message):
    (tmp_path / "gnd_roxford5k.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(CairnError, match=message):
        READERS["roxford5k"].list_images(tmp_path)


# ---- faces ------------------------------------------------------------------------------------------------


def test_vggface2_people_of_test_are_unseen(drawn):
    images = VGGFace2().list_images(drawn / "vggface2").images
    by_split = {split: set(rows["identity"]) for split, rows in images.groupby("split")}
    assert by_split["test"] == {"n000001", "n000009", "n000029"}
    assert not by_split["train"] & by_split["test"]


def test_a_faulty_line_of_vggface2_is_named(drawn, tmp_path):
    shutil.copytree(drawn / "vggface2", tmp_path, dirs_exist_ok=True)
    lines = (tmp_path / "test_list.txt").read_text().splitlines()
    (tmp_path / "test_list.txt").write_text("\n".join([*lines[:2], "", "n000001", *lines[3:]]))
    with pytest.raises(
        CairnError, match=r"test_list\.txt:4: 'n000001' is not n<6 digits>/<photo>_<face>\.jpg"
    ):
        VGGFace2().list_images(tmp_path)
    (tmp_path / "test_list.txt").write_text(" \n")
    with pytest.raises(CairnError, match=r"test_list\.txt: lists no image"):
        VGGFace2().list_images(tmp_path)


def test_templates_of_ijbc_are_published_with_its_faces(tmp_path):
    context = context_of(tmp_path, "ijbc")
    build(context, "fetch", "index", "taxonomy", "publish")
    splits = load_dataset(context.paths.hub)
    for name, n_templates in (("query", 8), ("gallery", 4)):
        rows = splits[name].select_columns(["template", "media", "identity"]).to_pandas()
        assert rows["template"].nunique() == n_templates
        assert rows.groupby("template")["identity"].nunique().eq(1).all()
        assert rows["media"].str.fullmatch("10[0-9]{2}").all()
    assert not set(splits["query"]["template"]) & set(splits["gallery"]["template"])


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("ijbc_face_tid_mid.txt", b"2.jpg 1 1002\n", b"2.jpg 1\n", r"ijbc_face_tid_mid\.txt:2: '2\.jpg 1' is not"),
        ("ijbc_1N_gallery_G1.csv", b"TEMPLATE_ID", b"ID", r"gallery_G1\.csv:1: its columns are not TEMPLATE_ID"),
        ("ijbc_1N_probe_mixed.csv", b"\n2,11,", b"\nx,11,", r"ijbc_1N_probe_mixed\.csv:2: 'x,11,"),
        ("ijbc_1N_probe_mixed.csv", b"\n2,11,", b"\n2,12,", "template 2 shows two people, or is both"),
        ("ijbc_1N_probe_mixed.csv", b"\n2,11,", b"\n1,11,", "template 1 shows two people, or is both"),
    ],
)  # fmt: skip
def test_faulty_lists_of_ijbc_are_named(drawn, tmp_path, name, old, new, message):
    def change(members):
        members[f"IJBC/meta/{name}"] = members[f"IJBC/meta/{name}"].replace(old, new, 1)

    rezipped(drawn / "ijbc/IJBC.zip", tmp_path / "IJBC.zip", change)
    with pytest.raises(CairnError, match=message):
        IJBC().list_images(tmp_path)


def test_a_crop_of_a_template_in_no_list_is_quarantined(drawn, tmp_path):
    def change(members):
        members["IJBC/meta/ijbc_face_tid_mid.txt"] += b"25.jpg 99 1025\n"

    rezipped(drawn / "ijbc/IJBC.zip", tmp_path / "IJBC.zip", change)
    assert IJBC().list_images(tmp_path).quarantine["reason"].tolist() == [
        "its template is in no list of the protocol"
    ]


# ---- CUB's families -----------------------------------------------------------------------------------------


def test_the_families_of_cub_are_as_many_as_published():
    table = read_csv(FAMILIES, ["class_id", "family", "order"])
    assert table["class_id"].tolist() == [str(number) for number in range(1, 201)]
    train, test = table[:100], table[100:]
    sizes = [
        (len(half[["family", "order"]].drop_duplicates()), half["order"].nunique()) for half in (train, test)
    ]
    assert sizes == [(30, 13), (20, 6)]
    parents = table.groupby("family")["order"].nunique()
    assert parents[parents > 1].to_dict() == {
        "Laridae": 2
    }  # as published: the kittiwake among the kingfishers


def test_cub_with_families_has_the_images_of_cub(drawn):
    plain, grouped = (
        CUB(levels).list_images(drawn / "cub").images
        for levels in (("species",), ("species", "family", "order"))
    )
    assert grouped[[*plain.columns]].equals(plain)
    gadwall = grouped[grouped["species"] == "Gadwall"].iloc[0]
    assert (gadwall["family"], gadwall["order"]) == ("Anatidae", "Anseriformes")


# ---- DyML ---------------------------------------------------------------------------------------------------


def test_what_the_gallery_of_dyml_holds_of_its_queries_comes_out(drawn, tmp_path):
    """Ids tell the sides apart, bytes are as given: equal pictures are found, whichever side they are on."""
    mirror = tmp_path / "mirror"
    shutil.copytree(drawn / "dyml_vehicle", mirror, ignore=shutil.ignore_patterns("registry.tsv", ".recipe"))
    query, gallery = (mirror / f"bmk_fine/{side}" for side in ("query", "gallery"))
    n_gallery = len(list(gallery.iterdir()))
    labels = (mirror / "bmk_fine/query.csv").read_text().removeprefix("fname, labels").splitlines()
    rows = [line.split(", ") for line in labels]
    for number, (name, _) in enumerate(rows, start=n_gallery):
        shutil.copy(query / name, gallery / f"{number}.jpg")
    with (mirror / "bmk_fine/gallery.csv").open("a") as file:
        file.writelines(f"{number}.jpg, {label}\n" for number, (_, label) in enumerate(rows, start=n_gallery))
    context = at_full_scale(tmp_path, "dyml_vehicle", mirror, Subset(splits=("query_fine", "gallery_fine")))
    build(context, "fetch", "index", "taxonomy", "publish", "check")
    found = pd.read_parquet(context.paths.duplicates)
    same = found[found["kind"] == "identical"]
    assert {frozenset(pair) for pair in zip(same["image_id_a"], same["image_id_b"], strict=True)} == {
        frozenset({f"bmk_fine/query/{name}", f"bmk_fine/gallery/{n_gallery + place}.jpg"})
        for place, (name, _) in enumerate(rows)
    }
    assert not same["conflicting"].any()


def at_full_scale(root: Path, dataset: str, mirror: Path, subset: Subset) -> Context:
    """A part of a dataset from a copy of one's own, which no registered count judges."""
    params = load_params(ROOT / "params.yaml")
    fetch = params.fetch.full.model_copy(update={"mirrors": {dataset: str(mirror)}})
    executor = params.executor.full.model_copy(update={"n_workers": 1})
    source = params.sources[dataset].model_copy(update={"subset": Subsets(full=subset)})
    params = params.model_copy(
        update={
            "sources": {**params.sources, dataset: source},
            "fetch": params.fetch.model_copy(update={"full": fetch}),
            "executor": params.executor.model_copy(update={"full": executor}),
        }
    )
    return Context(dataset, "full", params, Paths(root, "full", dataset))
