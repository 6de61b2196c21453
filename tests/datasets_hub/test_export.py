"""Exports hold the same bytes, ids and labels as the dataset, told by readers that know nothing of Cairn."""

import json
import struct
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import datasets
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hub_toy import N_IMAGES, content, toy_card, toy_row, toy_tree, write_toy
from typer.testing import CliRunner

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.export.crc32c import crc32c
from cairnhub.datasets_hub.export.export_dataset import FORMATS, RECORD, export_dataset
from cairnhub.datasets_hub.export.file_names import FileNames
from cairnhub.datasets_hub.records import ImageRow, RowList
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.pipelines.cli import app

LEVELS = ("fine", "middle", "coarse")
Labels = tuple[str | None, ...]
Found = dict[str, tuple[bytes, Labels]]


@pytest.fixture(scope="module")
def published(hub: Path) -> dict[str, Found]:
    """Bytes and labels by split and id, read from the shards by pyarrow alone."""
    tree, found = toy_tree(), {}
    for split in N_IMAGES:
        table = pq.read_table(sorted((hub / "sample" / "toy" / "data").glob(f"{split}-*"))).to_pylist()
        found[split] = {
            row["image_id"]: (
                row["image"]["bytes"],
                tuple(None if row[x] is None else tree.at_level(x)[row[x]] for x in LEVELS),
            )
            for row in table
        }
        assert len(found[split]) == N_IMAGES[split]
    return found


def read_imagefolder(folder: Path, split: str) -> Found:
    rows = datasets.load_dataset(str(folder), split=split)
    return {
        row["image_id"]: (row["image"]["bytes"] or Path(row["image"]["path"]).read_bytes(), labels(row))
        for row in rows.cast_column("image", datasets.Image(decode=False))
    }


def of_author(texts: dict[str, str | None], image_id: str) -> bool:
    """Whether the columns of text are those of an image of the toy."""
    return texts["author"] == f"Author {int(image_id.split('-')[1]) % 5}" and len(texts) == 3


def read_webdataset(folder: Path, split: str) -> Found:
    files = [str(path) for path in sorted(folder.glob(f"{split}-*.tar"))]
    rows = datasets.load_dataset("webdataset", data_files={split: files}, split=split)
    assert all(of_author(row["texts"], row["image_id"]) for row in rows["json"])
    return {
        row["json"]["image_id"]: (row["jpg"]["bytes"], labels(row["json"]["labels"]))
        for row in rows.cast_column("jpg", datasets.Image(decode=False))
    }


def read_coco(folder: Path, split: str) -> Found:
    said = json.loads((folder / "annotations" / f"{split}.json").read_text())
    categories = {category["id"]: category for category in said["categories"]}
    by_name = {(category["level"], category["name"]): category for category in said["categories"]}
    assert len(categories) == len(by_name) == sum(map(len, toy_tree().names))
    paths: dict[int, Labels] = {}
    for annotation in said["annotations"]:
        fine = categories[annotation["category_id"]]
        middle = by_name["middle", fine["supercategory"]]
        paths[annotation["image_id"]] = (fine["name"], middle["name"], middle["supercategory"])
    found = {}
    for image in said["images"]:
        assert (image["width"], image["height"]) == (48, 36)
        raw = (folder / "images" / split / image["file_name"]).read_bytes()
        found[image["image_id"]] = (raw, paths.get(image["id"], (None,) * 3))
        assert of_author(image["texts"], image["image_id"])
        assert labels(image["labels"]) == found[image["image_id"]][1]
    return found


def read_fiftyone(folder: Path, split: str) -> Found:
    by_level = [json.loads((folder / split / f"labels.{x}.json").read_text())["labels"] for x in LEVELS]
    main = json.loads((folder / split / "labels.json").read_text())["labels"]
    images = json.loads((folder / split / "images.json").read_text())
    found = {}
    for path in (folder / split / "data").iterdir():
        found[images[path.stem]["image_id"]] = (path.read_bytes(), tuple(x[path.stem] for x in by_level))
        said = main[path.stem]
        assert of_author(images[path.stem]["texts"], images[path.stem]["image_id"])
        assert (said and said["label"]) == by_level[0][path.stem]
        assert said is None or said["attributes"]["image_id"] == images[path.stem]["image_id"]
    return found


