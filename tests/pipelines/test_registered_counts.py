"""Registered counts, readable names and protocols, as `index` sees them."""

import importlib
import re

import pandas as pd
import pytest
import yaml

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.samples.generate import SAMPLES
from cairnhub.pipelines.settings.sources import GLDv2Source, INat2018Source
from cairnhub.pipelines.sources.formats.gldv2.landmark_table import read_name
from cairnhub.pipelines.sources.formats.gldv2.reader import UNLABELLED, GLDv2
from cairnhub.pipelines.sources.formats.inat2018 import INat2018
from cairnhub.pipelines.sources.readers import reader
from cairnhub.pipelines.sources.registered_counts import check_counts, expected_counts
from cairnhub.pipelines.sources.registry import REGISTRIES
from cairnhub.pipelines.stages import index
from tests.project import ROOT

PARAMS = load_params(ROOT / "params.yaml")
FULL = {
    path.name.removesuffix(".counts.yaml"): (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get(
        "full", {}
    )
    for path in REGISTRIES.glob("*.counts.yaml")
}


# ---- counts -----------------------------------------------------------------------------------------------


def test_every_source_has_counts_at_both_scales():
    for dataset in PARAMS.sources:
        if PARAMS.files_of(dataset) in SAMPLES:
            edition = reader(PARAMS, dataset, "sample").edition
            assert expected_counts(edition, "sample"), dataset
            assert expected_counts(edition, "full") or dataset == "crockery"


def test_the_published_figures_are_registered():
    assert FULL["inat2018"]["train"] == {
        "images": 325846, "species": 5690, "genus": 3438, "family": 961, "order": 249, "class": 54, "phylum": 23,
        "kingdom": 5, "supercategory": 13,
    }  # fmt: skip
    assert FULL["inat2018"]["test"] == {"images": 136093, "species": 2452}
    assert FULL["sop"]["train"] == {"images": 59551, "product": 11318, "category": 12}
    assert [FULL["cub"][split]["images"] for split in ("train", "test")] == [5864, 5924]
    assert FULL["vehicleid"] == {
        "train": {"images": 113346, "vehicle": 13164},
        "test": {"vehicle": 2400},
    }
    fine_to_coarse = {
        name: tuple(FULL[f"dyml_{name}"]["train"].values()) for name in ("vehicle", "animal", "product")
    }
    assert fine_to_coarse == {"vehicle": (39491, 93, 5), "animal": (495, 28, 5), "product": (1639, 171, 36)}
    assert FULL["gldv2_clean"]["train"] == {"listed": 4132914, "images": 1580470, "landmark": 81313}
    assert [FULL["gldv2"][split]["listed"] for split in ("train", "index", "test")] == [
        4132914,
        761757,
        117577,
    ]


def test_what_differs_is_said_with_expected_and_found():
    expected = {"train": {"images": 1200, "species": 3}, "test": {"images": 5}}
    found = {"train": {"images": 1199, "species": 3, "listed": 1200}}
    with pytest.raises(CairnError) as failure:
        check_counts("birds", expected, found)
    for part in ("birds", "split train: expected 1,200 images, found 1,199", "split test: expected 5 images, found 0",
                 "sources.birds.subset", "counts.yaml"):  # fmt: skip
        assert part in str(failure.value)
    assert "species" not in str(failure.value)
    check_counts("birds", {"train": {"images": 1199, "genus": 7}}, found)


def test_an_index_that_is_not_whole_is_refused(tmp_path, monkeypatch):
    context = Context("cub", "sample", PARAMS, Paths(tmp_path, "sample", "cub"))
    importlib.import_module("cairnhub.pipelines.stages.fetch").run(context)
    counts = tmp_path / "cub.counts.yaml"
    counts.write_text("sample: {train: {images: 31}}\n", encoding="utf-8")
    monkeypatch.setattr(index, "expected_counts", lambda *key: expected_counts(*key, folder=tmp_path))
    with pytest.raises(
        CairnError, match=r"cub: not the whole dataset.*\n- split train: expected 31 images, found 30"
    ):
        index.run(context)
    assert not context.paths.index.exists()
    counts.write_text("sample: [1]", encoding="utf-8")
    with pytest.raises(CairnError, match=r"cub\.counts\.yaml: not scale -> split -> counts"):
        index.run(context)


# ---- protocols --------------------------------------------------------------------------------------------


def test_inat_base_is_species_and_supercategory_of_the_same_files(drawn):
    base, full = (reader(PARAMS, name, "sample") for name in ("inat2018_base", "inat2018"))
    assert PARAMS.files_of("inat2018_base") == "inat2018"
    assert base.levels == ("species", "supercategory")
    listed = [source.list_images(drawn / "inat2018").images for source in (base, full)]
    pd.testing.assert_series_equal(listed[0]["image_id"], listed[1]["image_id"])
    assert base.list_images(drawn / "inat2018").summary(base.levels)["train"]["supercategory"] == 6


def hgldv2(**changes) -> GLDv2:
    source = {"format": "gldv2", "clean": True, "hierarchy": "published", **changes}
    return GLDv2(GLDv2Source.model_validate(source))


def test_h_gldv2_joins_the_published_labels_and_drops_what_has_none(drawn):
    listing = hgldv2().list_images(drawn / "gldv2")
    images = listing.images
    assert set(images["split"]) == {"train", "query", "gallery"}
    for space, split in (("train", "train"), ("index", "gallery")):
        table = pd.read_csv(
            drawn / f"gldv2/metadata/{space}_label_to_hierarchical.csv", keep_default_na=False
        )
        labels = dict(
            zip(
                table["category"].map(lambda url: read_name(url)[0]), table["hierarchical_label"], strict=True
            )
        )
        shown = images[images["split"] == split]
        assert len(shown) > 100
        for row in shown.itertuples():
            assert labels[re.sub(r" \((train|index) \d+\)$", "", row.landmark)] == row.category != ""
    query, gallery = (set(images.loc[images["split"] == split, "landmark"]) for split in ("query", "gallery"))
    assert query <= gallery
    assert listing.excluded["gallery"] == {"its landmark has no published label": 21}
    assert hgldv2().card().protocols[0].gallery == "gallery"


def test_h_gldv2_keeps_unlabelled_images_on_demand(drawn):
    dropped, kept = (hgldv2(keep_unlabelled=keep).list_images(drawn / "gldv2") for keep in (False, True))
    extra = kept.images[kept.images["category"] == UNLABELLED]
    assert set(extra["kind"]) == {UNLABELLED}
    assert set(extra["split"]) == {"train", "gallery"}
    assert len(kept.images) == len(dropped.images) + len(extra)


# ---- names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "readable", "changes"),
    [
        ("Ben", "Ben", ""),
        ("Ben_Nevis", "Ben Nevis", "underscores"),
        ("Caf%C3%A9__X_", "Café X", "percent-decoded, underscores, stray spaces"),
        ("Cafe%CC%81", "Café", "percent-decoded, composed (NFC)"),
    ],
)
def test_what_was_changed_in_a_name_is_said(name, readable, changes):
    assert read_name(f"http://commons.wikimedia.org/wiki/Category:{name}") == (readable, changes)


