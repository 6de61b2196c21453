"""What else is published: Arrow files, a torch view, a Croissant record, a README that runs nothing."""

import hashlib
import json
import re
from pathlib import Path

import datasets
import pytest
import yaml
from hub_toy import N_IMAGES, content, toy_card, toy_row, toy_tree
from huggingface_hub import DatasetCard

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.arrow import write_arrow
from cairnhub.datasets_hub.card import Card, read_card
from cairnhub.datasets_hub.card_images import tree_svg
from cairnhub.datasets_hub.loader import describe, load_dataset
from cairnhub.datasets_hub.readme import render_readme
from cairnhub.datasets_hub.torch_dataset import TorchDataset


def test_arrow_holds_the_same_and_is_mapped(hub: Path, tmp_path: Path) -> None:
    write_arrow("toy", tmp_path / "one", hub=hub)
    write_arrow("toy", tmp_path / "two", hub=hub)
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    mapped = datasets.load_from_disk(tmp_path / "one")
    assert {split: part.num_rows for split, part in mapped.items()} == N_IMAGES
    assert mapped["test"].cache_files
    expected = load_dataset("toy", "test", hub=hub)
    assert mapped["test"].features == expected.features
    assert mapped["test"]["fine"][:] == expected["fine"][:]
    assert mapped["test"][5]["image"].tobytes() == expected[5]["image"].tobytes()


def test_torch_view(hub: Path) -> None:
    torch = pytest.importorskip("torch")
    view = TorchDataset(load_dataset("toy", "test", hub=hub), toy_tree())
    pixels, labels = view[7]
    assert pixels.shape == (3, 36, 48)
    assert labels.tolist() == toy_tree().codes[toy_tree().leaves.index(toy_row("test", 7).leaf)].tolist()
    batch = next(iter(torch.utils.data.DataLoader(view, batch_size=4)))
    assert batch[1].shape == (4, 3)


def test_croissant_is_valid_and_gives_the_rows(hub: Path) -> None:
    croissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    described = croissant.Dataset(str(hub / "sample" / "toy" / "croissant.json"))
    assert not described.metadata.issues.errors
    rows = list(described.records("train"))
    assert len(rows) == N_IMAGES["train"]
    assert rows[1]["train/image_id"] == b"train-0001"
    assert len(list(described.records("nodes"))) == len(toy_tree().nodes())


def test_croissant_gives_the_hash_and_size_of_every_file(hub: Path) -> None:
    folder = hub / "sample" / "toy"
    distribution = json.loads((folder / "croissant.json").read_text())["distribution"]
    files = {file["contentUrl"]: file for file in distribution if file["@type"] == "cr:FileObject"}
    assert set(files) == {path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")}
    for path, file in files.items():
        content = (folder / path).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["contentSize"] == f"{len(content)} B"


def test_card_comes_back_from_the_readme(hub: Path) -> None:
    assert describe("toy", hub=hub).card == toy_card()
    readme = (hub / "sample" / "toy" / "README.md").read_text()
    head = yaml.safe_load(readme.split("---\n")[1])
    configs = ["default", "train", "test", "nodes", "edges"]
    assert [config["config_name"] for config in head["configs"]] == configs
    for path in re.findall(r"!\[.*?\]\((.+?)\)", readme):
        assert (hub / "sample" / "toy" / path).is_file()


@pytest.mark.parametrize(
    ("licence", "shown"),
    [
        ("CC-BY-4.0", {"license": "cc-by-4.0"}),
        ("unknown: ask the authors", {"license": "unknown"}),
        ("PKU VehicleID (research)", {"license": "other", "license_name": "pku-vehicleid-research"}),
    ],
)
def test_the_hub_is_told_the_licence_in_its_own_words(hub: Path, licence: str, shown: dict[str, str]) -> None:
    found = describe("toy", hub=hub)
    readme = render_readme(toy_card(licence=licence), found.tree(), found.stats)
    head = DatasetCard(readme).data.to_dict()
    assert {key: head[key] for key in head if key.startswith("license")} == shown
    assert licence in readme


def test_nothing_in_a_label_or_title_comes_alive(hub: Path) -> None:
    body = (hub / "sample" / "toy" / "README.md").read_text().split("---\n", 2)[2]
    assert "<img" not in body
    assert "<script" not in body
    svg = tree_svg(toy_tree())
    assert "<script" not in svg
    assert "&lt;script&gt;" in svg


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "../etc"}, "name"),
        ({"homepage": "javascript:alert(1)"}, "homepage"),
        ({"annotation_origin": "guessed"}, "annotation_origin"),
        ({"licens": "MIT"}, "licens"),
        ({"attribution": (), "attribution_required": ("train",)}, "attribution_required"),
    ],
)
def test_a_bad_card_names_the_key(changes: dict[str, object], message: str) -> None:
    fields = toy_card().model_dump(mode="json") | changes
    with pytest.raises(ValueError, match=message):
        Card(**fields)
    readme = f"---\n{yaml.safe_dump({'cairn': fields})}---\n"
    with pytest.raises(CairnError, match=f"README.*{message}"):
        read_card(readme, "README.md")