def read_label_studio(folder: Path, split: str) -> Found:
    page = ElementTree.fromstring((folder / "config.xml").read_text())
    choices = {choice.attrib["value"] for choice in page.iter("Choice")}
    assert choices == set(toy_tree().at_level("middle"))
    found = {}
    for task in json.loads((folder / "tasks.json").read_text()):
        data = task["data"]
        if data["split"] == split:
            path = data["image"].removeprefix("/data/local-files/?d=")
            found[data["image_id"]] = ((folder / path).read_bytes(), labels(data["labels"]))
            (answer,) = task["predictions"][0]["result"]
            assert answer["value"]["choices"] == [data["labels"]["middle"]]
    return found


def read_tfds(folder: Path, split: str) -> Found:
    info = json.loads((folder / "dataset_info.json").read_text())
    lengths = {part["name"]: sum(map(int, part["shardLengths"])) for part in info["splits"]}
    assert lengths == N_IMAGES
    features = json.loads((folder / "features.json").read_text())["featuresDict"]["features"]
    names = {x: (folder / f"{x}.labels.txt").read_text().splitlines() for x in LEVELS}
    assert {x: features[x]["classLabel"]["numClasses"] for x in LEVELS} == {
        x: str(len(names[x])) for x in LEVELS
    }
    found = {}
    for path in sorted(folder.glob(f"toy-{split}.tfrecord-*")):
        for record in records(path.read_bytes()):
            values = example(record)
            assert set(values) == set(features)
            codes = [values[x] for x in LEVELS]
            path_of = tuple(
                None if i == 2**64 - 1 else names[x][i] for x, i in zip(LEVELS, codes, strict=True)
            )
            texts = {name: values[name].decode() for name in ("author", "license", "source_url")}
            assert of_author(texts, values["image_id"].decode())
            found[values["image_id"].decode()] = (values["image"], path_of)
    return found


def records(raw: bytes) -> Iterator[bytes]:
    """Of a TFRecord file, with both checksums bit by bit."""

    def masked(content: bytes) -> int:
        register = 0xFFFFFFFF
        for byte in content:
            register ^= byte
            for _ in range(8):
                register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
        register ^= 0xFFFFFFFF
        return ((register >> 15 | register << 17 & 0xFFFFFFFF) + 0xA282EAD8) % 2**32

    place = 0
    while place < len(raw):
        (length,) = struct.unpack_from("<Q", raw, place)
        assert struct.unpack_from("<I", raw, place + 8)[0] == masked(raw[place : place + 8])
        content = raw[place + 12 : place + 12 + length]
        assert struct.unpack_from("<I", raw, place + 12 + length)[0] == masked(content)
        yield content
        place += 16 + length


