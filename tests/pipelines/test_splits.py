"""Splits that a table has, by any names, and splits that Cairn makes where it has none."""

import json
import logging
from pathlib import Path

import pandas as pd
import pytest
import yaml

from cairnhub.core.errors import BadInput, CairnError
from cairnhub.datasets_hub.card import EvaluationProtocol
from cairnhub.pipelines.graph import render
from cairnhub.pipelines.include import include_dataset
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.run_stage import run_stage
from cairnhub.pipelines.settings.sources import SplitByClass, SplitByImage
from cairnhub.pipelines.sources.splits import divide
from cairnhub.pipelines.split_names import recognised_protocols, training_split
from tests.pipelines.table_project import TableProject, grid, inside
from tests.project import ROOT

LEVELS = ("species", "genus")


def rows(sizes: dict[str, int], n_images: int = 10) -> pd.DataFrame:
    """Genera of some species each, of some images each."""
    listed = [
        (f"{genus}/{species}/{i}.jpg", f"{genus} {species}", genus)
        for genus, n_species in sizes.items()
        for species in range(n_species)
        for i in range(n_images)
    ]
    return pd.DataFrame(listed, columns=["image_id", "species", "genus"])


def sides(frame: pd.DataFrame, splits: "pd.Series[str]", level: str = "species") -> dict[str, set[str]]:
    return splits.groupby(frame[level]).agg(set).to_dict()


# ---- class-disjoint -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.2, 0.5, 0.75])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_classes_are_whole_on_one_side_and_each_coarse_label_is_divided_alike(
    share: float, seed: int
) -> None:
    frame = rows({"a": 8, "b": 3, "c": 1, "d": 20, "e": 5})
    splits = divide(frame, LEVELS, SplitByClass(test=share, seed=seed))
    of_species = sides(frame, splits)
    assert all(len(found) == 1 for found in of_species.values())
    for genus, n_species in (("a", 8), ("b", 3), ("c", 1), ("d", 20), ("e", 5)):
        n_test = sum(found == {"test"} for name, found in of_species.items() if name.startswith(genus))
        assert abs(n_test - share * n_species) < 1


def test_adding_images_moves_no_class_and_adding_a_class_one_at_most() -> None:
    before = rows({"a": 9, "b": 4}, 3)
    first = divide(before, LEVELS, SplitByClass())
    more = rows({"a": 9, "b": 4}, 30).sample(frac=1, random_state=1)
    again = divide(more, LEVELS, SplitByClass())
    assert sides(more, again) == sides(before, first)
    moved = []
    for n_species in range(9, 40):
        larger = rows({"a": n_species + 1, "b": 4}, 3)
        now = sides(larger, divide(larger, LEVELS, SplitByClass()))
        smaller = rows({"a": n_species, "b": 4}, 3)
        then = sides(smaller, divide(smaller, LEVELS, SplitByClass()))
        moved.append([name for name in then if then[name] != now[name]])
    assert max(map(len, moved)) <= 1
    assert not [name for names in moved for name in names if name.startswith("b")]
    assert sum(map(len, moved)) < len(moved) / 2


def test_a_coarser_level_is_divided_with_all_below_it() -> None:
    frame = rows({"a": 8, "b": 3, "c": 1, "d": 20})
    splits = divide(frame, LEVELS, SplitByClass(level="genus"))
    assert all(len(found) == 1 for found in sides(frame, splits, "genus").values())
    assert set(splits) == {"train", "test"}


@pytest.mark.parametrize("n_images", [1, 2, 3, 10])
@pytest.mark.parametrize("query_share", [0.01, 0.2, 0.9])
def test_each_test_class_has_queries_and_a_gallery(n_images: int, query_share: float) -> None:
    frame = rows({"a": 8, "b": 6}, n_images)
    splits = divide(frame, LEVELS, SplitByClass(query_share=query_share))
    tested = [found for found in sides(frame, splits).values() if found != {"train"}]
    assert len(tested) == 7
    assert all(found == ({"query", "gallery"} if n_images > 1 else {"gallery"}) for found in tested)
    if n_images == 10 and query_share == 0.2:
        assert (splits == "query").sum() == 14