def test_names_keep_the_original_and_queries_their_answers(tmp_path, caplog):
    caplog.set_level("INFO", logger="cairnhub")
    context = Context("gldv2", "sample", PARAMS, Paths(tmp_path, "sample", "gldv2"))
    importlib.import_module("cairnhub.pipelines.stages.fetch").run(context)
    index.run(context)
    names = pd.read_parquet(context.paths.index / "names.parquet")
    images = pd.read_parquet(context.paths.index / "images.parquet")
    assert list(names.columns) == ["label", "original", "changes"]
    assert set(names["label"]) == set(images["landmark"])
    assert names["label"].is_unique
    assert names["original"].str.startswith("http://commons.wikimedia.org/wiki/Category:").all()
    told_apart = names[names["changes"].str.contains("id appended")]
    assert len(told_apart) == 4
    assert told_apart["original"].nunique() == 2
    assert re.search(r"89 queries have \d+ answers .*, 0 of them with another label", caplog.text)
    solution = pd.read_csv(context.paths.store / "ground_truth/retrieval_solution_v2.1.csv").set_index("id")
    truth = pd.read_parquet(context.paths.protocols / "ground_truth.parquet")
    answers = truth.groupby("query_id")["image_id"].agg(set)
    assert set(answers.index) == set(images.loc[images["split"] == "test", "image_id"])
    assert all(found == set(solution.loc[query, "images"].split()) for query, found in answers.items())


