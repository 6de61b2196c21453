"""The embedded samples: upstream layouts, counts, awkward names, the same bytes every time."""

import csv
import hashlib
import io
import json
import multiprocessing
import os
import signal
import tarfile
import time
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.code import ROOT, closure
from cairnhub.pipelines.samples import generate as samples
from cairnhub.pipelines.samples.generate import SAMPLES, generate

PINNED = {
    "gldv2": "62062b04fdaf98f1f487ce39be664a1cad8b79027895bd05d56c0eeb2a5360e5",
    "inat2018": "8358cac8a4e60861981654297fa7c8bb9950613705d96598c6f686ff162ded63",
    "dyml_animal": "867912b42f7c92a3cab898aafade3fd3c9f2545d572d077e14fc4bbfaabc728d",
    "dyml_vehicle": "eb38828c79c402373abad1705a118b2ddef9bf0f7a188b682dd70c082a5549a5",
    "dyml_product": "8816eb16ceca9b391d366bcd7de0508513421a66dad94008ce90f04b9a9a82bc",
    "sop": "a6aafd194dbea440a4ed386cd66d101d6892b91ae1a0c6da7a560d938af7e48f",
    "cub": "d7e2b6863848553b20c89f79d7d9ce88c0a60f2595d22a7c5f2d46b6b0e7f62a",
    "vehicleid": "c993699a85099f34fcf3479d51db26b2425c667fafe5f3d4eac589da6a1b704b",
    "cars196": "1cde616c36a8bcaac0e64a5277ac36b11a2cc17089aed9ed9451b9c5918b3481",
    "inshop": "1ff060e406502b02af075be5287b15bff900b88f0764f4e5ee19e70d54c86c49",
    "roxford5k": "be219acc7acc6d9522d5c04e0ca03d7554f3caead9d72906de01e0f41fb84be8",
    "rparis6k": "af5021ed3344143ed3f53a2056d27dbfed7fa49de866952711a64e27c2f15f7f",
    "vggface2": "fb45c57c45a351d92951e2b7e230dc7f09c5620849bf5f82b7ac60551c87e7a6",
    "ijbc": "7300ea79b5eddab8132f649a5ada6ade51e7c4cc6519d402b418af758e42cab9",
    "crockery": "1d6858c22855a318580f32dfc8ab561616575e3fea58f9dc2b092d641f648504",
}


