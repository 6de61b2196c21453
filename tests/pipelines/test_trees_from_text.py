"""A tree declared as `tree: {from: text}`: for tables and folders, with what is known kept."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from cairnhub.core.errors import BadInput, BrokenData, CairnError
from cairnhub.datasets_hub.card import Card
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.review.decisions import Decision, append_decision
from cairnhub.pipelines.declare import Declaration, declared_source
from cairnhub.pipelines.include import include_dataset
from cairnhub.pipelines.params import load_params
from tests.pipelines.table_project import TableProject, drawn

WORDS = (
    "apple",
    "pear",
    "plum",
    "oak tree",
    "pine tree",
    "city bus",
    "school bus",
    "trout",
    "salmon",
    "shark",
)
STAGES = ("fetch", "index", "embed", "cluster", "review")


def rows(extra: str = "", words: tuple[str, ...] = WORDS) -> list[tuple[str, ...]]:
    """Two photos of each word; `extra` is the cell of a third column."""
    return [(f"photos/{i}_{nth}.jpg", word, extra) for i, word in enumerate(words) for nth in range(2)]


def project(
    tmp_path: Path, table: list[tuple[str, ...]], header: str = "path,class,note", **tree: Any
) -> TableProject:
    made = TableProject(tmp_path, table, header, levels=["class"], tree={"from": "text", **tree})
    params = made.root / "params.yaml"
    content = yaml.safe_load(params.read_text(encoding="utf-8"))
    content |= {"tree_from_data": [], "tree_from_text": ["mine"]}
    params.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    (made.root / "decisions").mkdir()
    (made.root / "decisions/mine.jsonl").touch()
    return made


def tree_of(made: TableProject) -> LabelTree:
    return LabelTree.load(made.at("data/tree") / "tree.json")


def test_any_names_and_number_of_levels(tmp_path: Path) -> None:
    made = project(tmp_path, rows(), levels=["shelf", "aisle", "hall"], sizes=[5, 3, 2], pack="none")
    made.stage(*STAGES, "publish", "check")
    tree = tree_of(made)
    assert tree.levels == ("class", "shelf", "aisle", "hall")
    assert [len(tree.at_level(level)) for level in tree.levels] == [10, 5, 3, 2]
    proposal = TreeProposal.load(made.at("data/proposal") / "proposal.json")
    assert {entry.n_images for entry in proposal.labels} == {2}
    card = Card.model_validate_json((made.at("data/index") / "card.json").read_text())
    assert (card.levels, card.annotation_origin) == (tree.levels, "automatic")
    append_decision(
        made.root / "decisions/mine.jsonl",
        Decision("move", "class", members=("apple", "oak tree"), to="green", kind=tree.at_level("aisle")[0]),
    )
    made.stage("review")
    assert {tree_of(made).path(word)[1] for word in ("apple", "oak tree")} == {"green"}


@pytest.mark.long
def test_what_is_known_is_kept_and_empty_cells_are_proposed(tmp_path: Path) -> None:
    known = {"apple": "fruit", "pear": "fruit", "trout": "fish"}
    table = [(path, word, known.get(word, "")) for path, word, _ in rows()]
    made = project(tmp_path, table, known=["note"], levels=["note"], sizes=[4])
    made.stage(*STAGES)
    tree = tree_of(made)
    assert tree.levels == ("class", "note")
    assert {word: tree.path(word)[1] for word in known} == known
    assert all(tree.path(word)[1] for word in WORDS)
    counts = json.loads((made.at("data/index") / "counts.json").read_text())
    assert sum(split["quarantined"] for split in counts["splits"].values()) == 0
    entries = TreeProposal.load(made.at("data/proposal") / "proposal.json").labels
    assert {entry.label for entry in entries if entry.source == "known"} == set(known)


def test_ids_speak_by_another_column(tmp_path: Path) -> None:
    table = [(path, f"Q{i // 2:03}", word) for i, (path, word, _) in enumerate(rows())]
    silent = project(tmp_path / "a", table, sizes=[4, 2])
    silent.stage("fetch", "index")
    with pytest.raises(BadInput, match="say nothing of what they are"):
        silent.stage("embed")
    made = project(tmp_path / "b", table, texts=["note"], sizes=[4, 2])
    made.stage(*STAGES)
    tree = tree_of(made)
    assert tree.path("Q003")[1] == tree.path("Q004")[1]  # oak tree, pine tree
    images = pd.read_parquet(made.at("data/index") / "images.parquet")
    assert "note" in images
    made.stage("publish")
    assert "note" not in Card.model_validate_json((made.at("data/index") / "card.json").read_text()).columns


def test_rows_of_a_label_that_differ_are_named(tmp_path: Path) -> None:
    table = [(path, word, f"{i}" if word == "apple" else "") for i, (path, word, _) in enumerate(rows())]
    made = project(tmp_path, table, texts=["class", "note"])
    made.stage("fetch", "index")
    with pytest.raises(BadInput, match=r"class 'apple' has note '[01]' and '[01]'"):
        made.stage("embed")


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"levels": ["a", "b"], "sizes": [3]}, "sizes: 1 levels, but 2 stand above"),
        ({"levels": ["a"], "depth": 2}, "depth: 2 levels, but 1 stand"),
        ({"levels": ["a", "a"]}, "named twice"),
        ({"leaf": "species"}, "no level 'species'"),
        ({"levels": ["class"]}, "level"),
        ({"pack": "birds"}, "pack"),
        ({"colour": 1}, "unknown key"),
    ],
)
def test_declarations_that_do_not_fit(tmp_path: Path, tree: dict[str, Any], message: str) -> None:
    made = project(tmp_path, rows(), **tree)
    with pytest.raises(CairnError, match=message):
        load_params(made.root / "params.yaml")


def test_a_tree_from_text_needs_to_say_so(tmp_path: Path) -> None:
    made = project(tmp_path, rows())
    path = made.root / "params.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(
        yaml.safe_dump(content | {"tree_from_data": ["mine"], "tree_from_text": []}), encoding="utf-8"
    )
    with pytest.raises(BadInput, match="list it under tree_from_text"):
        load_params(path)
    del content["sources"]["mine"]["tree"]
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(BadInput, match="does not say from which texts"):
        load_params(path)


def test_vectors_of_photos_are_a_view_of_the_labels(tmp_path: Path) -> None:
    """Two groups that words do not tell: the vectors decide."""
    words = ("alder", "birch", "cedar", "maple", "poplar", "willow")
    side = {word: [1.0, 0.1 * i] if i % 2 else [-1.0, 0.1 * i] for i, word in enumerate(words)}
    made = project(
        tmp_path, rows(words=words), levels=["group"], sizes=[2], pack="none", vectors="photos.parquet"
    )
    for word in words[:-1]:
        side[f"{word} unknown"] = [0.0, 0.0]
    pd.DataFrame({"label": list(side), "vector": list(side.values())}).to_parquet(
        made.root / "photos.parquet"
    )
    made.stage(*STAGES)
    tree = tree_of(made)
    assert (
        len({tree.path(word)[1] for word in words[::2]})
        == len({tree.path(word)[1] for word in words[1::2]})
        == 1
    )
    pd.DataFrame({"label": ["oak"], "vector": [[1.0]]}).to_parquet(made.root / "photos.parquet")
    with pytest.raises(BadInput, match="has none of the labels"):
        made.stage("cluster")
    (made.root / "photos.parquet").write_bytes(b"no parquet")
    with pytest.raises(BrokenData, match=r"photos\.parquet: not readable as Parquet"):
        made.stage("cluster")


# ---- folders of classes ---------------------------------------------------------------------------------------


def folders(root: Path, words: tuple[str, ...] = WORDS) -> Path:
    for seed, word in enumerate(words):
        (root / word).mkdir(parents=True)
        for nth in range(2):
            (root / word / f"{nth}.JPG").write_bytes(drawn(seed * 2 + nth))
    return root


@pytest.mark.long
def test_folders_of_classes_are_a_dataset(tmp_path: Path) -> None:
    made = project(tmp_path, rows(), levels=["group"], sizes=[4])
    mirror = folders(tmp_path / "photos")
    (mirror / "notes.txt").write_text("no image")
    (mirror / "stray.jpg").write_bytes(drawn(99))
    path = made.root / "params.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["sources"]["mine"] |= {"labels": "folders", "images": ["."]}
    content["fetch"]["sample"]["mirrors"] = {"mine": str(mirror)}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    made.stage(*STAGES)
    assert set(tree_of(made).leaves) == set(WORDS)
    counts = json.loads((made.at("data/index") / "counts.json").read_text())
    assert sum(split["indexed"] for split in counts["splits"].values()) == 20
    assert sum(split["quarantined"] for split in counts["splits"].values()) == 1
    assert counts["unnamed"] == ["notes.txt"]


# ---- cairn include --------------------------------------------------------------------------------------------


def test_folders_are_declared_by_one_command(tmp_path: Path) -> None:
    made = project(tmp_path, rows())
    mirror = folders(tmp_path / "photos")
    said = Declaration(tree_levels=("group", "hall"), sizes=(4, 2))
    included = include_dataset(made.root / "params.yaml", "things", str(mirror), "sample", said)
    assert included.lists == ("datasets", "tree_from_text", "train_on")
    params = load_params(made.root / "params.yaml")
    assert params.source("things").tree.levels == ("group", "hall")
    assert (made.root / "decisions/things.jsonl").read_text() == ""
    with pytest.raises(BadInput, match="declared already"):
        include_dataset(made.root / "params.yaml", "things", str(mirror), "sample", said)
    with pytest.raises(CairnError, match="no dataset 'nothing'"):
        include_dataset(made.root / "params.yaml", "nothing", None, "sample")


def test_a_csv_is_declared_by_its_columns(tmp_path: Path) -> None:
    (tmp_path / "photos.csv").write_text("image,species,genus,split,about\na.jpg,x,y,train,z\n")
    told = declared_source(Declaration(texts=("about",)), tmp_path)
    assert told["labels"] == "photos.csv"
    assert (told["path"], told["split"], told["levels"]) == ("image", "split", ["species", "genus"])
    assert told["tree"] == {"from": "text", "texts": ["about"]}
    plain = declared_source(Declaration(levels=("species", "genus")), tmp_path)
    assert "tree" not in plain
    with pytest.raises(CairnError, match="no column 'colour'"):
        declared_source(Declaration(levels=("colour",)), tmp_path)


def test_what_is_left_open_is_asked(tmp_path: Path) -> None:
    (tmp_path / "photos.csv").write_text("where,species,about\na.jpg,x,z\n")
    answers = {
        "CSV": "photos.csv",
        "Column with": "where",
        "Columns of": "species",
        "Columns whose": "about",
        "Names": "shelf",
    }
    asked: list[str] = []

    def ask(question: str, usual: str) -> str:
        asked.append(question)
        return next(answer for start, answer in answers.items() if question.startswith(start))

    told = declared_source(Declaration(), tmp_path, ask)
    assert told["path"] == "where"
    assert told["tree"] == {"from": "text", "texts": ["about"], "levels": ["shelf"]}
    assert len(asked) == len(answers)