# ---- the published label files ----------------------------------------------------------------------------


@pytest.mark.shared
def test_the_index_landmarks_of_gldv2_hang_under_78_labels_and_2_kinds(shared_dir, tmp_path):
    from cairnhub.hierarchies.label_tree.tree import LabelTree
    from cairnhub.pipelines.samples.shapes.packing import write_csv, write_tar

    labels = pd.read_csv(shared_dir / "reference/gldv2_index_label_to_hierarchical.csv", dtype=str)
    labels = labels.assign(
        category="http://commons.wikimedia.org/wiki/Category:Landmark_" + labels["landmark_id"],
        supercategory="",
    )
    metadata = tmp_path / "metadata"
    columns = ["landmark_id", "category", "supercategory", "hierarchical_label", "natural_or_human_made"]
    for space, rows in (("train", labels.head(0)), ("index", labels)):
        write_csv(metadata / f"{space}_label_to_hierarchical.csv", columns, rows[columns].to_numpy())
        write_csv(metadata / f"{space}_label_to_category.csv", columns[:2], rows[columns[:2]].to_numpy())
    ids = [f"{int(number):016x}" for number in labels["landmark_id"]]
    write_csv(metadata / "index.csv", ["id"], [[image] for image in ids])
    shown = zip(ids, labels["landmark_id"], strict=True)
    write_csv(metadata / "index_image_to_landmark.csv", ["id", "landmark_id"], shown)
    write_tar(tmp_path / "index/images_000.tar", [(f"{i[0]}/{i[1]}/{i[2]}/{i}.jpg", b"") for i in ids])
    source = GLDv2Source(format="gldv2", hierarchy="published")
    part = type(source.subset.full)(splits=("gallery",))
    listing = GLDv2(source, part).list_images(tmp_path)
    assert listing.counts()["gallery"] == {"listed": 55529, "indexed": 55529, "quarantined": 0, "excluded": 0}
    tree = LabelTree.from_table(listing.images, GLDv2.levels)
    assert [len(tree.at_level(level)) for level in tree.levels] == [55529, 78, 2]
    assert [len(parents) for parents in tree.parents] == [55529, 78]


@pytest.mark.shared
def test_the_species_of_inat_2018_have_one_place_each(shared_dir, tmp_path):
    from cairnhub.hierarchies.label_tree.tree import LabelTree
    from cairnhub.pipelines.samples.inat2018 import _write_json
    from cairnhub.pipelines.samples.shapes.packing import write_bytes, write_tar_gz

    species = pd.read_csv(shared_dir / "reference/inat2018_categories.csv", dtype=str)
    _write_json(tmp_path, "categories", species.assign(id=species["id"].astype(int)).to_dict("records"))
    names = [f"train_val2018/{row.supercategory}/{row.id}/{row.id}.jpg" for row in species.itertuples()]
    write_tar_gz(tmp_path / "train_val2018.tar.gz", [(name, b"") for name in names])
    half = len(names) // 2
    for split, listed in (("train", names[:half]), ("test", names[half:])):
        text = "".join(f"{name}\n" for name in listed)
        write_bytes(tmp_path / f"Inat_dataset_splits/Inaturalist_{split}_set1.txt", text.encode())
    images = [{"file_name": name, "license": 1, "rights_holder": "x"} for name in names]
    for file in ("train2018", "val2018"):
        _write_json(tmp_path, file, {"images": images, "licenses": [{"id": 1, "name": "y"}]})
    reader_ = INat2018(INat2018Source(format="inat2018"))
    tree = LabelTree.from_table(reader_.list_images(tmp_path).images, reader_.levels)
    assert [len(tree.at_level(level)) for level in tree.levels] == [8142, 4412, 1120, 273, 57, 25, 6]
    base = INat2018(INat2018Source(format="inat2018", levels=("species", "supercategory")))
    tree = LabelTree.from_table(base.list_images(tmp_path).images, base.levels)
    assert [len(tree.at_level(level)) for level in tree.levels] == [8142, 14]