def fields(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and contents of a protocol buffer's fields."""
    place = 0

    def varint() -> int:
        nonlocal place
        value, shift = 0, 0
        while True:
            value, shift, place = value | (raw[place] & 0x7F) << shift, shift + 7, place + 1
            if not raw[place - 1] & 0x80:
                return value

    while place < len(raw):
        key = varint()
        value = varint()
        if key & 7 == 2:
            place += value
            yield key >> 3, raw[place - value : place]
        else:
            yield key >> 3, value


def example(raw: bytes) -> dict[str, int | bytes]:
    values = {}
    for _, entry in fields(dict(fields(raw))[1]):
        both = dict(fields(entry))
        ((_, listed),) = fields(both[2])
        value = dict(fields(listed))[1]
        ((kind, _),) = fields(both[2])
        values[both[1].decode()] = dict(fields(b"\x08" + value))[1] if kind == 3 else value
    return values


def labels(row: dict[str, str | None]) -> Labels:
    return tuple(row[level] for level in LEVELS)


READERS: dict[str, Callable[[Path, str], Found]] = {
    "imagefolder": read_imagefolder,
    "webdataset": read_webdataset,
    "coco": read_coco,
    "fiftyone": read_fiftyone,
    "label-studio": read_label_studio,
    "tfds": read_tfds,
}


@pytest.mark.parametrize("form", FORMATS)
def test_what_goes_out_comes_back(
    hub: Path, published: dict[str, Found], tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, constant in (("webdataset", "TAR_BYTES"), ("tfds", "SHARD_BYTES")):
        monkeypatch.setattr(f"cairnhub.datasets_hub.export.{module}.{constant}", 100_000)
    done = export_dataset("toy", form, tmp_path / "out", hub=hub)
    assert done.n_images == sum(N_IMAGES.values())
    for split, expected in published.items():
        wanted = expected
        if form == "label-studio":  # an image without a label is no question
            wanted = {name: image for name, image in expected.items() if image[1][0] is not None}
        assert READERS[form](tmp_path / "out", split) == wanted
    assert LabelTree.load(tmp_path / "out" / "tree.json") == toy_tree()
    again = export_dataset("toy", form, tmp_path / "again", hub=hub)
    assert content(again.folder) == content(done.folder)


def test_large_splits_are_cut(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, constant in (("webdataset", "TAR_BYTES"), ("tfds", "SHARD_BYTES")):
        monkeypatch.setattr(f"cairnhub.datasets_hub.export.{module}.{constant}", 100_000)
    export_dataset("toy", "webdataset", tmp_path / "tars", hub=hub)
    tars = sorted((tmp_path / "tars").glob("train-*.tar"))
    assert len(tars) > 2
    for path in tars:
        with tarfile.open(path) as tar:
            assert {member.mtime for member in tar} == {0}
    export_dataset("toy", "tfds", tmp_path / "records", hub=hub)
    assert len(list((tmp_path / "records").glob("toy-train.tfrecord-*-of-*"))) > 2


def test_class_folders_are_those_of_the_chosen_level(
    hub: Path, published: dict[str, Found], tmp_path: Path
) -> None:
    export_dataset("toy", "imagefolder", tmp_path / "out", splits=["test"], levels=["coarse"], hub=hub)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        RECORD,
        "test",
        "tree.json",
    ]
    by_class = {path.name: path for path in (tmp_path / "out" / "test").iterdir() if path.is_dir()}
    coarse = {image[1][2] for image in published["test"].values()} - {None}
    assert len(by_class) == len(coarse)
    unlabelled = list((tmp_path / "out" / "test").glob("*.jpg"))
    assert len(unlabelled) == sum(image[1][2] is None for image in published["test"].values())
    row = json.loads((tmp_path / "out" / "test" / "metadata.jsonl").read_text().splitlines()[0])
    assert set(row) == {"file_name", "image_id", "coarse", "author", "license", "source_url"}


def test_pre_annotations_carry_confidence(hub: Path, tmp_path: Path) -> None:
    first = toy_tree().leaves[0]
    export_dataset("toy", "label-studio", tmp_path / "out", confidence={first: 0.25}, hub=hub)
    tasks = json.loads((tmp_path / "out" / "tasks.json").read_text())
    scores = {task["data"]["label"]: task["predictions"][0].get("score") for task in tasks}
    assert scores.pop(first, 0.25) == 0.25
    assert set(scores.values()) == {None}
    order = [task["data"]["label"] for task in tasks]
    assert len(set(order[: len(set(order))])) == len(set(order))  # every label once, then again


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["toy", "--to", "cocoa"], "no format 'cocoa'; did you mean 'coco'"),
        (["tou", "--to", "coco"], "no dataset 'tou'"),
        (["toy", "--to", "coco", "--split", "tets"], "no split 'tets'; did you mean 'test'"),
        (["toy", "--to", "coco", "--level", "finest"], "no level 'finest'"),
        (["toy", "--to", "label-studio", "--level", "coarse"], "level and the one above it"),
    ],
)
def test_the_command_refuses_in_one_line(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.setenv("CAIRN_HUB", str(hub))
    refused = CliRunner().invoke(app, ["export", *arguments, "--output", str(tmp_path / "out")])
    assert refused.exit_code == 1
    assert isinstance(refused.exception, CairnError)
    assert message in str(refused.exception)
    assert "\n" not in str(refused.exception)
    assert not list(tmp_path.iterdir())


def test_what_is_not_an_export_is_not_overwritten(hub: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    (tmp_path / "file").write_text("x")
    own = hub / "sample" / "toy" / "export"
    for folder, message in (
        (tmp_path / "mine", "holds something else"),
        (tmp_path / "file", "is a file"),
        (own, "the folder of the dataset itself"),
    ):
        with pytest.raises(CairnError, match=message):
            export_dataset("toy", "coco", folder, hub=hub)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "x"
    export_dataset("toy", "coco", tmp_path / "out", hub=hub)
    export_dataset("toy", "webdataset", tmp_path / "out", splits=["test"], hub=hub)
    assert not (tmp_path / "out" / "images").exists()


def test_a_killed_export_leaves_what_was_there(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_dataset("toy", "coco", tmp_path / "out", hub=hub)
    before = content(tmp_path / "out")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(FORMATS, "coco", killed)
    with pytest.raises(KeyboardInterrupt):
        export_dataset("toy", "coco", tmp_path / "out", hub=hub)
    assert content(tmp_path) == {f"out/{path}": raw for path, raw in before.items()}


def test_a_column_that_an_imagefolder_cannot_have_is_refused(tmp_path: Path) -> None:
    row = ImageRow(toy_row("train", 1).image, "a.jpg", "a", "train", "x")
    tree = LabelTree.from_table(pd.DataFrame({"file_name": ["x"], "kind": ["y"]}), ["file_name", "kind"])
    card = toy_card(levels=tree.levels, attribution=(), protocols=())
    write_toy(tmp_path / "toy", card=card, tree=tree, partitions=[RowList([row])])
    with pytest.raises(CairnError, match="take another format"):
        export_dataset(tmp_path / "toy", "imagefolder", tmp_path / "out")
    export_dataset(tmp_path / "toy", "imagefolder", tmp_path / "out", levels=["kind"])
    assert [path.name for path in (tmp_path / "out" / "train").iterdir() if path.is_dir()] == ["y"]


def test_the_licence_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_toy(tmp_path / "toy", card=toy_card(redistributable=False, licence="Research only"))
    export_dataset(tmp_path / "toy", "webdataset", tmp_path / "out", splits=["test"])
    assert "for your own use" in caplog.text
    caplog.clear()
    write_toy(tmp_path / "own", card=toy_card(redistributable=False, licence="mine"))
    export_dataset(tmp_path / "own", "webdataset", tmp_path / "out", splits=["test"])
    assert not caplog.text


def test_ids_of_any_kind_become_names_of_their_own() -> None:
    names = FileNames()
    ids = [
        "a/b.jpg",
        "a_b.jpg",
        "A_B.JPG",
        "",
        ".",
        "..",
        "x" * 300,
        "x" * 299,
        "Škocjan 1",
        "../../etc",
        "a\x00b",
    ]
    made = [names.name(each) for each in ids]
    assert len({name.casefold() for name in made}) == len(ids)
    assert all("/" not in name and name[0] != "." and len(name.encode()) < 240 for name in made)
    assert made[0] == "a_b.jpg"
    assert FileNames(dots=False).name("a/b.jpg") == "a_b_jpg"


def test_crc32c_of_the_rfc() -> None:
    """RFC 3720, B.4."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(b"123456789") == 0xE3069283
