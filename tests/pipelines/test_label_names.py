"""Labels of a table: told apart or refused, kept as they are written, and what contradicts itself is named."""

import json
import unicodedata
from pathlib import Path

import pandas as pd
import pytest
import yaml

from cairnhub.core.errors import BadInput, BrokenData, NotFound
from cairnhub.datasets_hub.check import check_dataset
from cairnhub.datasets_hub.loader import describe, load_dataset, load_tree
from cairnhub.pipelines.context import Context, make_context
from cairnhub.pipelines.run_stage import run_stage
from cairnhub.pipelines.samples.shapes.packing import write_bytes, write_zip
from cairnhub.pipelines.sources.formats.vehicleid import VehicleID
from cairnhub.pipelines.stages import check, fetch, index, publish, taxonomy
from tests.pipelines.tiny import photograph
from tests.project import ROOT


def project(root: Path, rows: list[tuple[str, ...]], **changes: object) -> Context:
    """A fetched table `mine` with the columns path, fine, coarse (or `levels`), split, and a photo for every path."""
    levels = changes.get("levels", ["fine", "coarse"])
    text = pd.DataFrame(rows, columns=["path", *levels, "split"]).to_csv(index=False)
    write_bytes(root / "mirror/labels.csv", text.encode())
    for seed, path in enumerate(sorted({row[0] for row in rows})):
        write_bytes(root / "mirror" / path, photograph(seed))
    return fetched(root, **changes)