def table(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


@pytest.mark.parametrize("dataset", SAMPLES)
def test_the_registry_pins_every_byte(drawn: Path, dataset: str) -> None:
    rows = table(drawn / dataset / "registry.tsv", "\t")
    files = {
        path.relative_to(drawn / dataset).as_posix()
        for path in (drawn / dataset).rglob("*")
        if path.is_file()
    }
    assert {row["name"] for row in rows} == files - {"registry.tsv", ".recipe"}
    for row in rows:
        content = (drawn / dataset / row["url"]).read_bytes()
        assert int(row["bytes"]) == len(content)
        assert row["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
    registry = (drawn / dataset / "registry.tsv").read_bytes()
    assert hashlib.sha256(registry).hexdigest() == PINNED[dataset], "the sample's bytes changed"


def test_another_process_with_another_hash_seed_draws_the_same_bytes(drawn: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    os.environ["PYTHONHASHSEED"] = "7"
    try:
        process = context.Process(target=generate, args=("crockery", tmp_path / "again"))
        process.start()
        process.join()
    finally:
        del os.environ["PYTHONHASHSEED"]
    again = (tmp_path / "again/registry.tsv").read_bytes()
    assert again == (drawn / "crockery/registry.tsv").read_bytes()


def test_all_samples_together_stay_small(drawn: Path) -> None:
    assert sum(path.stat().st_size for path in drawn.rglob("*") if path.is_file()) < 7e6


# --- one folder, whole or absent


def test_a_complete_folder_is_left_alone_and_a_damaged_one_is_drawn_again(tmp_path: Path) -> None:
    folder = tmp_path / "crockery"
    generate("crockery", folder)
    before = (folder / "labels.csv").stat()
    generate("crockery", folder)
    assert (folder / "labels.csv").stat().st_ino == before.st_ino
    (folder / "labels.csv").unlink()
    generate("crockery", folder)
    assert (folder / "labels.csv").stat().st_size == before.st_size


def test_a_killed_run_leaves_no_half_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    process = context.Process(target=generate, args=("dyml_animal", tmp_path / "dyml"))
    process.start()
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob(".dyml*/train/imgs/*.jpg")) and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not (tmp_path / "dyml").exists()
    generate("dyml_animal", tmp_path / "dyml")
    assert (tmp_path / "dyml/registry.tsv").is_file()


def test_files_of_others_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(CairnError, match="holds other files"):
        generate("crockery", tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_an_unknown_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(CairnError, match=r"'gldv3'.*gldv2, inat2018"):
        generate("gldv3", tmp_path / "new")


def test_a_folder_of_older_code_is_drawn_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate("crockery", tmp_path / "c")
    first = (tmp_path / "c/labels.csv").stat().st_ino
    monkeypatch.setattr(samples, "_fingerprint", lambda _: "newer")
    generate("crockery", tmp_path / "c")
    assert (tmp_path / "c/labels.csv").stat().st_ino != first


def test_a_sample_depends_on_its_own_module_its_facts_and_what_it_draws_with() -> None:
    def reached(name: str) -> set[str]:
        return {
            path.relative_to(ROOT / "pipelines/samples").as_posix()
            for path in closure([f"pipelines.samples.{name}"])
        }

    assert {"gldv2/__init__.py", "gldv2/landmarks.tsv", "shapes/canvas.py", "shapes/packing.py"} <= reached(
        "gldv2"
    )
    assert {name for name in reached("cub") if "/" not in name} == {"cub.py"}
    assert "gldv2/landmarks.tsv" not in reached("cub")


# --- GLDv2


def gldv2_members(folder: Path, split: str) -> set[str]:
    names: set[str] = set()
    for tar in sorted((folder / split).glob("images_*.tar")):
        md5 = (folder / f"md5sum/{split}/md5.{tar.stem}.txt").read_text()
        assert md5 == f"{hashlib.md5(tar.read_bytes()).hexdigest()}  {tar.name}\n"
        with tarfile.open(tar) as archive:
            for member in archive:
                *parts, image_id = member.name.removesuffix(".jpg").split("/")
                assert parts == list(image_id[:3])
                assert len(image_id) == 16
                names.add(image_id)
    return names


def test_gldv2_lists_exactly_what_its_tars_hold(drawn: Path) -> None:
    for split, expected in (("train", 490), ("index", 280), ("test", 103)):
        listed = [row["id"] for row in table(drawn / f"gldv2/metadata/{split}.csv")]
        assert len(listed) == len(set(listed)) == expected
        assert gldv2_members(drawn / "gldv2", split) == set(listed)
    assert [row["id"] for row in table(drawn / "gldv2/metadata/train_attribution.csv")] == [
        row["id"] for row in table(drawn / "gldv2/metadata/train.csv")
    ]


def test_gldv2_has_the_variety_of_the_real_one(drawn: Path) -> None:
    rows = {
        split: table(drawn / f"gldv2/metadata/{split}_label_to_hierarchical.csv")
        for split in ("train", "index")
    }
    urls = {split: {row["category"] for row in of_split} for split, of_split in rows.items()}
    both = [row for of_split in rows.values() for row in of_split]
    assert len(urls["train"] | urls["index"]) >= 60
    assert len(urls["train"] & urls["index"]) == 2
    assert len({row["supercategory"] for row in both} - {""}) >= 25
    assert {row["natural_or_human_made"] for row in both} == {"natural", "human-made", ""}
    assert sum(not row["supercategory"] for row in both) == 7
    labels = {split: {row["hierarchical_label"] for row in of_split} for split, of_split in rows.items()}
    assert labels["index"] <= labels["train"]


def test_gldv2_names_carry_the_quirks_of_commons(drawn: Path) -> None:
    urls = [
        row["category"]
        for split in ("train", "index")
        for row in table(drawn / f"gldv2/metadata/{split}_label_to_category.csv")
    ]
    assert all(
        url.startswith("http://commons.wikimedia.org/wiki/Category:") and url.isascii() for url in urls
    )
    names = [unquote(url).split("Category:", 1)[1] for url in urls]
    for quirk in (":", "?", "/", ",", "__", '"', "'", "é", "Ł", "e\u0301"):
        assert any(quirk in name for name in names), quirk
    assert any(name.endswith("_") for name in names)
    assert not any(" " in url for url in urls)


def test_gldv2_answers_agree_with_its_labels(drawn: Path) -> None:
    folder = drawn / "gldv2"
    landmark = {
        row["id"]: row["landmark_id"] for row in table(folder / "metadata/index_image_to_landmark.csv")
    }
    retrieval = table(folder / "ground_truth/retrieval_solution_v2.1.csv")
    for row in retrieval:
        if row["Usage"] == "Ignored":
            assert row["images"] == "None"
            continue
        shown = {landmark[image] for image in row["images"].split()}
        assert len(shown) == 1
        assert set(row["images"].split()) == {image for image, mark in landmark.items() if mark in shown}
    assert sum(row["Usage"] == "Ignored" for row in retrieval) == 14
    train_ids = {row["landmark_id"] for row in table(folder / "metadata/train.csv")}
    recognition = table(folder / "ground_truth/recognition_solution_v2.1.csv")
    answered = [row["landmarks"] for row in recognition if row["landmarks"]]
    assert set(answered) <= train_ids
    assert len(answered) >= 8
    assert [row["id"] for row in recognition] == [row["id"] for row in retrieval]


def test_gldv2_clean_is_a_part_of_train(drawn: Path) -> None:
    landmark = {row["id"]: row["landmark_id"] for row in table(drawn / "gldv2/metadata/train.csv")}
    clean = table(drawn / "gldv2/metadata/train_clean.csv")
    kept = [(image, row["landmark_id"]) for row in clean for image in row["images"].split()]
    assert all(landmark[image] == mark for image, mark in kept)
    assert 0.75 * len(landmark) < len(kept) < len(landmark)


# --- iNaturalist


def json_of(folder: Path, name: str) -> object:
    with tarfile.open(folder / f"{name}.json.tar.gz") as archive:
        member = archive.extractfile(f"{name}.json")
        assert member is not None
        return json.load(member)


def test_inat_archives_lists_and_splits_agree(drawn: Path) -> None:
    folder = drawn / "inat2018"
    categories = json_of(folder, "categories")
    assert isinstance(categories, list)
    assert [row["id"] for row in categories] == list(range(58))
    with tarfile.open(folder / "train_val2018.tar.gz") as archive:
        members = set(archive.getnames())
    listed: dict[str, int] = {}
    for split in ("train2018", "val2018"):
        annotations = json_of(folder, split)
        assert isinstance(annotations, dict)
        label = {row["image_id"]: row["category_id"] for row in annotations["annotations"]}
        listed |= {image["file_name"]: label[image["id"]] for image in annotations["images"]}
    assert members == set(listed)
    for path, category in listed.items():
        assert path.split("/")[1:3] == [categories[category]["supercategory"], str(category)]
    species = {}
    for split in ("train", "test"):
        lines = (folder / f"Inat_dataset_splits/Inaturalist_{split}_set1.txt").read_text().splitlines()
        species[split] = {listed[line] for line in lines}
    assert len(species["train"]) == 39
    assert len(species["test"]) == 19
    assert not species["train"] & species["test"]


def test_inat_ranks_are_a_hierarchy_but_for_a_homonym(drawn: Path) -> None:
    categories = json_of(drawn / "inat2018", "categories")
    assert isinstance(categories, list)
    ranks = ("name", "genus", "family", "order", "class", "phylum", "kingdom")
    homonyms = {}
    for finer, coarser in pairwise(ranks):
        parents: dict[str, set[str]] = {}
        for row in categories:
            parents.setdefault(row[finer], set()).add(row[coarser])
        homonyms |= {name: found for name, found in parents.items() if len(found) > 1}
        assert len({row[finer] for row in categories}) > len({row[coarser] for row in categories})
    assert homonyms == {"Prunella": {"Lamiaceae", "Prunellidae"}}, "as upstream, a bird and a plant"
    assert [row["name"] for row in categories if row["family"] == "NA"] == ["Rickenella fibula"]


# --- DyML and crockery


def glued(path: Path, last_column: str) -> list[list[str]]:
    """All records, the one on the header's line first."""
    first, *others = path.read_text().splitlines()
    return [line.split(", ") for line in (first.split(last_column, 1)[1], *others)]


@pytest.mark.parametrize("name", ["animal", "vehicle", "product"])
def test_dyml_csvs_glue_the_first_record_to_the_header(drawn: Path, name: str) -> None:
    folder = drawn / f"dyml_{name}"
    tests = ["mini-bmk_all_in_one"] if name == "product" else []
    for part in ("train", *tests):
        text = (folder / part / "label.csv").read_text()
        assert text.startswith("fname, coarse_id, middle_id, fine_id0.jpg, ")
        records = glued(folder / part / "label.csv", "fine_id")
        assert sorted(row[0] for row in records) == sorted(
            path.name for path in (folder / part / "imgs").iterdir()
        )
        for column in (1, 2):
            assert len({(row[column + 1], row[column]) for row in records}) == len(
                {row[column + 1] for row in records}
            )
    for level in () if name == "product" else ("fine", "middle", "coarse"):
        labels = {}
        for part in ("query", "gallery"):
            csv_path = folder / f"bmk_{level}/{part}.csv"
            assert csv_path.read_text().startswith("fname, labels0.jpg, ")
            records = glued(csv_path, "labels")
            assert {row[0] for row in records} == {
                path.name for path in (folder / f"bmk_{level}/{part}").iterdir()
            }
            labels[part] = {row[1] for row in records}
        assert labels["query"] == labels["gallery"]


def test_dyml_fine_classes_of_the_test_are_new(drawn: Path) -> None:
    train = {row[3] for row in glued(drawn / "dyml_animal/train/label.csv", "fine_id")}
    test = {row[1] for row in glued(drawn / "dyml_animal/bmk_fine/gallery.csv", "labels")}
    assert (len(train), len(test)) == (27, 18)
    assert not train & test


def test_crockery_lists_its_images(drawn: Path) -> None:
    rows = table(drawn / "crockery/labels.csv")
    paths = {
        path.relative_to(drawn / "crockery").as_posix() for path in drawn.glob("crockery/images/**/*.jpg")
    }
    assert {row["path"] for row in rows} == paths
    assert len(rows) == 200
    assert [len({row[level] for row in rows}) for level in ("fine", "middle", "coarse")] == [20, 5, 3]


def test_pictures_of_one_subject_differ_and_decode(drawn: Path) -> None:
    pictures = [path.read_bytes() for path in sorted((drawn / "dyml_product/train/imgs").iterdir())]
    assert len(set(pictures)) == len(pictures)
    for content in pictures:
        with Image.open(io.BytesIO(content)) as image:
            assert (image.format, image.size, image.mode) == ("JPEG", (96, 96), "RGB")
            image.load()
