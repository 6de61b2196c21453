"""`cairn init`: every layout of images becomes a project that is indexed; what does not fit leaves nothing behind."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import datasets
import pandas as pd
import pytest
import yaml

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.cli.initialise import init_project
from cairnhub.pipelines.declare import Declaration
from cairnhub.pipelines.include import usual_plan
from cairnhub.pipelines.run_stage import run_stage
from tests.pipelines.table_project import drawn

CLASSES = ("red owl", "blue owl", "red gull", "blue gull")
N_EACH = 3


def images_of(name: str) -> list[bytes]:
    return [drawn(10 * CLASSES.index(name) + nth) for nth in range(N_EACH)]


def class_folders(folder: Path, classes: tuple[str, ...] = CLASSES) -> list[str]:
    """Photos in folders of classes; gives their paths."""
    paths = []
    for name in classes:
        (folder / name).mkdir(parents=True)
        for nth, content in enumerate(images_of(name)):
            (folder / name / f"{nth}.jpg").write_bytes(content)
            paths.append(f"{name}/{nth}.jpg")
    return paths


def table(folder: Path, prefix: str = "") -> Path:
    """A CSV of photos beside their folder."""
    paths = class_folders(folder / "photos")
    rows = [f"{prefix}{path},{path.split('/')[0]},{path.split('/')[0].split()[1]}\n" for path in paths]
    (folder / "labels.csv").write_text("file,species,kind\n" + "".join(rows), encoding="utf-8")
    return folder / "labels.csv"


def of_class_folders(work: Path) -> dict[str, Path]:
    class_folders(work / "photos")
    return {"images": work / "photos"}


def of_table_inside(work: Path) -> dict[str, Path]:
    shutil.move(table(work), work / "photos/labels.csv")
    return {"images": work / "photos"}


def of_table_beside(work: Path) -> dict[str, Path]:
    return {"images": work / "photos", "labels": table(work)}


def of_table_seen_from_itself(work: Path) -> dict[str, Path]:
    return {"images": work / "photos", "labels": table(work, "photos/")}


def of_image_folder(work: Path) -> dict[str, Path]:
    class_folders(work / "photos/train", CLASSES[:2])
    class_folders(work / "photos/test", CLASSES[2:])
    return {"images": work / "photos"}


def of_saved_dataset(work: Path) -> dict[str, Path]:
    hugging_face().save_to_disk(str(work / "saved"))
    return {"images": work / "saved"}


def of_parquet(work: Path) -> dict[str, Path]:
    (work / "tables").mkdir()
    for name, split in hugging_face().items():
        split.to_parquet(str(work / f"tables/{name}-00000-of-00001.parquet"))
    return {"images": work / "tables"}


def hugging_face() -> datasets.DatasetDict:
    features = datasets.Features({"image": datasets.Image(), "bird": datasets.ClassLabel(names=[*CLASSES])})
    splits = {}
    for split, names in (("train", CLASSES[:2]), ("test", CLASSES[2:])):
        rows = [(content, name) for name in names for content in images_of(name)]
        columns = {
            "image": [{"bytes": each, "path": None} for each, _ in rows],
            "bird": [name for _, name in rows],
        }
        splits[split] = datasets.Dataset.from_dict(columns, features)
    return datasets.DatasetDict(splits)


def of_coco(work: Path) -> dict[str, Path]:
    paths = class_folders(work / "photos")
    categories = [
        {"id": place, "name": name, "supercategory": name.split()[1]} for place, name in enumerate(CLASSES)
    ]
    content = {
        "images": [{"id": place, "file_name": path} for place, path in enumerate(paths)],
        "annotations": [
            {
                "id": place,
                "image_id": place,
                "category_id": CLASSES.index(path.split("/")[0]),
                "bbox": [0, 0, 9, 9],
            }
            for place, path in enumerate(paths)
        ],
        "categories": categories,
    }
    (work / "instances.json").write_text(json.dumps(content), encoding="utf-8")
    return {"images": work / "photos", "labels": work / "instances.json"}


def of_fiftyone(work: Path) -> dict[str, Path]:
    paths = class_folders(work / "export/data")
    samples = [
        {
            "filepath": f"data/{path}",
            "tags": ["train" if "owl" in path else "test", "sunny"],
            "ground_truth": {"_cls": "Classification", "label": path.split("/")[0]},
        }
        for path in paths
    ]
    (work / "export/samples.json").write_text(json.dumps({"samples": samples}), encoding="utf-8")
    return {"images": work / "export"}


def of_fiftyone_classification(work: Path) -> dict[str, Path]:
    paths = class_folders(work / "export/data")
    labels = {path.removesuffix(".jpg"): CLASSES.index(path.split("/")[0]) for path in paths}
    content = {"classes": CLASSES, "labels": labels}
    (work / "export/labels.json").write_text(json.dumps(content), encoding="utf-8")
    return {"images": work / "export"}


LAYOUTS = {
    of_class_folders: ("class", False),
    of_table_inside: ("species,kind", False),
    of_table_beside: ("species,kind", False),
    of_table_seen_from_itself: ("species,kind", False),
    of_image_folder: ("class", True),
    of_saved_dataset: ("bird", True),
    of_parquet: ("bird", True),
    of_coco: ("category,supercategory", False),
    of_fiftyone: ("label", True),
    of_fiftyone_classification: ("label", False),
}
"""Layout -> the levels that it has, and whether it says which images are `train` and which `test`."""


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_a_layout_becomes_a_project(
    layout: Callable[[Path], dict[str, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels, has_splits = LAYOUTS[layout]
    init_project(tmp_path / "birds", **layout(tmp_path))
    monkeypatch.chdir(tmp_path / "birds")
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    assert params["sources"]["birds"]["levels"] == levels.split(",")
    run_stage("fetch", "birds", "sample")
    run_stage("index", "birds", "sample")
    index = pd.read_parquet("data/index/sample/birds/images.parquet")
    assert len(index) == len(CLASSES) * N_EACH
    assert set(index[levels.split(",")[0]]) == set(CLASSES)
    assert not has_splits or set(index.loc[index["split"] == "train", levels.split(",")[0]]) == set(
        CLASSES[:2]
    )
    assert Path(".git").is_dir()
    assert Path(".dvc").is_dir()
    assert Path("recipes/birds.yaml").is_file()


def test_images_of_a_saved_dataset_are_those_that_were_saved(tmp_path: Path) -> None:
    init_project(tmp_path / "birds", **of_saved_dataset(tmp_path))
    written = [path.read_bytes() for path in sorted((tmp_path / "birds/source/images/train").iterdir())]
    assert written == [content for name in CLASSES[:2] for content in images_of(name)]


def test_images_without_one_category_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = of_coco(tmp_path)
    content = json.loads(given["labels"].read_text(encoding="utf-8"))
    content["annotations"][0]["category_id"] = 1
    content["annotations"].append({"id": 99, "image_id": 0, "category_id": 2})
    content["annotations"] = [each for each in content["annotations"] if each["image_id"] != 5]
    given["labels"].write_text(json.dumps(content), encoding="utf-8")
    init_project(tmp_path / "birds", **given)
    rows = pd.read_csv(tmp_path / "birds/source/labels.csv")
    assert len(rows) == len(CLASSES) * N_EACH - 2
    assert "2 images without a category, or with several, are left out" in capsys.readouterr().out


def test_the_same_images_make_the_same_project(tmp_path: Path) -> None:
    given = of_coco(tmp_path)
    made = []
    for place in ("a", "b"):
        init_project(tmp_path / place / "birds", **given)
        root = tmp_path / place / "birds"
        files = [
            path
            for path in sorted(root.rglob("*"))
            if path.is_file() and not {".git", ".dvc"} & {*path.parts}
        ]
        made.append({path.relative_to(root): path.read_bytes() for path in files})
    assert made[0] == made[1]


def without_images(work: Path) -> dict[str, Path]:
    (work / "photos").mkdir()
    return {"images": work / "photos"}


def flat(work: Path) -> dict[str, Path]:
    (work / "photos").mkdir()
    (work / "photos/1.jpg").write_bytes(drawn(1))
    return {"images": work / "photos"}


def two_tables(work: Path) -> dict[str, Path]:
    given = of_table_inside(work)
    shutil.copy(work / "photos/labels.csv", work / "photos/more.csv")
    return given


def columns_without_names(work: Path) -> dict[str, Path]:
    given = of_table_beside(work)
    lines = given["labels"].read_text(encoding="utf-8").splitlines(keepends=True)
    given["labels"].write_text("".join(lines[1:]), encoding="utf-8")
    return given


def paths_elsewhere(work: Path) -> dict[str, Path]:
    return {"images": work / "photos", "labels": table(work, "pictures/")}


def no_json(work: Path) -> dict[str, Path]:
    given = of_coco(work)
    given["labels"].write_text("{", encoding="utf-8")
    return given


def other_json(work: Path) -> dict[str, Path]:
    given = of_coco(work)
    given["labels"].write_text('{"info": {}}', encoding="utf-8")
    return given


def spreadsheet(work: Path) -> dict[str, Path]:
    class_folders(work / "photos")
    (work / "labels.xlsx").write_bytes(b"PK")
    return {"images": work / "photos", "labels": work / "labels.xlsx"}


def no_label_column(work: Path) -> dict[str, Path]:
    given = of_parquet(work)
    for path in (work / "tables").iterdir():
        datasets.Dataset.from_parquet(str(path)).remove_columns("bird").to_parquet(str(path))
    return given


def damaged_parquet(work: Path) -> dict[str, Path]:
    (work / "tables").mkdir()
    (work / "tables/train.parquet").write_bytes(b"PAR1 and no more")
    return {"images": work / "tables"}


def fiftyone_without_labels(work: Path) -> dict[str, Path]:
    given = of_fiftyone(work)
    (work / "export/samples.json").write_text('{"samples": 3}', encoding="utf-8")
    return given


REFUSED = {
    lambda work: {"images": work / "absent"}: "no folder .*absent: give the folder that holds the images",
    lambda work: {**of_class_folders(work), "labels": work / "absent.csv"}: "absent.csv: no such file",
    without_images: "photos: no image in it",
    flat: "lie in no folders of classes",
    two_tables: "holds 'labels.csv', 'more.csv'; name the one with the labels",
    columns_without_names: "no column with the image's path among .*call it 'path'",
    paths_elsewhere: "none of its 12 images is in .*photos; the first is 'pictures/red owl/0.jpg'",
    no_json: "instances.json: not JSON",
    other_json: "instances.json: images: .*",
    spreadsheet: "labels.xlsx: neither a .csv or .tsv nor a COCO .json",
    no_label_column: "no column of labels among 'image'",
    damaged_parquet: r"train\.parquet: not readable as Parquet",
    fiftyone_without_labels: "samples: must be a list of samples",
}


@pytest.mark.parametrize("make", REFUSED, ids=[*map(str, range(len(REFUSED)))])
def test_what_does_not_fit_leaves_nothing_behind(
    make: Callable[[Path], dict[str, Path]], tmp_path: Path
) -> None:
    given = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CairnError, match=REFUSED[make]) as refused:
        init_project(tmp_path / "birds", **given)
    assert "Traceback" not in str(refused.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": "species,genus"}, "no column 'genus'; there are"),
        ({"sizes": "many"}, "--sizes is 'many'"),
        ({"levels": "species", "tree_levels": "group,order", "sizes": "3"}, "sizes"),
    ],
)
def test_options_that_do_not_fit_leave_nothing_behind(
    options: dict[str, str], message: str, tmp_path: Path
) -> None:
    given = of_table_beside(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CairnError, match=message):
        init_project(tmp_path / "birds", **given, **options)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    given = of_class_folders(tmp_path)
    (tmp_path / "birds").mkdir()
    (tmp_path / "birds/notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(CairnError, match="birds: holds files already; name a new or an empty folder"):
        init_project(tmp_path / "birds", **given)
    assert [path.name for path in (tmp_path / "birds").iterdir()] == ["notes.txt"]
    with pytest.raises(CairnError, match="'My Birds' is no name for a dataset"):
        init_project(tmp_path / "My Birds", **given)


def test_a_project_below_a_repository_is_no_repository_of_its_own(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    init_project(tmp_path / "birds", **of_class_folders(tmp_path))
    assert not (tmp_path / "birds/.git").exists()
    assert (tmp_path / "birds/.dvc").is_dir()


@pytest.mark.parametrize(
    ("n_classes", "recipe", "split"),
    [(3, "fewest_photos", {"by": "image"}), (16, "few_photos", None), (64, "photos", None)],
)
def test_of_few_classes_none_is_held_out(n_classes: int, recipe: str, split: dict[str, str] | None) -> None:
    declared, chosen = usual_plan({"labels": "folders"}, Declaration(), n_classes)
    assert (chosen, declared.get("split")) == (recipe, split)
    assert usual_plan({"split": "part"}, Declaration(), n_classes)[0] == {"split": "part"}
    with pytest.raises(CairnError, match=r"--sizes asks for 100 groups of \d+ labels: give smaller numbers"):
        usual_plan(declared, Declaration(sizes=(100, 4)), n_classes)