@pytest.mark.parametrize("n_species", [2, 3, 5])
def test_few_classes_are_never_all_on_one_side(n_species: int) -> None:
    frame = rows(dict.fromkeys("vwxyz"[:n_species], 1))
    for seed in range(20):
        assert set(divide(frame, LEVELS, SplitByClass(test=0.1, seed=seed))) == {"train", "test"}
    assert set(divide(rows({"a": 1}), LEVELS, SplitByClass())) == {"train"}


def test_rows_without_a_label_and_rows_listed_twice_move_nothing() -> None:
    frame = rows({"a": 8, "b": 6})
    splits = divide(frame, LEVELS, SplitByClass(query_share=0.3))
    blank = pd.DataFrame({"image_id": ["x", "y"], "species": ["", ""], "genus": ["a", ""]})
    more = pd.concat([frame, blank, frame.head(50)], ignore_index=True)
    again = divide(more, LEVELS, SplitByClass(query_share=0.3))
    assert again[: len(frame)].tolist() == splits.tolist()
    assert again[len(frame) : len(frame) + 2].tolist() == ["train", "train"]


# ---- closed-set ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_images", "n_test"), [(1, 0), (2, 1), (3, 1), (10, 2), (25, 5)])
def test_every_class_that_has_two_images_is_in_both(n_images: int, n_test: int) -> None:
    frame = rows({"a": 120, "b": 80}, n_images)
    splits = divide(frame, LEVELS, SplitByImage(by="image"))
    per_class = (splits == "test").groupby(frame["species"]).sum()
    assert per_class.between(1, n_images - 1).all() if n_images > 1 else not per_class.any()
    assert per_class.eq(n_test).all() or n_images == 3  # one of three is nearer to a fifth than none


def test_adding_images_moves_one_other_of_the_class_at_most() -> None:
    for n_images in range(2, 30):
        frame, larger = rows({"a": 3}, n_images), rows({"a": 3}, n_images + 1)
        then = divide(frame, LEVELS, SplitByImage(by="image")).set_axis(frame["image_id"])
        now = divide(larger, LEVELS, SplitByImage(by="image")).set_axis(larger["image_id"])
        moved = (now[then.index] != then).groupby(then.index.str[:3]).sum()
        assert moved.max() <= 1


# ---- what names tell ----------------------------------------------------------------------------------------


def shown(protocols: tuple[EvaluationProtocol, ...]) -> list[tuple[str, str, str]]:
    return [(each.name, each.query, each.gallery) for each in protocols]


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        (["train", "test"], [("retrieval", "test", "test")]),
        (["Train", "Test"], [("retrieval", "Test", "Test")]),
        (["train", "query", "gallery"], [("retrieval", "query", "gallery")]),
        (["TRAIN", "Query", "GALLERY"], [("retrieval", "Query", "GALLERY")]),
        (["train", "val"], [("validation", "val", "val")]),
        (["train", "dev", "test"], [("retrieval", "test", "test"), ("validation", "dev", "dev")]),
        (["train", "valid", "query", "gallery", "test"],
         [("retrieval", "query", "gallery"), ("test", "test", "test"), ("validation", "valid", "valid")]),
        (["val", "dev"], [("val", "val", "val"), ("dev", "dev", "dev")]),
        (["train", "query"], []),
        (["one", "two"], []),
    ],
)  # fmt: skip
def test_names_tell_what_searches_what(splits: list[str], expected: list[tuple[str, str, str]]) -> None:
    assert shown(recognised_protocols(splits)) == expected


def test_the_split_that_trains_is_called_so() -> None:
    assert training_split(["Train", "test"]) == "Train"
    assert training_split(["test", "training"]) == "training"
    with pytest.raises(BadInput, match="no split is called train: there are 'learn', 'test'"):
        training_split(["test", "learn"])


# ---- a table, built -----------------------------------------------------------------------------------------


