"""`cairn benchmark`: a row per model, nothing measured twice, a run that was killed goes on."""

import json
import re
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModel
from typer.testing import CliRunner, Result

from cairnhub import evaluate_embeddings
from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.card import EvaluationProtocol
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.open_split import PublishedSplits
from cairnhub.pipelines import benchmark, cli
from cairnhub.pipelines.image_vectors import ImageEmbedder, View
from cairnhub.training.models import ModelDescription, save_model, untrained_model
from cairnhub.training.off_the_shelf import off_the_shelf_network
from cairnhub.training.recipes.settings import Network
from tests.datasets_hub.hub_toy import toy_card, write_few, write_toy
from tests.training.tiny import recipe


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder outside any checkout with two models and a hub of two datasets."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAIRN_HUB", str(tmp_path / "hub"))
    protocols = (
        EvaluationProtocol(name="main", query="test", gallery="test"),
        EvaluationProtocol(name="across", query="test", gallery="train", levels=("coarse",)),
        EvaluationProtocol(name="lists", query="test", gallery="train", kind="graded"),
    )
    write_toy(tmp_path / "hub/sample/toy", card=toy_card(protocols=protocols))
    write_few(tmp_path / "hub/sample/few")
    network = recipe().network
    for seed in (0, 1):
        description = ModelDescription("tiny", network, ("fine", "middle", "coarse"), "0" * 64, seed)
        folder = tmp_path / f"model{seed}"
        folder.mkdir()
        save_model(folder, untrained_model(network, seed), description)
    return tmp_path


def cairn(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["benchmark", *arguments], catch_exceptions=False)


def test_a_board_is_what_each_model_gives_and_costs_nothing_twice(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    arguments = ["--models", "model0,model1", "--datasets", "toy,few"]
    done = cairn(*arguments)
    assert done.exit_code == 0
    board = json.loads((place / "benchmark/leaderboard.json").read_text())
    means = [row["mean_h_ap"] for row in board["rows"]]
    assert means == sorted(means, reverse=True)
    assert {row["model"] for row in board["rows"]} == {"model0", "model1"}
    row = next(row for row in board["rows"] if row["model"] == "model1")
    assert (row["recipe"], row["seed"]) == ("tiny", 1)
    cell = row["datasets"]["toy"]
    assert list(cell["protocols"]) == ["main", "across"]
    assert cell["left_out"] == ["lists"]
    assert set(cell["versions"]) == {"cairnhub", "torch"}
    published = describe("toy")
    vectors = ImageEmbedder(place / "model1", PublishedSplits(published)).embedded(View("test")).embeddings
    alone = json.loads(evaluate_embeddings(vectors, published, "main").to_json())
    assert cell["protocols"]["main"]["metrics"] == alone["metrics"]
    page = (place / "benchmark/leaderboard.html").read_text()
    assert page.count("<tr>") == 3
    assert not re.search(r"(src|href)=[\"']?http", page)
    before = {path: path.read_bytes() for path in (place / "benchmark").rglob("*.*")}
    monkeypatch.setattr(benchmark, "_evaluation", lambda *_: pytest.fail("measured twice"))
    cairn(*arguments)
    assert {path: path.read_bytes() for path in (place / "benchmark").rglob("*.*")} == before


def test_a_run_that_was_killed_goes_on(place: Path, monkeypatch: pytest.MonkeyPatch):
    measure, done = benchmark._evaluation, []

    def until_fourth(*arguments):
        done.append(arguments)
        if len(done) == 4:
            raise KeyboardInterrupt
        return measure(*arguments)

    monkeypatch.setattr(benchmark, "_evaluation", until_fourth)
    with pytest.raises(KeyboardInterrupt):
        benchmark.run_benchmark(["model0", "model1"], ["toy", "few"], place / "out")
    assert not (place / "out/leaderboard.json").exists()
    assert len(list((place / "out/measured").glob("*.json"))) == 2  # model0 on both: three protocols
    rows = benchmark.run_benchmark(["model0", "model1"], ["toy", "few"], place / "out")
    assert len(done) == 4 + 3
    assert rows == benchmark.run_benchmark(["model0", "model1"], ["toy", "few"], place / "whole")


def test_a_network_as_it_was_published_has_a_row_too(place: Path, monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(0)
    shape = {"hidden_sizes": [8, 16], "depths": [1, 1], "embedding_size": 8, "layer_type": "basic"}
    (place / "published").mkdir()
    AutoModel.from_config(AutoConfig.for_model("resnet", **shape)).save_pretrained("published")
    processor = {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}, "resample": 3}
    said = {**processor, "do_center_crop": True, "image_mean": [0.2] * 3, "image_std": [0.3] * 3}
    (place / "published/preprocessor_config.json").write_text(json.dumps(said))
    network = Network.model_validate(
        {"backbone": "published", "weights": "published", "image_side_px": 32, "resized_side_px": 40}
        | {
            "interpolation": "bicubic",
            "has_head": False,
            "norm": "none",
            "pooling": "average",
            "embedding_dim": 16,
        }
    )
    assert off_the_shelf_network("published").model_copy(update={"embedding_dim": 16}) == network
    done = cairn("--models", "model0,published", "--datasets", "toy")
    assert done.exit_code == 0
    board = json.loads((place / "benchmark/leaderboard.json").read_text())
    row = next(row for row in board["rows"] if row["model"] == "published")
    assert (row["recipe"], row["seed"]) == ("off the shelf", None)
    assert set(row["datasets"]["toy"]["versions"]) == {"cairnhub", "torch", "transformers"}
    published = describe("toy")
    (place / "saved").mkdir()
    saved = ModelDescription("off the shelf", network, (), "", 0)
    save_model(place / "saved", untrained_model(network, 0), saved)
    vectors = ImageEmbedder(place / "saved", PublishedSplits(published)).embedded(View("test")).embeddings
    alone = json.loads(evaluate_embeddings(vectors, published, "main").to_json())
    assert row["datasets"]["toy"]["protocols"]["main"]["metrics"] == alone["metrics"]
    assert "off the shelf" in (place / "benchmark/leaderboard.html").read_text()
    monkeypatch.setattr(benchmark, "_evaluation", lambda *_: pytest.fail("measured twice"))
    cairn("--models", "model0,published", "--datasets", "toy")


@pytest.mark.parametrize(
    ("models", "datasets", "said"),
    [
        ("nosuch", "toy", r"no dvc\.yaml and params\.yaml in"),
        ("model0", "nosuch", "nosuch"),
        ("model0", "", "need a name each"),
        ("timm/nosuch", "toy", "timm has no network 'nosuch'|package timm is missing"),
        ("efficientnet-lite0", "nosuch", "nosuch"),
    ],
)
def test_what_is_not_there_is_said_before_anything_is_measured(
    place: Path, models: str, datasets: str, said: str
):
    with pytest.raises(CairnError, match=said) as raised:
        cairn("--models", models, "--datasets", datasets)
    assert "\n" not in str(raised.value)
    assert not (place / "benchmark").exists()
