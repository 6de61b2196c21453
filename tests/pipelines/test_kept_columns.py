"""Other columns of a table: kept as they are, or named where they are lost."""

import json
import shutil
from pathlib import Path

import datasets
import pytest

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.check import check_dataset
from cairnhub.datasets_hub.dataset_diff import diff_datasets
from cairnhub.datasets_hub.labels_only import write_labels_only
from cairnhub.datasets_hub.loader import describe, load_dataset
from cairnhub.pipelines.artifacts.check_report import CheckReport
from tests.pipelines.table_project import HEADER, TableProject, drawn, grid

BUILD = ("fetch", "index", "taxonomy", "publish", "check")
COLUMNS = "camera,Date taken,author,größe"
ROWS = [(*row, f"Leica {n % 3}", f"2026-01-{n + 1:02}", "", f" {n}") for n, row in enumerate(grid())]
ALL = tuple(COLUMNS.split(","))


def published(project: TableProject) -> dict[str, dict[str, str]]:
    """What the columns hold, by image."""
    hub = str(project.root / "data/hub")
    found = load_dataset("mine", hub=hub, scale="sample")
    kept = [name for name in found["train"].column_names if name in ALL]
    return {row["image_id"]: {name: row[name] for name in kept} for split in found.values() for row in split}


@pytest.mark.parametrize(
    ("keep", "kept", "lost"),
    [
        ("all", ALL, ()),
        (["camera"], ("camera",), ("Date taken", "author", "größe")),
        (["größe", "Date taken"], ("größe", "Date taken"), ("camera", "author")),
        ([], (), ALL),
    ],
)
def test_columns_are_kept_as_they_are_or_said_to_be_lost(keep, kept, lost, tmp_path: Path, caplog) -> None:
    project = TableProject(tmp_path, ROWS, f"{HEADER},{COLUMNS}", keep=keep)
    project.stage(*BUILD)
    assert published(project) == {row[0]: {name: row[4 + ALL.index(name)] for name in kept} for row in ROWS}
    card = describe(project.at("data/hub")).card
    assert card.columns == kept
    said = "Columns of its table that are not published: " + ", ".join(map(repr, lost))
    assert (said in card.description and said in caplog.text) == bool(lost)
    assert CheckReport.load(project.at("results/check") / "report.json").ok


def test_readers_without_cairn_see_them_and_the_edition_without_images_has_them(tmp_path: Path) -> None:
    project = TableProject(tmp_path, ROWS, f"{HEADER},{COLUMNS}", keep="all")
    project.stage(*BUILD)
    loaded = datasets.load_dataset(
        str(project.at("data/hub")), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded.column_names == ["image", "image_id", "fine", "coarse", *ALL]
    assert {loaded.features[name].dtype for name in ALL} == {"string"}
    (tmp_path / "labels").mkdir()
    write_labels_only(describe(project.at("data/hub")), tmp_path / "labels")
    assert check_dataset(tmp_path / "labels").ok
    described = json.loads((tmp_path / "labels/croissant.json").read_text())
    fields = [field["name"] for field in described["recordSet"][0]["field"]]
    assert [name.rpartition("/")[2] for name in fields[-4:]] == list(ALL)


@pytest.mark.parametrize(
    ("header", "keep", "message"),
    [
        (COLUMNS, ["lens"], r"labels\.csv: no column 'lens'; its columns are 'path', 'fine'"),
        ("camera,archive,x,y", "all", r"labels\.csv: column 'archive' cannot be kept under this name"),
        (
            "camera,image,x,y",
            ["image"],
            r"column 'image' cannot be kept under this name: it is another column's",
        ),
        ("camera,a,x,y", ["fine"], r"column 'fine' cannot be kept under this name"),
        (COLUMNS, "some", r"keep"),
        (COLUMNS, ["camera", "camera"], r"params\.yaml.*keep: a column is named twice: 'camera', 'camera'"),
        (COLUMNS, ["größe", "author", "größe"], r"keep: a column is named twice"),
    ],
)
def test_a_column_that_cannot_be_kept_is_named(header: str, keep, message: str, tmp_path: Path) -> None:
    project = TableProject(tmp_path, ROWS, f"{HEADER},{header}", keep=keep)
    with pytest.raises(CairnError, match=message):
        project.stage("fetch", "index")


def test_a_kept_column_chooses_a_subset(tmp_path: Path) -> None:
    part = {"sample": {"include": {"camera": ["Leica 1", "Leica 2"]}}}
    project = TableProject(tmp_path, ROWS, f"{HEADER},{COLUMNS}", keep=["camera"], subset=part)
    project.stage("fetch", "index", "taxonomy", "publish")
    assert {columns["camera"] for columns in published(project).values()} == {"Leica 1", "Leica 2"}


@pytest.mark.parametrize(
    "edit",
    ["photo", "camera", "nothing"],
)
def test_a_replaced_photo_or_another_text_is_no_silent_difference(edit: str, tmp_path: Path) -> None:
    project = TableProject(tmp_path, ROWS, f"{HEADER},{COLUMNS}", keep="all")
    project.stage(*BUILD)
    before = shutil.copytree(project.at("data/hub"), tmp_path / "before")
    if edit == "photo":
        (project.mirror / ROWS[0][0]).write_bytes(drawn(seed=4_242))
    elif edit == "camera":
        project.write([(*ROWS[0][:4], "Nikon", *ROWS[0][5:]), *ROWS[1:]], f"{HEADER},{COLUMNS}")
    project.stage(*BUILD)
    found = str(diff_datasets(before, project.at("data/hub")))
    assert found.startswith(
        "no difference" if edit == "nothing" else "files with other pictures, other kept columns"
    )