def index_of(project: TableProject) -> tuple[list[tuple[str, str, str]], dict[str, int]]:
    """Protocols of the card, and images per split."""
    project.stage("fetch", "index")
    card = json.loads((project.at("data/index") / "card.json").read_text())
    protocols = [(each["name"], each["query"], each["gallery"]) for each in card["protocols"]]
    images = pd.read_parquet(project.at("data/index") / "images.parquet")
    return protocols, images["split"].value_counts().to_dict()


@pytest.mark.parametrize("names", [("Train", "Test"), ("train", "query", "gallery"), ("train", "val")])
def test_splits_by_their_usual_names_are_evaluated(names: tuple[str, ...], tmp_path: Path) -> None:
    protocols, counts = index_of(TableProject(tmp_path, grid(4, 6, names)))
    assert len(protocols) == 1
    assert set(counts) == set(names)


def test_splits_by_any_names_are_evaluated_as_declared(tmp_path: Path) -> None:
    declared = [{"name": "hard", "query": "asked", "gallery": "shelf", "levels": ["coarse"]}]
    rows_ = grid(4, 6, ("train", "asked", "shelf"))
    assert index_of(TableProject(tmp_path, rows_, protocols=declared))[0] == [("hard", "asked", "shelf")]


@pytest.mark.parametrize(
    ("splits", "changes", "message"),
    [
        (("train", "Test", "test"), {}, r"labels\.csv: column 'split': 5 rows have the split 'Test' and 5 rows 'test'"),
        (("train", "QUERY", "query"), {}, r"'QUERY' and 5 rows 'query', which differ by case only; spell them alike"),
        (("train", "one"), {"protocols": [{"name": "a", "query": "one", "gallery": "two"}]},
         r"params\.yaml: sources\.mine\.protocols: 'a' names split 'two'; splits are 'one', 'train'"),
    ],
)  # fmt: skip
def test_splits_that_cannot_be_meant_are_refused(splits, changes, message, tmp_path: Path) -> None:
    project = TableProject(tmp_path, grid(5, 3, splits), **changes)
    with pytest.raises(BadInput, match=message):
        project.stage("fetch", "index")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": {"by": "classes"}}, r"sources\.mine\.table\.split: give the name of a CSV column, \{by: class"),
        ({"split": {"by": "class", "test": 1.5}}, r"sources\.mine\.table\.split\.class\.test: .*less than 1"),
        ({"split": {"by": "class", "level": "genus"}}, r"split: no level 'genus'; levels are 'fine', 'coarse'"),
        ({"split": {"by": "image", "query_share": 0.2}}, r"split\.image\.query_share: unknown key"),
        ({"protocols": [{"name": "a", "query": "q"}]}, r"protocols\.0\.gallery: missing"),
        ({"protocols": [{"name": "a", "query": "q", "gallery": "g", "levels": ["x"]}]}, "protocols: no level 'x'"),
        ({"protocols": [{"name": "a", "query": "q", "gallery": "g"}] * 2}, "protocols: two have one name"),
    ],
)  # fmt: skip
def test_a_fault_of_a_declaration_is_named_by_its_key(changes, message, tmp_path: Path) -> None:
    project = TableProject(tmp_path, grid(), **changes)
    with pytest.raises(CairnError, match=message):
        load_params(project.root / "params.yaml")


def test_a_table_without_a_split_column_is_class_disjoint_and_says_so(tmp_path: Path, caplog) -> None:
    project = TableProject(tmp_path, [row[:3] for row in grid(8, 4)], "path,fine,coarse")
    with caplog.at_level(logging.INFO):
        protocols, counts = index_of(project)
    assert protocols == [("retrieval", "test", "test")]
    assert counts == {"train": 16, "test": 16}
    said = "Class-disjoint splits, made by Cairn: 50% of the labels of level fine, of every coarse alike, are test"
    assert said in caplog.text
    card = json.loads((project.at("data/index") / "card.json").read_text())
    assert said in card["description"]
    images = pd.read_parquet(project.at("data/index") / "images.parquet")
    assert images.groupby("fine")["split"].nunique().eq(1).all()