def fetched(root: Path, **changes: object) -> Context:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    mine = {"format": "table", "labels": "labels.csv", "images": ["photos"], "levels": ["fine", "coarse"],
            "split": "split", **changes}  # fmt: skip
    raw["sources"] = {"mine": mine}
    raw |= {"datasets": ["mine"], "tree_from_data": ["mine"], "tree_from_text": [], "train_on": []}
    raw["fetch"]["sample"]["mirrors"] = {"mine": "mirror"}
    raw["executor"]["sample"] = {"kind": "local", "n_workers": 1}
    (root / "params.yaml").write_text(yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")
    context = make_context("mine", "sample", root)
    fetch.run(context)
    return context


def published(context: Context) -> dict[str, tuple[str, ...]]:
    """Image id -> its labels, as `load_dataset` gives them, of a dataset that keeps the contract."""
    for stage in (index, taxonomy, publish, check):
        stage.run(context)
    assert check_dataset(context.paths.hub).ok
    tree = load_tree(context.paths.hub)
    found = {}
    for split in load_dataset(context.paths.hub).values():
        for row in split:
            path = tuple(split.features[level].int2str(row[level]) for level in tree.levels)
            assert tree.path(path[0]) == path
            found[row["image_id"]] = path
    return found


def quarantined(context: Context) -> dict[str, list[str]]:
    rows = pd.read_parquet(context.paths.index / "quarantine.parquet")
    return rows.groupby("image_id")["reason"].agg(list).to_dict()


def images(*labels: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Two images of each path of labels, one of them tests."""
    return [
        (f"photos/{i}_{split}.jpg", *path, split)
        for i, path in enumerate(labels)
        for split in ("train", "test")
    ]


# ---- one name under two parents -----------------------------------------------------------------------------


def test_a_homonym_is_two_labels_and_is_reported(tmp_path, caplog):
    caplog.set_level("INFO", logger="cairnhub")
    rows = images(("crane", "bird"), ("crane", "machine"), ("heron", "bird"))
    context = project(tmp_path, rows)
    found = published(context)
    assert {path: labels[0] for path, labels in found.items() if path.endswith("train.jpg")} == {
        "photos/0_train.jpg": "crane (bird)", "photos/1_train.jpg": "crane (machine)", "photos/2_train.jpg": "heron",
    }  # fmt: skip
    counts = json.loads((context.paths.index / "counts.json").read_text(encoding="utf-8"))
    assert counts["qualified"] == {"fine": {"crane": ["crane (bird)", "crane (machine)"]}}
    assert "mine fine: 1 name(s) told apart" in caplog.text
    assert "'crane' is 'crane (bird)', 'crane (machine)'" in caplog.text


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (1, r"1 label\(s\) with two parents: fine 'a0' under 'x' \(line 2\), 'y' \(line 4\); keep"),
        (
            3,
            r"3 label\(s\) .* fine 'a2' under 'x' \(line 10\), 'y' \(line 12\); keep one.*`qualify: pa",
        ),
        (7, r"7 label\(s\) .* fine 'a4' under 'x' .*\) and 2 more; keep"),
    ],
)
def test_homonyms_are_refused_where_params_say_so(tmp_path, n, said):
    rows = images(*((f"a{i}", parent) for i in range(n) for parent in ("x", "y")))
    context = project(tmp_path, rows, qualify="refuse")
    with pytest.raises(BadInput, match=rf"labels\.csv: {said}"):
        index.run(context)


def test_placeholders_are_one_node_per_parent_and_empty_cells_are_kept(tmp_path):
    levels = ["species", "family", "order"]
    rows = images(
        ("a", "NA", "O"), ("b", "n/a", "P"), ("c", "", "P"), ("d", "F", "P"), ("e", "Not assigned", "Q")
    )
    rows += [("photos/x.jpg", "", "F", "P", "train")]
    context = project(tmp_path, rows, levels=levels)
    found = published(context)
    assert {labels[0]: labels[1] for labels in found.values()} == {
        "a": "NA (O)", "b": "NA (P)", "c": "NA (P)", "d": "F", "e": "Not assigned (Q)",
    }  # fmt: skip
    assert quarantined(context) == {"photos/x.jpg": ["a level is empty"]}


def test_a_cell_that_lacks_what_other_rows_say_splits_no_class(tmp_path):
    rows = [*images(("cat", "animal"), ("cup", "thing")), ("photos/x.jpg", "cat", "", "train")]
    context = project(tmp_path, rows)
    assert set(published(context).values()) == {("cat", "animal"), ("cup", "thing")}
    assert quarantined(context) == {"photos/x.jpg": ["a level is empty"]}


def test_where_homonyms_are_refused_every_empty_cell_is_quarantined(tmp_path):
    rows = [*images(("a", "x"), ("b", "y")), ("photos/x.jpg", "c", "", "train")]
    context = project(tmp_path, rows, qualify="refuse")
    assert len(published(context)) == 4
    assert quarantined(context) == {"photos/x.jpg": ["a level is empty"]}


# ---- labels come back as they were written ------------------------------------------------------------------

ODD = ["007", "1e3", "null", "None", "NaN", "NA", "true", "no", "~", "-", "'", "#tag", "a: b", "a, b", "=1+1", "<b>",
       "&amp;", "a/b", "a\\b", "👩\u200d🌾", "ß", "日本", "עברית", "x" * 300,
       "root", "train", "a|b", "\\n", "$(id)"]  # fmt: skip


def test_odd_labels_come_back_as_they_are(tmp_path):
    rows = images(*((label, f"group {i % 3}") for i, label in enumerate(ODD)))
    assert published(project(tmp_path, rows)) == {row[0]: row[1:3] for row in rows}


TWINS = {
    "EMNIST": ["a", "A", "b", "B"],
    "units and chemistry": ["mA", "MA", "CO", "Co"],
    "symbols": ["x²", "x2", "Σ", "σ", "Type Ⅱ", "Type II"],
    "German": ["Maße", "Masse"],
    "Unicode forms": ["Café", "Cafe\u0301"],
}


@pytest.mark.parametrize("kind", TWINS)
def test_twins_are_kept_apart_on_demand_and_refused_otherwise(tmp_path, kind):
    rows = images(*((label, f"group {i % 2}") for i, label in enumerate(TWINS[kind])))
    context = project(tmp_path / "keep", rows, twins="keep")
    assert published(context) == {row[0]: row[1:3] for row in rows}
    context = project(tmp_path / "refuse", rows)
    index.run(context)
    with pytest.raises(BadInput, match=r"level 'fine': .* differ only in case.*set `twins` to `keep`"):
        taxonomy.run(context)


def test_a_label_called_root_on_any_level(tmp_path):
    rows = images(("carrot", "root"), ("root", "leaf"), ("leek", "stem"))
    assert published(project(tmp_path, rows)) == {row[0]: row[1:3] for row in rows}
    tree = load_tree(tmp_path / "data/hub/sample/mine")
    assert [node.name for node in tree.children()] == ["leaf", "root", "stem"]
    assert [node.name for node in tree.children("root", "coarse")] == ["carrot"]


# ---- a table that contradicts itself ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("again", "said"),
    [
        (("fine3", "coarse1", "train"), ["fine 'fine0', coarse 'coarse0'", "fine 'fine3', coarse 'coarse1'"]),
        (("fine0", "coarse0", "test"), ["split 'train'", "split 'test'"]),
        (("fine1", "coarse0", "train"), ["fine 'fine0'", "fine 'fine1'"]),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_a_photo_with_two_labels_is_quarantined_and_both_are_named(tmp_path, again, said, order):
    rows = images(("fine0", "coarse0"), ("fine1", "coarse0"), ("fine3", "coarse1"))
    twice = [("photos/x.jpg", "fine0", "coarse0", "train"), ("photos/x.jpg", *again)]
    context = project(tmp_path, [*rows, *twice[::order]])
    assert published(context) == {row[0]: row[1:3] for row in rows}
    first, second = said[::order]
    reason = (
        f"its rows contradict each other; {first} (line {len(rows) + 2}); {second} (line {len(rows) + 3})"
    )
    assert quarantined(context) == {"photos/x.jpg": [reason, reason]}
    assert describe(context.paths.hub).stats.quarantine == {"its rows contradict each other": 2}


def test_a_photo_of_many_labels_names_the_first_few(tmp_path):
    rows = [*images(("a", "x"), ("b", "y")), *(("photos/x.jpg", f"f{i}", "x", "train") for i in range(8))]
    context = project(tmp_path, rows)
    index.run(context)
    (reasons,) = quarantined(context).values()
    assert len(reasons) == 8
    assert reasons[0].endswith("fine 'f4' (line 10) and 3 more")


def test_lines_without_a_split_are_counted(tmp_path):
    rows = [*images(("a", "x")), *((f"photos/n{i}.jpg", "a", "x", "") for i in range(3))]
    with pytest.raises(BadInput, match=r"labels\.csv:4: column 'split' is empty and in 2 more lines"):
        index.run(project(tmp_path, rows))


@pytest.mark.parametrize(
    ("vehicles", "said"),
    [
        (["7", "8"], r"image '1' is listed 2 times, as '7', '8'; ids must be unique"),
        (["7", "7", "7"], r"image '1' is listed 3 times, as '7'; ids"),
        (
            [str(n) for n in range(9)],
            r"listed 9 times, as '0', '1', '2', '3', '4' and 4 more; ids must be unique",
        ),
    ],
)
def test_an_image_that_a_list_names_again_is_an_error_with_its_labels(tmp_path, vehicles, said):
    lists = {"train_list": "".join(f"1 {vehicle}\n" for vehicle in vehicles)}
    lists |= {f"test_list_{size}": "2 9\n" for size in (800, 1600, 2400)}
    members = {f"VehicleID_V1.0/train_test_split/{name}.txt": text.encode() for name, text in lists.items()}
    members |= {f"VehicleID_V1.0/image/{n}.jpg": b"\xff\xd8" for n in (1, 2)}
    write_zip(tmp_path / "VehicleID_V1.0.zip", members.items())
    with pytest.raises(BrokenData, match=said):
        index._check_ids(VehicleID().list_images(tmp_path))


# ---- names of files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("listed", ["NFC", "NFD"])
def test_files_are_found_in_either_unicode_form(tmp_path, listed):
    stored = {"NFC": "NFD", "NFD": "NFC"}[listed]
    names = ["café", "Größe", "señal", "plain"]
    for seed, name in enumerate(names):
        write_bytes(
            tmp_path / "mirror/photos" / f"{unicodedata.normalize(stored, name)}.jpg", photograph(seed)
        )
    paths = [unicodedata.normalize(listed, f"photos/{name}.jpg") for name in names]
    rows = [(path, "f", "c", split) for path, split in zip(paths, ("train", "test") * 2, strict=True)]
    text = pd.DataFrame(rows, columns=["path", "fine", "coarse", "split"]).to_csv(index=False)
    write_bytes(tmp_path / "mirror/labels.csv", text.encode())
    context = fetched(tmp_path)
    assert set(published(context)) == set(paths)
    assert quarantined(context) == {}


def test_two_files_that_differ_in_their_form_alone_are_two_images(tmp_path):
    paths = [f"photos/{unicodedata.normalize(form, 'é')}.jpg" for form in ("NFC", "NFD")]
    context = project(tmp_path, [(path, path[-5:-4], "c", "train") for path in paths], twins="keep")
    index.run(context)
    found = pd.read_parquet(context.paths.index / "images.parquet")
    assert sorted(zip(found["image_id"], found["member"], strict=True)) == sorted(
        zip(paths, paths, strict=True)
    )


# ---- stages in their order ----------------------------------------------------------------------------------


def test_taxonomy_before_index_says_what_to_run(tmp_path, monkeypatch):
    context = project(tmp_path, images(("a", "x")))
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        NotFound, match=r"index.* is missing: stage taxonomy reads it; run `cairn stage index mine sample"
    ):
        run_stage("taxonomy", "mine", "sample")
    with pytest.raises(NotFound, match=r"counts\.json is missing: run the stage `index`"):
        taxonomy.run(context)
