"""One image twice, in rows and in files, from the table to the check."""

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cairnhub.pipelines.artifacts.check_report import CheckReport
from tests.pipelines.table_project import Row, TableProject, grid

BUILD = ("fetch", "index", "taxonomy", "publish", "check")
AGAIN = {
    "the same row": [("photos/f0_0.jpg", "fine0", "coarse0", "train")],
    "the same row, twice": [("photos/f0_1.jpg", "fine0", "coarse0", "test")] * 2,
    "another label": [("photos/f0_0.jpg", "fine3", "coarse1", "train")],
    "another split": [("photos/f0_0.jpg", "fine0", "coarse0", "test")],
}


@pytest.mark.parametrize("case", AGAIN)
@pytest.mark.parametrize("order", [1, -1])
def test_the_contract_holds_whatever_a_table_says_twice(case: str, order: int, tmp_path: Path) -> None:
    project = TableProject(tmp_path, [*grid(), *AGAIN[case]][::order])
    project.stage(*BUILD)
    found = CheckReport.load(project.at("results/check") / "report.json")
    assert found.ok
    assert found.n_images == (16 if case.startswith("the same") else 15)


def test_the_same_photo_under_two_names_is_in_the_table(tmp_path: Path) -> None:
    """As in real sets: one photo for two products, in one split and in two."""
    rows: list[Row] = grid(6, 4)
    copies = [("f0_0", "f1_2"), ("f2_0", "f3_1"), ("f4_0", "f4_2")]
    project = TableProject(tmp_path, rows)
    for one, other in copies:
        shutil.copy(project.mirror / f"photos/{one}.jpg", project.mirror / f"photos/{other}.jpg")
    project.stage(*BUILD)
    found = pq.read_table(project.at("data/check") / "duplicates.parquet").to_pylist()
    told = [
        ({row["image_id_a"][7:-4], row["image_id_b"][7:-4]}, row["kind"], row["conflicting"]) for row in found
    ]
    assert sorted(told[:2], key=str) == sorted(
        (({"f0_0", "f1_2"}, "identical", True), ({"f2_0", "f3_1"}, "identical", True)), key=str
    )
    assert told[2:] == [({"f4_0", "f4_2"}, "identical", False)]
    report = CheckReport.load(project.at("results/check") / "report.json")
    assert {warning.rule for warning in report.warnings} == {
        "same file twice in a split, with two labels",
        "same file in two splits, with two labels",
        "same file twice in a split",
    }