def test_queries_and_gallery_are_made_and_measured(tmp_path: Path) -> None:
    split = {"by": "class", "level": "fine", "test": 0.5, "query_share": 0.25, "seed": 3}
    project = TableProject(tmp_path, [row[:3] for row in grid(8, 4)], "path,fine,coarse", split=split)
    protocols, counts = index_of(project)
    assert protocols == [("retrieval", "query", "gallery")]
    assert counts == {"train": 16, "gallery": 12, "query": 4}


NOTHING = r"nothing can be evaluated: its splits are 'learn', 'look'; none is called test or val"


def test_what_cannot_be_evaluated_is_said_from_the_first_command_on(tmp_path: Path, caplog) -> None:
    project = TableProject(tmp_path, grid(4, 4, ("learn", "look")))
    included = include_dataset(project.root / "params.yaml", "mine", str(project.mirror), "sample")
    assert NOTHING in included.warning
    assert "no split is called train" in included.warning
    project.stage("fetch", "index", "taxonomy", "publish")
    assert NOTHING in caplog.text
    assert "no split is called train" in caplog.text
    with pytest.raises(BadInput, match="no split is called train: there are 'learn', 'look'"):
        project.stage("train")
    project.at("models").mkdir(parents=True)
    with pytest.raises(BadInput, match=rf"{NOTHING}.*`protocols: \[\{{name: retrieval, query"):
        project.stage("evaluate")
    assert not project.at("results/evaluate").exists()


@pytest.mark.parametrize("splits", [("train", "test"), ("train", "query", "gallery"), ("Train", "val")])
def test_what_can_be_evaluated_is_not_warned_of(splits: tuple[str, ...], tmp_path: Path) -> None:
    project = TableProject(tmp_path, grid(4, 6, splits))
    assert include_dataset(project.root / "params.yaml", "mine", str(project.mirror), "sample").warning == ""


def test_a_table_that_is_trained_on_alone_has_no_evaluation(tmp_path: Path, caplog) -> None:
    project = TableProject(tmp_path, grid(4, 4, ("train",)), protocols=[])
    project.stage("fetch", "index")
    assert "nothing can be evaluated" not in caplog.text
    with inside(project.root), pytest.raises(BadInput, match=r"sources\.mine\.protocols is \[\]"):
        run_stage("evaluate", "mine", "sample")
    stages = yaml.safe_load(render(load_params(project.root / "params.yaml")))["stages"]
    assert "sample-mine" in stages["train"]["foreach"]
    assert "evaluate" not in stages
    assert "evaluate" in yaml.safe_load(render(load_params(ROOT / "params.yaml")))["stages"]


def test_a_protocol_in_which_no_query_has_a_match_is_warned_of(tmp_path: Path, caplog) -> None:
    listed = grid(4, 6, ("train", "query", "gallery"))
    listed = [(path, f"{fine} {split}", coarse, split) for path, fine, coarse, split in listed]
    index_of(TableProject(tmp_path, listed))
    said = "protocol retrieval, query in gallery: 8 of 8 queries have no other image of their fine to find"
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert f"mine: {said}" in warnings


def test_two_classes_of_one_name_are_divided_as_two(tmp_path: Path) -> None:
    listed = [
        (f"photos/{name}{parent}{i}.jpg", f"name {name}", f"parent {parent}")
        for name in range(12)
        for parent in range(2)
        for i in range(2)
    ]
    project = TableProject(tmp_path, listed, "path,fine,coarse", split={"by": "class", "query_share": 0.5})
    index_of(project)
    images = pd.read_parquet(project.at("data/index") / "images.parquet")
    splits = images.groupby("fine")["split"].agg(set)
    assert len(splits) == 24
    assert set(map(frozenset, splits)) == {frozenset({"train"}), frozenset({"query", "gallery"})}
    is_train = splits.map(lambda found: found == {"train"})
    sides = is_train.groupby(splits.index.str.replace(r" \(.*", "", regex=True)).nunique()
    assert 1 < (sides == 2).sum() < 12
