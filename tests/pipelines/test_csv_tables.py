"""CSVs are read strictly: a row is a line, every row has its cells, and messages name the line in the file."""

import pandas as pd
import pytest

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.settings.sources import TableSource
from cairnhub.pipelines.sources import csv_tables
from cairnhub.pipelines.sources.csv_tables import read_csv
from cairnhub.pipelines.sources.formats.table import Table

HEAD = "path,note,fine\n"
ROWS = "".join(f"{n}.jpg,,f{n}\n" for n in range(5))


def read(tmp_path, text: str, name: str = "x.csv", **options) -> pd.DataFrame:
    (tmp_path / name).write_bytes(text.encode())
    return read_csv(tmp_path / name, ["path", "fine"], **options)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('5.jpg,"5 in tall,f5', r"x\.csv:7: a quote .* is not closed in its line .*write \"\"\"5 in tall\""),
        ('"5.jpg,,f5', r"x\.csv:7: a quote at the beginning of a cell is not closed"),
        ('5.jpg,,"f5', r"x\.csv:7: a quote .* not closed in its line \('f5\\"),
        ('5.jpg,"two\nlines",f5', r"x\.csv:7: .*two.*declare multiline: true"),
        ('5.jpg,"old\rMac",f5', r"x\.csv:7: .*old.*declare multiline: true"),
        (
            '5.jpg,"tall" vase,f5',
            r"x\.csv:7: ',' expected after '\"': a cell that has quotes must stand in quotes",
        ),
        ('5.jpg,"note,f5"', r"x\.csv:7: cells: 2, where the header has 3"),
        ("5.jpg,f5", r"x\.csv:7: cells: 2, where the header has 3"),
        (
            "5.jpg,a,b,f5",
            r"x\.csv:7: cells: 4, where the header has 3; a cell with a comma must stand in quotes",
        ),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_row_that_is_no_line_is_an_error_with_its_line(tmp_path, line, message, end):
    text = HEAD + ROWS + line + "\n" + '6.jpg,rim 7",f6\n7.jpg,"closed, at last",f7\n'
    with pytest.raises(CairnError, match=message):
        read(tmp_path, text.replace("\n", end))


def test_quotes_that_are_in_order_are_read_as_they_are_meant(tmp_path):
    frame = read(tmp_path, HEAD + '"a, b.jpg","""5 in"" tall",f\nc.jpg,rim 7",g\n"",,\n')
    assert frame.to_dict("list") == {
        "path": ["a, b.jpg", "c.jpg", ""],
        "note": ['"5 in" tall', 'rim 7"', ""],
        "fine": ["f", "g", ""],
    }


@pytest.mark.parametrize("rows_at_once", [1, 2, 10_000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rows_know_their_lines_past_blank_ones(tmp_path, monkeypatch, rows_at_once, end):
    monkeypatch.setattr(csv_tables, "ROWS_AT_ONCE", rows_at_once)
    text = "\ufeff\n" + HEAD + "\n0.jpg,,a\n\n  \n1.jpg,,b\n2.jpg,,c"
    frame = read(tmp_path, text.replace("\n", end))
    assert frame["path"].to_dict() == {4: "0.jpg", 7: "1.jpg", 8: "2.jpg"}


def test_cells_may_have_line_breaks_where_that_is_declared(tmp_path):
    frame = read(tmp_path, HEAD + 'a.jpg,"two\n\nlines",f\nb.jpg,,g\n', is_multiline=True)
    assert frame["note"].to_dict() == {2: "two\n\nlines", 5: ""}
    with pytest.raises(CairnError, match=r"x\.csv:3: a quote .* is not closed"):
        read(tmp_path, HEAD + 'a.jpg,,f\nb.jpg,"never closed,g\n', is_multiline=True)


def test_tabs_separate_the_cells_of_a_tsv(tmp_path):
    assert read(tmp_path, "path\tfine\na, b.jpg\tf\n", "x.tsv")["path"].tolist() == ["a, b.jpg"]


def test_names_that_nobody_asks_for_may_be_repeated(tmp_path):
    frame = read(tmp_path, "path,,fine,\na.jpg,x,f,y\n")
    assert list(frame.columns) == ["path", "", "fine", ".3"]
    with pytest.raises(CairnError, match="two columns are called 'fine'"):
        read(tmp_path, "path,fine,fine\na.jpg,x,f\n")


@pytest.mark.parametrize("blank", ["\n", "\n\n", "   \n", "\r\n"])
def test_a_message_of_a_table_names_the_line_that_an_editor_shows(tmp_path, blank):
    declared = {"format": "table", "labels": "x.csv", "images": ["."], "levels": ["fine"], "split": "split"}
    (tmp_path / "x.csv").write_bytes(f"path,fine,split\n{blank}a.jpg,f,train\n{blank}b.jpg,g,\n".encode())
    n_blank = blank.count("\n")
    with pytest.raises(CairnError, match=rf"x\.csv:{3 + 2 * n_blank}: column 'split' is empty"):
        Table("mine", TableSource.model_validate(declared)).list_images(tmp_path)


@pytest.mark.parametrize("rows_at_once", [1, 2, 10_000])
def test_what_repeats_is_read_as_categories(tmp_path, monkeypatch, rows_at_once):
    monkeypatch.setattr(csv_tables, "ROWS_AT_ONCE", rows_at_once)
    text = HEAD + ROWS + "5.jpg,,f1\n\n6.jpg,,\n"
    plain = read(tmp_path, text)
    coded = read(tmp_path, text, repetitive=["fine"])
    assert coded["fine"].dtype == "category"
    assert list(coded["fine"].cat.categories) == ["f0", "f1", "f2", "f3", "f4", ""]
    pd.testing.assert_frame_equal(coded.astype({"fine": "str"}), plain)
    assert read(tmp_path, HEAD, repetitive=["fine"])["fine"].dtype == "category"
